/* How long a connection of the monitoring port may take, by a clock of our own. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <sys/socket.h>
#include <unistd.h>

#include "broker/base/clock.h"
#include "broker/base/mem.h"
#include "monitor/deadlines.h"

struct peer {
    int fd, server_fd;
    struct deadline *deadline;
};

static struct deadlines deadlines;
static struct endpoint_counts counts;
static int64_t now_ns;

static void connect_peer(struct peer *peer)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof address;
    int listening = socket(AF_INET, SOCK_STREAM, 0);
    assert_int_equal(bind(listening, (struct sockaddr *)&address, sizeof address), 0);
    assert_int_equal(listen(listening, 1), 0);
    assert_int_equal(getsockname(listening, (struct sockaddr *)&address, &size), 0);
    peer->fd = socket(AF_INET, SOCK_STREAM, 0);
    assert_int_equal(connect(peer->fd, (struct sockaddr *)&address, sizeof address), 0);
    peer->server_fd = accept(listening, NULL, NULL);
    assert_true(peer->server_fd >= 0);
    close(listening);
    peer->deadline = deadlines_open(&deadlines, peer->server_fd);
    assert_non_null(peer->deadline);
}

static void disconnect_peer(struct peer *peer)
{
    deadlines_close(&deadlines, peer->deadline);
    close(peer->fd);
    close(peer->server_fd);
}

/* Whether the server has shut it down. */
static bool is_cut_off(const struct peer *peer)
{
    char byte;
    return recv(peer->fd, &byte, 1, MSG_DONTWAIT) == 0;
}

static void pass(int64_t milliseconds)
{
    now_ns += milliseconds * NS_PER_MS;
    clock_set_fake(now_ns);
    deadlines_sweep(&deadlines, now_ns);
}

/* Sends a byte, which the server reads. */
static void trickle(const struct peer *peer)
{
    char byte;
    assert_int_equal(send(peer->fd, "x", 1, 0), 1);
    assert_int_equal(recv(peer->server_fd, &byte, 1, 0), 1);
}

static int set_up(void **state)
{
    (void)state;
    now_ns = 1000 * NS_PER_SEC;
    clock_set_fake(now_ns);
    counts = (struct endpoint_counts){0};
    deadlines_init(&deadlines, 4, &counts);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    assert_int_equal(atomic_load(&deadlines.open), 0);
    for (size_t i = 0; i < ENDPOINT_STATES; i++)
        assert_int_equal(atomic_load(&counts.connections[i]), 0);
    deadlines_fini(&deadlines);
    clock_set_fake(-1);
    return 0;
}

static void five_seconds_for_a_request(void **state)
{
    (void)state;
    struct peer peer;
    connect_peer(&peer);
    for (int i = 0; i < 5; i++) {
        trickle(&peer);
        pass(1000);
        assert_false(is_cut_off(&peer));
    }
    pass(1);
    assert_true(is_cut_off(&peer));
    assert_int_equal(atomic_load(&counts.turned_away[ENDPOINT_DEADLINE]), 1);
    pass(1000);
    assert_int_equal(atomic_load(&counts.turned_away[ENDPOINT_DEADLINE]), 1);
    disconnect_peer(&peer);
}

static void two_in_a_crowd(void **state)
{
    (void)state;
    struct peer peers[4];
    for (size_t i = 0; i < 3; i++)
        connect_peer(&peers[i]);
    pass(2001);
    for (size_t i = 0; i < 3; i++)
        assert_false(is_cut_off(&peers[i]));
    connect_peer(&peers[3]);
    pass(0);
    for (size_t i = 0; i < 4; i++)
        assert_int_equal(is_cut_off(&peers[i]), i < 3);
    for (size_t i = 0; i < 4; i++)
        disconnect_peer(&peers[i]);
}

static void a_minute_for_an_answer_and_more_for_a_long_one(void **state)
{
    (void)state;
    struct peer peer, patient;
    connect_peer(&peer);
    connect_peer(&patient);
    pass(4000);
    deadlines_answer(&deadlines, peer.deadline);
    deadlines_answer(&deadlines, patient.deadline);
    deadlines_allow(&deadlines, patient.deadline, 600 << 10);
    deadlines_allow(&deadlines, patient.deadline, 40 << 10);
    pass(60000);
    assert_false(is_cut_off(&peer));
    pass(1);
    assert_true(is_cut_off(&peer));
    pass(9999);
    assert_false(is_cut_off(&patient));
    pass(1);
    assert_true(is_cut_off(&patient));
    disconnect_peer(&peer);
    disconnect_peer(&patient);
}

static void assert_states(unsigned asking, unsigned answering, unsigned idle)
{
    const unsigned expected[] = {asking, answering, idle};
    for (size_t i = 0; i < ENDPOINT_STATES; i++)
        assert_int_equal(atomic_load(&counts.connections[i]), expected[i]);
}

static void an_idle_one_stays_until_it_asks_slowly(void **state)
{
    (void)state;
    struct peer idle, slow, again;
    connect_peer(&idle);
    connect_peer(&slow);
    connect_peer(&again);
    struct peer *all[] = {&idle, &slow, &again};
    for (size_t i = 0; i < array_length(all); i++) {
        trickle(all[i]);
        deadlines_answer(&deadlines, all[i]->deadline);
        deadlines_idle(&deadlines, all[i]->deadline);
    }
    assert_states(0, 0, 3);
    pass(1000);
    for (int i = 0; i < 6; i++) {
        trickle(&slow);
        trickle(&again);
        pass(1000);
        assert_false(is_cut_off(&slow));
    }
    assert_states(2, 0, 1);
    deadlines_answer(&deadlines, again.deadline);
    assert_states(1, 1, 1);
    deadlines_idle(&deadlines, again.deadline);
    pass(1000);
    assert_true(is_cut_off(&slow));
    assert_false(is_cut_off(&again));
    pass(60000);
    assert_false(is_cut_off(&idle));
    assert_false(is_cut_off(&again));
    for (size_t i = 0; i < array_length(all); i++)
        disconnect_peer(all[i]);
}

static void entries_leave_in_any_order(void **state)
{
    (void)state;
    struct peer peers[3];
    static const int orders[][3] = {{0, 1, 2}, {2, 1, 0}, {1, 0, 2}, {1, 2, 0}};
    for (size_t n = 0; n < array_length(orders); n++) {
        for (size_t i = 0; i < 3; i++)
            connect_peer(&peers[i]);
        for (size_t i = 0; i < 3; i++) {
            disconnect_peer(&peers[orders[n][i]]);
            pass(1);
            assert_int_equal(atomic_load(&deadlines.open), 2 - i);
        }
    }
}

static void without_memory(void **state)
{
    (void)state;
    mem_fail_at(1);
    assert_null(deadlines_open(&deadlines, 0));
    mem_fail_at(0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(five_seconds_for_a_request, set_up, tear_down),
        cmocka_unit_test_setup_teardown(two_in_a_crowd, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_minute_for_an_answer_and_more_for_a_long_one, set_up, tear_down),
        cmocka_unit_test_setup_teardown(an_idle_one_stays_until_it_asks_slowly, set_up, tear_down),
        cmocka_unit_test_setup_teardown(entries_leave_in_any_order, set_up, tear_down),
        cmocka_unit_test_setup_teardown(without_memory, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
