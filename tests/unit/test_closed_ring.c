/* The memory of closed connections: what goes in comes out, the newest are kept, everything is bounded. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>

#include "broker/base/mem.h"
#include "broker/core/closed_ring.h"
#include "broker/core/sub.h"

enum { MODEL_MAX = 4000, TEXT_MAX = 200 };

/* Nothing is left out of this one. */
#define LONG_SUBJECT "a.subject.of.more.than.sixty.characters.which.is.always.written.whole"

#define NOW_NS INT64_C(1767225600000000000)

/* ---- making connections ---- */

static uint64_t random_state;

static uint64_t random_number(void)
{
    random_state ^= random_state << 13;
    random_state ^= random_state >> 7;
    random_state ^= random_state << 17;
    return random_state;
}

/* Numbers of any length, small ones as often as large ones. */
static uint64_t random_magnitude(void)
{
    return random_number() >> random_number() % 64;
}

static struct closed_connection plain(uint64_t cid)
{
    return (struct closed_connection){
        .cid = cid,
        .reason = CLOSE_CLIENT_CLOSED,
        .start_wall_ns = NOW_NS,
        .stop_wall_ns = NOW_NS + 1,
        .last_activity_wall_ns = NOW_NS,
        .texts = {"127.0.0.1", "$G", "", "", "", ""},
    };
}

/* Half of them begin alike. */
static const char *random_text(char *room)
{
    size_t len = random_number() % 3 ? random_number() % 4 : random_number() % TEXT_MAX;
    size_t alike = random_number() % 2 ? random_number() % (len + 1) : 0;
    for (size_t i = 0; i < len; i++)
        room[i] = i < alike ? 's' : (char)(1 + random_number() % 255);
    room[len] = '\0';
    return room;
}

static struct closed_connection odd(uint64_t cid, char rooms[CLOSED_TEXTS][TEXT_MAX])
{
    struct closed_connection closed = {
        .cid = cid,
        .port = (uint16_t)random_number(),
        .reason = (enum close_reason)(random_number() % CLOSE_REASON_COUNT),
        .start_wall_ns = (int64_t)random_magnitude(),
        .stop_wall_ns = (int64_t)random_magnitude(),
        .last_activity_wall_ns = (int64_t)random_magnitude(),
        .rtt_ns = (int64_t)random_magnitude(),
    };
    for (int i = 0; i < CLOSED_COUNTS; i++)
        closed.counts[i] = random_number() % 2 ? random_magnitude() : 0;
    for (int i = 0; i < CLOSED_TEXTS; i++)
        closed.texts[i] = random_text(rooms[i]);
    return closed;
}

static struct sub *subscribe(struct sub *others, const char *subject, const char *queue,
                             const char *sid, uint64_t msgs, uint64_t max)
{
    struct sub *sub = sub_new(NULL, 0, span_of(subject), span_of(queue), span_of(sid));
    assert_non_null(sub);
    atomic_store(&sub->delivered, msgs);
    atomic_store(&sub->max, max);
    atomic_store(&sub->next, others);
    return sub;
}

static void free_subs(struct sub *sub)
{
    while (sub) {
        struct sub *next = atomic_load(&sub->next);
        mem_free(sub);
        sub = next;
    }
}

/* ---- comparing ---- */

static void expect_equal(const struct closed_connection *found,
                         const struct closed_connection *expected)
{
    assert_int_equal(found->cid, expected->cid);
    assert_int_equal(found->port, expected->port);
    assert_int_equal(found->reason, expected->reason);
    assert_int_equal(found->start_wall_ns, expected->start_wall_ns);
    assert_int_equal(found->stop_wall_ns, expected->stop_wall_ns);
    assert_int_equal(found->last_activity_wall_ns, expected->last_activity_wall_ns);
    assert_int_equal(found->rtt_ns, expected->rtt_ns);
    for (int i = 0; i < CLOSED_COUNTS; i++)
        assert_int_equal(found->counts[i], expected->counts[i]);
    for (int i = 0; i < CLOSED_TEXTS; i++)
        assert_string_equal(found->texts[i], expected->texts[i]);
}

static void expect_text(struct span found, const char *expected)
{
    assert_int_equal(found.len, strlen(expected));
    assert_memory_equal(found.ptr, expected, found.len);
}

static void expect_subscription(struct closed_kept *kept, const char *subject, const char *queue,
                                const char *sid, uint64_t msgs, uint64_t max)
{
    struct closed_subscription found;
    assert_true(closed_ring_next_subscription(kept, &found));
    expect_text(found.subject, subject);
    expect_text(found.queue, queue);
    expect_text(found.sid, sid);
    assert_int_equal(found.msgs, msgs);
    assert_int_equal(found.max, max);
}

/* The cids are first, first + 1, ... last. */
static void expect_cids(const struct closed_ring *ring, uint64_t first, uint64_t last)
{
    struct closed_reader reader = closed_ring_reader(ring);
    struct closed_place place;
    struct closed_connection found;
    for (uint64_t cid = first; cid <= last; cid++) {
        assert_true(closed_ring_next(&reader, &place));
        closed_ring_read(place, &found);
        assert_int_equal(found.cid, cid);
    }
    assert_false(closed_ring_next(&reader, &place));
}

static void add_plain(struct closed_ring *ring, uint64_t cid, struct garbage_list *garbage)
{
    struct closed_connection closed = plain(cid);
    closed_ring_add(ring, &closed, NULL, garbage);
}

/* ---- tests ---- */

static void extremes_come_back(void **state)
{
    (void)state;
    struct closed_ring ring;
    struct garbage_list garbage = {0};
    struct closed_connection all[4] = {plain(7), plain(UINT64_MAX), plain(0), plain(7)};
    char name[5000];
    memset(name, 'n', sizeof name - 1);
    name[sizeof name - 1] = '\0';
    all[1].port = UINT16_MAX;
    all[1].reason = CLOSE_REASON_COUNT - 1;
    all[1].start_wall_ns = all[1].rtt_ns = INT64_MIN;
    all[1].stop_wall_ns = all[1].last_activity_wall_ns = INT64_MAX;
    for (int i = 0; i < CLOSED_COUNTS; i++)
        all[1].counts[i] = UINT64_MAX - (uint64_t)i;
    for (int i = 0; i < CLOSED_TEXTS; i++)
        all[1].texts[i] = name + i;
    all[2].start_wall_ns = INT64_MAX;
    all[2].last_activity_wall_ns = all[2].stop_wall_ns = -1;
    closed_ring_init(&ring, 10);
    for (size_t i = 0; i < array_length(all); i++)
        closed_ring_add(&ring, &all[i], NULL, &garbage);
    struct closed_reader reader = closed_ring_reader(&ring);
    struct closed_place place;
    for (size_t i = 0; i < array_length(all); i++) {
        struct closed_connection found;
        struct closed_subscription none;
        assert_true(closed_ring_next(&reader, &place));
        closed_ring_read(place, &found);
        expect_equal(&found, &all[i]);
        assert_false(closed_ring_next_subscription(&found.kept, &none));
    }
    assert_false(closed_ring_next(&reader, &place));
    closed_ring_fini(&ring);
}

/* The second record is a difference from the first; the longest text that is put together has 63 bytes. */
static void subscriptions_come_back(void **state)
{
    (void)state;
    static const char *const subjects[] = {
        "orders.eu.1",
        "orders.eu.12",
        "orders",
        LONG_SUBJECT ".longer",
        "orders.eu.3",
        "123456789.123456789.123456789.123456789.123456789.123456789.12x",
        "123456789.123456789.123456789.123456789.123456789.123456789.12y",
        "123456789.123456789.123456789.123456789.123456789.123456789.12yz",
        "123456789.123456789.123456789.123456789.123456789.123456789.12",
        "*",
        ">",
    };
    struct closed_ring ring;
    struct garbage_list garbage = {0};
    struct sub *subs = subscribe(NULL, "a.b.>", "", "1", 0, 0);
    subs = subscribe(subs, "c", "workers", "a-long-sid-of-a-client", UINT64_MAX, 127);
    subs = subscribe(subs, "*", "q", "2", 0, UINT64_MAX);
    subs = subscribe(subs, "_INBOX.x", "", "3", 128, 0);
    for (size_t i = array_length(subjects); i-- > 0;)
        subs = subscribe(subs, subjects[i], "", "4", 0, 0);
    struct closed_connection closed = plain(1);
    closed.counts[CLOSED_SUBSCRIPTIONS] = 4 + array_length(subjects);
    closed_ring_init(&ring, 10);
    for (int i = 0; i < 3; i++)
        closed_ring_add(&ring, &closed, subs, &garbage);
    free_subs(subs);
    struct closed_reader reader = closed_ring_reader(&ring);
    struct closed_place place;
    for (int i = 0; i < 3; i++) {
        struct closed_connection found;
        struct closed_subscription none;
        assert_true(closed_ring_next(&reader, &place));
        closed_ring_read(place, &found);
        expect_equal(&found, &closed);
        for (size_t k = 0; k < array_length(subjects); k++)
            expect_subscription(&found.kept, subjects[k], "", "4", 0, 0);
        expect_subscription(&found.kept, "_INBOX.x", "", "3", 128, 0);
        expect_subscription(&found.kept, "*", "q", "2", 0, UINT64_MAX);
        expect_subscription(&found.kept, "c", "workers", "a-long-sid-of-a-client", UINT64_MAX, 127);
        expect_subscription(&found.kept, "a.b.>", "", "1", 0, 0);
        assert_false(closed_ring_next_subscription(&found.kept, &none));
    }
    closed_ring_fini(&ring);
}

/* Anything at all, over many blocks, against an array. */
static void is_like_an_array(void **state)
{
    (void)state;
    static const uint32_t capacities[] = {1, 2, 3, 100, 1500, 10000};
    static struct closed_connection model[MODEL_MAX];
    static char rooms[MODEL_MAX][CLOSED_TEXTS][TEXT_MAX];
    uint64_t live = mem_live_blocks();
    for (size_t c = 0; c < array_length(capacities); c++) {
        random_state = 88172645463325252u + c;
        struct closed_ring ring;
        struct garbage_list garbage = {0};
        closed_ring_init(&ring, capacities[c]);
        for (uint32_t count = 0; count < MODEL_MAX;) {
            for (uint64_t more = random_number() % 700; more > 0 && count < MODEL_MAX;
                 more--, count++) {
                model[count] = odd(random_magnitude(), rooms[count]);
                closed_ring_add(&ring, &model[count], NULL, &garbage);
            }
            garbage_free_all(&garbage);
            uint32_t at = count > capacities[c] ? count - capacities[c] : 0;
            struct closed_reader reader = closed_ring_reader(&ring);
            struct closed_place place;
            for (; closed_ring_next(&reader, &place); at++) {
                struct closed_connection found;
                closed_ring_read(place, &found);
                assert_in_range(at, 0, count - 1);
                expect_equal(&found, &model[at]);
            }
            assert_int_equal(at, count);
        }
        closed_ring_fini(&ring);
    }
    assert_int_equal(mem_live_blocks(), live);
}

/* Reads with pauses in which connections close: all that was there at the start and is remembered to its turn comes once, in
 * order; and each place that was read is found again until its block is forgotten. */
static void readers_come_back(void **state)
{
    (void)state;
    enum { CAPACITY = 2000, STEP = 37 };
    static struct closed_place places[MODEL_MAX];
    static char rooms[CLOSED_TEXTS][TEXT_MAX];
    for (unsigned pace = 0; pace < 3; pace++) { /* nothing, as much, more than is read */
        struct closed_ring ring;
        struct garbage_list garbage = {0};
        uint64_t added = 0, read = 0, lost = 0, count = 0, next = 0;
        random_state = 77 + pace;
        closed_ring_init(&ring, CAPACITY);
        for (; added < CAPACITY; added++) {
            struct closed_connection closed = odd(added, rooms);
            closed_ring_add(&ring, &closed, NULL, &garbage);
        }
        struct closed_reader reader = closed_ring_reader(&ring);
        bool more = true;
        while (more) {
            for (unsigned i = 0; i < STEP && (more = closed_ring_next(&reader, &places[count]));
                 i++) {
                struct closed_connection found;
                closed_ring_read(places[count], &found);
                assert_in_range(found.cid, next, CAPACITY - 1);
                assert_int_equal(found.cid, places[count].number);
                lost += found.cid - next;
                next = found.cid + 1;
                read++;
                count++;
            }
            for (unsigned i = 0; i < STEP * pace * pace; i++, added++) {
                struct closed_connection closed = odd(added, rooms);
                closed_ring_add(&ring, &closed, NULL, &garbage);
            }
            garbage_free_all(&garbage);
            closed_ring_resume(&ring, &reader);
        }
        assert_true(read + lost <= CAPACITY && (pace > 1 || read == CAPACITY));
        assert_true(pace < 2 || lost > 0);
        uint64_t found_again = 0;
        for (uint64_t i = 0; i < count; i++) {
            struct closed_connection found;
            if (!closed_ring_find(&ring, &places[i]))
                continue;
            closed_ring_read(places[i], &found);
            assert_int_equal(found.cid, places[i].number);
            found_again++;
        }
        assert_true(pace > 0 ? found_again < count : found_again == count);
        closed_ring_fini(&ring);
    }
    struct closed_ring empty;
    closed_ring_init(&empty, CAPACITY);
    struct closed_place nowhere = {.number = 0};
    struct closed_reader reader = closed_ring_reader(&empty);
    closed_ring_resume(&empty, &reader);
    assert_false(closed_ring_next(&reader, &nowhere));
    assert_false(closed_ring_find(&empty, &nowhere));
    closed_ring_fini(&empty);
}

/* What a client library's connections weigh: the reason for all this. */
static void records_are_small(void **state)
{
    (void)state;
    struct closed_ring ring;
    struct garbage_list garbage = {0};
    closed_ring_init(&ring, 10000);
    for (int i = 0; i < 10000; i++) {
        char name[32], subject[32];
        snprintf(name, sizeof name, "service-%d", i);
        snprintf(subject, sizeof subject, "orders.europe.%d", i);
        struct sub *sub = subscribe(NULL, subject, "", "1", 0, 0);
        struct closed_connection closed = {
            .cid = (uint64_t)i + 4,
            .port = (uint16_t)(32768 + i),
            .reason = CLOSE_CLIENT_CLOSED,
            .start_wall_ns = NOW_NS + i * INT64_C(100000),
            .stop_wall_ns = NOW_NS + INT64_C(5000000000) + i * INT64_C(20000),
            .last_activity_wall_ns = NOW_NS + i * INT64_C(100000) + 300000,
            .rtt_ns = 150000,
            .counts = {[CLOSED_SUBSCRIPTIONS] = 1},
            .texts = {"127.0.0.1", "$G", name, "python3", "2.6.0", ""},
        };
        closed_ring_add(&ring, &closed, sub, &garbage);
        free_subs(sub);
    }
    assert_null(garbage.head);
    assert_in_range(ring.bytes, 10000, 10000 * 40);
    expect_cids(&ring, 4, 10003);
    closed_ring_fini(&ring);
}

static void subscriptions_are_bounded(void **state)
{
    (void)state;
    enum { COUNT = 50000 };
    struct closed_ring ring;
    struct garbage_list garbage = {0};
    struct sub *subs = NULL;
    for (int i = 0; i < COUNT; i++)
        subs = subscribe(subs, LONG_SUBJECT, "", "1", 0, 0);
    struct closed_connection closed = plain(2);
    closed.counts[CLOSED_SUBSCRIPTIONS] = COUNT;
    closed_ring_init(&ring, 10);
    add_plain(&ring, 1, &garbage);
    closed_ring_add(&ring, &closed, subs, &garbage);
    add_plain(&ring, 3, &garbage);
    free_subs(subs);
    expect_cids(&ring, 1, 3);
    struct closed_reader reader = closed_ring_reader(&ring);
    struct closed_place place;
    assert_true(closed_ring_next(&reader, &place) && closed_ring_next(&reader, &place));
    struct closed_connection found;
    closed_ring_read(place, &found);
    expect_equal(&found, &closed);
    assert_in_range(found.kept.packed.len, CLOSED_RECORD_MAX - 300, CLOSED_RECORD_MAX);
    struct closed_subscription one;
    uint64_t count = 0;
    for (; closed_ring_next_subscription(&found.kept, &one); count++)
        expect_text(one.subject, LONG_SUBJECT);
    assert_in_range(count, CLOSED_RECORD_MAX / 80, COUNT - 1);
    closed_ring_fini(&ring);
}

/* Connections of 100 KiB each: the oldest go before there are `capacity`. */
static void all_together_are_bounded(void **state)
{
    (void)state;
    enum { CAPACITY = 2000, EACH = 1400, COUNT = 100 };
    struct closed_ring ring;
    struct garbage_list garbage = {0};
    struct sub *subs = NULL;
    for (int i = 0; i < EACH; i++)
        subs = subscribe(subs, LONG_SUBJECT, "", "1", 0, 0);
    closed_ring_init(&ring, CAPACITY);
    uint64_t before = mem_live_blocks();
    for (uint64_t cid = 1; cid <= COUNT; cid++) {
        struct closed_connection closed = plain(cid);
        closed.counts[CLOSED_SUBSCRIPTIONS] = EACH;
        closed_ring_add(&ring, &closed, subs, &garbage);
        garbage_free_all(&garbage);
        assert_in_range(ring.bytes, 1, CAPACITY * CLOSED_BYTES_EACH);
    }
    free_subs(subs);
    uint64_t kept = mem_live_blocks() - (before - EACH);
    assert_in_range(kept, 15, 20);
    expect_cids(&ring, COUNT + 1 - kept, COUNT);
    closed_ring_fini(&ring);
}

/* A reader goes on with what it began with, as long as the garbage is not freed. */
static void readers_keep_what_they_began_with(void **state)
{
    (void)state;
    enum { CAPACITY = 3000 };
    struct closed_ring ring;
    struct garbage_list garbage = {0};
    uint64_t cid = 0;
    closed_ring_init(&ring, CAPACITY);
    while (cid < 2 * CAPACITY)
        add_plain(&ring, ++cid, &garbage);
    garbage_free_all(&garbage);
    struct closed_reader reader = closed_ring_reader(&ring);
    struct closed_place place;
    for (uint64_t expected = CAPACITY + 1; expected <= 2 * CAPACITY; expected++) {
        struct closed_connection found;
        assert_true(closed_ring_next(&reader, &place));
        closed_ring_read(place, &found);
        assert_int_equal(found.cid, expected);
        for (int i = 0; i < 5; i++)
            add_plain(&ring, ++cid, &garbage);
    }
    assert_false(closed_ring_next(&reader, &place));
    assert_true(garbage.count > 3);
    garbage_free_all(&garbage);
    expect_cids(&ring, cid + 1 - CAPACITY, cid);
    closed_ring_fini(&ring);
}

static void may_keep_none(void **state)
{
    (void)state;
    uint64_t live = mem_live_blocks();
    struct closed_ring ring;
    struct garbage_list garbage = {0};
    closed_ring_init(&ring, 0);
    expect_cids(&ring, 1, 0);
    add_plain(&ring, 1, &garbage);
    expect_cids(&ring, 1, 0);
    assert_int_equal(mem_live_blocks(), live);
    closed_ring_fini(&ring);
}

/* Whoever finds no memory is not remembered; the others are. */
static void memory_may_lack(void **state)
{
    (void)state;
    uint64_t live = mem_live_blocks();
    struct closed_ring ring;
    struct garbage_list garbage = {0};
    closed_ring_init(&ring, 10000);
    mem_fail_at(1);
    add_plain(&ring, 100, &garbage);
    expect_cids(&ring, 1, 0);
    for (uint64_t cid = 1; cid <= 3000; cid++)
        add_plain(&ring, cid, &garbage);
    expect_cids(&ring, 1, 3000);
    uint64_t cid = 3000, blocks = mem_live_blocks();
    mem_fail_at(1);
    for (uint64_t tried = mem_allocations(); mem_allocations() == tried;)
        add_plain(&ring, ++cid, &garbage);
    assert_int_equal(mem_live_blocks(), blocks);
    expect_cids(&ring, 1, cid - 1);
    mem_fail_at(0);
    add_plain(&ring, cid, &garbage);
    expect_cids(&ring, 1, cid);
    assert_null(garbage.head);
    closed_ring_fini(&ring);
    assert_int_equal(mem_live_blocks(), live);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(extremes_come_back),
        cmocka_unit_test(subscriptions_come_back),
        cmocka_unit_test(is_like_an_array),
        cmocka_unit_test(readers_come_back),
        cmocka_unit_test(records_are_small),
        cmocka_unit_test(subscriptions_are_bounded),
        cmocka_unit_test(all_together_are_bounded),
        cmocka_unit_test(readers_keep_what_they_began_with),
        cmocka_unit_test(may_keep_none),
        cmocka_unit_test(memory_may_lack),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
