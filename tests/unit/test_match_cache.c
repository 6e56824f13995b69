/* The subject cache: what it remembers, when it forgets, what it counts; its answers are always the interest's. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>

#include "broker/base/mem.h"
#include "broker/core/match_cache.h"
#include "tests/unit/interest_model.h"

/* The table's bounds, from match_cache.c. */
enum { ENTRIES_MAX = 4 * (1 << 14) };

static struct interest_model model;
static struct match_cache cache;

static int setup(void **state)
{
    (void)state;
    interest_model_init(&model);
    match_cache_init(&cache, model.list);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    check(cache.entries > 0 || cache.bytes == 0);
    match_cache_fini(&cache);
    interest_model_fini(&model);
    return 0;
}

static const struct match *look_up(struct span subject)
{
    const struct match *match =
        match_cache_find(&cache, subject, hash_bytes(subject.ptr, subject.len));
    match_cache_count(&cache);
    return match;
}

static const struct match *find(struct span subject)
{
    const struct match *match = look_up(subject);
    assert_non_null(match);
    interest_model_compare(&model, subject, match);
    return match;
}

static void remembered_when_missed_twice(void **state)
{
    (void)state;
    assert_non_null(interest_model_add(&model, SPAN_LITERAL("a.*"), ""));
    find(SPAN_LITERAL("a.b"));
    assert_int_equal(cache.entries, 0);
    find(SPAN_LITERAL("a.b"));
    assert_int_equal(cache.entries, 1);
    assert_int_equal(cache.misses, 2);
    assert_int_equal(cache.hits, 0);
    find(SPAN_LITERAL("a.b"));
    find(SPAN_LITERAL("a.b"));
    assert_int_equal(cache.hits, 2);
    assert_int_equal(cache.misses, 2);
    for (int i = 0; i < 1000; i++) { /* inboxes, used once */
        char inbox[32];
        snprintf(inbox, sizeof inbox, "_INBOX.%d", i);
        find(span_of(inbox));
    }
    assert_in_range(cache.entries, 1, 3);
}

static void steady_hits_allocate_nothing(void **state)
{
    (void)state;
    assert_non_null(interest_model_add(&model, SPAN_LITERAL("a"), "q"));
    find(SPAN_LITERAL("a"));
    find(SPAN_LITERAL("a"));
    uint64_t before = mem_allocations();
    for (int i = 0; i < 1000; i++)
        assert_non_null(look_up(SPAN_LITERAL("a")));
    assert_int_equal(mem_allocations(), before);
    assert_int_equal(cache.hits, 1000);
}

static void stale_when_the_interest_changes(void **state)
{
    (void)state;
    find(SPAN_LITERAL("a.b"));
    find(SPAN_LITERAL("a.b"));
    assert_int_equal(find(SPAN_LITERAL("a.b"))->sub_count, 0);
    static const char *const patterns[] = {"a.b", "*.b", ">", "a.>"};
    for (size_t i = 0; i < array_length(patterns); i++) {
        assert_non_null(interest_model_add(&model, span_of(patterns[i]), ""));
        assert_int_equal(find(SPAN_LITERAL("a.b"))->sub_count, i + 1);
        uint64_t hits = cache.hits;
        find(SPAN_LITERAL("a.b"));
        assert_int_equal(cache.hits, hits + 1);
    }
    while (model.count > 0) {
        interest_model_remove(&model, 0);
        assert_int_equal(find(SPAN_LITERAL("a.b"))->sub_count, model.count);
    }
    assert_int_equal(cache.entries, 1);
}

static void counts_fanout(void **state)
{
    (void)state;
    for (int i = 0; i < 5; i++)
        assert_non_null(interest_model_add(&model, SPAN_LITERAL("wide"), ""));
    for (int i = 0; i < 7; i++) /* one group counts once */
        assert_non_null(interest_model_add(&model, SPAN_LITERAL("wide"), "q"));
    assert_non_null(interest_model_add(&model, SPAN_LITERAL("narrow"), ""));
    for (int i = 0; i < 2; i++) {
        find(SPAN_LITERAL("wide"));
        find(SPAN_LITERAL("narrow"));
        find(SPAN_LITERAL("nobody"));
    }
    assert_int_equal(cache.entries, 3);
    assert_int_equal(cache.fanout_sum, 6 + 1);
    assert_int_equal(cache.fanout_max, 6);
    while (model.count > 0)
        interest_model_remove(&model, 0);
    find(SPAN_LITERAL("wide"));
    find(SPAN_LITERAL("narrow"));
    assert_int_equal(cache.fanout_sum, 0);
    assert_int_equal(cache.fanout_max, 6);
}

static void numbered(unsigned i, char *out, size_t size)
{
    snprintf(out, size, "t%u.x", i);
}

/* Subjects used in turn must not keep each other out for ever, however their marks collide. */
static void many_subjects_in_turn_settle(void **state)
{
    (void)state;
    enum { MANY = 10000, ROUNDS = 8 };
    char text[32];
    for (unsigned round = 0; round < ROUNDS; round++) {
        uint64_t before = cache.misses;
        for (unsigned i = 0; i < MANY; i++) {
            numbered(i, text, sizeof text);
            assert_non_null(look_up(span_of(text)));
        }
        if (round == ROUNDS - 1)
            assert_in_range(cache.misses - before, 0, MANY / 50);
    }
}

static void grows_and_keeps_what_it_has(void **state)
{
    (void)state;
    enum { SUBJECTS = 2000 };
    char text[32];
    assert_non_null(interest_model_add(&model, SPAN_LITERAL("*.x"), ""));
    for (unsigned i = 0; i < SUBJECTS; i++) {
        numbered(i, text, sizeof text);
        find(span_of(text));
        find(span_of(text));
        assert_int_equal(cache.entries, i + 1);
    }
    assert_int_equal(cache.fanout_sum, SUBJECTS);
    uint64_t misses = cache.misses;
    for (unsigned i = 0; i < SUBJECTS; i++) {
        numbered(i, text, sizeof text);
        find(span_of(text));
    }
    assert_int_equal(cache.misses, misses);
    assert_int_equal(cache.hits, SUBJECTS);
}

/* More subjects than the table holds: it stays within its bound and its answers stay right. */
static void gives_up_entries_at_its_limit(void **state)
{
    (void)state;
    char text[32];
    assert_non_null(interest_model_add(&model, SPAN_LITERAL("*.x"), ""));
    for (unsigned i = 0; i < ENTRIES_MAX + ENTRIES_MAX / 2; i++) {
        numbered(i, text, sizeof text);
        find(span_of(text));
        find(span_of(text));
    }
    assert_in_range(cache.entries, ENTRIES_MAX * 9 / 10, ENTRIES_MAX);
    assert_int_equal(cache.fanout_sum, cache.entries);
    uint64_t entries = cache.entries;
    interest_model_remove(&model, 0);
    for (unsigned i = 0; i < 1000; i++) {
        numbered(i, text, sizeof text);
        assert_int_equal(find(span_of(text))->sub_count, 0);
    }
    assert_int_equal(cache.entries, entries);
}

/* A wide group costs its width in each subject's entry: the bytes have a bound of their own. */
static void wide_matches_are_bounded_in_bytes(void **state)
{
    (void)state;
    enum { SUBJECTS = 12000, BYTES_MAX = 32 << 20 };
    char text[32];
    for (unsigned i = 0; i < SUBJECTS; i++) { /* remembered while they are narrow */
        numbered(i, text, sizeof text);
        find(span_of(text));
        find(span_of(text));
    }
    assert_in_range(cache.entries, SUBJECTS - 100, SUBJECTS);
    for (int i = 0; i < INTEREST_MODEL_MAX; i++)
        assert_non_null(interest_model_add(&model, SPAN_LITERAL("*.x"), i % 2 ? "q" : ""));
    for (unsigned i = 0; i < SUBJECTS; i++) {
        numbered(i, text, sizeof text);
        const struct match *match = look_up(span_of(text));
        assert_int_equal(match->sub_count, INTEREST_MODEL_MAX);
        assert_in_range(cache.bytes, 1, BYTES_MAX);
        if (i % 1000 == 0)
            interest_model_compare(&model, span_of(text), match);
    }
    assert_in_range(cache.entries, BYTES_MAX / (INTEREST_MODEL_MAX * 8) / 2, SUBJECTS - 1);
    while (model.count > 0)
        interest_model_remove(&model, model.count - 1);
}

/* Each allocation fails in turn: an answer is right or absent, and counts stay true. */
static void works_without_memory(void **state)
{
    (void)state;
    enum { SUBJECTS = 5 };
    unsigned absent = 0;
    for (unsigned n = 1; n < 60; n++) {
        char text[32];
        mem_fail_at(1 + n / SUBJECTS);
        for (unsigned i = 0; i < 12; i++) {
            snprintf(text, sizeof text, "s%u.%u", n % SUBJECTS, i / 3);
            const struct match *match = look_up(span_of(text));
            if (match)
                interest_model_compare(&model, span_of(text), match);
            else
                absent++;
        }
        mem_fail_at(0);
        snprintf(text, sizeof text, "s%u.*", n % SUBJECTS);
        assert_non_null(interest_model_add(&model, span_of(text), n % 2 ? "q" : ""));
        assert_non_null(interest_model_add(&model, SPAN_LITERAL(">"), ""));
    }
    assert_in_range(absent, 1, 60);
    uint64_t entries = 0;
    for (unsigned n = 0; n < SUBJECTS; n++) {
        for (unsigned i = 0; i < 4; i++) {
            char text[32];
            uint64_t hits = cache.hits, before = cache.entries;
            snprintf(text, sizeof text, "s%u.%u", n, i);
            find(span_of(text));
            find(span_of(text));
            entries += cache.hits > hits || cache.entries > before;
        }
    }
    assert_int_equal(cache.entries, entries);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(remembered_when_missed_twice, setup, teardown),
        cmocka_unit_test_setup_teardown(steady_hits_allocate_nothing, setup, teardown),
        cmocka_unit_test_setup_teardown(many_subjects_in_turn_settle, setup, teardown),
        cmocka_unit_test_setup_teardown(stale_when_the_interest_changes, setup, teardown),
        cmocka_unit_test_setup_teardown(counts_fanout, setup, teardown),
        cmocka_unit_test_setup_teardown(grows_and_keeps_what_it_has, setup, teardown),
        cmocka_unit_test_setup_teardown(gives_up_entries_at_its_limit, setup, teardown),
        cmocka_unit_test_setup_teardown(wide_matches_are_bounded_in_bytes, setup, teardown),
        cmocka_unit_test_setup_teardown(works_without_memory, setup, teardown),
    };
    uint64_t live = mem_live_blocks();
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    check(failed || mem_live_blocks() == live);
    return failed;
}
