/* What main gives the inspector to look at. Main thread, before the monitor starts and after it has stopped. */
#ifndef BROKER_INSPECT_SET_H
#define BROKER_INSPECT_SET_H

#include <stdbool.h>
#include <stdint.h>

struct broker;

/* What inspect_set was given, for the inspector's files. Any thread. */
const struct broker *inspect_broker(void);

/* NULL: nothing to see any more. */
void inspect_set(struct broker *broker);
void inspect_set_ready(bool ready);
/* Once a second: how much of a core the process used since the last call. */
void inspect_sample_cpu(void);
double inspect_cpu_percent(void);
/* Of the process, now; 0 if the system does not tell. Any thread. */
uint64_t inspect_resident_bytes(void);

#endif
