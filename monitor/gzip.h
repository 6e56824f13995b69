/* Bytes in gzip, for answers whose reader accepts that. Any thread; a stream belongs to one at a time. */
#ifndef MONITOR_GZIP_H
#define MONITOR_GZIP_H

#include "broker/base/base.h"

/* Smaller answers are not worth it. */
enum { GZIP_FROM_BYTES = 1024 };

/* What an Accept-Encoding header says (NULL: there is none): gzip is named, or everything is, with a weight above zero that
 * is not below that of an answer as it is. */
bool gzip_accepted(const char *accept_encoding);

/* The packed bytes, owned by the caller (mem_free), their number in out_len; NULL when there is no memory for it. */
MUST_CHECK char *gzip_pack(struct span plain, size_t *out_len);

/* For what comes in pieces. */
struct gzip_stream;
enum { GZIP_STREAM_BYTES = 264 << 10 }; /* what one holds */

/* NULL when out of memory. */
MUST_CHECK struct gzip_stream *gzip_stream_new(void);
/* Packs from the front of plain, which it shortens, into out, as far as there is room; returns how many bytes it wrote. Without
 * any written and without any left in plain it wants the next piece; last: there is none. After the last byte it writes none. */
MUST_CHECK size_t gzip_stream_pack(struct gzip_stream *stream, struct span *plain, bool last,
                                   char *out, size_t room);
/* Clears the caller's pointer. NULL is fine. */
void gzip_stream_free(struct gzip_stream **stream);

#endif
