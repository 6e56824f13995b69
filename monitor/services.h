/* The system account's services: the thread that answers what arrives in system_queue.h, and tells what happened.
 *
 * services_start is called by the queue when its first task comes; the rest is main's. */
#ifndef MONITOR_SERVICES_H
#define MONITOR_SERVICES_H

#include "broker/base/base.h"

struct endpoint_counts;

/* What /varz tells of the monitoring port, valid until services_stop; NULL, as at first: there is none. Before clients come. */
void services_set_counts(const struct endpoint_counts *counts);
/* false: the thread could not be started. */
bool services_start(void);
/* After system_queue_close: waits for the thread, if there is one. */
void services_stop(void);

/* While the workers run: tells what is due now of what is told again and again, to who listens. Returns the nanoseconds until it
 * wants to be called again: at first a quarter of a second, in the end ten seconds. */
int64_t services_tick(int64_t now_mono_ns);
/* While the workers run: the last message of a server that stops, if anyone listens. Returns once it was delivered. */
void services_tell_shutdown(void);
/* The same for lame duck mode. */
void services_tell_lame_duck(void);

#endif
