/* The texts of time, as Go's time package and nats-server write them; the rows are Go's output. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "broker/base/clock.h"

struct row {
    int64_t ns;
    const char *text;
};

static void each(const struct row *rows, size_t count, char *(*function)(int64_t, char *))
{
    for (size_t i = 0; i < count; i++) {
        char text[CLOCK_TEXT_MAX + 8];
        memset(text, '#', sizeof text);
        assert_ptr_equal(function(rows[i].ns, text), text);
        assert_string_equal(text, rows[i].text);
        assert_memory_equal(text + CLOCK_TEXT_MAX, "########", 8);
    }
}

static void durations(void **state)
{
    (void)state;
    static const struct row rows[] = {
        {0, "0s"}, {1, "1ns"}, {999, "999ns"}, {1000, "1\xc2\xb5s"}, {1001, "1.001\xc2\xb5s"},
        {1500, "1.5\xc2\xb5s"}, {999999, "999.999\xc2\xb5s"}, {1000000, "1ms"}, {1000001, "1.000001ms"},
        {1500000, "1.5ms"}, {999999999, "999.999999ms"}, {1000000000, "1s"}, {1500000000, "1.5s"},
        {59999999999, "59.999999999s"}, {60000000000, "1m0s"}, {61000000000, "1m1s"},
        {3599000000000, "59m59s"}, {3600000000000, "1h0m0s"}, {3661000000001, "1h1m1.000000001s"},
        {86400000000000, "24h0m0s"}, {INT64_MAX, "2562047h47m16.854775807s"},
        {INT64_MIN, "-2562047h47m16.854775808s"}, {-1, "-1ns"}, {-1500000000, "-1.5s"},
    };
    each(rows, array_length(rows), clock_go_duration);
}

static void instants(void **state)
{
    (void)state;
    static const struct row rows[] = {
        {0, "0001-01-01T00:00:00Z"},
        {1, "1970-01-01T00:00:00.000000001Z"},
        {1000000000, "1970-01-01T00:00:01Z"},
        {1700000000000000000, "2023-11-14T22:13:20Z"},
        {1700000000123456789, "2023-11-14T22:13:20.123456789Z"},
        {1700000000100000000, "2023-11-14T22:13:20.1Z"},
        {1700000000000000001, "2023-11-14T22:13:20.000000001Z"},
        {951827696789000000, "2000-02-29T12:34:56.789Z"},
        {4102444799999999999, "2099-12-31T23:59:59.999999999Z"},
    };
    each(rows, array_length(rows), clock_rfc3339);
}

static void uptimes(void **state)
{
    (void)state;
    static const struct row rows[] = {
        {-5, "0s"},
        {0, "0s"},
        {999999999, "0s"},
        {59 * NS_PER_SEC, "59s"},
        {60 * NS_PER_SEC, "1m0s"},
        {3599 * NS_PER_SEC, "59m59s"},
        {3600 * NS_PER_SEC, "1h0m0s"},
        {86399 * NS_PER_SEC, "23h59m59s"},
        {86400 * NS_PER_SEC, "1d0h0m0s"},
        {(364 * 86400LL + 1) * NS_PER_SEC, "364d0h0m1s"},
        {365 * 86400LL * NS_PER_SEC, "1y0d0h0m0s"},
        {(800 * 86400LL + 3661) * NS_PER_SEC, "2y70d1h1m1s"},
        {INT64_MAX, "292y171d23h47m16s"},
    };
    each(rows, array_length(rows), clock_uptime);
}

/* Whole microseconds from one microsecond to one millisecond, exact otherwise. */
static void round_trips(void **state)
{
    (void)state;
    static const struct row rows[] = {
        {0, "0s"}, {999, "999ns"}, {1000, "1\xc2\xb5s"}, {1001, "1\xc2\xb5s"},
        {554999, "554\xc2\xb5s"}, {999999, "999\xc2\xb5s"}, {1000000, "1ms"}, {1234567, "1.234567ms"},
    };
    each(rows, array_length(rows), clock_rtt);
}

static void the_fake_clock(void **state)
{
    (void)state;
    int64_t real = clock_wall_ns();
    assert_true(real > 1600000000 * NS_PER_SEC);
    clock_set_fake(42);
    assert_int_equal(clock_mono_ns(), 42);
    assert_int_equal(clock_wall_ns(), 42);
    clock_set_fake(-1);
    assert_true(clock_wall_ns() >= real);
    int64_t before = clock_mono_ns();
    assert_true(clock_mono_ns() >= before);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(durations),   cmocka_unit_test(instants),       cmocka_unit_test(uptimes),
        cmocka_unit_test(round_trips), cmocka_unit_test(the_fake_clock),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
