/* The quick way through what nearly every line is: "PUB subject [reply] size CR LF", or HPUB, with single blanks.
 *
 * The shortest form, as publishers without a reply send it, is read here, inline, by looking at its separators and not at its
 * bytes; the others in proto.c. Pure functions, any thread; spans point into the line. */
#ifndef BROKER_CORE_PROTO_SCAN_H
#define BROKER_CORE_PROTO_SCAN_H

#ifdef __SSE2__
#include <emmintrin.h>
#endif

#include "broker/core/proto.h"

enum { PROTO_SCAN_BYTES = 32 };

/* One to nine decimal digits. */
static inline bool proto_parse_size(struct span text, uint32_t *out)
{
    if (text.len - 1 > 8) /* none wraps around */
        return false;
    uint32_t value = 0, not_digits = 0;
    for (const char *at = text.ptr; at < text.ptr + text.len; at++) {
        uint32_t digit = (uint32_t)(unsigned char)*at - '0';
        not_digits |= digit > 9;
        value = value * 10 + digit;
    }
    *out = value;
    return !not_digits;
}

/* One bit for each of the 32 bytes that is a blank or a control character. */
#ifdef __SSE2__
static inline uint32_t proto_separators(const char *at)
{
    __m128i blanks = _mm_set1_epi8(' ');
    __m128i low = _mm_loadu_si128((const __m128i *)(const void *)at);
    __m128i high = _mm_loadu_si128((const __m128i *)(const void *)(at + 16));
    low = _mm_cmpeq_epi8(_mm_min_epu8(low, blanks), low);
    high = _mm_cmpeq_epi8(_mm_min_epu8(high, blanks), high);
    return (uint32_t)_mm_movemask_epi8(low) | (uint32_t)_mm_movemask_epi8(high) << 16;
}
#else
static inline uint32_t proto_separators(const char *at)
{
    uint32_t bits = 0;
    for (unsigned i = 0; i < PROTO_SCAN_BYTES; i++)
        bits |= (uint32_t)((unsigned char)at[i] <= ' ') << i;
    return bits;
}
#endif

/* "subject size CR LF" within the first bytes, which is the shortest way of all. */
static ALWAYS_INLINE const char *proto_scan_short(const char *start, uint32_t bits,
                                                  struct proto_command *out)
{
    uint32_t behind_first = bits & (bits - 1);
    if (!behind_first)
        return NULL;
    const char *blank = start + __builtin_ctz(bits), *stop = start + __builtin_ctz(behind_first);
    if (blank == start || *blank != ' ' || stop[0] != '\r' ||
        stop + 1 == start + PROTO_SCAN_BYTES || stop[1] != '\n')
        return NULL;
    out->op = PROTO_PUB;
    out->args = (struct span){start, (size_t)(stop - start)};
    out->subject = (struct span){start, (size_t)(blank - start)};
    out->reply = (struct span){NULL, 0};
    out->header_size = 0;
    return proto_parse_size((struct span){blank + 1, (size_t)(stop - blank - 1)}, &out->total_size)
               ? stop + 2
               : NULL;
}

/* Any of the forms. As proto_scan_publish. */
const char *proto_scan_any(const char *line, const char *end, struct proto_command *out);

/* `line` is the start of a line, `end` that of the input. Returns what is behind the LF, or NULL when the line is cut off or
 * is anything else: then the long way decides. Does not look whether header_size is within total_size. */
static ALWAYS_INLINE const char *proto_scan_publish(const char *line, const char *end,
                                                    struct proto_command *out)
{
    enum { NAME = sizeof "PUB " - 1 };
    if (end - line >= NAME + PROTO_SCAN_BYTES && memcmp(line, "PUB ", NAME) == 0) {
        const char *behind = proto_scan_short(line + NAME, proto_separators(line + NAME), out);
        if (behind)
            return behind;
    }
    return proto_scan_any(line, end, out);
}

#endif
