/* Messages between workers: order, sizes around each limit, many targets, reuse, what happens without memory. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>

#include "broker/base/mem.h"
#include "tests/unit/core_harness.h"

static struct harness harness;

static int setup(void **state)
{
    (void)state;
    struct options options = harness_options();
    return harness_open(&harness, &options, 3);
}

static int teardown(void **state)
{
    (void)state;
    harness_close(&harness);
    return 0;
}

static struct harness_client *client(unsigned worker, const char *first)
{
    struct harness_client *made = harness_connect(&harness, worker);
    harness_send(made, "CONNECT {\"verbose\":false,\"headers\":true}\r\n");
    harness_send(made, first);
    return made;
}

/* A message of this many bytes, each telling its number; returns the length of all. */
static size_t append_publish(char *out, unsigned number, size_t size)
{
    size_t len = (size_t)snprintf(out, 64, "PUB x.%u r.%u %zu\r\n", number, number, size);
    memset(out + len, 'a' + (int)(number % 26), size);
    memcpy(out + len + size, "\r\n", 2);
    return len + size + 2;
}

static size_t append_expected(char *out, unsigned number, size_t size)
{
    size_t len = (size_t)snprintf(out, 64, "MSG x.%u 7 r.%u %zu\r\n", number, number, size);
    memset(out + len, 'a' + (int)(number % 26), size);
    memcpy(out + len + size, "\r\n", 2);
    return len + size + 2;
}

static const size_t sizes[] = {0,    1,    500,   1021,  1022,  1023,  1024,  1025,  1026,  2000, 0,
                               8000, 8192, 30000, 65000, 65535, 65536, 70000, 200000, 3,    900};

static void all_sizes_in_order(void **state)
{
    (void)state;
    struct harness_client *from = client(0, ""), *same = client(0, "SUB x.* 7\r\n");
    struct harness_client *near = client(1, "SUB x.* 7\r\n"), *far = client(2, "SUB x.* 7\r\n");
    char *sent = malloc(2 << 20), *expected = malloc(2 << 20);
    size_t sent_len = 0, expected_len = 0;
    unsigned number = 0;
    for (int round = 0; round < 2; round++) {
        for (size_t i = 0; i < array_length(sizes); i++, number++) {
            sent_len += append_publish(sent + sent_len, number, sizes[i]);
            expected_len += append_expected(expected + expected_len, number, sizes[i]);
        }
    }
    harness_feed(from, sent, sent_len);
    harness_settle(&harness);
    const struct harness_client *receivers[] = {same, near, far};
    for (size_t i = 0; i < array_length(receivers); i++) {
        assert_int_equal(receivers[i]->output_len, expected_len);
        assert_memory_equal(receivers[i]->output, expected, expected_len);
    }
    assert_int_equal(from->output_len, 0);
    free(sent);
    free(expected);
}

/* One mail per turn and receiver, however many messages. */
static void one_mail_for_many_messages(void **state)
{
    (void)state;
    struct harness_client *from = client(0, ""), *to = client(1, "SUB x 7\r\nSUB x 8\r\n");
    size_t before = harness.mails_sent;
    char sent[4096];
    size_t len = 0;
    for (int i = 0; i < 100; i++)
        len += (size_t)snprintf(sent + len, sizeof sent - len, "PUB x 2\r\nhi\r\n");
    harness_send(from, sent);
    assert_int_equal(harness.mails_sent, before + 1);
    assert_int_equal(to->output_len, 200 * (sizeof "MSG x 7 2\r\nhi\r\n" - 1));
}

static void a_steady_flow_allocates_nothing(void **state)
{
    (void)state;
    struct harness_client *from = client(0, ""), *to = client(1, "SUB x 7\r\n");
    for (int i = 0; i < 20; i++)
        harness_send(from, "PUB x 2\r\nhi\r\n");
    uint64_t before = mem_allocations();
    for (int i = 0; i < 50; i++)
        harness_send(from, "PUB x 2\r\nhi\r\n");
    assert_int_equal(mem_allocations(), before);
    assert_int_equal(to->output_len, 70 * (sizeof "MSG x 7 2\r\nhi\r\n" - 1));
}

static void many_targets(void **state)
{
    (void)state;
    enum { TARGETS = 9000 };
    struct harness_client *from = client(0, ""), *to = client(1, "");
    for (int i = 0; i < TARGETS; i++) {
        char line[32];
        int len = snprintf(line, sizeof line, "SUB x %d\r\n", 10000 + i);
        harness_feed(to, line, (size_t)len);
    }
    harness_send(from, "PUB x 2\r\nhi\r\nPUB x 2\r\nho\r\n");
    assert_int_equal(to->output_len, 2 * TARGETS * (sizeof "MSG x 10000 2\r\nhi\r\n" - 1));
}

/* What became of each delivery: queued, dropped before it was, or never known because the match found no memory. */
static uint64_t accounted(void)
{
    uint64_t sum = 0;
    for (unsigned i = 0; i < harness.broker.worker_count; i++) {
        const struct metric_cells *cells = &harness.broker.deliveries[i]->cells;
        sum += metrics_get(cells, METRIC_out_msgs) + metrics_get(cells, METRIC_dropped_msgs) +
               metrics_get(cells, METRIC_unmatched_msgs);
    }
    return sum;
}

static uint64_t dropped(enum drop_reason reason)
{
    uint64_t sum = 0;
    for (unsigned i = 0; i < harness.broker.worker_count; i++)
        sum += harness.broker.deliveries[i]->dropped[reason];
    return sum;
}

/* Mail that is opened after its receiver is gone. */
static void receivers_that_leave(void **state)
{
    (void)state;
    struct harness_client *from = client(0, ""), *to = client(1, "SUB x 7\r\n"), *stays = client(1, "SUB x 8\r\n");
    char *big = malloc(70000);
    size_t len = append_publish(big, 0, 65000);
    harness_feed(from, "PUB x 2\r\nhi\r\n", 13);
    harness_feed(from, big, len);
    harness_hang_up(to);
    harness_settle(&harness);
    assert_string_equal(stays->output, "MSG x 8 2\r\nhi\r\n");
    assert_int_equal(to->output_len, 0);
    harness_feed(from, "PUB x 2\r\nhi\r\n", 13);
    harness_feed(stays, "UNSUB 8\r\n", 9);
    harness_settle(&harness);
    assert_string_equal(stays->output, "MSG x 8 2\r\nhi\r\n");
    assert_int_equal(dropped(drop_reasons_of_close(CLOSE_CLIENT_CLOSED)), 1);
    assert_int_equal(dropped(DROP_UNSUBSCRIBED), 1);
    free(big);
}

/* The auto-unsubscribe limit holds wherever publishers are, and a queue group's other members get the rest. */
static void no_more_than_asked_for(void **state)
{
    (void)state;
    struct harness_client *local = client(1, ""), *remote = client(0, ""), *remote2 = client(2, "");
    struct harness_client *to = client(1, "SUB x 7\r\nUNSUB 7 5\r\n");
    for (int i = 0; i < 4; i++) {
        harness_feed(remote, "PUB x 1\r\na\r\n", 12);
        harness_feed(local, "PUB x 1\r\nb\r\n", 12);
        harness_feed(remote2, "PUB x 1\r\nc\r\n", 12);
    }
    harness_settle(&harness);
    assert_int_equal(to->output_len, 5 * (sizeof "MSG x 7 1\r\na\r\n" - 1));
    assert_int_equal(to->session->sub_count, 0);
}

/* Local deliveries use up places too: what remote publishers send beyond them goes to other members of the group. */
static void a_full_member_of_a_group_is_passed_over(void **state)
{
    (void)state;
    struct harness_client *local = client(1, ""), *remote = client(0, "");
    struct harness_client *limited = client(1, "SUB x q 7\r\nUNSUB 7 6\r\n");
    struct harness_client *other = client(2, "");
    for (int i = 0; i < 5; i++)
        harness_send(local, "PUB x 1\r\nb\r\n");
    harness_send(other, "SUB x q 8\r\n");
    for (int i = 0; i < 40; i++)
        harness_feed(remote, "PUB x 1\r\na\r\n", 12);
    harness_settle(&harness);
    size_t each = sizeof "MSG x 7 1\r\na\r\n" - 1;
    assert_int_equal(limited->output_len, 6 * each);
    assert_int_equal(limited->output_len + other->output_len, 45 * each);
}

static void a_full_mailbox_slows_its_senders(void **state)
{
    (void)state;
    struct harness_client *from = client(0, ""), *to = client(1, "SUB x 7\r\n");
    harness_send(from, "PUB x 1\r\na\r\n");
    assert_int_equal(from->stalled_ns, 0);
    harness.boxes[1].full = true;
    harness_send(from, "PUB x 1\r\na\r\n");
    assert_true(from->stalled_ns > 0);
    harness.boxes[1].full = false;
    assert_int_equal(to->output_len, 2 * (sizeof "MSG x 7 1\r\na\r\n" - 1));
}

/* A place that was taken for a message that found no memory is there for the next one. */
static void places_are_given_back_without_memory(void **state)
{
    (void)state;
    struct harness_client *from = client(0, ""), *other = client(1, "SUB x.* 9\r\n");
    char *sent = malloc(70000);
    size_t len = append_publish(sent, 1, 65000);
    for (uint64_t n = 1, lost = 1; n < 12 || lost; n++) {
        struct harness_client *to = client(1, "SUB x.* 7\r\nUNSUB 7 3\r\n");
        lost = dropped(drop_reasons_of_close(CLOSE_OUT_OF_MEMORY));
        mem_fail_at(n);
        harness_feed(from, sent, len);
        harness_settle(&harness);
        mem_fail_at(0);
        lost = dropped(drop_reasons_of_close(CLOSE_OUT_OF_MEMORY)) - lost;
        if (to->session) {
            const struct sub *sub = to->session->subs;
            assert_int_equal(sub->claimed, sub->delivered);
            for (int i = 0; i < 3; i++)
                harness_send(from, "PUB x.y 2\r\nhi\r\n");
            assert_int_equal(to->session->sub_count, 0); /* it had all three */
        }
        harness_hang_up(to);
        if (!other->session)
            other = client(1, "SUB x.* 9\r\n");
    }
    free(sent);
}

/* Each allocation on the way fails in turn: what arrives is whole, in order, and the next message arrives. */
static void without_memory(void **state)
{
    (void)state;
    struct harness_client *from = client(0, "");
    char *sent = malloc(300000);
    size_t len = 0;
    for (unsigned i = 0; i < 6; i++)
        len += append_publish(sent + len, i, sizes[i * 2 + 1]);
    for (unsigned n = 1; n < 40; n++) {
        struct harness_client *to = client(1 + n % 2, "SUB x.* 7\r\n");
        uint64_t before = accounted();
        mem_fail_at(n);
        harness_feed(from, sent, len);
        harness_settle(&harness);
        mem_fail_at(0);
        assert_non_null(from->session);
        assert_int_equal(accounted(), before + 6);
        if (to->session) {
            free(harness_take(to));
            harness_send(from, "PUB x.y 2\r\nhi\r\n");
            assert_string_equal(to->output, "MSG x.y 7 2\r\nhi\r\n");
        } else {
            assert_int_equal(to->reason, CLOSE_OUT_OF_MEMORY);
        }
        harness_hang_up(to);
        harness_settle(&harness);
    }
    free(sent);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(all_sizes_in_order, setup, teardown),
        cmocka_unit_test_setup_teardown(one_mail_for_many_messages, setup, teardown),
        cmocka_unit_test_setup_teardown(a_steady_flow_allocates_nothing, setup, teardown),
        cmocka_unit_test_setup_teardown(many_targets, setup, teardown),
        cmocka_unit_test_setup_teardown(receivers_that_leave, setup, teardown),
        cmocka_unit_test_setup_teardown(no_more_than_asked_for, setup, teardown),
        cmocka_unit_test_setup_teardown(a_full_member_of_a_group_is_passed_over, setup, teardown),
        cmocka_unit_test_setup_teardown(a_full_mailbox_slows_its_senders, setup, teardown),
        cmocka_unit_test_setup_teardown(without_memory, setup, teardown),
        cmocka_unit_test_setup_teardown(places_are_given_back_without_memory, setup, teardown),
    };
    uint64_t live = mem_live_blocks();
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    check(failed || mem_live_blocks() == live);
    return failed;
}
