/* Cost of a run, seen from outside the server.
 *
 * CPU time comes from the process's CPU clock, which the kernel counts in nanoseconds over all
 * threads, living and gone; /proc/PID/stat has the same sum in ticks of 10 ms, too coarse for short
 * runs, and serves where the clock is refused.
 *
 * The histogram is log-linear: values below 64 have a bucket each, and every power of two above is
 * cut into 64 equal steps. Bucket = (exponent << 6) + the six bits after the leading one, so adding
 * is a few shifts, and memory is fixed.
 *
 *     value   0 .. 63      64 .. 127     128 .. 255 (steps of 2)     256 .. 511 (steps of 4)   ...
 *     bucket  0 .. 63      64 .. 127     128 .. 191                  192 .. 255                ...
 */
#include "measure.h"

#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "load.h"


uint64_t measure_now(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (uint64_t)time.tv_sec * MEASURE_SECOND_NS + (uint64_t)time.tv_nsec;
}

void measure_sleep(uint64_t ns)
{
    struct timespec time = {(time_t)(ns / MEASURE_SECOND_NS), (long)(ns % MEASURE_SECOND_NS)};
    while (nanosleep(&time, &time) != 0) {
    }
}

static double clock_seconds(clockid_t clock)
{
    struct timespec time;
    if (clock_gettime(clock, &time) != 0) {
        return -1;
    }
    return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

double measure_own_cpu(void)
{
    return clock_seconds(CLOCK_PROCESS_CPUTIME_ID);
}

static FILE *open_proc(pid_t pid, const char *name)
{
    char path[64];
    snprintf(path, sizeof path, "/proc/%d/%s", (int)pid, name);
    FILE *file = fopen(path, "r");
    if (file == NULL) {
        load_die("cannot read %s: is the server (--server-pid) still running?", path);
    }
    return file;
}

/* Fields 14 and 15 of /proc/PID/stat, counted after the command name, which may hold blanks. */
static double cpu_from_stat(pid_t pid)
{
    char line[1024];
    FILE *file = open_proc(pid, "stat");
    size_t length = fread(line, 1, sizeof line - 1, file);
    fclose(file);
    line[length] = '\0';
    const char *rest = strrchr(line, ')');
    unsigned long user = 0;
    unsigned long system = 0;
    if (rest == NULL || sscanf(rest + 1, " %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu %lu",
                               &user, &system) != 2) {
        load_die("/proc/%d/stat has an unknown form", (int)pid);
    }
    return (double)(user + system) / (double)sysconf(_SC_CLK_TCK);
}

struct measure_usage measure_process(pid_t pid)
{
    struct measure_usage usage = {0};
    if (pid == 0) {
        return usage;
    }
    clockid_t clock;
    usage.cpu_seconds = clock_getcpuclockid(pid, &clock) == 0 ? clock_seconds(clock) : -1;
    if (usage.cpu_seconds < 0) {
        usage.cpu_seconds = cpu_from_stat(pid);
    }
    char line[256];
    FILE *file = open_proc(pid, "status");
    while (fgets(line, sizeof line, file) != NULL) {
        unsigned long kilobytes;
        if (sscanf(line, "VmRSS: %lu", &kilobytes) == 1) {
            usage.rss_bytes = kilobytes * 1024;
        } else if (sscanf(line, "VmHWM: %lu", &kilobytes) == 1) {
            usage.rss_peak_bytes = kilobytes * 1024;
        }
    }
    fclose(file);
    return usage;
}

static uint32_t bucket_of(uint64_t value)
{
    const uint64_t steps = UINT64_C(1) << MEASURE_SUB_BITS;
    if (value < steps) {
        return (uint32_t)value;
    }
    uint32_t shift = 63 - (uint32_t)__builtin_clzll(value) - MEASURE_SUB_BITS;
    return ((shift + 1) << MEASURE_SUB_BITS) + (uint32_t)((value >> shift) - steps);
}

/* The largest value that falls into a bucket: the inverse of bucket_of. */
static uint64_t bucket_top(uint32_t bucket)
{
    const uint64_t steps = UINT64_C(1) << MEASURE_SUB_BITS;
    if (bucket < steps) {
        return bucket;
    }
    uint32_t shift = (bucket >> MEASURE_SUB_BITS) - 1;
    return ((steps + (bucket & (steps - 1)) + 1) << shift) - 1;
}

void measure_add(struct measure_histogram *histogram, uint64_t ns)
{
    histogram->count++;
    histogram->buckets[bucket_of(ns)]++;
    if (ns > histogram->max_ns) {
        histogram->max_ns = ns;
    }
}

uint64_t measure_quantile(const struct measure_histogram *histogram, double fraction)
{
    uint64_t wanted = (uint64_t)(fraction * (double)histogram->count);
    uint64_t seen = 0;
    for (uint32_t i = 0; i < MEASURE_BUCKETS; i++) {
        seen += histogram->buckets[i];
        if (seen > wanted || (seen == histogram->count && seen > 0)) {
            uint64_t top = bucket_top(i);
            return top < histogram->max_ns ? top : histogram->max_ns;
        }
    }
    return 0;
}
