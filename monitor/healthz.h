/* The document of /healthz, for HTTP and for the system account's service.
 *
 * A monitor thread's, as request.h. It is written as one value (key NULL). */
#ifndef MONITOR_HEALTHZ_H
#define MONITOR_HEALTHZ_H

#include "monitor/json_write.h"

struct healthz_options {
    const char *account, *stream, *consumer; /* borrowed for the call; "" or NULL: none */
    bool details;
    bool with_code; /* the HTTP status as a field too */
};

/* Returns the HTTP status. */
unsigned healthz_write(const struct healthz_options *options, struct json_writer *json);

#endif
