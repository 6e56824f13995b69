/* Bytes as Go's %q writes them; the expected texts are Go's. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>

#include "broker/base/log.h"

static void expect_quoted(const char *bytes, size_t len, const char *expected)
{
    char out[256];
    char *exact = malloc(len ? len : 1);
    memcpy(exact, bytes, len);
    assert_ptr_equal(log_quote((struct span){exact, len}, out, sizeof out), out);
    assert_string_equal(out, expected);
    free(exact);
}

#define EXPECT_QUOTED(bytes, expected) expect_quoted(bytes, sizeof(bytes) - 1, expected)

static void quotes(void **state)
{
    (void)state;
    EXPECT_QUOTED("", "\"\"");
    EXPECT_QUOTED("plain", "\"plain\"");
    EXPECT_QUOTED("a\"b\\c", "\"a\\\"b\\\\c\"");
    EXPECT_QUOTED("\a\b\f\n\r\t\v", "\"\\a\\b\\f\\n\\r\\t\\v\"");
    EXPECT_QUOTED("\x00\x1f\x7f", "\"\\x00\\x1f\\x7f\"");
    EXPECT_QUOTED("\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80", "\"\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80\"");
    EXPECT_QUOTED("\xff", "\"\\xff\"");
    EXPECT_QUOTED("\xc3", "\"\\xc3\"");
    EXPECT_QUOTED("\xe2\x82", "\"\\xe2\\x82\"");
    EXPECT_QUOTED("\xe2\x82x", "\"\\xe2\\x82x\"");
    EXPECT_QUOTED("\xef\xbf\xbd", "\"\xef\xbf\xbd\"");
}

/* What looks like UTF-8 and is none: too long a form, half a surrogate pair, beyond the last character. */
static void false_utf8(void **state)
{
    (void)state;
    EXPECT_QUOTED("\xc0\x80", "\"\\xc0\\x80\"");
    EXPECT_QUOTED("\xe0\x80\x80", "\"\\xe0\\x80\\x80\"");
    EXPECT_QUOTED("\xf0\x80\x80\x80", "\"\\xf0\\x80\\x80\\x80\"");
    EXPECT_QUOTED("\xed\xa0\x80", "\"\\xed\\xa0\\x80\"");
    EXPECT_QUOTED("\xf4\x90\x80\x80", "\"\\xf4\\x90\\x80\\x80\"");
}

/* C1 controls are no text: a terminal may obey them. */
static void controls_beyond_ascii(void **state)
{
    (void)state;
    EXPECT_QUOTED("\xc2\x85", "\"\\u0085\"");
    EXPECT_QUOTED("\xc2\x9b", "\"\\u009b\"");
    EXPECT_QUOTED("\xc2\xa0", "\"\\u00a0\"");
    EXPECT_QUOTED("\xc2\xa1", "\"\xc2\xa1\"");
}

static void cut_to_fit(void **state)
{
    (void)state;
    for (size_t size = 3; size < 20; size++) {
        char out[32];
        memset(out, '#', sizeof out);
        log_quote(SPAN_LITERAL("ab\xff\xe2\x82\xac\n"), out, size);
        assert_true(strlen(out) < size);
        assert_int_equal(out[0], '"');
        assert_int_equal(out[strlen(out) - 1], '"');
        assert_int_equal(out[size], '#');
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(quotes),
        cmocka_unit_test(false_utf8),
        cmocka_unit_test(controls_beyond_ascii),
        cmocka_unit_test(cut_to_fit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
