/* The buffer doubles until its maximum; past a small size it leaves the heap, which would keep what the largest
 * answers have taken. Invariants: len <= capacity <= maximum; once failed, nothing changes but by
 * _cut, _take and _fini. A failed buffer holds a cut text, which must never be sent. */
#include "monitor/text_buffer.h"

#include <stdio.h>

#include "broker/base/mem.h"

enum { TEXT_BUFFER_FIRST = 2048, TEXT_BUFFER_SMALL = 16 << 10 };

void text_buffer_init(struct text_buffer *buffer, size_t maximum)
{
    *buffer = (struct text_buffer){.maximum = maximum};
}

void text_buffer_fini(struct text_buffer *buffer)
{
    mem_free(buffer->bytes);
    *buffer = (struct text_buffer){.maximum = buffer->maximum};
}

/* Room for count more bytes, or NULL. */
static char *reserve(struct text_buffer *buffer, size_t count)
{
    if (buffer->failed)
        return NULL;
    if (count > buffer->maximum - buffer->len) {
        buffer->failed = true;
        return NULL;
    }
    if (count > buffer->capacity - buffer->len) {
        size_t capacity = max_size(buffer->capacity * 2, TEXT_BUFFER_FIRST);
        capacity = max_size(capacity, buffer->len + count);
        if (capacity > TEXT_BUFFER_SMALL)
            capacity = max_size(capacity, MEM_ALONE_BYTES);
        capacity = min_size(capacity, buffer->maximum);
        char *bytes = mem_realloc(buffer->bytes, capacity);
        if (!bytes) {
            buffer->failed = true;
            return NULL;
        }
        buffer->bytes = bytes;
        buffer->capacity = capacity;
    }
    return buffer->bytes + buffer->len;
}

void text_buffer_append(struct text_buffer *buffer, const char *bytes, size_t len)
{
    char *at = len > 0 ? reserve(buffer, len) : NULL;
    if (!at)
        return;
    memcpy(at, bytes, len);
    buffer->len += len;
}

void text_buffer_text(struct text_buffer *buffer, const char *text)
{
    text_buffer_append(buffer, text, strlen(text));
}

void text_buffer_spaces(struct text_buffer *buffer, size_t count)
{
    char *at = count > 0 ? reserve(buffer, count) : NULL;
    if (!at)
        return;
    memset(at, ' ', count);
    buffer->len += count;
}

void text_buffer_vprintf(struct text_buffer *buffer, const char *format, va_list values)
{
    va_list again;
    va_copy(again, values);
    int len = vsnprintf(NULL, 0, format, values);
    char *at = len > 0 ? reserve(buffer, (size_t)len + 1) : NULL;
    if (at) {
        vsnprintf(at, (size_t)len + 1, format, again);
        buffer->len += (size_t)len;
    }
    va_end(again);
}

void text_buffer_printf(struct text_buffer *buffer, const char *format, ...)
{
    va_list values;
    va_start(values, format);
    text_buffer_vprintf(buffer, format, values);
    va_end(values);
}

void text_buffer_html(struct text_buffer *buffer, const char *text)
{
    for (; *text; text++) {
        switch (*text) {
        case '&': text_buffer_text(buffer, "&amp;"); break;
        case '<': text_buffer_text(buffer, "&lt;"); break;
        case '>': text_buffer_text(buffer, "&gt;"); break;
        case '"': text_buffer_text(buffer, "&#34;"); break;
        case '\'': text_buffer_text(buffer, "&#39;"); break;
        default: text_buffer_append(buffer, text, 1);
        }
    }
}

void text_buffer_cut(struct text_buffer *buffer, size_t len)
{
    check(len <= buffer->len);
    buffer->len = len;
    buffer->failed = false;
}

void text_buffer_adopt(struct text_buffer *buffer, char *bytes, size_t len)
{
    text_buffer_fini(buffer);
    buffer->bytes = bytes;
    buffer->len = buffer->capacity = len;
    buffer->failed = len > buffer->maximum;
}

char *text_buffer_take(struct text_buffer *buffer, size_t *len)
{
    char *bytes = buffer->bytes;
    *len = buffer->len;
    *buffer = (struct text_buffer){.maximum = buffer->maximum};
    return bytes;
}
