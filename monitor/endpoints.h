/* The endpoint table as C, and what the monitoring port counts about itself.
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

/* What the port counts about itself. */
enum endpoint_state { ENDPOINT_ASKING, ENDPOINT_ANSWERING, ENDPOINT_IDLE, ENDPOINT_STATES };
enum endpoint_refusal {
    ENDPOINT_CREDENTIALS,
    ENDPOINT_GUESSING,
    ENDPOINT_DEADLINE,
    ENDPOINT_NOT_HTTP,
    ENDPOINT_BUSY,
    ENDPOINT_REFUSALS
};

struct endpoint_counts {
    _Atomic uint64_t connections[ENDPOINT_STATES]; /* now */
    _Atomic uint64_t turned_away[ENDPOINT_REFUSALS];
    /* Private. */
    _Atomic uint64_t asked[ENDPOINTS_MAX], spent_ns[ENDPOINTS_MAX], sent_bytes[ENDPOINTS_MAX];
};

/* Of one counted path. */
struct endpoint_usage {
    const char *path;
    uint64_t asked, spent_ns, sent_bytes;
};

/* The n-th endpoint, NULL after the last. */
const struct endpoint *endpoints_at(size_t n);
/* The one with exactly this path (after http_base_path), or NULL. */
const struct endpoint *endpoints_find(const char *path);

void endpoints_count(struct endpoint_counts *counts, const struct endpoint *endpoint);
/* Time that went into its answer, and bytes that went out. */
void endpoints_spend(struct endpoint_counts *counts, const struct endpoint *endpoint,
                     uint64_t spent_ns, uint64_t sent_bytes);
void endpoints_turn_away(struct endpoint_counts *counts, enum endpoint_refusal refusal);
/* The n-th counted path, in the order of paths. false after the last. */
MUST_CHECK bool endpoints_counted(const struct endpoint_counts *counts, size_t n,
                                  struct endpoint_usage *out);
const char *endpoints_state_label(enum endpoint_state state);
const char *endpoints_refusal_label(enum endpoint_refusal refusal);

/* The functions of the table, one file each. */
#define ENDPOINT(function, path, counted, when, who, arguments, help)                              \
    void function(struct request *request);
#include "monitor/endpoints.def"
#undef ENDPOINT

#endif
