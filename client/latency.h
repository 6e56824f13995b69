/* A log-linear histogram of durations: 64 steps per power of two, so a value is known to 1.6 %, the
 * extremes exactly. One thread adds; any thread may read at any time and sees each cell whole.
 * Nanoseconds. In place, no allocation. */
#ifndef CLIENT_LATENCY_H
#define CLIENT_LATENCY_H

#include "broker/base/base.h"

#include <stdatomic.h>

enum {
    LATENCY_STEP_BITS = 6,
    LATENCY_TOP_BIT = 40, /* 18 minutes; what is longer counts as that, the maximum stays exact */
    LATENCY_CELLS = (LATENCY_TOP_BIT - LATENCY_STEP_BITS + 2) << LATENCY_STEP_BITS,
};

struct latency {
    _Atomic uint64_t count, sum_ns, least_ns, most_ns;
    _Atomic uint64_t cells[LATENCY_CELLS];
};

/* An all-zero struct is empty. A negative duration counts as zero. */
void latency_add(struct latency *latency, int64_t ns);
/* Adds all of other, which may still grow. */
void latency_merge(struct latency *latency, const struct latency *other);
/* The duration that `share` (0 to 1) of all do not exceed; 0 when empty. */
uint64_t latency_percentile(const struct latency *latency, double share);

#endif
