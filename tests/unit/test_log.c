/* Log lines: their layout, the file and its rotation, the once-a-second lines, and Go's quoting. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <regex.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "broker/base/log.h"

static char folder[] = "/tmp/test_log_XXXXXX";
static char text[1 << 16];

static int make_folder(void **state)
{
    (void)state;
    return mkdtemp(folder) && chdir(folder) == 0 ? 0 : -1;
}

static int remove_folder(void **state)
{
    (void)state;
    unlink("log");
    unlink("log.1");
    return rmdir(folder);
}

static const char *read_log(const char *name)
{
    FILE *file = fopen(name, "r");
    assert_non_null(file);
    text[fread(text, 1, sizeof text - 1, file)] = '\0';
    fclose(file);
    return text;
}

static void open_log(struct log_settings settings)
{
    settings.file = "log";
    unlink("log");
    assert_int_equal(log_open(&settings), 0);
}

static void expect_match(const char *pattern, const char *line)
{
    regex_t compiled;
    assert_int_equal(regcomp(&compiled, pattern, REG_EXTENDED | REG_NOSUB), 0);
    if (regexec(&compiled, line, 0, NULL, 0) != 0)
        fail_msg("%s does not match %s", line, pattern);
    regfree(&compiled);
}

static void lines_have_the_stock_layout(void **state)
{
    (void)state;
    char wanted[256];
    open_log((struct log_settings){.time = true});
    log_info("hello %d", 5);
    log_close();
    snprintf(wanted, sizeof wanted,
             "^\\[%d\\] [0-9]{4}/[0-9]{2}/[0-9]{2} [0-9]{2}:[0-9]{2}:[0-9]{2}\\.[0-9]{6} \\[INF\\] "
             "hello 5\n$",
             (int)getpid());
    expect_match(wanted, read_log("log"));
    struct stat status;
    assert_int_equal(stat("log", &status), 0);
    assert_int_equal(status.st_mode & 0777 & ~0640, 0);
}

static void levels_and_switches_work(void **state)
{
    (void)state;
    char wanted[256];
    int pid = (int)getpid();
    open_log((struct log_settings){.debug = true});
    log_warn("w");
    log_error("e");
    log_line(LOG_FATAL, "f");
    log_debug("d");
    log_trace("not shown");
    log_close();
    snprintf(wanted, sizeof wanted, "[%d] [WRN] w\n[%d] [ERR] e\n[%d] [FTL] f\n[%d] [DBG] d\n", pid,
             pid, pid, pid);
    assert_string_equal(read_log("log"), wanted);
    open_log((struct log_settings){.trace = true});
    log_trace("t");
    log_debug("not shown");
    log_close();
    snprintf(wanted, sizeof wanted, "[%d] [TRC] t\n", pid);
    assert_string_equal(read_log("log"), wanted);
}

static void time_is_local_or_utc(void **state)
{
    (void)state;
    setenv("TZ", "XXX-05:00", 1);
    tzset();
    int hours[2];
    for (int utc = 0; utc < 2; utc++) {
        open_log((struct log_settings){.time = true, .time_utc = utc == 1});
        log_info("x");
        log_close();
        const char *blank = strchr(strchr(read_log("log"), ' ') + 1, ' ');
        hours[utc] = (int)strtol(blank + 1, NULL, 10);
    }
    int difference = (hours[0] - hours[1] + 24) % 24;
    assert_true(difference == 5 || difference == 4); /* an hour may have begun in between */
}

static void file_is_reopened_and_appended_to(void **state)
{
    (void)state;
    open_log((struct log_settings){0});
    log_info("before");
    assert_int_equal(rename("log", "log.1"), 0);
    log_info("still the old one");
    log_reopen();
    log_info("after");
    log_close();
    assert_non_null(strstr(read_log("log.1"), "still the old one"));
    assert_null(strstr(text, "after"));
    assert_non_null(strstr(read_log("log"), "File log re-opened\n"));
    assert_non_null(strstr(text, "after\n"));
    const struct log_settings again = {.file = "log"};
    assert_int_equal(log_open(&again), 0);
    log_info("appended");
    log_close();
    assert_non_null(strstr(read_log("log"), "after\n"));
    assert_non_null(strstr(text, "appended\n"));
    const struct log_settings bad = {.file = "no/such/folder"};
    assert_int_not_equal(log_open(&bad), 0);
}

static void long_lines_are_cut(void **state)
{
    (void)state;
    static char long_text[20000];
    memset(long_text, 'x', sizeof long_text - 1);
    open_log((struct log_settings){0});
    log_info("%s", long_text);
    log_info("next");
    log_close();
    size_t len = strcspn(read_log("log"), "\n");
    assert_true(len > 8000 && len < 8192);
    assert_non_null(strstr(text + len, "[INF] next\n"));
}

static void repeats_are_folded(void **state)
{
    (void)state;
    struct log_limit limit = {0};
    open_log((struct log_settings){0});
    for (int i = 0; i < 5; i++)
        log_line_limited(&limit, LOG_WARN, "again %d", i);
    atomic_store(&limit.next_ns, 0); /* a second later */
    log_line_limited(&limit, LOG_WARN, "last");
    log_close();
    unsigned lines = 0;
    for (const char *at = read_log("log"); (at = strchr(at, '\n')); at++)
        lines++;
    assert_non_null(strstr(text, "[WRN] again 0\n"));
    assert_null(strstr(text, "again 1"));
    assert_non_null(strstr(text, "[WRN] last\n"));
    assert_non_null(strstr(text, ": 4 more were left out"));
    assert_int_equal(lines, 3);
}

static void bytes_are_quoted_like_go(void **state)
{
    (void)state;
    static const struct {
        const char *bytes, *quoted;
    } cases[] = {{"", "\"\""},
                 {"abc", "\"abc\""},
                 {"a\"b\\c", "\"a\\\"b\\\\c\""},
                 {"\r\n\t\a\b\f\v", "\"\\r\\n\\t\\a\\b\\f\\v\""},
                 {"\x01\x7f", "\"\\x01\\x7f\""},
                 {"\u00e9\u20ac", "\"\u00e9\u20ac\""},
                 {"\xff\xc3", "\"\\xff\\xc3\""}};
    char out[64];
    for (size_t i = 0; i < array_length(cases); i++)
        assert_string_equal(log_quote(span_of(cases[i].bytes), out, sizeof out), cases[i].quoted);
    assert_string_equal(log_quote((struct span){"a\0b", 3}, out, sizeof out), "\"a\\x00b\"");
    for (size_t size = 3; size < 12; size++) {
        log_quote(span_of("abc\x01xyz"), out, size);
        assert_true(strlen(out) < size && out[0] == '"' && out[strlen(out) - 1] == '"');
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lines_have_the_stock_layout),
        cmocka_unit_test(levels_and_switches_work),
        cmocka_unit_test(time_is_local_or_utc),
        cmocka_unit_test(file_is_reopened_and_appended_to),
        cmocka_unit_test(long_lines_are_cut),
        cmocka_unit_test(repeats_are_folded),
        cmocka_unit_test(bytes_are_quoted_like_go),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
