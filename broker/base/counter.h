/* A counter with one writing thread: any other may read it at any time. A plain add, as no lock or bus is involved.
 *
 * Configured with -DCLEARWING_COUNTERS=OFF nothing is counted: a build to measure what counting costs. Not for values that
 * the broker itself acts on. */
#ifndef BROKER_BASE_COUNTER_H
#define BROKER_BASE_COUNTER_H

#include <stdatomic.h>
#include <stdint.h>

static inline void counter_add(_Atomic uint64_t *counter, uint64_t n)
{
    if (CLEARWING_COUNTERS)
        atomic_store_explicit(counter, atomic_load_explicit(counter, memory_order_relaxed) + n,
                              memory_order_relaxed);
}

#endif
