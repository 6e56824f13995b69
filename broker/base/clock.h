/* Time: a monotonic clock for durations and deadlines, the wall clock for what people read.
 * Both are nanoseconds in int64_t. The simulator replaces them with clock_set_fake. Any thread. */
#ifndef BROKER_BASE_CLOCK_H
#define BROKER_BASE_CLOCK_H

#include "broker/base/base.h"

#define NS_PER_MS  1000000LL
#define NS_PER_SEC 1000000000LL

int64_t clock_mono_ns(void);
int64_t clock_wall_ns(void); /* since 1970, UTC */

/* Tests: from now on both clocks show this value; a negative one goes back to real time. */
void clock_set_fake(int64_t ns);

/* RFC 3339 with up to nine fraction digits, trailing zeros cut, in UTC ("2026-01-02T03:04:05.6Z").
 * A value of 0 is Go's zero time. out needs CLOCK_TEXT_MAX bytes. Returns out. */
#define CLOCK_TEXT_MAX 40
char *clock_rfc3339(int64_t wall_ns, char *out);
/* nats-server's uptime form: whole seconds, largest unit first ("1d2h3m4s"). out needs CLOCK_TEXT_MAX bytes. */
char *clock_uptime(int64_t duration_ns, char *out);
/* Go's duration form ("1.5s", "554µs"); with nats-server's rounding for round-trip times below 1 ms. */
char *clock_go_duration(int64_t duration_ns, char *out);
char *clock_rtt(int64_t duration_ns, char *out);

#endif
