/* The document of /varz, for HTTP and for the system account's service.
 *
 * A monitor thread's, as request.h. It is written as one value (key NULL). */
#ifndef MONITOR_VARZ_H
#define MONITOR_VARZ_H

#include "monitor/endpoints.h"
#include "monitor/json_write.h"

/* counts: what was asked for over HTTP; NULL: nothing. */
void varz_write(const struct endpoint_counts *counts, struct json_writer *json);

#endif
