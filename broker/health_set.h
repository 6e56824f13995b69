/* What main tells of itself for the checks of health.h. Main thread. */
#ifndef BROKER_HEALTH_SET_H
#define BROKER_HEALTH_SET_H

#include "broker/net/worker.h"

/* Before the monitor starts; NULL after it has stopped. Both are borrowed. */
void health_set(const struct broker *broker, struct worker *const *workers);
/* The start is over. */
void health_set_started(void);
/* Once a second, by the main loop. */
void health_set_turned(void);

#endif
