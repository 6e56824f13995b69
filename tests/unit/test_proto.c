/* The protocol's grammar, row by row, and on every unfinished start of each row. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>

#include "broker/core/proto.h"

struct row {
    const char *line;
    enum proto_op op;
    const char *subject, *reply, *queue, *sid; /* NULL: empty or not looked at */
    uint32_t header_size, total_size;
    uint64_t max;
    const char *args; /* NULL: not looked at */
};

static const struct row rows[] = {
    {"PUB a 0", PROTO_PUB, "a", NULL, NULL, NULL, 0, 0, 0, "a 0"},
    {"PUB a 5", PROTO_PUB, "a", NULL, NULL, NULL, 0, 5, 0, NULL},
    {"pub a.b r.x 12", PROTO_PUB, "a.b", "r.x", NULL, NULL, 0, 12, 0, NULL},
    {"PuB\ta\t \t5 \t", PROTO_PUB, "a", NULL, NULL, NULL, 0, 5, 0, NULL},
    {"PUB   a   5", PROTO_PUB, "a", NULL, NULL, NULL, 0, 5, 0, NULL},
    {"PUB a 000000005", PROTO_PUB, "a", NULL, NULL, NULL, 0, 5, 0, NULL},
    {"PUB a 999999999", PROTO_PUB, "a", NULL, NULL, NULL, 0, 999999999, 0, NULL},
    {"PUB a 1000000000", PROTO_MALFORMED, NULL, NULL, NULL, NULL, 0, 0, 0, NULL},
    {"PUB a", PROTO_MALFORMED, NULL, NULL, NULL, NULL, 0, 0, 0, NULL},
    {"PUB ", PROTO_MALFORMED, NULL, NULL, NULL, NULL, 0, 0, 0, NULL},
    {"PUB a b c 5", PROTO_MALFORMED, NULL, NULL, NULL, NULL, 0, 0, 0, NULL},
    {"PUB a -5", PROTO_MALFORMED, NULL, NULL, NULL, NULL, 0, 0, 0, NULL},
    {"PUB a +5", PROTO_MALFORMED, NULL, NULL, NULL, NULL, 0, 0, 0, NULL},
    {"PUB a 5x", PROTO_MALFORMED, NULL, NULL, NULL, NULL, 0, 0, 0, NULL},
    {"PUB a 0x5", PROTO_MALFORMED, NULL, NULL, NULL, NULL, 0, 0, 0, NULL},
    {"PUB a 5\r", PROTO_MALFORMED, NULL, NULL, NULL, NULL, 0, 0, 0, NULL},
    {"PUB", PROTO_UNKNOWN, NULL, NULL, NULL, NULL, 0, 0, 0, NULL},
    {"PUBa 5", PROTO_UNKNOWN, NULL, NULL, NULL, NULL, 0, 0, 0, NULL},
    {"PUX a 5", PROTO_UNKNOWN, NULL, NULL, NULL, NULL, 0, 0, 0, NULL},
    {"HPUB a 12 12", PROTO_HPUB, "a", NULL, NULL, NULL, 12, 12, 0, NULL},
    {"hpub a r 12 20", PROTO_HPUB, "a", "r", NULL, NULL, 12, 20, 0, NULL},
    {"HPUB a 21 20", PROTO_MALFORMED, NULL, NULL, NULL, NULL, 0, 0, 0, NULL},
    {"HPUB a 20", PROTO_MALFORMED, NULL, NULL, NULL, NULL, 0, 0, 0, NULL},
    {"HPUB a r x 12 20", PROTO_MALFORMED, NULL, NULL, NULL, NULL, 0, 0, 0, NULL},
    {"HPUB a x 20", PROTO_MALFORMED, NULL, NULL, NULL, NULL, 0, 0, 0, NULL},
    {"HPUB", PROTO_UNKNOWN, NULL, NULL, NULL, NULL, 0, 0, 0, NULL},
    {"SUB a 1", PROTO_SUB, "a", NULL, NULL, "1", 0, 0, 0, NULL},
    {"sub a.* workers sid9", PROTO_SUB, "a.*", NULL, "workers", "sid9", 0, 0, 0, NULL},
    {"SUB\ta\tq\t1", PROTO_SUB, "a", NULL, "q", "1", 0, 0, 0, NULL},
    {"SUB a", PROTO_MALFORMED, NULL, NULL, NULL, NULL, 0, 0, 0, NULL},
    {"SUB a b c d", PROTO_MALFORMED, NULL, NULL, NULL, NULL, 0, 0, 0, NULL},
    {"SUB a\r 1", PROTO_MALFORMED, NULL, NULL, NULL, NULL, 0, 0, 0, NULL},
    {"SUB ", PROTO_MALFORMED, NULL, NULL, NULL, NULL, 0, 0, 0, NULL},
    {"SUB", PROTO_UNKNOWN, NULL, NULL, NULL, NULL, 0, 0, 0, NULL},
    {"UNSUB 1", PROTO_UNSUB, NULL, NULL, NULL, "1", 0, 0, 0, NULL},
    {"unsub 1 10", PROTO_UNSUB, NULL, NULL, NULL, "1", 0, 0, 10, NULL},
    {"UNSUB 1 x", PROTO_UNSUB, NULL, NULL, NULL, "1", 0, 0, 0, NULL},
    {"UNSUB 1 -1", PROTO_UNSUB, NULL, NULL, NULL, "1", 0, 0, 0, NULL},
    {"UNSUB 1 2 3", PROTO_MALFORMED, NULL, NULL, NULL, NULL, 0, 0, 0, NULL},
    {"UNSUB ", PROTO_MALFORMED, NULL, NULL, NULL, NULL, 0, 0, 0, NULL},
    {"UNSUB", PROTO_UNKNOWN, NULL, NULL, NULL, NULL, 0, 0, 0, NULL},
    {"PING", PROTO_PING, NULL, NULL, NULL, NULL, 0, 0, 0, ""},
    {"pingpong ping", PROTO_PING, NULL, NULL, NULL, NULL, 0, 0, 0, ""},
    {"PONG", PROTO_PONG, NULL, NULL, NULL, NULL, 0, 0, 0, ""},
    {"PONG \t", PROTO_PONG, NULL, NULL, NULL, NULL, 0, 0, 0, ""},
    {"+OK", PROTO_OK, NULL, NULL, NULL, NULL, 0, 0, 0, ""},
    {"+ok then", PROTO_OK, NULL, NULL, NULL, NULL, 0, 0, 0, ""},
    {"-ERR 'x'", PROTO_ERR, NULL, NULL, NULL, NULL, 0, 0, 0, "'x'"},
    {"-ERR", PROTO_UNKNOWN, NULL, NULL, NULL, NULL, 0, 0, 0, NULL},
    {"CONNECT {}", PROTO_CONNECT, NULL, NULL, NULL, NULL, 0, 0, 0, "{}"},
    {"connect{\"a\":1} ", PROTO_CONNECT, NULL, NULL, NULL, NULL, 0, 0, 0, "{\"a\":1} "},
    {"CONNECT", PROTO_CONNECT, NULL, NULL, NULL, NULL, 0, 0, 0, ""},
    {"INFO {}", PROTO_INFO, NULL, NULL, NULL, NULL, 0, 0, 0, "{}"},
    {"INFO{}", PROTO_INFO, NULL, NULL, NULL, NULL, 0, 0, 0, "{}"},
    {"", PROTO_UNKNOWN, NULL, NULL, NULL, NULL, 0, 0, 0, NULL},
    {" PING", PROTO_UNKNOWN, NULL, NULL, NULL, NULL, 0, 0, 0, NULL},
    {"GET / HTTP/1.1", PROTO_UNKNOWN, NULL, NULL, NULL, NULL, 0, 0, 0, NULL},
    {"PI", PROTO_UNKNOWN, NULL, NULL, NULL, NULL, 0, 0, 0, NULL},
    {"P", PROTO_UNKNOWN, NULL, NULL, NULL, NULL, 0, 0, 0, NULL},
    {"+", PROTO_UNKNOWN, NULL, NULL, NULL, NULL, 0, 0, 0, NULL},
    {"MSG a 1 0", PROTO_UNKNOWN, NULL, NULL, NULL, NULL, 0, 0, 0, NULL},
};

static void expect_text(const struct row *row, const char *what, struct span got, const char *wanted)
{
    if (wanted ? !span_equal(got, span_of(wanted)) : got.len != 0)
        fail_msg("\"%s\": %s is \"%.*s\", not \"%s\"", row->line, what, (int)got.len, got.ptr, wanted);
}

/* In a block of exactly the line's size, so that reading outside is seen. */
static char *exact(const char *text, size_t len)
{
    char *copy = malloc(len ? len : 1);
    memcpy(copy, text, len);
    return copy;
}

static void every_row(void **state)
{
    (void)state;
    for (size_t i = 0; i < array_length(rows); i++) {
        const struct row *row = &rows[i];
        size_t len = strlen(row->line);
        char *line = exact(row->line, len);
        struct proto_command got;
        memset(&got, 0x5a, sizeof got); /* the parser is given memory as it comes */
        proto_parse((struct span){line, len}, &got);
        if (got.op != row->op)
            fail_msg("\"%s\": operation %d, not %d", row->line, (int)got.op, (int)row->op);
        if (row->args)
            expect_text(row, "args", got.args, row->args);
        if (row->op == PROTO_PUB || row->op == PROTO_HPUB) {
            expect_text(row, "subject", got.subject, row->subject);
            expect_text(row, "reply", got.reply, row->reply);
            assert_int_equal(got.header_size, row->header_size);
            assert_int_equal(got.total_size, row->total_size);
        }
        if (row->op == PROTO_SUB) {
            expect_text(row, "subject", got.subject, row->subject);
            expect_text(row, "queue", got.queue, row->queue);
        }
        if (row->op == PROTO_SUB || row->op == PROTO_UNSUB)
            expect_text(row, "sid", got.sid, row->sid);
        if (row->op == PROTO_UNSUB)
            assert_int_equal(got.max, row->max);
        free(line);
    }
}

/* The start of a line that can become an operation is never called unknown; what can not, is, and stays so. */
static void every_start_of_every_row(void **state)
{
    (void)state;
    for (size_t i = 0; i < array_length(rows); i++) {
        size_t len = strlen(rows[i].line);
        bool unknown = false;
        for (size_t cut = 1; cut <= len; cut++) {
            char *start = exact(rows[i].line, cut);
            struct span args;
            enum proto_op op = proto_operation((struct span){start, cut}, false, &args);
            if (rows[i].op != PROTO_UNKNOWN && op == PROTO_UNKNOWN)
                fail_msg("\"%s\": unknown after %zu bytes", rows[i].line, cut);
            assert_false(unknown && op != PROTO_UNKNOWN);
            unknown = op == PROTO_UNKNOWN;
            assert_true(args.len <= cut || unknown);
            free(start);
        }
    }
}

/* Whatever is in it, a line is answered without reading outside of it. */
static void garbage(void **state)
{
    (void)state;
    static const char *const starts[] = {"", "PUB ", "HPUB ", "SUB ", "UNSUB ", "CONNECT ", "-ERR ", "+OK"};
    uint64_t seed = 3;
    for (int i = 0; i < 20000; i++) {
        char text[64];
        size_t len = strlen(starts[i % 8]);
        memcpy(text, starts[i % 8], len);
        for (seed = seed * 6364136223846793005u + 1; len < 8 + (seed >> 60); len++) {
            seed = seed * 6364136223846793005u + 1;
            text[len] = " \ta.>*019\r"[(seed >> 33) % 10];
        }
        char *line = exact(text, len);
        struct proto_command command;
        proto_parse((struct span){line, len}, &command);
        if (command.op == PROTO_PUB || command.op == PROTO_SUB || command.op == PROTO_HPUB)
            assert_true(command.subject.len > 0 && command.subject.ptr >= line &&
                        command.subject.ptr + command.subject.len <= line + len);
        free(line);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_row),
        cmocka_unit_test(every_start_of_every_row),
        cmocka_unit_test(garbage),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
