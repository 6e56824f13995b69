/* Bytes in gzip, for answers whose reader accepts that. Pure functions; any thread. */
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

#endif
