/* The endpoint table as C, and how often each path was asked for.
 *
 * The table is constant: any thread. Counts are relaxed atomics, written by the monitor's threads,
 * read by any. */
#ifndef MONITOR_ENDPOINTS_H
#define MONITOR_ENDPOINTS_H

#include <stdatomic.h>

#include "broker/base/base.h"

struct request;

struct endpoint {
    void (*answer)(struct request *request);
    const char *path;
    const char *counted; /* NULL: not counted */
    bool counted_first;  /* before its arguments are read */
    bool for_anyone;     /* needs no credentials */
    const char *arguments, *help;
};

enum { ENDPOINTS_MAX = 32 };

struct endpoint_counts {
    _Atomic uint64_t asked[ENDPOINTS_MAX]; /* private */
};

/* The n-th endpoint, NULL after the last. */
const struct endpoint *endpoints_at(size_t n);
/* The one with exactly this path (after http_base_path), or NULL. */
const struct endpoint *endpoints_find(const char *path);

void endpoints_count(struct endpoint_counts *counts, const struct endpoint *endpoint);
/* Requests per counted path, in the order of paths. false after the last. */
MUST_CHECK bool endpoints_counted(const struct endpoint_counts *counts, size_t n, const char **path,
                                  uint64_t *asked);

/* The functions of the table, one file each. */
#define ENDPOINT(function, path, counted, when, who, arguments, help)                              \
    void function(struct request *request);
#include "monitor/endpoints.def"
#undef ENDPOINT

#endif
