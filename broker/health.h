/* Is the server well? What orchestrators ask, one named check at a time.
 *
 * health_ask answers on any monitor thread, between health_set(broker, ...) and health_set(NULL, ...), and may take up to
 * HEALTH_PATIENCE_MS when a loop does not answer. Nothing runs and nothing is allocated while nobody asks. */
#ifndef BROKER_HEALTH_H
#define BROKER_HEALTH_H

#include "broker/base/base.h"

enum health_check {
    HEALTH_STARTED,     /* the start came to its end, once */
    HEALTH_MAIN_LOOP,   /* the main thread's loop turns */
    HEALTH_WORKERS,     /* each worker's loop turns when asked to */
    HEALTH_SHUTDOWN,    /* not on the way out */
    HEALTH_LISTENER,    /* clients are accepted */
    HEALTH_CONNECTIONS, /* fewer than max_connections */
    HEALTH_DESCRIPTORS, /* some are left for clients */
    HEALTH_MEMORY       /* not about to be killed for what it uses */
};

enum { HEALTH_REASON_MAX = 160, HEALTH_PATIENCE_MS = 100 };

/* Whether all is well; if not, why, in one sentence. */
MUST_CHECK bool health_ask(enum health_check check, char reason[HEALTH_REASON_MAX]);

#endif
