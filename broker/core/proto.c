/* From a control line to its fields.
 *
 * nats-server reads byte by byte and answers at the first byte that fits no operation, with or without a line end; so the
 * name is looked up on incomplete lines too. What follows PING, PONG and +OK up to the line end does not matter.
 * PUB, HPUB, SUB, UNSUB and -ERR need a blank behind the name, CONNECT and INFO do not.
 */
#include "broker/core/proto.h"

#include "broker/core/proto_scan.h"

/* The most fields of a line that is scanned; the shortest line. */
enum { SCAN_FIELDS = 4, SCAN_LEAST = sizeof "PUB a 0\r\n" - 1 };

enum tail {
    TAIL_IGNORED,
    TAIL_ARGS,       /* a blank, then arguments */
    TAIL_ARGS_CLOSE, /* arguments may follow at once */
};

static const struct operation {
    const char *name;
    uint8_t len;
    enum proto_op op;
    enum tail tail;
} operations[] = {
    {"PUB", 3, PROTO_PUB, TAIL_ARGS},
    {"HPUB", 4, PROTO_HPUB, TAIL_ARGS},
    {"SUB", 3, PROTO_SUB, TAIL_ARGS},
    {"UNSUB", 5, PROTO_UNSUB, TAIL_ARGS},
    {"PING", 4, PROTO_PING, TAIL_IGNORED},
    {"PONG", 4, PROTO_PONG, TAIL_IGNORED},
    {"CONNECT", 7, PROTO_CONNECT, TAIL_ARGS_CLOSE},
    {"INFO", 4, PROTO_INFO, TAIL_ARGS_CLOSE},
    {"+OK", 3, PROTO_OK, TAIL_IGNORED},
    {"-ERR", 4, PROTO_ERR, TAIL_ARGS},
};

static inline bool is_blank(char c)
{
    return c == ' ' || c == '\t';
}

static size_t common_prefix(const struct operation *operation, struct span line)
{
    size_t i = 0;
    while (i < operation->len && i < line.len) {
        char c = line.ptr[i];
        if (c >= 'a' && c <= 'z')
            c = (char)(c - 'a' + 'A');
        if (c != operation->name[i])
            break;
        i++;
    }
    return i;
}

static struct span skip_blanks(struct span text)
{
    while (text.len > 0 && is_blank(text.ptr[0])) {
        text.ptr++;
        text.len--;
    }
    return text;
}

enum proto_op proto_operation(struct span line, bool complete, struct span *args)
{
    for (size_t i = 0; i < array_length(operations); i++) {
        const struct operation *operation = &operations[i];
        size_t same = common_prefix(operation, line);
        if (same == line.len && same <= operation->len && !complete) {
            *args = (struct span){line.ptr + line.len, 0};
            return operation->op;
        }
        if (same < operation->len)
            continue;
        *args = (struct span){line.ptr + same, line.len - same};
        if (operation->tail == TAIL_ARGS && (args->len == 0 || !is_blank(args->ptr[0])))
            return PROTO_UNKNOWN;
        if (operation->tail == TAIL_IGNORED)
            args->len = 0;
        else
            *args = skip_blanks(*args);
        return operation->op;
    }
    return PROTO_UNKNOWN;
}

/* Splits args on blanks into at most `most` fields; returns how many there are, most + 1 for more. A CR inside is
 * refused by the callers' field counts: it makes no field valid. */
static int split(struct span args, struct span *fields, int most)
{
    int count = 0;
    const char *at = args.ptr, *end = args.ptr + args.len;
    for (;;) {
        while (at < end && is_blank(*at))
            at++;
        if (at == end)
            return count;
        if (count == most)
            return most + 1;
        const char *start = at;
        while (at < end && !is_blank(*at))
            at++;
        fields[count++] = (struct span){start, (size_t)(at - start)};
    }
}

static bool parse_pub(struct proto_command *out)
{
    struct span fields[3];
    int count = split(out->args, fields, 3);
    if (count < 2 || count > 3)
        return false;
    out->subject = fields[0];
    out->reply = count == 3 ? fields[1] : (struct span){NULL, 0};
    out->header_text = (struct span){NULL, 0};
    out->total_text = fields[count - 1];
    return proto_parse_size(fields[count - 1], &out->total_size);
}

/* ---- the form that all clients send, where it is not the shortest: proto_scan.h ---- */

/* The same where fewer bytes are left. */
static COLD uint32_t last_separators(const char *at, const char *end)
{
    char bytes[PROTO_SCAN_BYTES];
    memset(bytes, 'x', sizeof bytes);
    memcpy(bytes, at, (size_t)(end - at));
    return proto_separators(bytes);
}

/* The fields between the line's start and its blanks and CR; false when one is empty or they are too few or many. */
static inline bool scan_fields(const char *start, const char *const *stops, int count,
                               struct proto_command *out)
{
    bool headers = out->op == PROTO_HPUB;
    int sizes = 1 + headers, names = count - sizes;
    if (names < 1 || names > 2)
        return false;
    out->subject = (struct span){start, (size_t)(stops[0] - start)};
    out->reply = (struct span){stops[0] + 1, names == 2 ? (size_t)(stops[1] - stops[0] - 1) : 0};
    if (out->subject.len == 0 || (names == 2 && out->reply.len == 0))
        return false;
    out->header_size = 0;
    const char *size = stops[count - 2] + 1;
    if (headers) {
        const char *header_size = stops[count - 3] + 1;
        if (!proto_parse_size((struct span){header_size, (size_t)(size - 1 - header_size)},
                              &out->header_size))
            return false;
    }
    return proto_parse_size((struct span){size, (size_t)(stops[count - 1] - size)},
                            &out->total_size);
}

const char *proto_scan_any(const char *line, const char *end, struct proto_command *out)
{
    if (end - line < SCAN_LEAST)
        return NULL;
    bool headers = line[0] == 'H';
    const char *start = line + headers;
    if (memcmp(start, "PUB ", 4) != 0)
        return NULL;
    start += 4;
    const char *stops[SCAN_FIELDS];
    int count = 0;
    for (const char *at = start; at < end; at += PROTO_SCAN_BYTES) {
        uint32_t bits =
            end - at >= PROTO_SCAN_BYTES ? proto_separators(at) : last_separators(at, end);
        for (; bits; bits &= bits - 1) {
            const char *stop = at + __builtin_ctz(bits);
            if (count == SCAN_FIELDS)
                return NULL;
            stops[count++] = stop;
            if (*stop == ' ')
                continue;
            if (*stop != '\r' || end - stop < 2 || stop[1] != '\n')
                return NULL;
            out->op = headers ? PROTO_HPUB : PROTO_PUB;
            out->args = (struct span){start, (size_t)(stop - start)};
            return scan_fields(start, stops, count, out) ? stop + 2 : NULL;
        }
    }
    return NULL;
}

static bool parse_hpub(struct proto_command *out)
{
    struct span fields[4];
    int count = split(out->args, fields, 4);
    if (count < 3 || count > 4)
        return false;
    out->subject = fields[0];
    out->reply = count == 4 ? fields[1] : (struct span){NULL, 0};
    out->header_text = fields[count - 2];
    out->total_text = fields[count - 1];
    return proto_parse_size(fields[count - 2], &out->header_size) &&
           proto_parse_size(fields[count - 1], &out->total_size) &&
           out->header_size <= out->total_size;
}

static bool parse_sub(struct proto_command *out)
{
    struct span fields[3];
    int count = split(out->args, fields, 3);
    if (count < 2 || count > 3 || memchr(out->args.ptr, '\r', out->args.len))
        return false;
    out->subject = fields[0];
    out->queue = count == 3 ? fields[1] : (struct span){NULL, 0};
    out->sid = fields[count - 1];
    return true;
}

/* An unreadable maximum counts as none: nats-server then unsubscribes at once. */
static bool parse_unsub(struct proto_command *out)
{
    struct span fields[2];
    int count = split(out->args, fields, 2);
    if (count < 1 || count > 2)
        return false;
    out->sid = fields[0];
    uint32_t max = 0;
    out->max = count == 2 && proto_parse_size(fields[1], &max) ? max : 0;
    return true;
}

void proto_parse(struct span line, struct proto_command *out)
{
    out->op = proto_operation(line, true, &out->args);
    bool good = true;
    switch (out->op) {
    case PROTO_PUB:
        out->header_size = 0;
        good = parse_pub(out);
        break;
    case PROTO_HPUB: good = parse_hpub(out); break;
    case PROTO_SUB: good = parse_sub(out); break;
    case PROTO_UNSUB: good = parse_unsub(out); break;
    default: break;
    }
    if (!good)
        out->op = PROTO_MALFORMED;
}
