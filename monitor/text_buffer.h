/* A growable run of bytes with a maximum: what an answer is written into.
 *
 * Appending never fails loudly: out of memory or past the maximum the buffer turns `failed`, keeps
 * what it has and ignores what follows, so that a writer checks once, at the end. One thread at a
 * time; the bytes belong to the buffer until text_buffer_take. Sizes are bytes. */
#ifndef MONITOR_TEXT_BUFFER_H
#define MONITOR_TEXT_BUFFER_H

#include <stdarg.h>

#include "broker/base/base.h"

struct text_buffer {
    char *bytes; /* NULL while empty */
    size_t len;
    size_t maximum;
    bool failed;
    size_t capacity; /* private */
};

void text_buffer_init(struct text_buffer *buffer, size_t maximum);
void text_buffer_fini(struct text_buffer *buffer);
void text_buffer_append(struct text_buffer *buffer, const char *bytes, size_t len);
void text_buffer_text(struct text_buffer *buffer, const char *text);
void text_buffer_spaces(struct text_buffer *buffer, size_t count);
void text_buffer_printf(struct text_buffer *buffer, const char *format, ...) PRINTF(2, 3);
void text_buffer_vprintf(struct text_buffer *buffer, const char *format, va_list values)
    PRINTF(2, 0);
/* Escaped for HTML text and attributes. */
void text_buffer_html(struct text_buffer *buffer, const char *text);
/* Forgets what stands behind the first len bytes, and that it failed since. */
void text_buffer_cut(struct text_buffer *buffer, size_t len);
/* Takes over bytes that came from mem.h, in place of what the buffer held. */
void text_buffer_adopt(struct text_buffer *buffer, char *bytes, size_t len);
/* Hands the bytes over (NULL when empty) and leaves the buffer empty. Free with mem_free. */
MUST_CHECK char *text_buffer_take(struct text_buffer *buffer, size_t *len);

#endif
