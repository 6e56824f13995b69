/* The configuration language. A good text is held against the JSON it stands for, by way of the
 * digest, which is that of this JSON; a bad one against its message. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "broker/base/err.h"
#include "broker/config.h"

static char folder[] = "/tmp/test_config_XXXXXX";

/* Tests run in the folder, so that names in messages are short. */
static int make_folder(void **state)
{
    (void)state;
    return mkdtemp(folder) && chdir(folder) == 0 ? 0 : -1;
}

static int remove_folder(void **state)
{
    (void)state;
    static const char *const files[] = {"a.conf", "b.conf", "sub/c.conf", "sub/d.conf"};
    for (size_t i = 0; i < array_length(files); i++)
        unlink(files[i]);
    rmdir("sub");
    return rmdir(folder);
}

static void write_file(const char *name, const char *text, size_t len)
{
    FILE *file = fopen(name, "w");
    assert_non_null(file);
    assert_int_equal(fwrite(text, 1, len, file), len);
    fclose(file);
}

static void digest_of_json(const char *json, char out[CONFIG_DIGEST_BYTES])
{
    crypto_hash_sha256_state hash;
    unsigned char bytes[crypto_hash_sha256_BYTES];
    crypto_hash_sha256_init(&hash);
    crypto_hash_sha256_update(&hash, (const unsigned char *)json, strlen(json));
    crypto_hash_sha256_update(&hash, (const unsigned char *)"\n", 1);
    crypto_hash_sha256_final(&hash, bytes);
    memcpy(out, "sha256:", 7);
    sodium_bin2hex(out + 7, CONFIG_DIGEST_BYTES - 7, bytes, sizeof bytes);
}

static void expect_json(const char *text, const char *json)
{
    struct config *config = NULL;
    char error[CONFIG_ERROR_MAX] = "", wanted[CONFIG_DIGEST_BYTES], got[CONFIG_DIGEST_BYTES];
    write_file("a.conf", text, strlen(text));
    if (config_read("a.conf", &config, error) != 0)
        fail_msg("%s\n-> %s", text, error);
    digest_of_json(json, wanted);
    config_digest(config, got);
    if (strcmp(got, wanted) != 0)
        fail_msg("%s\nis not %s", text, json);
    config_free(&config);
    assert_null(config);
}

static void expect_error(const char *text, const char *message)
{
    struct config *config = NULL;
    char error[CONFIG_ERROR_MAX] = "";
    write_file("a.conf", text, strlen(text));
    if (config_read("a.conf", &config, error) == 0)
        fail_msg("%s\nwas taken", text);
    if (strcmp(error, message) != 0)
        fail_msg("%s\n-> %s\nnot %s", text, error, message);
    assert_null(config);
}

/* ---- what is taken ---- */

static void takes_scalars(void **state)
{
    (void)state;
    static const char *const cases[][2] = {
        {"a: 1", "{\"a\":1}"},
        {"a = -1", "{\"a\":-1}"},
        {"a 1", "{\"a\":1}"},
        {"a\n1", "{\"a\":1}"},
        {"a: 1k\nb: 1kb\nc: 1Ki\nd: 1KiB", "{\"a\":1000,\"b\":1024,\"c\":1024,\"d\":1024}"},
        {"a: 5m, b: 5MB, c: 2g; d: 2GiB",
         "{\"a\":5000000,\"b\":5242880,\"c\":2000000000,\"d\":2147483648}"},
        {"a: 1t\nb: 1Ti\nc: 1p\nd: 1PB\ne: 1e\nf: 1EiB",
         "{\"a\":1000000000000,\"b\":1099511627776,\"c\":1000000000000000,\"d\":1125899906842624,"
         "\"e\":1000000000000000000,\"f\":1152921504606846976}"},
        {"a: 9223372036854775807\nb: -9223372036854775808",
         "{\"a\":9223372036854775807,\"b\":-9223372036854775808}"},
        {"a: 1.5\nb: -2.25\nc: 0.0000001\nd: 10.0", "{\"a\":1.5,\"b\":-2.25,\"c\":1e-7,\"d\":10}"},
        {"a: 123456789012345678901.5\nb: 1234567890123456789012.5",
         "{\"a\":123456789012345680000,\"b\":1.2345678901234568e+21}"},
        {"a: yes\nb: OFF\nc: True\nd: \"yes\"",
         "{\"a\":true,\"b\":false,\"c\":true,\"d\":\"yes\"}"},
        {"a: 20s\nb: 1abc\nc: 5mx\nd: 5ms",
         "{\"a\":\"20s\",\"b\":\"1abc\",\"c\":\"5mx\",\"d\":\"5ms\"}"},
        {"a: 127.0.0.1:4222\nb: 10.0.0.1", "{\"a\":\"127.0.0.1:4222\",\"b\":\"10.0.0.1\"}"},
        {"a: nats://h:1 # c\nb: a#b//c", "{\"a\":\"nats://h:1\",\"b\":\"a#b//c\"}"},
        {"a: 2016-05-04T18:53:41Z", "{\"a\":\"2016-05-04T18:53:41Z\"}"},
        {"a: \"x\\t\\n\\r\\\"\\\\\\x41\"", "{\"a\":\"x\\t\\n\\r\\\"\\\\A\"}"},
        {"a: x\\ty", "{\"a\":\"x\\ty\"}"},
        {"a: 'x\\ty'", "{\"a\":\"x\\\\ty\"}"},
        {"a: \"two\nlines\"", "{\"a\":\"two\\nlines\"}"},
        {"a: (\n b ) c\n)\nd: 1", "{\"a\":\"\\n b ) c\\n\",\"d\":1}"},
        {"a: (\nb\n)", "{\"a\":\"\\nb\\n\"}"},
        {"a: \"<&>\u2028\u00e9\"", "{\"a\":\"\\u003c\\u0026\\u003e\\u2028\u00e9\"}"},
        {"a: \"\\xff\\x01\"", "{\"a\":\"\\ufffd\\u0001\"}"},
        {"a: $2a$10$xyz", "{\"a\":\"$2a$10$xyz\"}"},
        {"a: ;b: 1", "{\"a\":\"\",\"b\":1}"},
    };
    for (size_t i = 0; i < array_length(cases); i++)
        expect_json(cases[i][0], cases[i][1]);
}

static void takes_structure(void **state)
{
    (void)state;
    static const char *const cases[][2] = {
        {"", "{}"},
        {"\n# nothing\n// here\n", "{}"},
        {"{}", "{}"},
        {"{\"a\": 1, \"b\": {\"c\": [1, \"x\", {\"d\": true}]}}",
         "{\"a\":1,\"b\":{\"c\":[1,\"x\",{\"d\":true}]}}"},
        {"a: 1\n}", "{\"a\":1}"},
        {"a: 1 }\nb: 2", "{\"a\":1,\"b\":2}"},
        {"{\na: 1\n}\nb: 2", "{\"a\":1,\"b\":2}"},
        {"a { b: 1; c: 2, d: 3\n e: 4 }", "{\"a\":{\"b\":1,\"c\":2,\"d\":3,\"e\":4}}"},
        {"a {\n b\n 1 # c\n // c\n}\n", "{\"a\":{\"b\":1}}"},
        {"a: {\n  b =\n 1\n}", "{\"a\":{\"b\":1}}"},
        {"a [1,2 ,\n3\n4 # c\n 5]", "{\"a\":[1,2,3,4,5]}"},
        {"a: [5m]", "{\"a\":[5000000]}"},
        {"a: []\nb: [[]]", "{\"a\":[],\"b\":[[]]}"},
        {"'a b': 1\n\"c:d\": 2", "{\"a b\":1,\"c:d\":2}"},
        {"a: 1\r\nb {\r\nc: 2\r\n}\r\n", "{\"a\":1,\"b\":{\"c\":2}}"},
        {"a: 1\nb: 2\na: 3", "{\"a\":3,\"b\":2}"},
        {"a {b: 1}\na {c: 2}", "{\"a\":{\"c\":2}}"},
        {"A: 1\na: 2", "{\"A\":1,\"a\":2}"},
    };
    for (size_t i = 0; i < array_length(cases); i++)
        expect_json(cases[i][0], cases[i][1]);
}

static void resolves_variables(void **state)
{
    (void)state;
    setenv("TC_NUMBER", "4222", 1);
    setenv("TC_LIST", "[a, 1]", 1);
    setenv("TC_OTHER", "$TC_NUMBER", 1);
    setenv("TC_CYCLE", "$TC_CYCLE", 1);
    setenv("TC_BAD", "[a", 1);
    expect_json("x: abc\ny: $x", "{\"x\":\"abc\",\"y\":\"abc\"}");
    expect_json("x: 1\na { x: 2, b { y: $x } }\nz: $x",
                "{\"a\":{\"b\":{\"y\":2},\"x\":2},\"x\":1,\"z\":1}");
    expect_json("x { y: 1 }\nz: [$x, $x]", "{\"x\":{\"y\":1},\"z\":[{\"y\":1},{\"y\":1}]}");
    expect_json("a: $TC_NUMBER\nb: $TC_LIST\nc: $TC_OTHER",
                "{\"a\":4222,\"b\":[\"a\",1],\"c\":4222}");
    expect_json("a: \"$TC_NUMBER\"\nb: x$TC_NUMBER",
                "{\"a\":\"$TC_NUMBER\",\"b\":\"x$TC_NUMBER\"}");
    expect_error("a: $later\nlater: 1",
                 "variable reference for 'later' on line 1 can not be found");
    expect_error("a { x: 1 }\nb: $x", "variable reference for 'x' on line 2 can not be found");
    expect_error("a: $TC_CYCLE", "variable reference for 'TC_CYCLE' on line 1 could not be parsed: "
                                 "variable reference cycle for 'TC_CYCLE'");
    expect_error("a: $TC_BAD",
                 "variable reference for 'TC_BAD' on line 1 could not be parsed: Parse error "
                 "on line 1: 'Unexpected EOF processing array.'");
}

static void includes_files(void **state)
{
    (void)state;
    static const char c[] = "c: 1\ninclude d.conf\n", d[] = "d: 1\n", bad[] = "x: 1\ny: \"\\q\"\n";
    assert_int_equal(mkdir("sub", 0700), 0);
    write_file("sub/c.conf", c, sizeof c - 1);
    write_file("sub/d.conf", d, sizeof d - 1);
    expect_json("c: 2\ninclude sub/c.conf\n", "{\"c\":1,\"d\":1}");
    expect_json("include 'sub/c.conf'\nc: 2", "{\"c\":2,\"d\":1}");
    expect_json("a { INCLUDE \"sub/d.conf\"; e: 1 }", "{\"a\":{\"d\":1,\"e\":1}}");
    expect_json("include ./sub/d.conf", "{\"d\":1}");
    expect_json("include /sub/d.conf", "{\"d\":1}");
    expect_json("include: 1", "{\"include\":1}");
    expect_error(
        "include none.conf",
        "error parsing include file 'none.conf', open none.conf: no such file or directory");
    write_file("b.conf", bad, sizeof bad - 1);
    expect_error(
        "include b.conf",
        "error parsing include file 'b.conf', Parse error on line 2: 'Invalid escape character "
        "'q'. "
        "Only the following escape characters are allowed: \\xXX, \\t, \\n, \\r, \\\", \\\\.'");
    expect_error("include [a]",
                 "Parse error on line 1: 'Expected include value but found start of an array'");
    write_file("b.conf", "include b.conf", 14);
    struct config *config = NULL;
    char error[CONFIG_ERROR_MAX];
    assert_int_equal(config_read("b.conf", &config, error), ERR_INVALID);
    assert_non_null(strstr(error, "error parsing include file 'b.conf'"));
}

/* ---- what is refused ---- */

static void refuses_what_is_wrong(void **state)
{
    (void)state;
    static const char *const cases[][2] = {
        {"a =\n1", "Parse error on line 2: 'Expected value but found new line'"},
        {"a: .5", "Parse error on line 1: 'Floats must start with a digit'"},
        {"a: 1.",
         "Parse error on line 1: 'Floats must have a digit after the '.', but got '' instead.'"},
        {"a: 1.5h",
         "Parse error on line 1: 'Expected a top-level value to end with a new line, comment or "
         "EOF, but got 'h' instead.'"},
        {"a: -x", "Parse error on line 1: 'Expected a digit but got 'x'.'"},
        {"a: 99999999999999999999",
         "a.conf:1:3: integer '99999999999999999999' is out of the range"},
        {"b: 1\na: 9223372036854775807k",
         "a.conf:2:4: integer '9223372036854775807k' is out of the range"},
        {"a: 1kbb", "a.conf:1:3: expected integer, but got '1kbb'"},
        {"a: 2016-13-04T18:53:41Z",
         "a.conf:1:3: expected Zulu formatted DateTime, but got '2016-13-04T18:53:41Z'"},
        {"a: 2016-05-04",
         "Parse error on line 1: 'Expected 'T' in ISO8601 datetime, but found '' instead.'"},
        {"a: 16-05-04", "Parse error on line 1: 'All ISO8601 dates must be in full Zulu form.'"},
        {"a: \"x", "Parse error on line 1: 'Unexpected EOF.'"},
        {"a: 'x\n", "Parse error on line 2: 'Unexpected EOF.'"},
        {"a: (\nx", "Parse error on line 2: 'Unexpected EOF processing block.'"},
        {"a: \"\\xzz\"",
         "Parse error on line 1: 'Expected two hexadecimal digits after '\\x', but got 'zz''"},
        {"a: \"\\x\n\"", "Parse error on line 2: 'Expected two hexadecimal digits after '\\x', but "
                         "hit end of line'"},
        {"a: b c", "Parse error on line 1: 'Expected a top-level value to end with a new line, "
                   "comment or EOF, "
                   "but got 'c' instead.'"},
        {"a: b \u00e9",
         "Parse error on line 1: 'Expected a top-level value to end with a new line, comment or "
         "EOF, but got '\u00e9' instead.'"},
        {": 1", "Parse error on line 1: 'Unexpected key separator ':''"},
        {"a", "config is invalid (a.conf:1:0)"},
        {"b: 1\na\n", "config is invalid (a.conf:2:1)"},
        {"a {", "Parse error on line 1: 'Unexpected EOF processing map.'"},
        {"a { b: 1", "Parse error on line 1: 'Unexpected EOF processing map.'"},
        {"a { b: 1 c: 2 }",
         "Parse error on line 1: 'Expected a map value terminator \",\" or a map terminator "
         "\"}\", but got 'c' instead.'"},
        {"a { b: , c: 2 }", "Parse error on line 1: 'Unexpected map value terminator \",\".'"},
        {"a { b }", "Parse error on line 1: 'Expected value but found the end of the map'"},
        {"a { ] }", "Parse error on line 1: 'Unexpected array end ']' processing map.'"},
        {"a [1 2]",
         "Parse error on line 1: 'Expected an array value terminator \",\" or an array terminator "
         "\"]\", but got '2' instead.'"},
        {"a [,1]", "Parse error on line 1: 'Unexpected array value terminator ','.'"},
        {"a [1,,2]", "Parse error on line 1: 'Unexpected array value terminator ','.'"},
        {"a [1", "Parse error on line 1: 'Unexpected EOF processing array.'"},
        {"a: 1\n}\nb: 2", "Parse error on line 3: 'Unexpected 'b' after the last closing brace'"},
        {"/ a: 1", "Parse error on line 1: 'Unexpected '/''"},
        {"a: $nowhere_at_all",
         "variable reference for 'nowhere_at_all' on line 1 can not be found"},
        {"include 'a\nb'", "error parsing include file 'a?b', open a?b: no such file or directory"},
    };
    for (size_t i = 0; i < array_length(cases); i++)
        expect_error(cases[i][0], cases[i][1]);
}

static void refuses_depth_and_bytes(void **state)
{
    (void)state;
    char deep[256] = "a: ";
    struct config *config = NULL;
    char error[CONFIG_ERROR_MAX];
    memset(deep + 3, '[', 64);
    memset(deep + 67, ']', 64);
    expect_json("a: [[[[[[[[[[]]]]]]]]]]", "{\"a\":[[[[[[[[[[]]]]]]]]]]}");
    write_file("a.conf", deep, 131);
    assert_int_equal(config_read("a.conf", &config, error), 0);
    config_free(&config);
    memset(deep + 3, '[', 65);
    expect_error(deep, "Parse error on line 1: 'Nested too deeply'");
    write_file("a.conf", "a: \0b", 5);
    assert_int_equal(config_read("a.conf", &config, error), ERR_INVALID);
    assert_string_equal(error, "a.conf: byte 3 is zero: not a text file");
    assert_int_equal(config_read("nofile", &config, error), ERR_SYSTEM);
    assert_string_equal(error, "open nofile: no such file or directory");
    assert_int_equal(config_read("/tmp", &config, error), ERR_SYSTEM);
    assert_string_equal(error, "open /tmp: is a directory");
}

/* Any prefix of a file is a tree or one line of error, never a crash. */
static void survives_every_prefix(void **state)
{
    (void)state;
    static const char text[] =
        "a: 1 # c\n'b' { c: [1.5, \"x\\x41\", {d: yes}], e: (\nblock\n)\n }\n"
        "f: $a; g 2016-05-04T18:53:41Z\ninclude b.conf\nh: -5mb // c\n";
    write_file("b.conf", "i: 1", 4);
    for (size_t len = 0; len < sizeof text; len++) {
        struct config *config = NULL;
        char error[CONFIG_ERROR_MAX] = "";
        write_file("a.conf", text, len);
        if (config_read("a.conf", &config, error) == 0)
            config_free(&config);
        else
            assert_true(error[0] && !strchr(error, '\n'));
    }
}

/* ---- positions ---- */

static const struct config_entry *entry_of(const struct config_value *map, const char *key)
{
    for (const struct config_entry *entry = map->entries; entry; entry = entry->next)
        if (strcmp(entry->key, key) == 0)
            return entry;
    fail_msg("no %s", key);
    return NULL;
}

static void expect_place(const struct config_entry *entry, const char *file, int line, int column)
{
    assert_string_equal(entry->file, file);
    assert_int_equal(entry->line, line);
    assert_int_equal(entry->column, column);
}

static void knows_where_keys_are(void **state)
{
    (void)state;
    static const char text[] = "  first: 1\nsecond: $first\n\n  'third' { fourth: 2\n\tfifth: 3 }\n"
                               "include b.conf\nfirst_again: 1; first: 5\n";
    struct config *config = NULL;
    char error[CONFIG_ERROR_MAX];
    write_file("a.conf", text, sizeof text - 1);
    write_file("b.conf", "x: 1\n  included: 1", 18);
    assert_int_equal(config_read("a.conf", &config, error), 0);
    const struct config_value *root = config_root(config);
    expect_place(entry_of(root, "second"), "a.conf", 2, 1);
    assert_false(entry_of(root, "second")->used_as_variable);
    expect_place(entry_of(root, "third"), "a.conf", 4, 4);
    expect_place(entry_of(entry_of(root, "third")->value, "fourth"), "a.conf", 4, 13);
    expect_place(entry_of(entry_of(root, "third")->value, "fifth"), "a.conf", 5, 2);
    expect_place(entry_of(root, "included"), "b.conf", 2, 3);
    expect_place(entry_of(root, "first"), "a.conf", 7, 17);
    assert_int_equal(entry_of(root, "first")->value->integer, 5);
    config_free(&config);
    write_file("a.conf", "  first: 1\nsecond: $first", 25);
    assert_int_equal(config_read("a.conf", &config, error), 0);
    expect_place(entry_of(config_root(config), "first"), "a.conf", 1, 2);
    assert_true(entry_of(config_root(config), "first")->used_as_variable);
    config_free(&config);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(takes_scalars),         cmocka_unit_test(takes_structure),
        cmocka_unit_test(resolves_variables),    cmocka_unit_test(includes_files),
        cmocka_unit_test(refuses_what_is_wrong), cmocka_unit_test(refuses_depth_and_bytes),
        cmocka_unit_test(survives_every_prefix), cmocka_unit_test(knows_where_keys_are),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
