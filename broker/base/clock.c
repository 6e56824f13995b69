/* Clocks and the textual forms of time that nats-server's documents use.
 * The forms follow Go's time package: RFC3339Nano, Duration.String, and nats-server's own uptime text. */
#include "broker/base/clock.h"

#include <inttypes.h>
#include <stdatomic.h>
#include <stdio.h>
#include <time.h>

static _Atomic int64_t fake_ns = -1;

static int64_t read_clock(clockid_t id)
{
    int64_t fake = atomic_load_explicit(&fake_ns, memory_order_relaxed);
    if (fake >= 0)
        return fake;
    struct timespec now;
    clock_gettime(id, &now);
    return (int64_t)now.tv_sec * NS_PER_SEC + now.tv_nsec;
}

int64_t clock_mono_ns(void)
{
    return read_clock(CLOCK_MONOTONIC);
}

int64_t clock_wall_ns(void)
{
    return read_clock(CLOCK_REALTIME);
}

void clock_set_fake(int64_t ns)
{
    atomic_store(&fake_ns, ns);
}

/* Writes value / 10^digits as a decimal without trailing zeros; returns the end. */
static char *append_fraction(char *out, uint64_t fraction, int digits)
{
    if (fraction == 0)
        return out;
    char text[24];
    int len = snprintf(text, sizeof text, "%0*" PRIu64, digits, fraction);
    while (len > 0 && text[len - 1] == '0')
        len--;
    *out++ = '.';
    memcpy(out, text, (size_t)len);
    return out + len;
}

char *clock_rfc3339(int64_t wall_ns, char *out)
{
    if (wall_ns == 0)
        return memcpy(out, "0001-01-01T00:00:00Z", 21);
    time_t seconds = (time_t)(wall_ns / NS_PER_SEC);
    struct tm parts;
    gmtime_r(&seconds, &parts);
    size_t len = strftime(out, CLOCK_TEXT_MAX, "%Y-%m-%dT%H:%M:%S", &parts);
    char *end = append_fraction(out + len, (uint64_t)(wall_ns % NS_PER_SEC), 9);
    memcpy(end, "Z", 2);
    return out;
}

char *clock_uptime(int64_t duration_ns, char *out)
{
    int64_t seconds = duration_ns > 0 ? duration_ns / NS_PER_SEC : 0;
    int64_t minutes = seconds / 60, hours = minutes / 60, days = hours / 24, years = days / 365;
    char *end = out + CLOCK_TEXT_MAX;
    char *at = out;
    if (years > 0)
        at += snprintf(at, (size_t)(end - at), "%" PRId64 "y", years);
    if (days > 0)
        at += snprintf(at, (size_t)(end - at), "%" PRId64 "d", days % 365);
    if (hours > 0)
        at += snprintf(at, (size_t)(end - at), "%" PRId64 "h", hours % 24);
    if (minutes > 0)
        at += snprintf(at, (size_t)(end - at), "%" PRId64 "m", minutes % 60);
    snprintf(at, (size_t)(end - at), "%" PRId64 "s", seconds % 60);
    return out;
}

char *clock_go_duration(int64_t duration_ns, char *out)
{
    char *at = out, *end = out + CLOCK_TEXT_MAX;
    uint64_t left = (uint64_t)duration_ns;
    if (duration_ns < 0) {
        *at++ = '-';
        left = 0 - left;
    }
    static const struct {
        uint64_t below, unit;
        int digits;
        const char *name;
    } small[] = {{1000, 1, 0, "ns"}, {1000000, 1000, 3, "µs"}, {NS_PER_SEC, NS_PER_MS, 6, "ms"}};
    if (left == 0)
        return memcpy(out, "0s", 3);
    for (size_t i = 0; i < array_length(small); i++) {
        if (left < small[i].below) {
            at += snprintf(at, (size_t)(end - at), "%" PRIu64, left / small[i].unit);
            at = append_fraction(at, left % small[i].unit, small[i].digits);
            memcpy(at, small[i].name, strlen(small[i].name) + 1);
            return out;
        }
    }
    uint64_t seconds = left / NS_PER_SEC;
    if (seconds >= 3600)
        at += snprintf(at, (size_t)(end - at), "%" PRIu64 "h", seconds / 3600);
    if (seconds >= 60)
        at += snprintf(at, (size_t)(end - at), "%" PRIu64 "m", seconds / 60 % 60);
    at += snprintf(at, (size_t)(end - at), "%" PRIu64, seconds % 60);
    at = append_fraction(at, left % NS_PER_SEC, 9);
    memcpy(at, "s", 2);
    return out;
}

char *clock_rtt(int64_t duration_ns, char *out)
{
    if (duration_ns > 1000 && duration_ns < NS_PER_MS)
        duration_ns -= duration_ns % 1000;
    return clock_go_duration(duration_ns, out);
}
