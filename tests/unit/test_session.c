/* Conversations with the core: what a client sends and must receive, however its bytes are cut, and what becomes of
 * others meanwhile. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>

#include "broker/base/clock.h"
#include "broker/base/mem.h"
#include "tests/unit/core_harness.h"

static struct harness harness;

static void open_with(const struct options *options)
{
    assert_int_equal(harness_open(&harness, options, 2), 0);
}

static int setup(void **state)
{
    (void)state;
    struct options options = harness_options();
    return harness_open(&harness, &options, 2);
}

static int teardown(void **state)
{
    (void)state;
    harness_close(&harness);
    return 0;
}

#define QUIET "CONNECT {\"verbose\":false}\r\n"
#define HEADERS "CONNECT {\"verbose\":false,\"headers\":true,\"no_responders\":true}\r\n"

static struct harness_client *client(unsigned worker, const char *first)
{
    struct harness_client *made = harness_connect(&harness, worker);
    harness_send(made, first);
    return made;
}

static void expect(struct harness_client *of, const char *expected)
{
    char *got = harness_take(of);
    assert_string_equal(got, expected);
    free(got);
}

static void expect_closed(struct harness_client *of, enum close_reason reason, const char *last_words)
{
    assert_null(of->session);
    assert_string_equal(close_reason_label(of->reason), close_reason_label(reason));
    expect(of, last_words);
}

/* ---- conversations, in any pieces ---- */

struct conversation {
    const char *name, *input, *output;
    enum close_reason ends; /* CLOSE_NONE: stays open */
};

static const struct conversation conversations[] = {
    {"ping", QUIET "PING\r\nping\nPiNg extra words\r\n", "PONG\r\nPONG\r\nPONG\r\n", CLOSE_NONE},
    {"verbose", "CONNECT {}\r\nPING\r\nSUB a 1\r\nPUB a 2\r\nhi\r\nUNSUB 1\r\n",
     "+OK\r\nPONG\r\n+OK\r\n+OK\r\nMSG a 1 2\r\nhi\r\n+OK\r\n", CLOSE_NONE},
    {"no connect", "SUB a 1\r\nPUB a 1\r\nx\r\n", "+OK\r\n+OK\r\nMSG a 1 1\r\nx\r\n", CLOSE_NONE},
    {"to itself", QUIET "SUB a.* 1\r\nSUB a.> q 2\r\nPUB a.b c.d 5\r\nhe\r\no\r\nPUB z 0\r\n\r\n",
     "MSG a.b 1 c.d 5\r\nhe\r\no\r\nMSG a.b 2 c.d 5\r\nhe\r\no\r\n", CLOSE_NONE},
    {"no echo", "CONNECT {\"verbose\":false,\"echo\":false}\r\nSUB a 1\r\nPUB a 1\r\nx\r\nPING\r\n", "PONG\r\n",
     CLOSE_NONE},
    {"headers", HEADERS "SUB a 1\r\nHPUB a 12 14\r\nNATS/1.0\r\n\r\nhi\r\nHPUB a r 12 12\r\nNATS/1.0\r\n\r\n\r\n",
     "HMSG a 1 12 14\r\nNATS/1.0\r\n\r\nhi\r\nHMSG a 1 r 12 12\r\nNATS/1.0\r\n\r\n\r\n", CLOSE_NONE},
    {"auto-unsubscribe", QUIET "SUB a 1\r\nUNSUB 1 2\r\nPUB a 1\r\n1\r\nPUB a 1\r\n2\r\nPUB a 1\r\n3\r\nSUB a 1\r\n"
     "PUB a 1\r\n4\r\n", "MSG a 1 1\r\n1\r\nMSG a 1 1\r\n2\r\nMSG a 1 1\r\n4\r\n", CLOSE_NONE},
    {"unsubscribe past", QUIET "SUB a 1\r\nPUB a 1\r\n1\r\nPUB a 1\r\n2\r\nUNSUB 1 2\r\nPUB a 1\r\n3\r\n",
     "MSG a 1 1\r\n1\r\nMSG a 1 1\r\n2\r\n", CLOSE_NONE},
    {"unsubscribe later", QUIET "SUB a 1\r\nPUB a 1\r\n1\r\nUNSUB 1 2\r\nPUB a 1\r\n2\r\nPUB a 1\r\n3\r\n",
     "MSG a 1 1\r\n1\r\nMSG a 1 1\r\n2\r\n", CLOSE_NONE},
    {"same sid again", QUIET "SUB a 1\r\nSUB b 1\r\nPUB b 1\r\nx\r\nPUB a 1\r\ny\r\n", "MSG a 1 1\r\ny\r\n",
     CLOSE_NONE},
    {"invalid subject", QUIET "SUB a..b 1\r\nSUB a.>.b 2\r\nPING\r\n",
     "-ERR 'Invalid Subject'\r\n-ERR 'Invalid Subject'\r\nPONG\r\n", CLOSE_NONE},
    {"pedantic", "CONNECT {\"verbose\":false,\"pedantic\":true}\r\nSUB > 1\r\nPUB a.* 1\r\nx\r\n",
     "-ERR 'Invalid Publish Subject'\r\nMSG a.* 1 1\r\nx\r\n", CLOSE_NONE},
    {"nobody answers", HEADERS "SUB in 9\r\nPUB nobody in 0\r\n\r\nPUB nobody 0\r\n\r\nPUB nobody other 0\r\n\r\n",
     "HMSG in 9 16 16\r\nNATS/1.0 503\r\n\r\n\r\n", CLOSE_NONE},
    {"blanks", QUIET "SUB \t a \t 1 \t\r\nPUB\ta\t  2  \r\nhi\r\n", "MSG a 1 2\r\nhi\r\n", CLOSE_NONE},
    {"unknown", QUIET "PING\r\nXYZ\r\nPING\r\n", "PONG\r\n-ERR 'Unknown Protocol Operation'\r\n",
     CLOSE_UNKNOWN_OPERATION},
    {"payload too long for its size", QUIET "SUB a 1\r\nPUB a 2\r\nabc\r\nPING\r\n",
     "-ERR 'Unknown Protocol Operation'\r\n", CLOSE_UNKNOWN_OPERATION},
    {"payload ends in LF only", QUIET "SUB a 1\r\nPUB a 2\r\nab\n\nPING\r\n",
     "-ERR 'Unknown Protocol Operation'\r\n", CLOSE_UNKNOWN_OPERATION},
    {"malformed", QUIET "PING\r\nPUB a x\r\nPING\r\n", "PONG\r\n", CLOSE_PROTOCOL_VIOLATION},
    {"payload over the limit", QUIET "SUB a 1\r\nPUB a 1048577\r\n", "-ERR 'Maximum Payload Violation'\r\n",
     CLOSE_MAX_PAYLOAD},
    {"headers not agreed", "CONNECT {\"verbose\":false}\r\nHPUB a 12 12\r\nNATS/1.0\r\n\r\n\r\n", "",
     CLOSE_PROTOCOL_VIOLATION},
    {"no JSON", "CONNECT {\"verbose\":\r\nPING\r\n", "", CLOSE_PROTOCOL_VIOLATION},
    {"wrong type", "CONNECT {\"verbose\":1}\r\n", "", CLOSE_PROTOCOL_VIOLATION},
    {"error from the client", QUIET "-ERR 'what'\r\n", "", CLOSE_PARSE_ERROR},
    {"reserved subject", QUIET "PUB _GR_.x 1\r\nx\r\nPING\r\n",
     "-ERR 'Permissions Violation for Publish to \"_GR_.x\"'\r\nPONG\r\n", CLOSE_NONE},
    {"second connect", "CONNECT {\"verbose\":true}\r\nCONNECT {\"verbose\":false}\r\nSUB a 1\r\nPING\r\n",
     "+OK\r\nPONG\r\n", CLOSE_NONE},
};

static void check_conversation(const struct conversation *talk, const struct harness_client *of, const char *how)
{
    const char *got = of->output ? of->output : "";
    if (strcmp(got, talk->output) != 0)
        fail_msg("%s, %s: got <%s>, not <%s>", talk->name, how, got, talk->output);
    if (talk->ends != CLOSE_NONE ? of->session != NULL || of->reason != talk->ends : of->session == NULL)
        fail_msg("%s, %s: ended with %s", talk->name, how, close_reason_label(of->reason));
}

static void whole(void **state)
{
    (void)state;
    for (size_t i = 0; i < array_length(conversations); i++) {
        struct harness_client *one = client(0, conversations[i].input);
        check_conversation(&conversations[i], one, "whole");
        harness_hang_up(one);
    }
}

static void cut_anywhere_in_two(void **state)
{
    (void)state;
    for (size_t i = 0; i < array_length(conversations); i++) {
        const char *input = conversations[i].input;
        size_t len = strlen(input);
        for (size_t cut = 1; cut < len; cut++) {
            char how[32];
            struct harness_client *one = harness_connect(&harness, 0);
            harness_feed(one, input, cut);
            if (cut % 2)
                harness_settle(&harness);
            harness_feed_room(one, input + cut, len - cut);
            harness_settle(&harness);
            snprintf(how, sizeof how, "cut at %zu", cut);
            check_conversation(&conversations[i], one, how);
            harness_hang_up(one);
        }
    }
}

static void cut_into_small_pieces(void **state)
{
    (void)state;
    for (size_t i = 0; i < array_length(conversations); i++) {
        const char *input = conversations[i].input;
        size_t len = strlen(input);
        for (size_t piece = 1; piece <= 5; piece++) {
            char how[32];
            struct harness_client *one = harness_connect(&harness, 0);
            for (size_t at = 0; at < len; at += piece)
                harness_feed_room(one, input + at, min_size(piece, len - at));
            harness_settle(&harness);
            snprintf(how, sizeof how, "pieces of %zu", piece);
            check_conversation(&conversations[i], one, how);
            harness_hang_up(one);
        }
    }
}

/* What is half said when the peer leaves is forgotten, wherever it was cut. */
static void left_in_the_middle(void **state)
{
    (void)state;
    for (size_t i = 0; i < array_length(conversations); i++) {
        for (size_t cut = 0; cut < strlen(conversations[i].input); cut++) {
            struct harness_client *one = harness_connect(&harness, i % 2);
            harness_feed(one, conversations[i].input, cut);
            harness_hang_up(one);
        }
        harness_settle(&harness);
    }
    assert_int_equal(sublist_counts(harness.broker.global_account->interest).subscriptions, 0);
}

/* ---- limits ---- */

static void control_lines_at_the_limit(void **state)
{
    (void)state;
    enum { MAX = 4096 };
    for (size_t args = MAX - 1; args <= MAX + 1; args++) {
        for (int split = 0; split < 2; split++) {
            struct harness_client *one = client(0, QUIET);
            char *line = malloc(args + 16);
            memcpy(line, "SUB ", 4);
            memset(line + 4, 'a', args);
            memcpy(line + 4 + args - 2, " 1\r\nPING\r\n", 11);
            if (split)
                for (const char *at = line; *at; at++)
                    harness_feed(one, at, 1);
            else
                harness_feed(one, line, strlen(line));
            harness_settle(&harness);
            if (args <= MAX)
                expect(one, "PONG\r\n");
            else
                expect_closed(one, CLOSE_MAX_CONTROL_LINE, "-ERR 'maximum control line exceeded'\r\n");
            harness_hang_up(one);
            free(line);
        }
    }
}

/* A line that never ends costs a bounded amount and is refused. */
static void an_endless_line(void **state)
{
    (void)state;
    static const char *const starts[] = {"PUB ", "SUB a", "CONNECT {", "INFO {", "UNSUB \t", "-ERR "};
    for (size_t i = 0; i < array_length(starts); i++) {
        struct harness_client *one = client(0, QUIET);
        harness_feed(one, starts[i], strlen(starts[i]));
        for (int fed = 0; fed < 100 && one->session->close_reason == CLOSE_NONE; fed++) {
            char piece[100];
            memset(piece, i % 2 ? ' ' : 'x', sizeof piece);
            harness_feed(one, piece, sizeof piece);
            assert_in_range(one->session->partial_capacity, 0, 3 * 4096);
        }
        harness_settle(&harness);
        expect_closed(one, CLOSE_MAX_CONTROL_LINE, "-ERR 'maximum control line exceeded'\r\n");
    }
    struct harness_client *ignored = client(0, QUIET "PING "); /* what follows PING is thrown away as it comes */
    for (int fed = 0; fed < 1000; fed++)
        harness_feed(ignored, "xxxxxxxxxxxxxxxxxxxx", 20);
    assert_in_range(ignored->session->partial_capacity, 0, 100);
    harness_send(ignored, "\r\n");
    expect(ignored, "PONG\r\n");
}

static void many_subscriptions(void **state)
{
    (void)state;
    struct harness_client *one = client(0, QUIET);
    char line[64];
    for (int i = 0; i < 2000; i++) {
        snprintf(line, sizeof line, "SUB s.%d %d\r\n", i, i);
        harness_feed(one, line, strlen(line));
    }
    for (int i = 0; i < 2000; i += 2) {
        snprintf(line, sizeof line, "UNSUB %d\r\n", i);
        harness_feed(one, line, strlen(line));
    }
    harness_settle(&harness);
    assert_int_equal(one->session->sub_count, 1000);
    harness_send(one, "PUB s.100 1\r\nx\r\nPUB s.101 1\r\nx\r\nPUB s.1999 1\r\nx\r\n");
    expect(one, "MSG s.101 101 1\r\nx\r\nMSG s.1999 1999 1\r\nx\r\n");
    harness_hang_up(one);
    harness_settle(&harness);
    assert_int_equal(sublist_counts(harness.broker.global_account->interest).subscriptions, 0);
}

static void subscription_limits(void **state)
{
    (void)state;
    struct options options = harness_options();
    options.max_subscriptions = 2;
    options.max_subscription_tokens = 3;
    open_with(&options);
    struct harness_client *one = client(0, QUIET "SUB a 1\r\nSUB b 2\r\nSUB c 3\r\nPUB c 1\r\nx\r\n");
    expect(one, "-ERR 'maximum subscriptions exceeded'\r\n");
    harness_send(one, "UNSUB 1\r\nSUB c.c.c 3\r\nPUB c.c.c 1\r\nx\r\n");
    expect(one, "MSG c.c.c 3 1\r\nx\r\n");
    harness_send(one, "UNSUB 3\r\nSUB d.d.d.d 4\r\n");
    expect(one, "-ERR 'Permissions Violation for Subscription to \"d.d.d.d\", too many tokens'\r\n");
}

/* ---- authentication and time ---- */

static void credentials(void **state)
{
    (void)state;
    static char user[] = "ann", password[] = "pw";
    struct options options = harness_options();
    options.username = user;
    options.password = password;
    open_with(&options);
    expect(client(0, "CONNECT {\"user\":\"ann\",\"pass\":\"pw\",\"verbose\":false}\r\nPING\r\n"), "PONG\r\n");
    expect_closed(client(0, "CONNECT {\"user\":\"ann\",\"pass\":\"no\",\"verbose\":false}\r\nPING\r\n"), CLOSE_AUTH_FAILURE,
                  "-ERR 'Authorization Violation'\r\n");
    expect_closed(client(0, "PING\r\n"), CLOSE_AUTH_FAILURE, "-ERR 'Authorization Violation'\r\n");
    expect_closed(client(0, "SUB a 1\r\n"), CLOSE_AUTH_FAILURE, "-ERR 'Authorization Violation'\r\n");
    struct harness_client *late = harness_connect(&harness, 0);
    harness_settle(&harness);
    harness_advance(&harness, 2 * NS_PER_SEC - 1);
    assert_non_null(late->session);
    harness_advance(&harness, 1);
    expect_closed(late, CLOSE_AUTH_TIMEOUT, "-ERR 'Authentication Timeout'\r\n");
}

static void silent_peers_are_asked_and_dropped(void **state)
{
    (void)state;
    struct harness_client *one = client(0, QUIET), *two = client(0, QUIET);
    harness_advance(&harness, 3 * NS_PER_SEC);
    expect(one, "PING\r\n");
    harness_send(one, "PONG\r\n");
    assert_true(one->session->rtt_ns >= 0);
    expect(two, "PING\r\n");
    harness_advance(&harness, 120 * NS_PER_SEC);
    harness_send(one, "PING\r\n");
    free(harness_take(one));
    expect(two, "PING\r\n");
    harness_advance(&harness, 120 * NS_PER_SEC);
    expect_closed(two, CLOSE_STALE, "-ERR 'Stale Connection'\r\n");
    assert_non_null(one->session);
}

/* ---- slow receivers ---- */

static void a_slow_receiver_holds_producers_back_and_is_dropped(void **state)
{
    (void)state;
    struct options options = harness_options();
    options.max_pending = 10000;
    open_with(&options);
    for (unsigned worker = 0; worker < 2; worker++) {
        struct harness_client *to = client(worker, QUIET "SUB a 1\r\n"), *from = client(0, QUIET);
        char message[1100];
        int len = snprintf(message, sizeof message, "PUB a 1000\r\n%01000d\r\n", 0);
        to->blocked = true;
        for (int i = 0; i < 8; i++)
            harness_feed(from, message, (size_t)len), harness_settle(&harness);
        assert_true(to->session->gated);
        assert_int_equal(from->stalled_ns, 0);
        harness_feed(from, message, (size_t)len);
        harness_settle(&harness);
        assert_true(from->stalled_ns > 0);
        to->blocked = false; /* reads again: all there, and nobody is held back any more */
        session_touch(to->session);
        harness_settle(&harness);
        assert_false(to->session->gated);
        assert_int_equal(to->output_len, 9 * (sizeof "MSG a 1 1000\r\n" - 1 + 1002));
        to->blocked = true;
        for (int i = 0; i < 11; i++)
            harness_feed(from, message, (size_t)len), harness_settle(&harness);
        assert_null(to->session);
        assert_int_equal(to->reason, CLOSE_SLOW_PENDING);
        assert_non_null(from->session);
        assert_int_equal(harness.broker.deliveries[worker]->gated, 0);
        harness_hang_up(from);
    }
}

/* ---- counters, traces of the closed ---- */

static uint64_t cell(enum metric_id id)
{
    return metrics_get(&harness.broker.deliveries[0]->cells, id) +
           metrics_get(&harness.broker.deliveries[1]->cells, id);
}

static void counts(void **state)
{
    (void)state;
    struct harness_client *to = client(1, QUIET "SUB a.* 1\r\n"), *from = client(0, HEADERS);
    harness_send(from, "PUB a.b 5\r\nhello\r\nHPUB a.c 12 14\r\nNATS/1.0\r\n\r\nhi\r\nPUB nobody 3\r\nabc\r\n");
    expect(to, "MSG a.b 1 5\r\nhello\r\nMSG a.c 1 2\r\nhi\r\n");
    assert_int_equal(cell(METRIC_in_msgs), 3);
    assert_int_equal(cell(METRIC_in_bytes), 5 + 14 + 3);
    assert_int_equal(cell(METRIC_out_msgs), 2);
    assert_int_equal(cell(METRIC_out_bytes), 5 + 2);
    assert_int_equal(cell(METRIC_unmatched_msgs), 1);
    assert_int_equal(cell(METRIC_connections), 2);
    assert_int_equal(from->session->in_msgs, 3);
    assert_int_equal(to->session->out_msgs, 2);
    assert_int_equal(to->session->out_bytes, 7);
    harness_hang_up(to);
    harness_hang_up(from);
    harness_settle(&harness);
    assert_int_equal(cell(METRIC_connections), 0);
    assert_int_equal(cell(METRIC_total_connections), 2);
    struct closed_reader reader = closed_ring_reader(&harness.broker.closed);
    struct closed_place place;
    struct closed_connection closed;
    struct closed_subscription subscription;
    assert_true(closed_ring_next(&reader, &place));
    closed_ring_read(place, &closed);
    assert_int_equal(closed.cid, 1);
    assert_int_equal(closed.counts[CLOSED_OUT_BYTES], 7);
    assert_int_equal(closed.counts[CLOSED_SUBSCRIPTIONS], 1);
    assert_true(closed_ring_next_subscription(&closed.kept, &subscription));
    assert_true(span_equal(subscription.subject, SPAN_LITERAL("a.*")));
    assert_true(span_equal(subscription.sid, SPAN_LITERAL("1")));
    assert_int_equal(subscription.msgs, 2);
}

static void what_the_client_says_of_itself(void **state)
{
    (void)state;
    struct harness_client *one =
        client(0, "CONNECT {\"verbose\":false,\"NAME\":\"n\\u0000m\",\"lang\":\"c\",\"version\":\"1\",\"name\":null}\r\n");
    const struct client_info *info = one->session->info;
    assert_string_equal(info->name, "n m");
    assert_string_equal(info->lang, "c");
    harness_send(one, "CONNECT {\"lang\":\"d\"}\r\n");
    info = one->session->info;
    assert_string_equal(info->name, "n m");
    assert_string_equal(info->lang, "d");
    assert_string_equal(info->version, "1");
}

#define WITH_BROKER(function) cmocka_unit_test_setup_teardown(function, setup, teardown)
#define OPENS_ITS_OWN(function) cmocka_unit_test_teardown(function, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_BROKER(whole),
        WITH_BROKER(cut_anywhere_in_two),
        WITH_BROKER(cut_into_small_pieces),
        WITH_BROKER(left_in_the_middle),
        WITH_BROKER(control_lines_at_the_limit),
        WITH_BROKER(an_endless_line),
        WITH_BROKER(many_subscriptions),
        OPENS_ITS_OWN(subscription_limits),
        OPENS_ITS_OWN(credentials),
        WITH_BROKER(silent_peers_are_asked_and_dropped),
        OPENS_ITS_OWN(a_slow_receiver_holds_producers_back_and_is_dropped),
        WITH_BROKER(counts),
        WITH_BROKER(what_the_client_says_of_itself),
    };
    uint64_t live = mem_live_blocks();
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    check(failed || mem_live_blocks() == live);
    return failed;
}
