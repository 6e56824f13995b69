/* Exposition text in both formats, compared byte for byte. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>

#include "broker/base/mem.h"
#include "monitor/prom_text.h"

static void assert_text(struct prom_text *text, const char *expected)
{
    size_t len = 0;
    char *bytes = prom_text_take(text, &len);
    assert_non_null(bytes);
    assert_string_equal(bytes, expected);
    assert_int_equal(len, strlen(expected));
    mem_free(bytes);
}

static void write_counter(struct prom_text *text)
{
    prom_text_family(text, "nats_x_bytes", PROM_TEXT_COUNTER, "bytes",
                     "A \"back\\slash\"\nand more");
    prom_text_sample(text, NULL, prom_text_unsigned(UINT64_MAX));
    prom_text_sample(text, "a=\"b\"", prom_text_unsigned(9007199254740993));
    prom_text_end(text);
}

static void counters(void **state)
{
    (void)state;
    struct prom_text text;
    prom_text_init(&text, PROM_TEXT_PLAIN);
    write_counter(&text);
    assert_text(&text, "# HELP nats_x_bytes_total A \"back\\\\slash\"\\nand more\n"
                       "# TYPE nats_x_bytes_total counter\n"
                       "nats_x_bytes_total 18446744073709551615\n"
                       "nats_x_bytes_total{a=\"b\"} 9007199254740993\n");
    prom_text_init(&text, PROM_TEXT_OPENMETRICS);
    write_counter(&text);
    assert_text(&text, "# HELP nats_x_bytes A \\\"back\\\\slash\\\"\\nand more\n"
                       "# UNIT nats_x_bytes bytes\n"
                       "# TYPE nats_x_bytes counter\n"
                       "nats_x_bytes_total 18446744073709551615\n"
                       "nats_x_bytes_total{a=\"b\"} 9007199254740993\n"
                       "# EOF\n");
}

static void rows_of_the_table(void **state)
{
    (void)state;
    struct prom_text text;
    prom_text_init(&text, PROM_TEXT_OPENMETRICS);
    const struct metric_descriptor *row = &metric_descriptors[METRIC_write_deadline];
    prom_text_row(&text, row);
    prom_text_sample(&text, "", prom_text_scaled(row->unit, 10000000000));
    size_t len;
    char *bytes = prom_text_take(&text, &len);
    assert_non_null(strstr(bytes, "# UNIT nats_server_write_deadline_seconds seconds\n"));
    assert_non_null(strstr(bytes, "# TYPE nats_server_write_deadline_seconds gauge\n"
                                  "nats_server_write_deadline_seconds 10\n"));
    mem_free(bytes);
}

static void write_histogram(struct prom_text *text, enum prom_text_kind kind)
{
    static const double bounds[] = {0.0001, 1, 1024};
    static const uint64_t counts[] = {1, 0, 2, 3};
    prom_text_family(text, "h_seconds", kind, "seconds", "H");
    prom_text_histogram(text, "a=\"b\"", bounds, array_length(bounds), counts, 2.5);
}

static void histograms(void **state)
{
    (void)state;
    struct prom_text text;
    prom_text_init(&text, PROM_TEXT_PLAIN);
    write_histogram(&text, PROM_TEXT_GAUGE_HISTOGRAM);
    assert_text(&text, "# HELP h_seconds H\n# TYPE h_seconds histogram\n"
                       "h_seconds_bucket{a=\"b\",le=\"0.0001\"} 1\n"
                       "h_seconds_bucket{a=\"b\",le=\"1.0\"} 1\n"
                       "h_seconds_bucket{a=\"b\",le=\"1024.0\"} 3\n"
                       "h_seconds_bucket{a=\"b\",le=\"+Inf\"} 6\n"
                       "h_seconds_count{a=\"b\"} 6\nh_seconds_sum{a=\"b\"} 2.5\n");
    prom_text_init(&text, PROM_TEXT_OPENMETRICS);
    write_histogram(&text, PROM_TEXT_GAUGE_HISTOGRAM);
    assert_text(&text,
                "# HELP h_seconds H\n# UNIT h_seconds seconds\n# TYPE h_seconds gaugehistogram\n"
                "h_seconds_bucket{a=\"b\",le=\"0.0001\"} 1\n"
                "h_seconds_bucket{a=\"b\",le=\"1.0\"} 1\n"
                "h_seconds_bucket{a=\"b\",le=\"1024.0\"} 3\n"
                "h_seconds_bucket{a=\"b\",le=\"+Inf\"} 6\n"
                "h_seconds_gcount{a=\"b\"} 6\nh_seconds_gsum{a=\"b\"} 2.5\n");
}

static void numbers(void **state)
{
    (void)state;
    struct prom_text text;
    prom_text_init(&text, PROM_TEXT_PLAIN);
    prom_text_family(&text, "n", PROM_TEXT_GAUGE, "", "N");
    prom_text_sample(&text, NULL, prom_text_signed(INT64_MIN));
    prom_text_sample(&text, NULL, prom_text_real(0.1));
    prom_text_sample(&text, NULL, prom_text_real(1.0 / 3));
    prom_text_sample(&text, NULL, prom_text_scaled(METRIC_UNIT_NS, 441000));
    prom_text_sample(&text, NULL, prom_text_scaled_real(METRIC_UNIT_PERCENT, 12.5));
    prom_text_sample(&text, NULL, prom_text_scaled(METRIC_UNIT_BYTES, INT64_MAX));
    prom_text_sample(&text, NULL, prom_text_real((double)INFINITY));
    prom_text_sample(&text, NULL, prom_text_real((double)NAN));
    assert_text(&text, "# HELP n N\n# TYPE n gauge\nn -9223372036854775808\nn 0.1\n"
                       "n 0.3333333333333333\nn 0.000441\nn 0.125\nn 9223372036854775807\n"
                       "n +Inf\nn NaN\n");
}

static void labels(void **state)
{
    (void)state;
    struct prom_text_labels set = {0};
    prom_text_labels_add(&set, "a", "q\" b\\ n\n");
    size_t mark = set.len;
    prom_text_labels_add(&set, "b", "\xff ok \xc3\xa9 \xe2\x82 \xed\xa0\x80");
    assert_string_equal(
        set.bytes, "a=\"q\\\" b\\\\ n\\n\",b=\"\xef\xbf\xbd ok \xc3\xa9 \xef\xbf\xbd\xef\xbf\xbd "
                   "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\"");
    prom_text_labels_cut(&set, mark);
    prom_text_labels_add(&set, "c", "");
    assert_string_equal(set.bytes, "a=\"q\\\" b\\\\ n\\n\",c=\"\"");
    prom_text_labels_fini(&set);
}

static void negotiation(void **state)
{
    (void)state;
    static const struct {
        const char *accept;
        enum prom_text_format format;
    } cases[] = {
        {NULL, PROM_TEXT_PLAIN},
        {"", PROM_TEXT_PLAIN},
        {"*/*", PROM_TEXT_PLAIN},
        {"text/plain", PROM_TEXT_PLAIN},
        {"application/openmetrics-text", PROM_TEXT_OPENMETRICS},
        {"application/openmetrics-text;version=1.0.0,application/"
         "openmetrics-text;version=0.0.1;q=0.75,"
         "text/plain;version=0.0.4;q=0.5,*/*;q=0.1",
         PROM_TEXT_OPENMETRICS},
        {"application/openmetrics-text; version=0.0.1; q=0.9, text/plain;q=0.5", PROM_TEXT_PLAIN},
        {"application/openmetrics-text;q=0.4, text/plain;q=0.5", PROM_TEXT_PLAIN},
        {"application/openmetrics-text;q=0", PROM_TEXT_PLAIN},
        {"text/html, ;;=,", PROM_TEXT_PLAIN},
    };
    for (size_t i = 0; i < array_length(cases); i++)
        if (prom_text_negotiate(cases[i].accept) != cases[i].format)
            fail_msg("wrong format for Accept: %s", cases[i].accept);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(counters),   cmocka_unit_test(rows_of_the_table),
        cmocka_unit_test(histograms), cmocka_unit_test(numbers),
        cmocka_unit_test(labels),     cmocka_unit_test(negotiation),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
