/* One look at a server: the values of /varz, /connz and /subsz as the metric table orders them.
 *
 * A sample is made by one thread and handed over; it owns all it holds, text included. What the
 * server did not say stays absent (`present` is false), which is not zero. Times are nanoseconds
 * since 1970, durations nanoseconds. */
#ifndef TOP_SAMPLE_H
#define TOP_SAMPLE_H

#include "broker/metrics.h"

/* Connection rows of the table are neighbours, so they index a short array. */
enum {
    SAMPLE_CONN_FIRST = METRIC_conn_in_msgs,
    SAMPLE_CONN_METRICS = METRIC_conn_last_activity - METRIC_conn_in_msgs + 1
};

/* Counters are kept exact; `number` is the same value for arithmetic and display (durations and
 * times in ns). */
struct sample_value {
    double number;
    uint64_t count;
    bool present;
};

/* What a connection is, next to what it did: JSON strings of a /connz entry. */
enum sample_text {
    SAMPLE_NAME,
    SAMPLE_IP,
    SAMPLE_ACCOUNT,
    SAMPLE_USER,
    SAMPLE_KIND,
    SAMPLE_TYPE,
    SAMPLE_LANG,
    SAMPLE_VERSION,
    SAMPLE_TLS_VERSION,
    SAMPLE_TLS_CIPHER,
    SAMPLE_TEXTS
};

struct sample_conn {
    uint64_t cid;
    int port;
    const char *text[SAMPLE_TEXTS]; /* "" when absent */
    struct sample_value values[SAMPLE_CONN_METRICS];
};

struct sample_subscription {
    const char *subject, *queue, *sid;
    uint64_t msgs, max; /* max 0: unlimited */
};

struct sample_block; /* text storage */

struct sample_connz {
    char server_id[80];
    int64_t now_ns;
    uint64_t total; /* connections that the server has */
    size_t count;   /* connections listed here */
    struct sample_conn *conns;
    struct sample_block *texts;
};

struct sample_detail {
    uint64_t cid;
    int64_t now_ns;
    size_t count;
    struct sample_subscription *subscriptions;
    struct sample_block *texts;
};

struct sample {
    bool ok;         /* /varz was read; else only `error` and the times are set */
    bool partial;    /* only the detail was asked for */
    char error[320]; /* what failed, for people; also for an endpoint that failed beside a good
                        /varz */
    int64_t mono_ns, wall_ns, poll_ns; /* when it was taken, by our clocks, and how long it took */
    char server_id[80], server_name[128], version[48], product[48], cluster[64];
    int64_t start_ns, now_ns;                 /* by the server's clock */
    struct sample_value values[METRIC_COUNT]; /* server rows of the table */
    struct sample_connz *connz;               /* NULL: not asked or failed */
    struct sample_detail *detail;             /* NULL: not asked or failed */
};

MUST_CHECK struct sample *sample_new(void); /* NULL when out of memory */
void sample_free(struct sample **sample);
void sample_connz_free(struct sample_connz **connz);
void sample_detail_free(struct sample_detail **detail);

/* Read a document's bytes into the sample. False with a reason in sample->error when it is not what
 * it should be. */
MUST_CHECK bool sample_read_varz(struct sample *sample, const char *body, size_t len);
MUST_CHECK bool sample_read_subsz(struct sample *sample, const char *body, size_t len);
MUST_CHECK bool sample_read_connz(struct sample *sample, const char *body, size_t len);
/* A /connz answer for one cid with its subscriptions. */
MUST_CHECK bool sample_read_detail(struct sample *sample, uint64_t cid, const char *body,
                                   size_t len);

/* The JSON key of a connection text ("name", "ip", "authorized_user"). */
const char *sample_text_key(enum sample_text text);

#endif
