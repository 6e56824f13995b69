/* JSON as Go reads it: what jansson would refuse and Go takes, what both refuse. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <stdlib.h>

#include "broker/base/err.h"
#include "broker/base/mem.h"
#include "broker/core/lenient_json.h"

/* A text of exactly this size, so that reading behind it is seen. */
static json_t *read_exact(const char *text, size_t len)
{
    char *copy = malloc(len ? len : 1);
    memcpy(copy, text, len);
    json_t *value = NULL;
    int error = lenient_json_read((struct span){copy, len}, &value);
    assert_int_equal(error, value ? 0 : ERR_INVALID);
    free(copy);
    return value;
}

#define READ(literal) read_exact(literal, sizeof(literal) - 1)

static void string_is(json_t *value, const char *expected, size_t len)
{
    assert_true(json_is_string(value));
    assert_int_equal(json_string_length(value), len);
    assert_memory_equal(json_string_value(value), expected, len);
    json_decref(value);
}

#define EXPECT_STRING(text, expected) string_is(READ(text), expected, sizeof(expected) - 1)

static void strings(void **state)
{
    (void)state;
    EXPECT_STRING("\"plain\"", "plain");
    EXPECT_STRING("\"\\\"\\\\\\/\\b\\f\\n\\r\\t\"", "\"\\/\b\f\n\r\t");
    EXPECT_STRING("\"\\u0041\\u00e9\"", "A\xc3\xa9");
    EXPECT_STRING("\"a\\u0000b\"", "a\0b");
    EXPECT_STRING("\"\\ud83d\\ude00\"", "\xf0\x9f\x98\x80");
    EXPECT_STRING("\"\xf0\x9f\x98\x80\"", "\xf0\x9f\x98\x80");
    EXPECT_STRING("\"\\\\u0041\"", "\\u0041");
}

/* Broken text becomes U+FFFD, byte by byte. */
static void broken_strings(void **state)
{
    (void)state;
    EXPECT_STRING("\"\xff\"", "\xef\xbf\xbd");
    EXPECT_STRING("\"a\xc3\"", "a\xef\xbf\xbd");
    EXPECT_STRING("\"\xc0\x80\"", "\xef\xbf\xbd\xef\xbf\xbd");
    EXPECT_STRING("\"\xed\xa0\x80\"", "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd");
    EXPECT_STRING("\"\xf5\x80\"", "\xef\xbf\xbd\xef\xbf\xbd");
    EXPECT_STRING("\"\xe2\x82\"", "\xef\xbf\xbd\xef\xbf\xbd");
    EXPECT_STRING("\"\\ud800\"", "\xef\xbf\xbd");
    EXPECT_STRING("\"\\ude00x\"", "\xef\xbf\xbdx");
    EXPECT_STRING("\"\\ud800\\ud83d\\ude00\"", "\xef\xbf\xbd\xf0\x9f\x98\x80");
    EXPECT_STRING("\"\\ud800\\n\"", "\xef\xbf\xbd\n");
}

static void numbers(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        bool integer;
        json_int_t value;
    } rows[] = {{"0", true, 0},         {"-0", true, 0},     {"12", true, 12},
                {"-7", true, -7},       {"1e3", false, 0},   {"1.0", false, 0},
                {"1E400", false, 0},    {"-1e-999", false, 0}, {"99999999999999999999", false, 0},
                {"1.25e+2", false, 0},  {"123456789012345678", true, 123456789012345678}};
    for (size_t i = 0; i < array_length(rows); i++) {
        json_t *value = read_exact(rows[i].text, strlen(rows[i].text));
        if (!json_is_number(value) || json_is_integer(value) != rows[i].integer)
            fail_msg("%s", rows[i].text);
        if (rows[i].integer)
            assert_int_equal(json_integer_value(value), rows[i].value);
        json_decref(value);
    }
}

static void documents(void **state)
{
    (void)state;
    json_t *value = READ(" {\"a\":[1,null,true,{\"b\":\"\xff\"}],\"c\":1e999}\r\n");
    assert_true(json_is_object(value));
    json_t *list = json_object_get(value, "a");
    assert_int_equal(json_array_size(list), 4);
    assert_true(json_is_null(json_array_get(list, 1)));
    assert_true(json_is_real(json_object_get(value, "c")));
    json_decref(value);
    value = READ("null");
    assert_true(json_is_null(value));
    json_decref(value);
    value = READ("{\"a\":1,\"a\":2}");
    assert_int_equal(json_integer_value(json_object_get(value, "a")), 2);
    json_decref(value);
}

static void what_is_no_json(void **state)
{
    (void)state;
    static const char *const rows[] = {
        "",      " ",       "{",      "}",        "{]",        "{\"a\"}", "{\"a\":}", "{\"a\":1,}", "[1,]",
        "01",    "-",       "+1",     "1.",       ".5",        "1e",      "1e+",     "0x1",       "'a'",
        "\"a",   "\"\\",    "\"\\u",  "\"\\u12",  "\"\\u12g4\"", "\"\\x\"", "\"a\nb\"", "nul",       "truefalse",
        "{} {}", "{\"a\":1 \"b\":2}", "{a:1}",  "\xef\xbb\xbf{}", "\"\\ud8\"",  "\x01",    "{\"a\":\"b}",  "--1",
    };
    for (size_t i = 0; i < array_length(rows); i++) {
        json_t *value = read_exact(rows[i], strlen(rows[i]));
        if (value)
            fail_msg("row %zu was read: %s", i, rows[i]);
    }
    assert_null(READ("{\"a\":1}\0"));
    assert_null(READ("\"a\0b\""));
}

/* Depth does not exhaust the stack: it is read, or refused. */
static void deep_nesting(void **state)
{
    (void)state;
    enum { DEPTH = 100000 };
    char *text = malloc(2 * DEPTH);
    memset(text, '[', DEPTH);
    memset(text + DEPTH, ']', DEPTH);
    json_decref(read_exact(text, 2 * DEPTH));
    assert_null(read_exact(text, DEPTH));
    free(text);
}

static unsigned allocations_left;

static void *allocate_some(size_t size)
{
    if (allocations_left == 0) {
        errno = ENOMEM;
        return NULL;
    }
    allocations_left--;
    return malloc(size);
}

static void no_memory(void **state)
{
    (void)state;
    json_t *value = NULL;
    mem_fail_at(1);
    assert_int_equal(lenient_json_read(SPAN_LITERAL("{}"), &value), ERR_MEMORY);
    mem_fail_at(0);
    /* Nor for jansson, at any of its allocations. */
    unsigned n = 0;
    for (int error = ERR_MEMORY; error; n++) {
        allocations_left = n;
        json_set_alloc_funcs(allocate_some, free);
        error = lenient_json_read(SPAN_LITERAL("{\"a\":[1,\"a long text, too long for the first buffer\",2.5],\"b\":{}}"), &value);
        json_set_alloc_funcs(malloc, free);
        assert_true(error == 0 || error == ERR_MEMORY);
    }
    assert_in_range(n, 8, 100);
    json_decref(value);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(strings),         cmocka_unit_test(broken_strings),
        cmocka_unit_test(numbers),         cmocka_unit_test(documents),
        cmocka_unit_test(what_is_no_json), cmocka_unit_test(deep_nesting),
        cmocka_unit_test(no_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
