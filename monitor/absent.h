/* The documents of what this server does not have, for HTTP and for the system account's services.
 *
 * A monitor thread's, as request.h. Each is written as one value (key NULL). */
#ifndef MONITOR_ABSENT_H
#define MONITOR_ABSENT_H

#include "monitor/json_write.h"

void absent_write_routez(struct json_writer *json);
void absent_write_gatewayz(struct json_writer *json);
void absent_write_leafz(struct json_writer *json);
void absent_write_jsz(struct json_writer *json);

#endif
