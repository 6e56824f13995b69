/* Every allocation of a session's life fails once: n goes up until nothing fails any more. Whoever is hit is closed with a
 * reason or carries on, everybody else gets all that is theirs, and nothing leaks. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>

#include "broker/base/mem.h"
#include "tests/unit/core_harness.h"

static const char script[] =
    "CONNECT {\"verbose\":false,\"headers\":true,\"no_responders\":true,\"name\":\"n\",\"lang\":\"c\"}\r\n"
    "SUB a.b 1\r\nSUB a.* 2\r\nSUB a.> q 3\r\nSUB * 4\r\nSUB c.d.e 5\r\nSUB f.g 6\r\nSUB h 7\r\nSUB i 8\r\nSUB j 9\r\n"
    "SUB k q 10\r\nSUB l.m.n.o 11\r\nUNSUB 7\r\nUNSUB 8 1\r\n"
    "PUB a.b 2\r\nhi\r\nPUB i 1\r\nx\r\nPUB a.b r 5\r\nhello\r\nPUB nobody.at.all h 0\r\n\r\n"
    "HPUB a.b 12 14\r\nNATS/1.0\r\n\r\nhi\r\nPUB away.x 3\r\nabc\r\nPUB away.x 3\r\nabc\r\n"
    "CONNECT {\"name\":\"second\"}\r\nPUB _GR_.x 1\r\nx\r\nSUB bad..subject 12\r\nPING\r\n";

/* One life: connects, says the script in pieces, gets a large message cut in two, leaves. True: nothing failed. */
static bool life(struct harness *harness, uint64_t n, size_t piece, struct harness_client *witness)
{
    uint64_t before = mem_allocations();
    char large[3000];
    int head = snprintf(large, sizeof large, "PUB away.y 2500\r\n");
    memset(large + head, 'y', 2500);
    memcpy(large + head + 2500, "\r\n", 2);
    mem_fail_at(n);
    struct harness_client *one = harness_connect(harness, 0);
    for (size_t at = 0; at < sizeof script - 1; at += piece) {
        harness_feed(one, script + at, min_size(piece, sizeof script - 1 - at));
        harness_settle(harness);
    }
    harness_feed(one, large, 1000);
    harness_feed_room(one, large + 1000, (size_t)head + 2502 - 1000);
    harness_settle(harness);
    harness_hang_up(one);
    harness_settle(harness);
    mem_fail_at(0);
    if (one->reason != CLOSE_CLIENT_CLOSED && one->reason != CLOSE_OUT_OF_MEMORY)
        fail_msg("n = %llu, pieces of %zu: closed with %s", (unsigned long long)n, piece,
                 close_reason_label(one->reason));
    if (witness->session)
        assert_int_equal(witness->session->close_reason, CLOSE_NONE);
    return mem_allocations() - before < n;
}

/* The one that is hit may be the witness, when its own queue finds no memory; then it is out of memory, and nothing else. */
static struct harness_client *check_witness(struct harness *harness, struct harness_client *witness, unsigned worker)
{
    if (!witness || !witness->session) {
        assert_true(!witness || witness->reason == CLOSE_OUT_OF_MEMORY);
        witness = harness_connect(harness, worker);
        harness_send(witness, "CONNECT {\"verbose\":false}\r\nSUB away.* 1\r\n");
    }
    free(harness_take(witness));
    harness_send(witness, "PUB away.z 2\r\nok\r\nPING\r\n");
    assert_string_equal(witness->output, "MSG away.z 1 2\r\nok\r\nPONG\r\n");
    return witness;
}

static void walk(unsigned witness_worker, size_t piece)
{
    struct harness harness;
    struct options options = harness_options();
    uint64_t live = mem_live_blocks();
    assert_int_equal(harness_open(&harness, &options, 2), 0);
    struct harness_client *witness = NULL;
    uint64_t n = 1;
    bool done = false;
    for (; !done && n < 2000; n++) {
        witness = check_witness(&harness, witness, witness_worker);
        done = life(&harness, n, piece, witness);
        uint64_t subscriptions = sublist_counts(harness.broker.global_account->interest).subscriptions;
        assert_int_equal(subscriptions, witness->session ? 1 : 0);
        assert_int_equal(metrics_get(&harness.broker.deliveries[0]->cells, METRIC_connections) +
                             metrics_get(&harness.broker.deliveries[1]->cells, METRIC_connections),
                         witness->session ? 1 : 0);
    }
    assert_true(done);
    assert_in_range(n, 20, 1000);
    harness_close(&harness);
    assert_int_equal(mem_live_blocks(), live);
}

static void witness_on_the_same_worker(void **state)
{
    (void)state;
    walk(0, sizeof script);
    walk(0, 37);
}

static void witness_on_another_worker(void **state)
{
    (void)state;
    walk(1, sizeof script);
    walk(1, 37);
}

/* The broker itself says that it cannot start, and leaves nothing behind. */
static void a_broker_without_memory(void **state)
{
    (void)state;
    uint64_t live = mem_live_blocks();
    struct options options = harness_options();
    unsigned n = 1;
    for (;; n++) {
        struct harness harness;
        mem_fail_at(n);
        int error = harness_open(&harness, &options, 3);
        mem_fail_at(0);
        if (!error) {
            harness_close(&harness);
            break;
        }
        assert_int_equal(mem_live_blocks(), live);
    }
    assert_in_range(n, 10, 100);
    assert_int_equal(mem_live_blocks(), live);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(witness_on_the_same_worker),
        cmocka_unit_test(witness_on_another_worker),
        cmocka_unit_test(a_broker_without_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
