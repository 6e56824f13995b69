/* The document of /connz, for HTTP and for the system account's service.
 *
 * A monitor thread's, as request.h. Options are a plain value, zeroed for the defaults; their texts
 * are borrowed for the call. */
#ifndef MONITOR_CONNZ_H
#define MONITOR_CONNZ_H

#include "broker/inspect.h"
#include "monitor/json_write.h"

struct connz_options {
    const char *sort; /* a name as in the query; "" or NULL: by cid */
    enum inspect_state state;
    bool auth, subs, detail; /* detail wins over subs */
    int64_t offset, limit;   /* as asked for: below 0 is 0, below 1 is the default */
    uint64_t cid;            /* 0: any; else the limit is 1 */
    /* Exact; "" or NULL: any. */
    const char *user, *account, *mqtt_client;
    /* Open connections with a subscription that overlaps it, only together with account; "" or
     * NULL: any. Services have it, the query over HTTP does not. */
    const char *filter_subject;
};

/* Writes the document as one value (key NULL). Returns 0; ERR_INVALID or ERR_MEMORY with a line for
 * people in error, an empty buffer of the caller's: what was written to json is then of no use. */
MUST_CHECK int connz_write(const struct connz_options *options, struct json_writer *json,
                           struct text_buffer *error);

#endif
