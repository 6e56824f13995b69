/* The fields of /debug/vars, for HTTP and for the system account's service.
 *
 * A monitor thread's, as request.h. */
#ifndef MONITOR_DEBUG_VARS_H
#define MONITOR_DEBUG_VARS_H

#include "monitor/json_write.h"

/* cmdline and memstats, into an open object. */
void debug_vars_write_fields(struct json_writer *json);

#endif
