/* Bytes in gzip, for answers whose reader accepts that. A pure function; any thread. */
#ifndef MONITOR_GZIP_H
#define MONITOR_GZIP_H

#include "broker/base/base.h"

/* The packed bytes, owned by the caller (mem_free), their number in out_len; NULL when there is no memory for it. */
MUST_CHECK char *gzip_pack(struct span plain, size_t *out_len);

#endif
