/* The plan of one run and what came out of it: what load.c hands to the engines (flow.c, request.c,
 * connections.c) and prints afterwards. One thread; the plan is constant during a run. Engines fill
 * the result's counts; load.c fills CPU and memory differences through load_begin and load_end,
 * which each engine calls at the edges of its measured part. */
#ifndef BENCH_LOAD_H
#define BENCH_LOAD_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "measure.h"

/* Who subscribes to what in a flow. Subject k is called bench.<k / 100>.<k % 100>. */
enum load_layout {
    LOAD_NOBODY,
    LOAD_EVERYBODY, /* each connection to subject 0: every message goes to all */
    LOAD_SPREAD,    /* subject k on connection k mod n: every message goes to one */
    LOAD_WILDCARDS, /* bench.<i>.* spread over all connections but the last, which has bench.> : two
                       copies */
    LOAD_QUEUE,     /* all connections in one queue group: one copy */
};

struct load_plan {
    const char *name; /* of the workload */
    const char *host;
    const char
        *subject; /* first word of all subjects: generators beside each other need their own */
    uint16_t port;
    pid_t server_pid; /* 0: no CPU or memory figures */
    double seconds;
    uint64_t messages_max; /* stops after that many instead of after `seconds`; 0: no such limit */

    uint32_t size; /* payload bytes; from 16 up each payload carries a sequence number */
    uint32_t publishers;
    uint32_t subscribers;
    uint32_t subjects;
    uint32_t window;      /* messages in flight; 0: chosen from the size and the fan-out */
    uint32_t rate;        /* messages per second, open loop; 0: as fast as the window allows */
    uint32_t pairs;       /* requesters with a responder each */
    uint32_t connections; /* idle, or being opened at the same time */
    uint32_t pace_ns;     /* least time between two writes; 0: whole batches, no pacing */
    enum load_layout layout;
    bool hold;  /* idle connections stay, after the result was printed, until standard input ends */
    bool churn; /* each request makes its own subscription and gives it up */
    bool relay; /* the other end is clearwing-relay: publish what subscribers shall read, no
                       greeting */
    char **command; /* start-up: program and arguments of the server */
};

struct load_result {
    const char *unit; /* what `units` counts: messages delivered, requests answered, ... */
    uint64_t units;
    uint64_t messages_sent;
    uint64_t messages_total; /* warm-up included: what the server must have counted */
    uint64_t messages_expected;
    uint64_t messages_received;
    uint64_t bytes_sent; /* payload bytes */
    uint64_t bytes_received;
    uint64_t misordered;
    uint64_t corrupted;
    bool sum_differs; /* counts agree but the sequence numbers do not add up: one lost, one doubled
                       */
    uint64_t memory_bytes; /* per connection (idle connections) or of the whole process (idle) */

    double wall_seconds;
    double load_cpu_seconds;
    struct measure_usage before;
    struct measure_usage after;
    struct measure_histogram latency;
};

/* Marks the edges of the measured part: takes clock, CPU time and memory. */
void load_begin(const struct load_plan *plan, struct load_result *result);
void load_end(const struct load_plan *plan, struct load_result *result);

/* For link_read and the like where nobody publishes: counts it as corrupted. context: the struct load_result. */
struct link;
struct link_message;
void load_unexpected_message(void *context, struct link *link, const struct link_message *message);

/* Prints the result as one line of JSON. For engines that go on after their result; load.c does it for the others. */
void load_report(const struct load_plan *plan, const struct load_result *result);

/* Prints one line "clearwing-load: ..." on standard error and exits with status 1. */
void load_die(const char *format, ...) __attribute__((format(printf, 1, 2), noreturn));
/* Zeroed memory or the end of the program. */
void *load_alloc(size_t count, size_t size);

#endif
