/* Long lists over the monitoring port: streamed, and the same text as in one piece. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>

#include "tests/unit/fake_inspect.h"
#include "tests/unit/monitor_client.h"

/* The text of a chunked body, in place. */
static void unchunk(char *body)
{
    char *out = body, *at = body;
    unsigned long size;
    while ((size = strtoul(at, &at, 16)) > 0) {
        memmove(out, at + 2, size);
        out += size;
        at += 2 + size + 2;
    }
    *out = '\0';
}

static struct monitor_reply ask_list(struct monitor *monitor, const char *target, bool streamed)
{
    struct monitor_reply reply = monitor_client_ask(monitor, "GET", target, "");
    assert_int_equal(reply.status, 200);
    if ((strstr(reply.head, "Transfer-Encoding: chunked") != NULL) != streamed)
        fail_msg("%s: should it be streamed? %d; %s", target, streamed, reply.head);
    if (streamed)
        unchunk(reply.body);
    return reply;
}

/* Its connections: what stands between the brackets. */
static struct span rows_of(const struct monitor_reply *reply)
{
    const char *begin = strstr(reply->body, "\"connections\": [") + strlen("\"connections\": [");
    return (struct span){begin, strlen(begin) - strlen("\n  ]\n}")};
}

/* A streamed page is the pages it could be asked for in, one behind the other. */
static void streamed_and_whole(struct monitor *monitor, const char *detail)
{
    char target[100];
    snprintf(target, sizeof target, "/connz?limit=1500&%s", detail);
    fake_inspect.extra_connections = 1200;
    struct monitor_reply streamed = ask_list(monitor, target, true);
    assert_non_null(strstr(streamed.body, "  \"num_connections\": 1202,\n  \"total\": 1202,\n"));
    struct span rest = rows_of(&streamed);
    for (int offset = 0; offset < 1202; offset += 601) {
        snprintf(target, sizeof target, "/connz?limit=601&offset=%d&%s", offset, detail);
        struct monitor_reply whole = ask_list(monitor, target, false);
        struct span rows = rows_of(&whole);
        assert_true(rest.len >= rows.len && memcmp(rest.ptr, rows.ptr, rows.len) == 0);
        size_t passed = min_size(rows.len + 1, rest.len); /* the comma */
        rest = (struct span){rest.ptr + passed, rest.len - passed};
        free(whole.all);
    }
    assert_int_equal(rest.len, 0);
    fake_inspect.extra_connections = 0;
    free(streamed.all);
}

static void long_lists_are_streamed(void **state)
{
    struct monitor *monitor = *state;
    streamed_and_whole(monitor, "subs=0");
    streamed_and_whole(monitor, "subs=1");
    streamed_and_whole(monitor, "subs=detail&auth=1");
    fake_inspect.extra_connections = 1200;
    struct monitor_reply reply = ask_list(monitor, "/connz?limit=1500&callback=f", true);
    assert_non_null(strstr(reply.head, "application/javascript"));
    assert_true(strncmp(reply.body, "f({\n", 4) == 0);
    assert_string_equal(reply.body + strlen(reply.body) - 4, "]\n})");
    free(reply.all);
    static const char old[] = "GET /connz?limit=1500 HTTP/1.0\r\n\r\n";
    reply = monitor_client_talk(monitor, old, sizeof old - 1);
    assert_null(strstr(reply.head, "chunked"));
    assert_string_equal(reply.body + strlen(reply.body) - 5, "  ]\n}");
    free(reply.all);
    reply = monitor_client_ask(monitor, "HEAD", "/connz?limit=1500", "");
    assert_int_equal(reply.status, 200);
    assert_string_equal(reply.body, "");
    free(reply.all);
    fake_inspect.extra_connections = 0;
}

/* One connection with more subscriptions than a piece holds, first of two and last. */
static void a_long_row_is_cut(void **state)
{
    struct monitor *monitor = *state;
    fake_inspect.extra_subscriptions = 30000;
    struct monitor_reply reply = ask_list(monitor, "/connz?subs=detail", true);
    unsigned count = 0, lists = 0;
    for (char *at = reply.body; (at = strstr(at, "\"sid\"")); at++)
        count++;
    for (char *at = reply.body; (at = strstr(at, "subscriptions_list_detail")); at++)
        lists++;
    assert_int_equal(count, 30002);
    assert_int_equal(lists, 1);
    free(reply.all);
    reply = ask_list(monitor, "/connz?subs=detail&state=all", true);
    assert_string_equal(reply.body + strlen(reply.body) - 20, "\n      ]\n    }\n  ]\n}");
    free(reply.all);
    fake_inspect.extra_subscriptions = 0;
}

static int teardown(void **state)
{
    return monitor_client_teardown(state) || fake_inspect.readers;
}

int main(void)
{
#define WITH_MONITOR(function)                                                                     \
    cmocka_unit_test_setup_teardown(function, monitor_client_setup, teardown)
    const struct CMUnitTest tests[] = {
        WITH_MONITOR(long_lists_are_streamed),
        WITH_MONITOR(a_long_row_is_cut),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
