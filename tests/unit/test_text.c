/* What the monitor reads and writes with: paths made clean, numbers, a buffer with a maximum. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "monitor/json_write.h"
#include "monitor/query.h"

static void clean_paths(void **state)
{
    (void)state;
    static const char *const cases[][2] = {
        {"/", "/"},
        {"//", "/"},
        {"/varz", "/varz"},
        {"//varz", "/varz"},
        {"/varz/", "/varz/"},
        {"/./varz/", "/varz/"},
        {"/a/../varz", "/varz"},
        {"/../..", "/"},
        {"/a/b/../..", "/"},
        {"/a/.", "/a"},
        {"/a/..b", "/a/..b"},
        {"/...", "/..."},
        {"", "/"},
        {"a", "/a"},
    };
    for (size_t i = 0; i < array_length(cases); i++) {
        char out[64];
        query_clean_path(cases[i][0], out);
        assert_string_equal(out, cases[i][1]);
    }
}

static void numbers(void **state)
{
    (void)state;
    static const struct {
        double value;
        const char *text;
    } cases[] = {{0, "0"}, {0.1, "0.1"}, {2, "2"}, {1.0 / 3, "0.3333333333333333"}, {-1.5, "-1.5"}};
    for (size_t i = 0; i < array_length(cases); i++) {
        struct text_buffer out;
        struct json_writer json;
        text_buffer_init(&out, 100);
        json_write_init(&json, &out, 0);
        json_write_real(&json, NULL, cases[i].value);
        assert_int_equal(out.len, strlen(cases[i].text));
        assert_memory_equal(out.bytes, cases[i].text, out.len);
        text_buffer_fini(&out);
    }
}

static void buffer_has_a_maximum(void **state)
{
    (void)state;
    struct text_buffer out;
    text_buffer_init(&out, 5);
    text_buffer_text(&out, "abcde");
    assert_false(out.failed);
    text_buffer_text(&out, "f");
    assert_true(out.failed);
    assert_int_equal(out.len, 5);
    text_buffer_fini(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(clean_paths),
        cmocka_unit_test(numbers),
        cmocka_unit_test(buffer_has_a_maximum),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
