/* The document of /accstatz, for HTTP and for the system account's services.
 *
 * A monitor thread's, as request.h. It is written as one value (key NULL). */
#ifndef MONITOR_ACCSTATZ_H
#define MONITOR_ACCSTATZ_H

#include "broker/inspect.h"
#include "monitor/json_write.h"

struct accstatz_options {
    const char *const *accounts; /* only these, as far as there are such; borrowed for the call */
    size_t account_count;        /* 0: all */
    bool unused;                 /* also those that nobody is connected to */
};

/* Returns how many accounts it lists. */
unsigned accstatz_write(const struct accstatz_options *options, struct json_writer *json);
/* The fields of one, into an open object. */
void accstatz_write_fields(const struct inspect_account *account, struct json_writer *json);

#endif
