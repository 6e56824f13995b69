/* The text of messages, made twice over: the publisher's command and the receiver's frame are
 * composed by the same few lines here, none of which the broker shares. */
#include "tests/sim/message.h"

#include <stdio.h>
#include <stdlib.h>

/* Any byte may occur, line ends and zeros too. */
static char filler(uint32_t id, uint32_t at)
{
    return (char)(id * 31 + at * 7 + (at >> 8) * 13);
}

static size_t append_payload(const struct message *message, bool headers, char *out)
{
    uint32_t skip = headers ? 0 : message->header_size;
    uint32_t body = message->total_size - message->header_size;
    for (uint32_t i = skip; i < message->total_size; i++)
        out[i - skip] = filler(message->id, i);
    if (body >= MESSAGE_ID_BYTES) {
        char digits[MESSAGE_ID_BYTES + 1];
        snprintf(digits, sizeof digits, "%08x", message->id);
        memcpy(out + message->header_size - skip, digits, MESSAGE_ID_BYTES);
    }
    size_t len = message->total_size - skip;
    memcpy(out + len, "\r\n", 2);
    return len + 2;
}

static const char *blank_behind(const char *reply)
{
    return reply[0] ? " " : "";
}

size_t message_command(const struct message *message, char *out)
{
    int len;
    if (message->with_headers)
        len = snprintf(out, 256, "HPUB %s %s%s%u %u\r\n", message->subject, message->reply,
                       blank_behind(message->reply), message->header_size, message->total_size);
    else
        len = snprintf(out, 256, "PUB %s %s%s%u\r\n", message->subject, message->reply,
                       blank_behind(message->reply), message->total_size);
    return (size_t)len + append_payload(message, true, out + len);
}

size_t message_delivery(const struct message *message, const char *sid, bool headers, char *out)
{
    int len;
    headers = headers && message->header_size > 0;
    if (headers)
        len = snprintf(out, 256, "HMSG %s %s %s%s%u %u\r\n", message->subject, sid, message->reply,
                       blank_behind(message->reply), message->header_size, message->total_size);
    else
        len = snprintf(out, 256, "MSG %s %s %s%s%u\r\n", message->subject, sid, message->reply,
                       blank_behind(message->reply), message->total_size - message->header_size);
    return (size_t)len + append_payload(message, headers, out + len);
}

size_t message_no_responders(const struct message *message, const char *sid, char *out)
{
    return (size_t)snprintf(out, 256, "HMSG %s %s 16 16\r\nNATS/1.0 503\r\n\r\n\r\n",
                            message->reply, sid);
}

/* ---- frames ---- */

enum { FIELDS_MAX = 6 };

static int split(struct span line, struct span *fields)
{
    int count = 0;
    while (line.len > 0 && count < FIELDS_MAX) {
        const char *blank = memchr(line.ptr, ' ', line.len);
        size_t len = blank ? (size_t)(blank - line.ptr) : line.len;
        fields[count++] = (struct span){line.ptr, len};
        len = min_size(len + 1, line.len);
        line = (struct span){line.ptr + len, line.len - len};
    }
    return count;
}

static uint32_t number(struct span digits)
{
    return (uint32_t)strtoul(digits.ptr, NULL, 10);
}

/* fields: what the line holds behind MSG or HMSG; at: behind the line. */
static bool read_message(struct span *fields, int count, bool headers, struct span at,
                         struct frame *out)
{
    if (count != 3 + headers && count != 4 + headers)
        return false;
    uint32_t total = number(fields[count - 1]);
    uint32_t header = headers ? number(fields[count - 2]) : 0;
    if (header > total || at.len < (size_t)total + 2)
        return false;
    out->subject = fields[0];
    out->sid = fields[1];
    out->kind = FRAME_MESSAGE;
    out->len += (size_t)total + 2;
    if (headers && header == 16 && total == 16 && memcmp(at.ptr, "NATS/1.0 503\r\n\r\n", 16) == 0) {
        out->kind = FRAME_NO_RESPONDERS;
    } else if (total - header >= MESSAGE_ID_BYTES) {
        char digits[MESSAGE_ID_BYTES + 1] = {0};
        memcpy(digits, at.ptr + header, MESSAGE_ID_BYTES);
        out->id = (uint32_t)strtoul(digits, NULL, 16);
    } else if (count == 4 + headers) {
        const char *end = fields[2].ptr + fields[2].len;
        while (end > fields[2].ptr && end[-1] != '.')
            end--;
        out->id = (uint32_t)strtoul(end, NULL, 10);
    } else {
        return false;
    }
    return true;
}

bool message_read_frame(struct span text, struct frame *out)
{
    static const struct {
        const char *word;
        enum frame_kind kind;
    } words[] = {{"PING", FRAME_PING},
                 {"PONG", FRAME_PONG},
                 {"+OK", FRAME_OK},
                 {"INFO", FRAME_INFO},
                 {"-ERR", FRAME_ERROR}};
    const char *lf = memchr(text.ptr, '\n', text.len);
    if (!lf || lf == text.ptr || lf[-1] != '\r')
        return false;
    struct span line = {text.ptr, (size_t)(lf - text.ptr) - 1};
    struct span behind = {lf + 1, text.len - line.len - 2};
    struct span fields[FIELDS_MAX];
    int count = split(line, fields);
    *out = (struct frame){.len = line.len + 2};
    if (span_equal(fields[0], SPAN_LITERAL("MSG")))
        return read_message(fields + 1, count - 1, false, behind, out);
    if (span_equal(fields[0], SPAN_LITERAL("HMSG")))
        return read_message(fields + 1, count - 1, true, behind, out);
    for (size_t i = 0; i < array_length(words); i++) {
        if (span_equal(fields[0], span_of(words[i].word))) {
            out->kind = words[i].kind;
            return true;
        }
    }
    return false;
}
