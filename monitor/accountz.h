/* The document of /accountz, for HTTP and for the system account's services.
 *
 * A monitor thread's, as request.h. It is written as one value (key NULL). */
#ifndef MONITOR_ACCOUNTZ_H
#define MONITOR_ACCOUNTZ_H

#include "monitor/json_write.h"

/* account "" or NULL: the names of all; borrowed for the call. ERR_INVALID with a line for people in error, an empty buffer of the
 * caller's: there is no such account, and what was written to json is of no use. */
MUST_CHECK int accountz_write(const char *account, struct json_writer *json,
                              struct text_buffer *error);
/* One account's part of it, alone; the same errors. */
MUST_CHECK int accountz_write_detail(const char *account, struct json_writer *json,
                                     struct text_buffer *error);

#endif
