/* Writes JSON as it goes, in nats-server's layout: two-space indent, `"key": value`, `{}` and `[]`
 * when empty, no final newline, Go's escapes (`<`, `>`, `&`, control characters, invalid UTF-8 as
 * U+FFFD).
 *
 * One thread at a time; everything lands in the caller's text_buffer, whose `failed` tells about
 * memory and size. key is NULL for elements of an array and for the outermost value. Text is
 * borrowed for the call. */
#ifndef MONITOR_JSON_WRITE_H
#define MONITOR_JSON_WRITE_H

#include "broker/base/base.h"
#include "monitor/text_buffer.h"

enum { JSON_WRITE_DEPTH_MAX = 8 };

struct json_writer {
    struct text_buffer *out;
    unsigned indent; /* spaces per level; 0 is compact */
    unsigned depth;  /* private from here */
    struct {
        char close;
        bool any;
    } level[JSON_WRITE_DEPTH_MAX];
};

void json_write_init(struct json_writer *writer, struct text_buffer *out, unsigned indent);
void json_write_object(struct json_writer *writer, const char *key);
void json_write_array(struct json_writer *writer, const char *key);
/* Closes the innermost object or array. */
void json_write_end(struct json_writer *writer);

void json_write_unsigned(struct json_writer *writer, const char *key, uint64_t value);
void json_write_signed(struct json_writer *writer, const char *key, int64_t value);
/* The shortest form that reads back the same; what is not a number is written as 0. */
void json_write_real(struct json_writer *writer, const char *key, double value);
void json_write_bool(struct json_writer *writer, const char *key, bool value);
void json_write_null(struct json_writer *writer, const char *key);
void json_write_text(struct json_writer *writer, const char *key, const char *text);
void json_write_span(struct json_writer *writer, const char *key, struct span text);
/* Only when there is text: the fields that Go leaves out when empty. */
void json_write_text_if(struct json_writer *writer, const char *key, const char *text);
void json_write_true_if(struct json_writer *writer, const char *key, bool value);
void json_write_time(struct json_writer *writer, const char *key, int64_t wall_ns);

#endif
