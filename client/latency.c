/* Cells: values below 64 ns have one each; above, a value's leading bit picks a row of 64 cells and
 * its next six bits the cell. A percentile is the upper end of its cell, never more than the exact
 * maximum: it may overstate by one step, it does not understate. */
#include "client/latency.h"

enum { STEPS = 1 << LATENCY_STEP_BITS };

static void add_relaxed(_Atomic uint64_t *cell, uint64_t more)
{
    uint64_t now = atomic_load_explicit(cell, memory_order_relaxed);
    atomic_store_explicit(cell, now + more, memory_order_relaxed);
}

static uint64_t read_relaxed(const _Atomic uint64_t *cell)
{
    return atomic_load_explicit(cell, memory_order_relaxed);
}

static size_t cell_of(uint64_t ns)
{
    if (ns < STEPS)
        return (size_t)ns;
    int top = 63 - __builtin_clzll(ns);
    if (top > LATENCY_TOP_BIT)
        return LATENCY_CELLS - 1;
    int shift = top - LATENCY_STEP_BITS;
    return ((size_t)(shift + 1) << LATENCY_STEP_BITS) + (size_t)((ns >> shift) & (STEPS - 1));
}

static uint64_t cell_end(size_t cell)
{
    if (cell < STEPS)
        return cell;
    int shift = (int)(cell >> LATENCY_STEP_BITS) - 1;
    uint64_t step = STEPS + (cell & (STEPS - 1));
    return ((step + 1) << shift) - 1;
}

static void widen(struct latency *latency, uint64_t least, uint64_t most)
{
    if (read_relaxed(&latency->count) == 0 || least < read_relaxed(&latency->least_ns))
        atomic_store_explicit(&latency->least_ns, least, memory_order_relaxed);
    if (most > read_relaxed(&latency->most_ns))
        atomic_store_explicit(&latency->most_ns, most, memory_order_relaxed);
}

void latency_add(struct latency *latency, int64_t ns)
{
    uint64_t value = ns > 0 ? (uint64_t)ns : 0;
    widen(latency, value, value);
    add_relaxed(&latency->sum_ns, value);
    add_relaxed(&latency->cells[cell_of(value)], 1);
    add_relaxed(&latency->count, 1);
}

void latency_merge(struct latency *latency, const struct latency *other)
{
    uint64_t count = 0;
    if (read_relaxed(&other->count) == 0)
        return;
    widen(latency, read_relaxed(&other->least_ns), read_relaxed(&other->most_ns));
    for (size_t i = 0; i < LATENCY_CELLS; i++) {
        uint64_t more = read_relaxed(&other->cells[i]);
        add_relaxed(&latency->cells[i], more);
        count += more;
    }
    add_relaxed(&latency->sum_ns, read_relaxed(&other->sum_ns));
    add_relaxed(&latency->count, count);
}

uint64_t latency_percentile(const struct latency *latency, double share)
{
    uint64_t count = read_relaxed(&latency->count), most = read_relaxed(&latency->most_ns),
             seen = 0;
    uint64_t wanted = (uint64_t)(share * (double)count);
    if ((double)wanted < share * (double)count || wanted == 0)
        wanted++;
    if (count == 0)
        return 0;
    for (size_t i = 0; i < LATENCY_CELLS; i++) {
        seen += read_relaxed(&latency->cells[i]);
        if (seen >= wanted)
            return cell_end(i) < most ? cell_end(i) : most;
    }
    return most;
}
