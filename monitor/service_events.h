/* What the server tells by itself on subjects of the system account. Nothing is written for a subject that nobody listens to.
 *
 * The services' thread for what workers queue, main for the rest. */
#ifndef MONITOR_SERVICE_EVENTS_H
#define MONITOR_SERVICE_EVENTS_H

#include "broker/system_task.h"
#include "monitor/json_write.h"

/* A task that is an event. */
void service_events_tell(const struct system_task *task);
/* The request for an account's connections, which is answered by that event; nothing for an account without any. */
void service_events_answer_connections(const struct system_task *task);

/* The value of "statsz". */
void service_events_write_statsz(struct json_writer *json);
/* A finished message about this server's statistics, for everybody. */
void service_events_publish_statsz(const struct text_buffer *message);

/* Main: what is due now of what is told again and again. Returns the nanoseconds to the next call, at most ten seconds. */
int64_t service_events_tick(int64_t now_mono_ns);
/* Main: the server itself on $SYS.SERVER.<id>.<what>; returns once it was delivered. */
void service_events_tell_server(const char *what);

#endif
