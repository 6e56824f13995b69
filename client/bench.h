/* One bench run, shared by bench.c (set-up and waiting), bench_worker.c (what threads do) and
 * bench_report.c.
 *
 * Every publisher and subscriber has its own connection and thread and writes only its own struct;
 * counters that others read meanwhile are atomic cells with that one writer. All is freed after
 * connection_fini, when no thread is left. */
#ifndef CLIENT_BENCH_H
#define CLIENT_BENCH_H

#include "client/latency.h"
#include "client/options.h"

#include <nats/nats.h>
#include <pthread.h>

enum bench_mode { BENCH_PUBLISH, BENCH_FANOUT, BENCH_QUEUE, BENCH_REQUEST };

struct bench;

struct bench_publisher {
    struct bench *bench;
    natsConnection *conn;
    pthread_t thread;
    bool started;
    uint64_t number;       /* 0, 1, 2, ... */
    uint64_t first, count; /* its share of all message indexes */
    char *payload;
    _Atomic uint64_t
        sent; /* complete: handed to the library, or for a request, answered or given up */
    _Atomic int64_t end_ns;
    _Atomic uint64_t replies, timeouts, no_responders, wrong;
    struct latency latency; /* of requests */
};

struct bench_subscriber {
    struct bench *bench;
    natsConnection *conn;
    natsSubscription *sub;
    _Atomic uint64_t received;   /* all messages */
    _Atomic uint64_t good;       /* each expected message, once */
    _Atomic uint64_t repeated;   /* seen before, or out of order */
    _Atomic uint64_t unexpected; /* not of this run */
    _Atomic uint64_t probes;
    _Atomic int64_t last_ns;
    uint64_t *next; /* fan-out: per publisher, the index that comes next */
    struct latency latency;
};

struct bench {
    const struct options *options;
    enum bench_mode mode;
    char subject[64];
    const char *subject_text;
    const char *queue;
    bool stamped; /* payloads are large enough to carry a stamp */
    uint64_t publishers_count, subscribers_count;
    struct bench_publisher *publishers;
    struct bench_subscriber *subscribers;
    _Atomic uint64_t *seen; /* queue group: one bit per message index */
    int64_t start_ns;
    _Atomic uint64_t publishers_done;
};

struct bench_totals {
    uint64_t sent, expected, received, good, lost, repeated, unexpected, dropped;
    uint64_t timeouts, no_responders;
    double send_seconds, receive_seconds;
    struct latency latency;
};

/* bench_worker.c */
void *bench_worker_publish(void *publisher);
void bench_worker_on_message(natsConnection *conn, natsSubscription *sub, natsMsg *message,
                             void *subscriber);
/* Sends probes until every subscriber has seen one; for subscribers on another server. */
MUST_CHECK int bench_worker_probe(struct bench *bench);

/* bench_report.c */
void bench_report_count(const struct bench *bench, struct bench_totals *totals);
/* A line on stderr that overwrites itself; only for a terminal. */
void bench_report_progress(const struct bench *bench);
void bench_report_progress_end(void);
void bench_report_print(const struct bench *bench, const struct bench_totals *totals);
/* Says each way in which messages went astray; returns the exit status. */
int bench_report_verdict(const struct bench *bench, const struct bench_totals *totals);

static inline void bench_add(_Atomic uint64_t *cell, uint64_t more)
{
    uint64_t now = atomic_load_explicit(cell, memory_order_relaxed);
    atomic_store_explicit(cell, now + more, memory_order_relaxed);
}

static inline uint64_t bench_read(const _Atomic uint64_t *cell)
{
    return atomic_load_explicit(cell, memory_order_relaxed);
}

#endif
