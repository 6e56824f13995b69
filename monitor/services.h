/* The system account's services: the thread that answers what arrives in system_queue.h, and tells what happened.
 *
 * services_stop is main's; services_start is called by the queue when its first task comes. */
#ifndef MONITOR_SERVICES_H
#define MONITOR_SERVICES_H

#include "broker/base/base.h"

/* false: the thread could not be started. */
bool services_start(void);
/* After system_queue_close: waits for the thread, if there is one. */
void services_stop(void);
/* Main, while the workers run: the last message of a server that stops, if anyone listens. Returns once it was delivered. */
void services_tell_shutdown(void);
/* The same for lame duck mode. */
void services_tell_lame_duck(void);

#endif
