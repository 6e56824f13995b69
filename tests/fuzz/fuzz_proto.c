/* Control lines: fields lie inside the line, the start of a good line is never called unknown, and the fast way of
 * reading PUB agrees with the long one. */
#include "tests/fuzz/fuzz.h"

#include "broker/core/proto.h"

static void check_inside(struct span line, struct span field)
{
    check(field.len == 0 || (field.ptr >= line.ptr && field.ptr + field.len <= line.ptr + line.len));
}

static void check_fields(struct span line, const struct proto_command *command)
{
    if (command->op != PROTO_UNKNOWN)
        check_inside(line, command->args);
    if (command->op == PROTO_PUB || command->op == PROTO_HPUB) {
        check_inside(line, command->subject);
        check_inside(line, command->reply);
        check(command->subject.len > 0 && command->header_size <= command->total_size);
    }
    if (command->op == PROTO_SUB) {
        check_inside(line, command->subject);
        check_inside(line, command->queue);
        check(command->subject.len > 0);
    }
    if (command->op == PROTO_SUB || command->op == PROTO_UNSUB) {
        check_inside(line, command->sid);
        check(command->sid.len > 0);
    }
}

static void check_starts(struct span line, enum proto_op op)
{
    bool unknown = false;
    for (size_t len = 1; len <= line.len; len++) {
        struct span args;
        bool now = proto_operation((struct span){line.ptr, len}, false, &args) == PROTO_UNKNOWN;
        check(!now || op == PROTO_UNKNOWN);
        check(now || !unknown);
        unknown = now;
    }
}

/* "pub" goes the long way. */
static void check_long_way(struct span line, const struct proto_command *fast)
{
    char copy[4096];
    if (line.len < 4 || line.len > sizeof copy || memcmp(line.ptr, "PUB ", 4) != 0)
        return;
    memcpy(copy, line.ptr, line.len);
    memcpy(copy, "pub", 3);
    struct proto_command slow;
    proto_parse((struct span){copy, line.len}, &slow);
    check(slow.op == fast->op);
    if (slow.op != PROTO_PUB)
        return;
    check(span_equal(slow.subject, fast->subject) && span_equal(slow.reply, fast->reply));
    check(slow.total_size == fast->total_size && slow.header_size == fast->header_size);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
    struct span line = {(const char *)bytes, len};
    if (len == 0 || memchr(bytes, '\n', len))
        return 0;
    struct proto_command command;
    memset(&command, 0x5a, sizeof command);
    proto_parse(line, &command);
    check_fields(line, &command);
    check_starts(line, command.op);
    check_long_way(line, &command);
    return 0;
}
