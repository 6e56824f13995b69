/* A writer holds the stack of what is open: for each level the closing bracket and whether
 * something stands in it already, which decides the comma and whether the bracket goes on its own
 * line. Nothing is kept of the document itself, so that ten thousand connections cost the bytes of
 * their text and no tree.
 *
 * Invariants: depth <= JSON_WRITE_DEPTH_MAX; every _object and _array is closed by one _end; inside
 * an object every value has a key, elsewhere none. They are our own mistakes, so they are checked.
 */
#include "monitor/json_write.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "broker/base/clock.h"
#include "broker/base/utf8.h"

void json_write_init(struct json_writer *writer, struct text_buffer *out, unsigned indent)
{
    *writer = (struct json_writer){.out = out, .indent = indent};
}

static void new_line(struct json_writer *writer)
{
    if (writer->indent == 0)
        return;
    text_buffer_append(writer->out, "\n", 1);
    text_buffer_spaces(writer->out, (size_t)writer->depth * writer->indent);
}

static void append_quoted(struct text_buffer *out, struct span text)
{
    static const char plain_escapes[] = "\"\\<>&";
    text_buffer_append(out, "\"", 1);
    size_t from = 0;
    for (size_t at = 0; at < text.len;) {
        unsigned char byte = (unsigned char)text.ptr[at];
        size_t width = byte < 0x80 ? 1 : utf8_sequence(text.ptr + at, text.len - at);
        bool separator = width == 3 && memcmp(text.ptr + at, "\xe2\x80", 2) == 0 &&
                         ((unsigned char)text.ptr[at + 2] & 0xfe) == 0xa8;
        if (width > 0 && byte >= 0x20 && !separator &&
            !(byte < 0x80 && strchr(plain_escapes, byte))) {
            at += width;
            continue;
        }
        text_buffer_append(out, text.ptr + from, at - from);
        if (width == 0)
            text_buffer_text(out, "\\ufffd");
        else if (separator)
            text_buffer_printf(out, "\\u202%c",
                               (unsigned char)text.ptr[at + 2] == 0xa8 ? '8' : '9');
        else if (byte == '"' || byte == '\\')
            text_buffer_printf(out, "\\%c", byte);
        else if (byte == '\n' || byte == '\r' || byte == '\t')
            text_buffer_text(out, byte == '\n' ? "\\n" : byte == '\r' ? "\\r" : "\\t");
        else
            text_buffer_printf(out, "\\u%04x", byte);
        at += max_size(width, 1);
        from = at;
    }
    text_buffer_append(out, text.ptr + from, text.len - from);
    text_buffer_append(out, "\"", 1);
}

/* What stands before a value: comma, line, key. */
static void begin_value(struct json_writer *writer, const char *key)
{
    if (writer->depth == 0) {
        check(!key);
        return;
    }
    check((key != NULL) == (writer->level[writer->depth - 1].close == '}'));
    if (writer->level[writer->depth - 1].any)
        text_buffer_append(writer->out, ",", 1);
    writer->level[writer->depth - 1].any = true;
    new_line(writer);
    if (!key)
        return;
    append_quoted(writer->out, span_of(key));
    text_buffer_append(writer->out, ": ", writer->indent ? 2 : 1);
}

static void open_level(struct json_writer *writer, const char *key, const char *open, char close)
{
    check(writer->depth < JSON_WRITE_DEPTH_MAX);
    begin_value(writer, key);
    text_buffer_append(writer->out, open, 1);
    writer->level[writer->depth].close = close;
    writer->level[writer->depth].any = false;
    writer->depth++;
}

void json_write_object(struct json_writer *writer, const char *key)
{
    open_level(writer, key, "{", '}');
}

void json_write_array(struct json_writer *writer, const char *key)
{
    open_level(writer, key, "[", ']');
}

void json_write_end(struct json_writer *writer)
{
    check(writer->depth > 0);
    writer->depth--;
    if (writer->level[writer->depth].any)
        new_line(writer);
    text_buffer_append(writer->out, &writer->level[writer->depth].close, 1);
}

void json_write_unsigned(struct json_writer *writer, const char *key, uint64_t value)
{
    begin_value(writer, key);
    text_buffer_printf(writer->out, "%" PRIu64, value);
}

void json_write_signed(struct json_writer *writer, const char *key, int64_t value)
{
    begin_value(writer, key);
    text_buffer_printf(writer->out, "%" PRId64, value);
}

void json_write_real(struct json_writer *writer, const char *key, double value)
{
    begin_value(writer, key);
    if (!isfinite(value))
        value = 0;
    char text[40];
    for (int digits = 15; digits <= 17; digits++) {
        snprintf(text, sizeof text, "%.*g", digits, value);
        if (!(strtod(text, NULL) < value) && !(strtod(text, NULL) > value))
            break;
    }
    text_buffer_text(writer->out, text);
}

void json_write_bool(struct json_writer *writer, const char *key, bool value)
{
    begin_value(writer, key);
    text_buffer_text(writer->out, value ? "true" : "false");
}

void json_write_null(struct json_writer *writer, const char *key)
{
    begin_value(writer, key);
    text_buffer_text(writer->out, "null");
}

void json_write_span(struct json_writer *writer, const char *key, struct span text)
{
    begin_value(writer, key);
    append_quoted(writer->out, text);
}

void json_write_text(struct json_writer *writer, const char *key, const char *text)
{
    json_write_span(writer, key, span_of(text ? text : ""));
}

void json_write_text_if(struct json_writer *writer, const char *key, const char *text)
{
    if (text && *text)
        json_write_text(writer, key, text);
}

void json_write_true_if(struct json_writer *writer, const char *key, bool value)
{
    if (value)
        json_write_bool(writer, key, true);
}

void json_write_time(struct json_writer *writer, const char *key, int64_t wall_ns)
{
    char text[CLOCK_TEXT_MAX];
    json_write_text(writer, key, clock_rfc3339(wall_ns, text));
}
