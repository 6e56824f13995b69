/* The document of /subsz, for HTTP and for the system account's service.
 *
 * A monitor thread's, as request.h. Options are a plain value, zeroed for the defaults; their texts
 * are borrowed for the call. */
#ifndef MONITOR_SUBSZ_H
#define MONITOR_SUBSZ_H

#include "monitor/json_write.h"

struct subsz_options {
    bool list;                  /* the subscriptions too */
    int64_t offset, limit;      /* as asked for: below 0 is 0, below 1 is the default */
    const char *account, *test; /* "" or NULL: any */
};

/* Writes the document as one value (key NULL). Returns 0; ERR_INVALID with a line for people in
 * error, an empty buffer of the caller's: nothing was written to json then. */
MUST_CHECK int subsz_write(const struct subsz_options *options, struct json_writer *json,
                           struct text_buffer *error);

#endif
