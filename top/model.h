/* Samples to figures: rates, averages, peaks, histories, and what happened in between (restart,
 * failure, recovery).
 *
 * No I/O, no clock, no curses: time comes from the samples. One thread (the screen's, or the batch
 * run's) owns a model; it consumes samples. Rates are per second of the server's clock. A rate that
 * cannot be known (first sight, restart, a counter that shrank) is NAN and so says itself
 * everywhere; it is never negative. */
#ifndef TOP_MODEL_H
#define TOP_MODEL_H

#include "top/sample.h"

enum {
    MODEL_HISTORY = 600,         /* samples kept of each server figure */
    MODEL_CONN_HISTORY = 120,    /* and of each connection */
    MODEL_CONN_HISTORIES = 4096, /* connections that get one */
    MODEL_NOTICE_BYTES = 160
};

#define MODEL_FAST_NS   (10 * 1000000000LL) /* time constants of the two averages */
#define MODEL_SLOW_NS   (60 * 1000000000LL)
#define MODEL_NOTICE_NS (10 * 1000000000LL)

/* Of a counter. NAN: unknown. */
struct model_rate {
    double now, fast, slow, peak;
};

/* The newest value is at [(next - 1) % length]; NAN is a gap. */
struct model_ring {
    float *values;
    unsigned length, next, filled;
};

struct model_conn {
    const struct sample_conn *sample;             /* the connection's last values */
    struct model_rate rates[SAMPLE_CONN_METRICS]; /* counters only */
    int64_t first_seen_ns;                        /* by our monotonic clock */
    float *history; /* SAMPLE_CONN_METRICS rings of MODEL_CONN_HISTORY, or NULL */
    unsigned history_next, history_filled;
};

struct model {
    /* read only for others */
    struct sample *last;        /* last good sample of the server; NULL before the first */
    struct sample_connz *connz; /* last good list */
    struct sample_detail
        *detail; /* of the connection looked into, with the one before it for rates */
    struct sample_detail *detail_before;
    struct model_rate rates[METRIC_COUNT];
    struct model_ring rings[METRIC_COUNT]; /* rate of counters, value of gauges */
    struct model_conn *conns;
    size_t conn_count;
    uint64_t polls;      /* good ones since the last restart */
    int64_t interval_ns; /* server time between the last two; 0 unknown */
    int64_t good_ns;     /* when the last good sample was taken, by our monotonic clock */
    unsigned failures;   /* in a row */
    char error[320];     /* why, while failing; or what failed beside a good /varz */
    char notice[MODEL_NOTICE_BYTES];
    int64_t notice_ns; /* when it was raised; 0 never */
    unsigned restarts;
    bool alternating; /* the address answers from several servers */

    /* private */
    char id_before[80];
    size_t *index; /* cid hash: position in conns + 1 */
    size_t index_size;
    size_t histories;
};

void model_init(struct model *model);
void model_fini(struct model *model);
/* Takes the sample. False when out of memory: the sample is dropped, what was known stays. */
bool model_ingest(struct model *model, struct sample *sample);
/* Averages and peaks start again. */
void model_reset_averages(struct model *model);

const struct model_conn *model_find(const struct model *model, uint64_t cid);
/* `back` 0 is the newest. NAN where nothing is known. */
double model_past(const struct model *model, enum metric_id id, unsigned back);
double model_conn_past(const struct model_conn *conn, unsigned metric, unsigned back);
/* Messages per second on a subscription of the detail; NAN when unknown. */
double model_subscription_rate(const struct model *model, size_t at);
/* The data on show is of the past: the server does not answer. */
bool model_stale(const struct model *model);

#endif
