/* Reading monitoring documents: steps, types, absence, and the three text forms of time. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "broker/base/clock.h"
#include "monitor/json_read.h"

static json_t *document(const char *text)
{
    char error[200] = "";
    json_t *parsed = json_read_document(text, strlen(text), error, sizeof error);
    if (!parsed)
        fail_msg("%s: %s", text, error);
    return parsed;
}

static void steps_through_dotted_keys(void **state)
{
    (void)state;
    json_t *d = document("{\"a\":{\"b\":{\"c\":7}},\"x\":\"text\",\"/varz\":3}");
    int64_t value = -1;
    assert_true(json_read_integer(d, "a.b.c", &value));
    assert_int_equal(value, 7);
    assert_true(json_read_integer(d, "/varz", &value));
    assert_int_equal(value, 3);
    assert_null(json_read_at(d, "a.nothing.c"));
    assert_null(json_read_at(d, "x.y"));
    assert_null(json_read_at(NULL, "x"));
    assert_string_equal(json_read_text(d, "x"), "text");
    assert_string_equal(json_read_text(d, "missing"), "");
    json_decref(d);
}

static void absent_and_mistyped_leave_the_value_alone(void **state)
{
    (void)state;
    json_t *d = document("{\"null\":null,\"s\":\"1\",\"r\":1.5,\"n\":-4,\"b\":true}");
    int64_t integer = 99;
    uint64_t natural = 99;
    double real = 99;
    bool flag = false;
    const char *text = "before";
    assert_false(json_read_integer(d, "absent", &integer));
    assert_false(json_read_integer(d, "null", &integer));
    assert_false(json_read_integer(d, "s", &integer));
    assert_false(json_read_integer(d, "r", &integer));
    assert_int_equal(integer, 99);
    assert_false(json_read_unsigned(d, "n", &natural));
    assert_int_equal(natural, 99);
    assert_false(json_read_double(d, "s", &real));
    assert_true(json_read_double(d, "n", &real));
    assert_true(real < -3.9 && real > -4.1);
    assert_false(json_read_string(d, "n", &text));
    assert_string_equal(text, "before");
    assert_false(json_read_boolean(d, "n", &flag));
    assert_true(json_read_boolean(d, "b", &flag));
    assert_true(flag);
    json_decref(d);
}

static void integers_beyond_int64_do_not_lose_the_document(void **state)
{
    (void)state;
    json_t *d = document("{\"t\":\"18446744073709551615 \\\" 99999999999999999999\",\"a\":"
                         "[18446744073709551615,9223372036854775807,-9223372036854775807],"
                         "\"kept\":9007199254740993,\"e\":1e3}");
    int64_t value;
    double real;
    assert_string_equal(json_read_text(d, "t"), "18446744073709551615 \" 99999999999999999999");
    json_t *array = json_read_at(d, "a");
    assert_true(json_is_real(json_array_get(array, 0)));
    assert_true(json_real_value(json_array_get(array, 0)) > 1.8e19);
    assert_int_equal(json_integer_value(json_array_get(array, 1)), INT64_MAX);
    assert_int_equal(json_integer_value(json_array_get(array, 2)), -INT64_MAX);
    assert_true(json_read_integer(d, "kept", &value));
    assert_int_equal(value, 9007199254740993);
    assert_true(json_read_double(d, "e", &real) && real > 999 && real < 1001);
    json_decref(d);
}

static void what_is_not_json_is_refused_with_a_reason(void **state)
{
    (void)state;
    static const char *const bad[] = {"", "<html>", "{\"a\":1", "{\"a\":99999999999999999999", "7"};
    for (size_t i = 0; i < array_length(bad); i++) {
        char error[200] = "";
        assert_null(json_read_document(bad[i], strlen(bad[i]), error, sizeof error));
        assert_true(strlen(error) > 5);
    }
}

static void times(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int64_t ns;
    } good[] = {{"1970-01-01T00:00:00Z", 0},
                {"2026-01-02T03:04:05.6Z", 1767323045600000000},
                {"2026-01-02T03:04:05.123456789Z", 1767323045123456789},
                {"2026-01-02T04:34:05+01:30", 1767323045000000000},
                {"2026-01-01T22:04:05-05:00", 1767323045000000000},
                {"1969-12-31T23:59:59.5Z", -500000000}};
    for (size_t i = 0; i < array_length(good); i++) {
        int64_t ns = 1;
        assert_true(json_read_parse_time(good[i].text, &ns));
        assert_int_equal(ns, good[i].ns);
    }
    static const char *const bad[] = {"",
                                      "0001-01-01T00:00:00Z",
                                      "2026-01-02 03:04:05Z",
                                      "2026-01-02T03:04:05",
                                      "2026-13-02T03:04:05Z",
                                      "2026-01-02T03:04:05.Z",
                                      "2026-01-02T03:04:05Zjunk",
                                      "2026-01-02T25:04:05Z"};
    for (size_t i = 0; i < array_length(bad); i++) {
        int64_t ns = 77;
        assert_false(json_read_parse_time(bad[i], &ns));
        assert_int_equal(ns, 77);
    }
}

static void times_read_back_what_the_clock_writes(void **state)
{
    (void)state;
    static const int64_t moments[] = {1, NS_PER_SEC, 1767323045123456789, 4102444800000000001};
    for (size_t i = 0; i < array_length(moments); i++) {
        char text[CLOCK_TEXT_MAX];
        int64_t ns;
        assert_true(json_read_parse_time(clock_rfc3339(moments[i], text), &ns));
        assert_int_equal(ns, moments[i]);
        assert_true(json_read_parse_uptime(clock_uptime(moments[i] / 4, text), &ns));
        assert_int_equal(ns, moments[i] / 4 / NS_PER_SEC * NS_PER_SEC);
    }
}

static void durations(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int64_t ns;
    } go[] = {{"0s", 0},
              {"999ns", 999},
              {"441\xc2\xb5s", 441000},
              {"441us", 441000},
              {"1.5s", 1500000000},
              {"1.078649ms", 1078649},
              {"1m30s", 90 * NS_PER_SEC},
              {"-2h0m0.5s", -7200 * NS_PER_SEC - 500000000}},
      uptime[] = {{"0s", 0},
                  {"59s", 59 * NS_PER_SEC},
                  {"1d2h3m4s", 93784 * NS_PER_SEC},
                  {"1y0d0h0m5s", 31536005 * NS_PER_SEC}};
    int64_t ns;
    for (size_t i = 0; i < array_length(go); i++) {
        assert_true(json_read_parse_go_duration(go[i].text, &ns));
        assert_int_equal(ns, go[i].ns);
    }
    for (size_t i = 0; i < array_length(uptime); i++) {
        assert_true(json_read_parse_uptime(uptime[i].text, &ns));
        assert_int_equal(ns, uptime[i].ns);
    }
    static const char *const bad[] = {
        "", "s", "5", "1.5", "1x", "1s2", "99999999999999999999s", "999999999999h"};
    for (size_t i = 0; i < array_length(bad); i++) {
        assert_false(json_read_parse_go_duration(bad[i], &ns));
        assert_false(json_read_parse_uptime(bad[i], &ns));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(steps_through_dotted_keys),
        cmocka_unit_test(absent_and_mistyped_leave_the_value_alone),
        cmocka_unit_test(integers_beyond_int64_do_not_lose_the_document),
        cmocka_unit_test(what_is_not_json_is_refused_with_a_reason),
        cmocka_unit_test(times),
        cmocka_unit_test(times_read_back_what_the_clock_writes),
        cmocka_unit_test(durations),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
