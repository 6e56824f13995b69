/* Subject rules: each row of the table, and matching held against a second, differently written matcher. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>

#include "broker/core/subject.h"

static void validity(void **state)
{
    (void)state;
    static const struct {
        const char *subject;
        bool subscription, literal, wildcard;
    } rows[] = {
        {"a", true, true, false},
        {"a.b.c", true, true, false},
        {"", false, false, false},
        {".", false, false, false},
        {"a.", false, false, false},
        {".a", false, false, false},
        {"a..b", false, false, false},
        {"*", true, false, true},
        {">", true, false, true},
        {"a.*", true, false, true},
        {"*.a", true, false, true},
        {"a.>", true, false, true},
        {">.a", false, false, true},
        {"a.>.b", false, false, true},
        {"a*", true, true, false},
        {"*a.b", true, true, false},
        {"a>", true, true, false},
        {">>", true, true, false},
        {"**", true, true, false},
        {"*.*.>", true, false, true},
        {"a.>.", false, false, true},
        {"..", false, false, false},
        {"caf\xc3\xa9.x", true, true, false},
        {"$SYS.a", true, true, false},
    };
    for (size_t i = 0; i < array_length(rows); i++) {
        struct span subject = span_of(rows[i].subject);
        if (subject_valid_subscription(subject) != rows[i].subscription ||
            subject_valid_literal(subject) != rows[i].literal ||
            subject_has_wildcard(subject) != rows[i].wildcard)
            fail_msg("row %zu: \"%s\"", i, rows[i].subject);
    }
}

static void tokens_of_a_subject(void **state)
{
    (void)state;
    struct subject_tokens rest = subject_tokens(SPAN_LITERAL("ab..c."));
    static const char *const expected[] = {"ab", "", "c", ""};
    struct span token = {NULL, 0};
    for (size_t i = 0; i < array_length(expected); i++) {
        assert_true(subject_next_token(&rest, &token));
        assert_true(span_equal(token, span_of(expected[i])));
    }
    assert_false(subject_next_token(&rest, &token));
    rest = subject_tokens((struct span){"", 0});
    assert_true(subject_next_token(&rest, &token));
    assert_int_equal(token.len, 0);
    assert_false(subject_next_token(&rest, &token));
}

/* The reference: one-letter tokens, so that the subject's n-th token is at 2n. Recursive, on strings. */
static bool reference(const char *pattern, const char *subject)
{
    if (pattern[0] == '>' && pattern[1] == '\0')
        return true;
    if (pattern[0] != '*' && pattern[0] != subject[0])
        return false;
    if (!pattern[1] || !subject[1])
        return !pattern[1] && !subject[1];
    return reference(pattern + 2, subject + 2);
}

/* The n-th text of up to three tokens from the letters. */
static size_t nth(unsigned n, const char *letters, char *out)
{
    size_t base = strlen(letters), len = 0;
    n++;
    while (n > 0) {
        out[len++] = letters[(n - 1) % base];
        out[len++] = '.';
        n = (unsigned)((n - 1) / base);
    }
    out[len - 1] = '\0';
    return len - 1;
}

static void matching_of_all_short_subjects(void **state)
{
    (void)state;
    char pattern[16], subject[16];
    unsigned matched = 0;
    for (unsigned p = 0; p < 4 + 16 + 64 + 256; p++) {
        size_t pattern_len = nth(p, "ab*>", pattern);
        if (!subject_valid_subscription((struct span){pattern, pattern_len}))
            continue;
        for (unsigned s = 0; s < 4 + 16 + 64 + 256; s++) {
            size_t subject_len =
                nth(s, "ab*>", subject); /* wildcards in a subject are plain text */
            bool expected = reference(pattern, subject);
            matched += expected;
            if (subject_matches((struct span){pattern, pattern_len},
                                (struct span){subject, subject_len}) != expected)
                fail_msg("pattern %s, subject %s: expected %d", pattern, subject, expected);
        }
    }
    assert_in_range(matched, 1000, 20000);
}

/* Against its definition: a literal subject that both match, of up to four tokens as patterns have three. */
static void overlap_of_all_short_patterns(void **state)
{
    (void)state;
    enum { PATTERNS = 4 + 16 + 64, SUBJECTS = 2 + 4 + 8 + 16 };
    char one[16], other[16], subject[16];
    unsigned overlapping = 0;
    for (unsigned i = 0; i < PATTERNS * PATTERNS; i++) {
        struct span left = {one, nth(i / PATTERNS, "ab*>", one)};
        struct span right = {other, nth(i % PATTERNS, "ab*>", other)};
        if (!subject_valid_subscription(left) || !subject_valid_subscription(right))
            continue;
        bool expected = false;
        for (unsigned s = 0; s < SUBJECTS && !expected; s++) {
            struct span literal = {subject, nth(s, "ab", subject)};
            expected = subject_matches(left, literal) && subject_matches(right, literal);
        }
        overlapping += expected;
        if (subject_overlaps(left, right) != expected)
            fail_msg("%s and %s: expected %d", one, other, expected);
    }
    assert_in_range(overlapping, 300, 3000);
}

static void empty_tokens_match_nothing(void **state)
{
    (void)state;
    static const char *const subjects[] = {"", ".", "a.", ".a", "a..b"};
    static const char *const patterns[] = {">", "*", "*.*", "a.>", "*.>"};
    for (size_t i = 0; i < array_length(subjects); i++)
        for (size_t j = 0; j < array_length(patterns); j++)
            assert_false(subject_matches(span_of(patterns[j]), span_of(subjects[i])));
    assert_false(subject_matches(SPAN_LITERAL("a.>"), SPAN_LITERAL("a")));
    assert_true(subject_matches(SPAN_LITERAL("a.>"), SPAN_LITERAL("a.b.c")));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(validity),
        cmocka_unit_test(tokens_of_a_subject),
        cmocka_unit_test(matching_of_all_short_subjects),
        cmocka_unit_test(overlap_of_all_short_patterns),
        cmocka_unit_test(empty_tokens_match_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
