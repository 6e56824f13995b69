/* What a run costs and how long things took: CPU time and memory of the server's process, a clock,
 * a histogram.
 *
 * One thread. Times are nanoseconds of the monotonic clock unless a name says seconds; memory is
 * bytes. A process that cannot be read (no such pid) ends the program with one line, since no
 * figure would mean anything after that. */
#ifndef BENCH_MEASURE_H
#define BENCH_MEASURE_H

#include <stdint.h>
#include <sys/types.h>

enum {
    MEASURE_SUB_BITS = 6, /* 64 steps per power of two: an error of at most 1.6 % */
    MEASURE_BUCKETS = (64 - MEASURE_SUB_BITS + 1) << MEASURE_SUB_BITS,
};

#define MEASURE_SECOND_NS UINT64_C(1000000000)

struct measure_histogram {
    uint64_t count;
    uint64_t max_ns;
    uint64_t buckets[MEASURE_BUCKETS];
};

struct measure_usage {
    double cpu_seconds; /* user and system time of all threads since the process started */
    uint64_t rss_bytes;
    uint64_t rss_peak_bytes;
};

uint64_t measure_now(void);
void measure_sleep(uint64_t ns);

/* Usage of process `pid`; all zero when pid is 0 (no server was named). */
struct measure_usage measure_process(pid_t pid);
/* CPU seconds of this process itself. */
double measure_own_cpu(void);

void measure_add(struct measure_histogram *histogram, uint64_t ns);
/* The value below which `fraction` (0..1) of the values lie, as the upper edge of its bucket; 0
 * when empty. */
uint64_t measure_quantile(const struct measure_histogram *histogram, double fraction);

#endif
