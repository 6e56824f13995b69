/* The viewer without its screen: documents to samples, samples to rates, rates to rows, and the
 * words for numbers. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "broker/base/clock.h"
#include "top/filter.h"
#include "top/format.h"
#include "top/model.h"
#include "top/rows.h"

#define START "2026-01-01T00:00:00Z"

/* A good sample: server `id`, `ms` after midnight by its clock, with these counters. */
static struct sample *sample_at(const char *id, const char *start, int ms, long in_msgs)
{
    char varz[512];
    struct sample *sample = sample_new();
    assert_non_null(sample);
    snprintf(varz, sizeof varz,
             "{\"server_id\":\"%s\",\"server_name\":\"n1\",\"version\":\"2.9.10\",\"start\":\"%s\","
             "\"now\":\"2026-01-01T00:%02d:%02d.%03dZ\",\"in_msgs\":%ld,\"mem\":1048576,"
             "\"connections\":2}",
             id, start, ms / 60000, ms / 1000 % 60, ms % 1000, in_msgs);
    assert_true(sample_read_varz(sample, varz, strlen(varz)));
    sample->mono_ns = 1000000000 + ms * NS_PER_MS;
    return sample;
}

static void connz_add(struct sample *sample, int ms, const char *conns)
{
    char connz[4096];
    snprintf(connz, sizeof connz,
             "{\"server_id\":\"%s\",\"now\":\"2026-01-01T00:%02d:%02d.%03dZ\",\"num_connections\":"
             "1,\"total\":48112,"
             "\"connections\":[%s]}",
             sample->server_id, ms / 60000, ms / 1000 % 60, ms % 1000, conns);
    assert_true(sample_read_connz(sample, connz, strlen(connz)));
}

static void fail_at(struct model *model, int ms)
{
    struct sample *sample = sample_new();
    assert_non_null(sample);
    snprintf(sample->error, sizeof sample->error, "connection refused");
    sample->mono_ns = 1000000000 + ms * NS_PER_MS;
    assert_true(model_ingest(model, sample));
}

static void test_rate_is_per_second_of_the_server_clock(void **state)
{
    (void)state;
    struct model model;
    model_init(&model);
    assert_true(model_ingest(&model, sample_at("A", START, 1000, 500)));
    assert_true(isnan(model.rates[METRIC_in_msgs].now));
    assert_true(model_ingest(&model, sample_at("A", START, 1250, 1500)));
    assert_float_equal(model.rates[METRIC_in_msgs].now, 4000, 1e-6);
    assert_true(model_ingest(&model, sample_at("A", START, 3250, 1500)));
    assert_float_equal(model.rates[METRIC_in_msgs].now, 0, 1e-6);
    assert_float_equal(model.rates[METRIC_in_msgs].peak, 4000, 1e-6);
    double expected = 4000 + (1 - exp(-0.2)) * (0 - 4000);
    assert_float_equal(model.rates[METRIC_in_msgs].fast, expected, 1e-6);
    assert_float_equal(model_past(&model, METRIC_in_msgs, 1), 4000, 1e-3);
    assert_true(isnan(model_past(&model, METRIC_in_msgs, 2)));
    assert_true(isnan(model_past(&model, METRIC_in_msgs, 3)));
    model_fini(&model);
}

static void test_counters_do_not_lose_precision(void **state)
{
    (void)state;
    struct model model;
    model_init(&model);
    assert_true(model_ingest(&model, sample_at("A", START, 1000, 9007199254740993L)));
    assert_true(model_ingest(&model, sample_at("A", START, 2000, 9007199254740994L)));
    assert_float_equal(model.rates[METRIC_in_msgs].now, 1, 1e-9);
    model_fini(&model);
}

static void test_restart_gives_no_rate_and_a_notice(void **state)
{
    (void)state;
    struct model model;
    model_init(&model);
    assert_true(model_ingest(&model, sample_at("A", START, 1000, 500)));
    assert_true(model_ingest(&model, sample_at("A", START, 2000, 600)));
    assert_true(model_ingest(&model, sample_at("B", "2026-01-01T00:00:02Z", 3000, 5000)));
    assert_true(isnan(model.rates[METRIC_in_msgs].now));
    assert_true(isnan(model.rates[METRIC_in_msgs].peak));
    assert_int_equal(model.restarts, 1);
    assert_non_null(strstr(model.notice, "restarted"));
    assert_false(model.alternating);
    assert_true(model_ingest(&model, sample_at("B", "2026-01-01T00:00:02Z", 4000, 5010)));
    assert_float_equal(model.rates[METRIC_in_msgs].now, 10, 1e-6);
    /* The same id with another start is another life too. */
    assert_true(model_ingest(&model, sample_at("B", "2026-01-01T00:00:04Z", 5000, 9000)));
    assert_true(isnan(model.rates[METRIC_in_msgs].now));
    model_fini(&model);
}

static void test_shrinking_counter_and_clock_going_back(void **state)
{
    (void)state;
    struct model model;
    model_init(&model);
    assert_true(model_ingest(&model, sample_at("A", START, 2000, 500)));
    assert_true(model_ingest(&model, sample_at("A", START, 3000, 400)));
    assert_true(isnan(model.rates[METRIC_in_msgs].now));
    assert_true(model_ingest(&model, sample_at("A", START, 2500, 600)));
    assert_true(isnan(model.rates[METRIC_in_msgs].now));
    assert_true(model_ingest(&model, sample_at("A", START, 3500, 700)));
    assert_float_equal(model.rates[METRIC_in_msgs].now, 100, 1e-6);
    model_fini(&model);
}

static void test_several_servers_behind_one_address(void **state)
{
    (void)state;
    struct model model;
    model_init(&model);
    for (int i = 0; i < 4; i++) {
        assert_true(
            model_ingest(&model, sample_at(i % 2 ? "B" : "A", START, 1000 + i * 1000, 500 + i)));
        assert_true(isnan(model.rates[METRIC_in_msgs].now));
    }
    assert_true(model.alternating);
    assert_non_null(strstr(model.notice, "several servers"));
    model_fini(&model);
}

static void test_failure_keeps_the_last_figures(void **state)
{
    (void)state;
    struct model model;
    model_init(&model);
    assert_true(model_ingest(&model, sample_at("A", START, 1000, 500)));
    assert_true(model_ingest(&model, sample_at("A", START, 2000, 700)));
    fail_at(&model, 3000);
    fail_at(&model, 4000);
    assert_true(model_stale(&model));
    assert_int_equal(model.failures, 2);
    assert_string_equal(model.error, "connection refused");
    assert_float_equal(model.rates[METRIC_in_msgs].now, 200, 1e-6);
    assert_int_equal(model.good_ns, 1000000000 + 2000 * NS_PER_MS);
    assert_true(isnan(model_past(&model, METRIC_in_msgs, 0)));
    assert_true(model_ingest(&model, sample_at("A", START, 6000, 1100)));
    assert_false(model_stale(&model));
    assert_float_equal(model.rates[METRIC_in_msgs].now, 100, 1e-6);
    assert_string_equal(model.error, "");
    model_fini(&model);
}

static void test_absent_is_not_zero(void **state)
{
    (void)state;
    struct sample *sample = sample_at("A", START, 1000, 1);
    assert_true(sample->values[METRIC_in_msgs].present);
    assert_false(sample->values[METRIC_slow_consumers].present);
    assert_false(sample->values[METRIC_dropped_msgs].present);
    sample_free(&sample);
}

static void test_bad_documents_are_refused(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "",
        "[]",
        "{",
        "{\"server_id\":\"A\"}",
        "404 page not found",
        "{\"server_id\":1,\"start\":\"2026-01-01T00:00:00Z\",\"now\":3}"};
    for (size_t i = 0; i < array_length(bad); i++) {
        struct sample *sample = sample_new();
        assert_false(sample_read_varz(sample, bad[i], strlen(bad[i])));
        assert_true(sample->error[0] != '\0');
        assert_false(sample_read_connz(sample, bad[i], strlen(bad[i])));
        assert_null(sample->connz);
        sample_free(&sample);
    }
}

#define CONN(cid, name, out, pending, start)                                                       \
    "{\"cid\":" #cid ",\"ip\":\"10.0.0.1\",\"port\":4000,\"name\":\"" name "\",\"out_msgs\":" #out \
    ",\"pending_bytes\":" #pending ",\"start\":\"2026-01-01T00:00:0" #start                        \
    "Z\",\"rtt\":\"1.5ms\","                                                                       \
    "\"last_activity\":\"2026-01-01T00:00:01Z\"}"

static void two_lists(struct model *model, const char *first, const char *second)
{
    model_init(model);
    struct sample *sample = sample_at("A", START, 1000, 1);
    connz_add(sample, 2000, first);
    assert_true(model_ingest(model, sample));
    sample = sample_at("A", START, 2000, 2);
    connz_add(sample, 4000, second);
    assert_true(model_ingest(model, sample));
}

static double out_rate(const struct model *model, uint64_t cid)
{
    const struct model_conn *conn = model_find(model, cid);
    assert_non_null(conn);
    return conn->rates[METRIC_conn_out_msgs - SAMPLE_CONN_FIRST].now;
}

static void test_connection_rates_follow_the_id(void **state)
{
    (void)state;
    struct model model;
    two_lists(&model,
              CONN(5, "a", 100, 0, 0) "," CONN(6, "b", 100, 0, 0) "," CONN(8, "d", 100, 0, 0),
              CONN(7, "c", 900, 0, 3) "," CONN(6, "b", 300, 0, 0) "," CONN(8, "d", 900, 0, 3));
    assert_null(model_find(&model, 5));
    assert_float_equal(out_rate(&model, 6), 100, 1e-6); /* 200 in the list's own 2 s */
    assert_true(isnan(out_rate(&model, 7)));            /* new */
    assert_true(isnan(out_rate(&model, 8)));            /* another connection with that id */
    assert_int_equal(model.connz->total, 48112);
    assert_float_equal(
        model_conn_past(model_find(&model, 6), METRIC_conn_out_msgs - SAMPLE_CONN_FIRST, 0), 100,
        1e-3);
    model_fini(&model);
}

static void rows_are(const struct model *model, const char *sort, bool descending,
                     const char *filter, const char *expected)
{
    struct filter parsed = {0};
    assert_true(filter_parse(&parsed, filter));
    struct rows_query query = {.sort = columns_find(sort),
                               .descending = descending,
                               .filter = &parsed,
                               .view = {true, false, model->connz->now_ns}};
    struct rows rows = {0};
    char found[64] = "";
    assert_non_null(query.sort);
    assert_true(rows_build(&rows, model, &query));
    for (size_t i = 0; i < rows.count; i++)
        snprintf(found + strlen(found), sizeof found - strlen(found), "%llu ",
                 (unsigned long long)rows.conns[i]->sample->cid);
    assert_string_equal(found, expected);
    rows_fini(&rows);
    filter_fini(&parsed);
}

static void test_rows_sort_and_filter(void **state)
{
    (void)state;
    struct model model;
    two_lists(&model,
              CONN(1, "worker-b", 0, 9, 0) "," CONN(2, "Worker-a", 0, 70000, 0) "," CONN(3, "api",
                                                                                         0, 9, 0),
              CONN(1, "worker-b", 10, 9, 0) "," CONN(2, "Worker-a", 30, 70000, 0) "," CONN(
                  3, "api", 20, 9, 0) "," CONN(4, "new", 99, 0, 3));
    rows_are(&model, "msgs_to", true, "", "2 3 1 4 ");
    rows_are(&model, "msgs_to", false, "", "1 3 2 4 "); /* what is unknown is last either way */
    rows_are(&model, "pending", true, "", "2 1 3 4 ");
    rows_are(&model, "pending_bytes", false, "", "4 1 3 2 ");
    rows_are(&model, "name", false, "", "3 4 2 1 ");
    rows_are(&model, "cid", true, "worker", "2 1 ");
    rows_are(&model, "cid", false, "!worker", "3 4 ");
    rows_are(&model, "cid", false, "~^work.*a$", "2 ");
    rows_are(&model, "cid", false, "name~^w pending<1k", "1 ");
    rows_are(&model, "cid", false, "pending>64KiB", "2 ");
    rows_are(&model, "cid", false, "rtt>1ms name=API", "3 ");
    rows_are(&model, "cid", false, "10.0.0.1:4000", "1 2 3 4 ");
    rows_are(&model, "cid", false, "uptime<2s", "4 ");
    model_fini(&model);
}

static void test_filter_names_what_is_wrong(void **state)
{
    (void)state;
    static const char *const bad[] = {"nonsense:x", "name>5", "pending>many", "~(", "name:"};
    struct filter filter = {0};
    for (size_t i = 0; i < array_length(bad); i++) {
        assert_false(filter_parse(&filter, bad[i]));
        assert_non_null(strstr(filter.error, bad[i]));
        assert_int_equal(filter.count, 0);
    }
    filter_fini(&filter);
}

static void test_columns_come_from_the_metric_table(void **state)
{
    (void)state;
    size_t count, metrics = 0;
    const struct column *all = columns_all(&count);
    for (size_t i = 0; i < count; i++)
        if (all[i].metric) {
            assert_string_equal(all[i].heading, all[i].metric->column);
            metrics++;
        }
    for (int i = 0; i < SAMPLE_CONN_METRICS; i++)
        metrics -= metric_descriptors[SAMPLE_CONN_FIRST + i].column != NULL;
    assert_int_equal(metrics, 0);
    char heading[FORMAT_MAX];
    assert_string_equal(columns_heading(columns_find("out_msgs"), true, heading), "MSGS_TO/s");
    assert_string_equal(columns_server_sort(columns_find("MSGS_TO")), "msgs_to");
    assert_string_equal(columns_server_sort(columns_find("host")), "cid");
    assert_null(columns_find("nothing"));
}

static void formats_as(char *(*format)(double, char *), double value, const char *expected)
{
    char out[FORMAT_MAX];
    assert_string_equal(format(value, out), expected);
}

static void test_number_words(void **state)
{
    (void)state;
    formats_as(format_count, 0, "0");
    formats_as(format_count, 999, "999");
    formats_as(format_count, 12.34, "12.3");
    formats_as(format_count, 999.7, "1.0k");
    formats_as(format_count, 1204, "1.2k");
    formats_as(format_count, 131300, "131.3k");
    formats_as(format_count, 999999, "1.000M");
    formats_as(format_count, 1313000, "1.313M");
    formats_as(format_count, 16.2e9, "16.20G");
    formats_as(format_bytes, 0, "0");
    formats_as(format_bytes, 310, "310 B");
    formats_as(format_bytes, 1023, "1.0 KiB");
    formats_as(format_bytes, 38.5 * 1048576, "38.5 MiB");
    formats_as(format_bytes, 385.0 * 1048576, "385 MiB");
    char out[FORMAT_MAX];
    assert_string_equal(format_exact(1312909.44, 1, out), "1,312,909.4");
    assert_string_equal(format_exact(999, 0, out), "999");
    assert_string_equal(format_exact(-1000, 0, out), "-1,000");
    assert_string_equal(format_duration(17 * NS_PER_SEC, out), "17s");
    assert_string_equal(format_duration(2462 * NS_PER_SEC, out), "41m02s");
    assert_string_equal(format_duration(76 * 3600 * NS_PER_SEC, out), "3d04h");
    assert_string_equal(format_latency(1500000, out), "1.5ms");
}

static void test_durations_and_numbers_are_read(void **state)
{
    (void)state;
    int64_t ns;
    assert_true(format_parse_duration("500ms", &ns) && ns == 500 * NS_PER_MS);
    assert_true(format_parse_duration("0.5", &ns) && ns == 500 * NS_PER_MS);
    assert_true(format_parse_duration("1h", &ns) && ns == 3600 * NS_PER_SEC);
    assert_false(format_parse_duration("", &ns) || format_parse_duration("1x", &ns) ||
                 format_parse_duration("-1", &ns) || format_parse_duration("nan", &ns) ||
                 format_parse_duration("inf", &ns) || format_parse_duration("0x10", &ns));
    double number;
    assert_true(format_parse_number("64MiB", &number) && number == 64.0 * 1048576);
    assert_true(format_parse_number("1,204", &number) && number == 1204);
    assert_false(format_parse_number("M", &number) || format_parse_number("1.2.3", &number));
}

static void shows_as(const char *text, int width, const char *expected)
{
    char out[256];
    format_text(text, width, out, sizeof out);
    assert_string_equal(out, expected);
}

static void test_foreign_text_is_made_safe(void **state)
{
    (void)state;
    format_set_ascii(true);
    shows_as("plain", 7, "plain  ");
    shows_as("much too long", 8, "much to~");
    shows_as("\x1b[31mred\r\n", 12, ".[31mred..  ");
    shows_as("\xff\xc3", 4, "..  ");
    shows_as("\xe2\x80\xae"
             "abc",
             5, ".abc ");
    shows_as("", 0, "");
    shows_as("x", 0, "");
    format_set_ascii(false);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rate_is_per_second_of_the_server_clock),
        cmocka_unit_test(test_counters_do_not_lose_precision),
        cmocka_unit_test(test_restart_gives_no_rate_and_a_notice),
        cmocka_unit_test(test_shrinking_counter_and_clock_going_back),
        cmocka_unit_test(test_several_servers_behind_one_address),
        cmocka_unit_test(test_failure_keeps_the_last_figures),
        cmocka_unit_test(test_absent_is_not_zero),
        cmocka_unit_test(test_bad_documents_are_refused),
        cmocka_unit_test(test_connection_rates_follow_the_id),
        cmocka_unit_test(test_rows_sort_and_filter),
        cmocka_unit_test(test_filter_names_what_is_wrong),
        cmocka_unit_test(test_columns_come_from_the_metric_table),
        cmocka_unit_test(test_number_words),
        cmocka_unit_test(test_durations_and_numbers_are_read),
        cmocka_unit_test(test_foreign_text_is_made_safe),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
