/* The interest: random operations held against a plain array, its generations, its memory. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>

#include "broker/base/mem.h"
#include "broker/core/subject.h"
#include "tests/unit/interest_model.h"

static uint64_t seed;

static unsigned below(unsigned n)
{
    seed = seed * 6364136223846793005u + 1442695040888963407u;
    return (unsigned)(seed >> 33) % n;
}

/* Few tokens, so that patterns meet; many for the first one now and then, so that tables grow. */
static struct span random_subject(char *out, bool wildcards)
{
    unsigned tokens = 1 + below(4);
    size_t len = 0;
    for (unsigned i = 0; i < tokens; i++) {
        bool last = i + 1 == tokens;
        unsigned kind = below(10);
        if (i > 0)
            out[len++] = '.';
        if (wildcards && kind == 0 && last)
            out[len++] = '>';
        else if (wildcards && kind <= 2)
            out[len++] = '*';
        else if (kind == 3)
            len += (size_t)snprintf(out + len, 8, "t%u", below(200));
        else
            out[len++] = (char)('a' + below(3));
    }
    return (struct span){out, len};
}

static void compare_some(const struct interest_model *model, struct match **match, size_t *capacity)
{
    char text[64];
    for (int i = 0; i < 4; i++) {
        struct span subject = random_subject(text, i == 0);
        assert_int_equal(sublist_match(model->list, subject, match, capacity), 0);
        interest_model_compare(model, subject, *match);
    }
}

static void random_operations(uint64_t from, unsigned steps, unsigned removal_percent)
{
    static const char *const queues[] = {"", "", "q", "workers", "q2"};
    uint64_t live = mem_live_blocks();
    struct interest_model model;
    struct match *match = NULL;
    size_t capacity = 0;
    seed = from;
    interest_model_init(&model);
    for (unsigned step = 0; step < steps; step++) {
        char text[64];
        if (model.count > 0 && below(100) < removal_percent)
            interest_model_remove(&model, below((unsigned)model.count));
        else
            interest_model_add(&model, random_subject(text, true), queues[below(array_length(queues))]);
        sublist_verify(model.list);
        compare_some(&model, &match, &capacity);
        assert_int_equal(sublist_counts(model.list).subscriptions, model.count);
        if (below(20) == 0)
            garbage_free_all(&model.garbage);
    }
    struct sublist_counts counts = sublist_counts(model.list);
    assert_int_equal(counts.inserts - counts.removes, counts.subscriptions);
    interest_model_fini(&model);
    mem_free(match);
    assert_int_equal(mem_live_blocks(), live);
}

static void random_operations_agree_with_the_model(void **state)
{
    (void)state;
    for (uint64_t from = 1; from <= 6; from++)
        random_operations(from, 600, 20 + (unsigned)from * 10);
}

/* One set with many members, then few: the vacant slots are squeezed out. */
static void sets_shrink(void **state)
{
    (void)state;
    struct interest_model model;
    struct match *match = NULL;
    size_t capacity = 0;
    interest_model_init(&model);
    for (int i = 0; i < 500; i++)
        assert_non_null(interest_model_add(&model, SPAN_LITERAL("one.subject"), i % 2 ? "q" : ""));
    seed = 7;
    while (model.count > 3) {
        interest_model_remove(&model, below((unsigned)model.count));
        sublist_verify(model.list);
        assert_int_equal(sublist_match(model.list, SPAN_LITERAL("one.subject"), &match, &capacity), 0);
        interest_model_compare(&model, SPAN_LITERAL("one.subject"), match);
    }
    interest_model_fini(&model);
    mem_free(match);
}

/* More sets on one path than the matcher keeps on its stack. */
static void many_groups_on_one_subject(void **state)
{
    (void)state;
    struct interest_model model;
    struct match *match = NULL;
    size_t capacity = 0;
    interest_model_init(&model);
    static const char *const patterns[] = {"a.b", "a.*", "*.b", "*.*", "a.>", "*.>", ">"};
    for (int i = 0; i < 30; i++) {
        char queue[8];
        snprintf(queue, sizeof queue, "q%d", i);
        for (size_t j = 0; j < array_length(patterns); j++)
            assert_non_null(interest_model_add(&model, span_of(patterns[j]), queue));
    }
    assert_int_equal(sublist_match(model.list, SPAN_LITERAL("a.b"), &match, &capacity), 0);
    interest_model_compare(&model, SPAN_LITERAL("a.b"), match);
    assert_int_equal(match->group_count, 30);
    assert_int_equal(match->groups[0].count, array_length(patterns));
    interest_model_fini(&model);
    mem_free(match);
}

/* As many tokens as the longest control line can have. */
static void deep_subjects(void **state)
{
    (void)state;
    struct interest_model model;
    struct match *match = NULL;
    size_t capacity = 0;
    char literal[4095], stars[4095], mixed[4095];
    for (size_t i = 0; i < sizeof literal; i++) {
        literal[i] = i % 2 ? '.' : 'a';
        stars[i] = i % 2 ? '.' : '*';
        mixed[i] = i % 2 ? '.' : i % 4 ? '*' : 'a';
    }
    interest_model_init(&model);
    assert_non_null(interest_model_add(&model, (struct span){literal, sizeof literal}, ""));
    assert_non_null(interest_model_add(&model, (struct span){stars, sizeof stars}, "q"));
    assert_non_null(interest_model_add(&model, (struct span){mixed, sizeof mixed}, ""));
    struct span subject = {literal, sizeof literal};
    assert_int_equal(sublist_match(model.list, subject, &match, &capacity), 0);
    interest_model_compare(&model, subject, match);
    assert_int_equal(match->sub_count, 3);
    interest_model_fini(&model);
    mem_free(match);
}

static struct sublist_generation generation(const struct sublist *list, struct span subject)
{
    return sublist_generation(list, sublist_generation_slot(subject));
}

static bool same(struct sublist_generation a, struct sublist_generation b)
{
    return a.first_token == b.first_token && a.wildcard == b.wildcard;
}

/* A change that could matter to a subject changes its generation; one below another first token need not. */
static void generations_tell_changes(void **state)
{
    (void)state;
    struct interest_model model;
    interest_model_init(&model);
    seed = 99;
    for (int step = 0; step < 2000; step++) {
        char subject_text[64], pattern_text[64];
        struct span subject = random_subject(subject_text, false);
        struct span pattern = random_subject(pattern_text, true);
        struct sublist_generation before = generation(model.list, subject);
        assert_non_null(interest_model_add(&model, pattern, ""));
        struct sublist_generation between = generation(model.list, subject);
        interest_model_remove(&model, model.count - 1);
        struct sublist_generation after = generation(model.list, subject);
        if (subject_matches(pattern, subject)) {
            assert_false(same(before, between));
            assert_false(same(between, after));
        }
    }
    struct sublist_generation kept = generation(model.list, SPAN_LITERAL("orders.eu"));
    unsigned slot = sublist_generation_slot(SPAN_LITERAL("orders.eu"));
    unsigned others = 0;
    for (unsigned i = 0; i < 50; i++) {
        char other[32];
        snprintf(other, sizeof other, "_INBOX%u.x", i);
        if (sublist_generation_slot(span_of(other)) == slot)
            continue;
        others++;
        assert_non_null(interest_model_add(&model, span_of(other), ""));
        interest_model_remove(&model, 0);
    }
    assert_in_range(others, 25, 50);
    assert_true(same(kept, generation(model.list, SPAN_LITERAL("orders.eu"))));
    interest_model_fini(&model);
}

/* Every allocation of an insertion may fail: nothing changes then, and nothing is lost. */
static void insertion_without_memory(void **state)
{
    (void)state;
    uint64_t live = mem_live_blocks();
    struct interest_model model;
    struct match *match = NULL;
    size_t capacity = 0;
    interest_model_init(&model);
    unsigned failures = 0;
    seed = 5;
    for (int step = 0; step < 300; step++) {
        char text[64];
        struct span pattern = random_subject(text, true);
        const char *queue = below(2) ? "q" : "";
        for (unsigned n = 1;; n++) {
            mem_fail_at(n);
            bool added = interest_model_add(&model, pattern, queue) != NULL;
            mem_fail_at(0);
            sublist_verify(model.list);
            compare_some(&model, &match, &capacity);
            if (added)
                break;
            failures++;
        }
    }
    assert_in_range(failures, 300, 3000);
    interest_model_fini(&model);
    mem_free(match);
    assert_int_equal(mem_live_blocks(), live);
}

/* A match that finds no memory says so and keeps the old one usable. */
static void matching_without_memory(void **state)
{
    (void)state;
    struct interest_model model;
    struct match *match = NULL;
    size_t capacity = 0;
    interest_model_init(&model);
    assert_non_null(interest_model_add(&model, SPAN_LITERAL("a"), ""));
    mem_fail_at(1);
    assert_true(sublist_match(model.list, SPAN_LITERAL("a"), &match, &capacity) < 0);
    assert_null(match);
    assert_int_equal(capacity, 0);
    mem_fail_at(0);
    assert_int_equal(sublist_match(model.list, SPAN_LITERAL("a"), &match, &capacity), 0);
    for (int i = 0; i < 40; i++) {
        char queue[8];
        snprintf(queue, sizeof queue, "q%d", i);
        assert_non_null(interest_model_add(&model, SPAN_LITERAL("b"), queue));
    }
    struct match *before = match;
    uint64_t live = mem_live_blocks();
    for (unsigned n = 1; n <= 2; n++) {
        mem_fail_at(n);
        assert_true(sublist_match(model.list, SPAN_LITERAL("b"), &match, &capacity) < 0);
        assert_ptr_equal(match, before);
        assert_int_equal(match->sub_count, 1);
        assert_int_equal(mem_live_blocks(), live);
    }
    mem_fail_at(0);
    interest_model_fini(&model);
    mem_free(match);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(random_operations_agree_with_the_model),
        cmocka_unit_test(sets_shrink),
        cmocka_unit_test(many_groups_on_one_subject),
        cmocka_unit_test(deep_subjects),
        cmocka_unit_test(generations_tell_changes),
        cmocka_unit_test(insertion_without_memory),
        cmocka_unit_test(matching_without_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
