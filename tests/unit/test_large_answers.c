/* /connz about as many connections as no file limit here allows: sessions without sockets in the real core, read through the real
 * inspector and monitoring port. What the answer takes in memory is asserted; what it took in time is printed.
 *
 * LARGE_SESSIONS in the environment says how many; the default keeps the ordinary run short. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "broker/inspect_set.h"
#include "tests/unit/core_harness.h"
#include "tests/unit/monitor_client.h"

enum { SESSIONS_DEFAULT = 10000, SUBSCRIPTIONS = 20, WORKERS = 3 };

/* Beside forty bytes for each connection, to sort by: pieces in the making, sockets' buffers, the allocator's slack. */
#define ANSWER_BYTES_MAX(sessions) ((sessions) * (size_t)48 + ((size_t)2 << 20))

static size_t session_count(void)
{
    const char *text = getenv("LARGE_SESSIONS");
    return text ? strtoul(text, NULL, 10) : SESSIONS_DEFAULT;
}

static void fill(struct harness *harness, size_t sessions)
{
    char lines[SUBSCRIPTIONS * 64];
    size_t len = 0;
    for (int i = 0; i < SUBSCRIPTIONS; i++)
        len += (size_t)snprintf(lines + len, sizeof lines - len, "SUB some.subject.%d %d\r\n", i, i);
    for (size_t i = 0; i < sessions; i++)
        harness_feed(harness_connect(harness, (unsigned)(i % WORKERS)), lines, len);
}

/* VmRSS or VmHWM, bytes. */
static size_t memory(const char *field)
{
    char line[256];
    size_t kib = 0;
    FILE *file = fopen("/proc/self/status", "r");
    assert_non_null(file);
    while (fgets(line, sizeof line, file))
        if (strncmp(line, field, strlen(field)) == 0)
            kib = strtoul(line + strlen(field) + 1, NULL, 10);
    fclose(file);
    assert_true(kib > 0);
    return kib << 10;
}

static void forget_peak(void)
{
    FILE *file = fopen("/proc/self/clear_refs", "w");
    assert_non_null(file);
    fputs("5", file);
    assert_int_equal(fclose(file), 0);
}

/* How often a text stands in the stream, wherever it is cut. */
struct counter {
    const char *text;
    size_t matched, found;
};

static void count(struct counter *counter, char byte)
{
    if (byte != counter->text[counter->matched])
        counter->matched = byte == counter->text[0];
    else if (counter->text[++counter->matched] == '\0') {
        counter->matched = 0;
        counter->found++;
    }
}

static size_t ask(const struct monitor *monitor, const char *target, struct counter *rows,
                  struct counter *details)
{
    static char buffer[64 << 10];
    char head[256];
    size_t total = 0;
    int fd = monitor_client_dial(monitor);
    int len = snprintf(head, sizeof head, "GET %s HTTP/1.0\r\n\r\n", target);
    assert_int_equal(send(fd, head, (size_t)len, 0), len);
    for (ssize_t got; (got = recv(fd, buffer, sizeof buffer, 0)) > 0; total += (size_t)got) {
        for (ssize_t i = 0; i < got; i++) {
            count(rows, buffer[i]);
            count(details, buffer[i]);
        }
    }
    close(fd);
    return total;
}

/* The core's clock stands still. */
static double now_seconds(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static void connz_in_bounded_memory(void **state)
{
    (void)state;
    static struct harness harness;
    size_t sessions = session_count();
    struct options options = harness_options();
    assert_int_equal(harness_open(&harness, &options, WORKERS), 0);
    fill(&harness, sessions);
    inspect_set(&harness.broker);
    inspect_set_ready(true);
    struct monitor *monitor = monitor_client_start(NULL, 0);
    struct counter first = {.text = "\"stalls\""}, second = {.text = "\"stalls\""};
    (void)ask(monitor, "/varz", &first, &second); /* threads and buffers are there */

    size_t before = memory("VmRSS:");
    forget_peak();
    struct counter rows = {.text = "\"last_activity\""}, details = {.text = "\"sid\""};
    double begun = now_seconds();
    size_t bytes = ask(monitor, "/connz?limit=100000000&subs=detail&sort=subs", &rows, &details);
    double seconds = now_seconds() - begun;
    size_t peak = memory("VmHWM:") - before;
    print_message("%zu connections: %zu MB in %.2f s, %zu KB more resident\n", sessions,
                  bytes / 1000000, seconds, peak / 1000);
    assert_int_equal(rows.found, sessions);
    assert_int_equal(details.found, sessions * SUBSCRIPTIONS);
    assert_true(bytes > 1000 * sessions);
    assert_true(peak < ANSWER_BYTES_MAX(sessions));

    monitor_stop(&monitor);
    inspect_set(NULL);
    harness_close(&harness);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(connz_in_bounded_memory)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
