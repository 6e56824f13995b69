/* bench: measures a server from outside and checks that it lost nothing.
 *
 *   check options -> connect and subscribe all -> (probe) -> start all publishers at one instant
 *     -> wait until they have sent and everything expected has arrived, or nothing came for
 * --timeout
 *     -> close -> connection_fini -> count -> report -> verdict
 *
 * The mode follows from the options: --request; else no subscribers, a queue group, or a fan-out. A
 * signal stops the publishers; what they had sent until then is still awaited, counted and
 * reported. */
#include "client/bench.h"

#include "client/connection.h"
#include "client/interrupt.h"
#include "client/say.h"
#include "client/subject.h"
#include "client/verbs.h"

#include "broker/base/mem.h"

#include <inttypes.h>
#include <unistd.h>

enum {
    STAMP_BYTES = 16,
    POLL_NS = 10 * NS_PER_MS,
    START_DELAY_NS = 2 * NS_PER_MS,
    PENDING_BYTES_MAX = 1 << 30, /* per subscriber, in this program */
    PROGRESS_EVERY = 20,         /* polls */
};

static int check_options(struct bench *bench)
{
    const struct options *options = bench->options;
    if (subject_check_literal("subject", bench->subject_text) != 0 ||
        (options->queue && subject_check_queue(options->queue) != 0))
        return -1;
    if (options->messages < options->publishers) {
        say_line("--messages %" PRIu64 " is less than --publishers %" PRIu64
                 ": each needs one to send",
                 options->messages, options->publishers);
        return -1;
    }
    if (options->subscribers == 0 && options->queue) {
        say_line("--queue needs subscribers: leave it out or set --subscribers");
        return -1;
    }
    if (options->subscribers == 0 && options->subscriber_server) {
        say_line("--subscriber-server needs subscribers: leave it out or set --subscribers");
        return -1;
    }
    return 0;
}

static enum bench_mode choose_mode(const struct options *options)
{
    if (options->request)
        return BENCH_REQUEST;
    if (options->subscribers == 0)
        return BENCH_PUBLISH;
    return options->queue ? BENCH_QUEUE : BENCH_FANOUT;
}

static void prepare(struct bench *bench)
{
    const struct options *options = bench->options;
    bench->mode = choose_mode(options);
    bench->queue = options->queue;
    if (bench->mode == BENCH_REQUEST && !bench->queue)
        bench->queue = "bench"; /* one answer per request */
    bench->stamped = options->size >= STAMP_BYTES;
    bench->publishers_count = options->publishers;
    bench->subscribers_count = options->subscribers;
    bench->publishers = mem_zalloc_or_exit(options->publishers * sizeof *bench->publishers);
    bench->subscribers =
        mem_zalloc_or_exit((options->subscribers + 1) * sizeof *bench->subscribers);
    if (bench->mode == BENCH_QUEUE)
        bench->seen = mem_zalloc_or_exit((options->messages / 64 + 1) * sizeof *bench->seen);
    uint64_t share = options->messages / options->publishers,
             larger = options->messages % options->publishers;
    uint64_t first = 0;
    for (uint64_t i = 0; i < options->publishers; i++) {
        struct bench_publisher *p = &bench->publishers[i];
        p->bench = bench;
        p->number = i;
        p->first = first;
        p->count = share + (i < larger);
        first += p->count;
        p->payload = mem_zalloc_or_exit(options->size + 1);
        memset(p->payload, 'c', options->size);
    }
    for (uint64_t i = 0; i < options->subscribers; i++) {
        struct bench_subscriber *s = &bench->subscribers[i];
        s->bench = bench;
        s->next = mem_zalloc_or_exit(options->publishers * sizeof *s->next);
    }
}

static int open_subscriber(struct bench_subscriber *s)
{
    const struct bench *bench = s->bench;
    const struct options *options = bench->options;
    const char *servers = options->subscriber_server ? options->subscriber_server : options->server;
    if (connection_open(&s->conn, options, servers,
                        bench->mode == BENCH_REQUEST ? CONNECTION_SEND_NOW : 0) != 0)
        return -1;
    natsStatus status =
        bench->queue ? natsConnection_QueueSubscribe(&s->sub, s->conn, bench->subject_text,
                                                     bench->queue, bench_worker_on_message, s)
                     : natsConnection_Subscribe(&s->sub, s->conn, bench->subject_text,
                                                bench_worker_on_message, s);
    if (status == NATS_OK)
        status = natsSubscription_SetPendingLimits(s->sub, -1, PENDING_BYTES_MAX);
    if (status != NATS_OK) {
        connection_say("a subscription failed", status);
        return -1;
    }
    return connection_settle(s->conn, options);
}

static int open_all(struct bench *bench)
{
    const struct options *options = bench->options;
    for (uint64_t i = 0; i < bench->subscribers_count; i++) {
        if (interrupt_stopped() || open_subscriber(&bench->subscribers[i]) != 0)
            return -1;
    }
    for (uint64_t i = 0; i < bench->publishers_count; i++) {
        struct bench_publisher *p = &bench->publishers[i];
        unsigned flags = options->rate > 0 ? CONNECTION_SEND_NOW : 0;
        if (interrupt_stopped() || connection_open(&p->conn, options, options->server, flags) != 0)
            return -1;
    }
    int64_t most = natsConnection_GetMaxPayload(bench->publishers[0].conn);
    if ((int64_t)options->size > most) {
        say_line("--size %" PRIu64 " is larger than the server's max_payload of %" PRId64,
                 options->size, most);
        return -1;
    }
    return options->subscriber_server ? bench_worker_probe(bench) : 0;
}

static int start_publishers(struct bench *bench)
{
    bench->start_ns = clock_mono_ns() + START_DELAY_NS;
    for (uint64_t i = 0; i < bench->publishers_count; i++) {
        struct bench_publisher *p = &bench->publishers[i];
        p->started = pthread_create(&p->thread, NULL, bench_worker_publish, p) == 0;
        if (!p->started) {
            say_line("cannot start publisher %" PRIu64
                     ": too many threads, choose fewer --publishers",
                     i + 1);
            interrupt_stop(EXIT_STATUS_FAILED);
            return -1;
        }
    }
    return 0;
}

static void join_publishers(struct bench *bench)
{
    for (uint64_t i = 0; i < bench->publishers_count; i++) {
        if (bench->publishers[i].started)
            pthread_join(bench->publishers[i].thread, NULL);
    }
}

/* Sleeps one poll. After a signal interrupt_wait no longer sleeps, and there is still something to
 * wait for. */
static void pause_for_poll(const struct bench *bench, uint64_t *polls, bool show)
{
    if (interrupt_wait(POLL_NS))
        usleep(POLL_NS / 1000);
    if (show && ++*polls % PROGRESS_EVERY == 0)
        bench_report_progress(bench);
}

static void wait_for_all(struct bench *bench)
{
    bool show = isatty(STDERR_FILENO);
    uint64_t polls = 0;
    while (atomic_load(&bench->publishers_done) < bench->publishers_count)
        pause_for_poll(bench, &polls, show);
    join_publishers(bench);
    uint64_t received = 0;
    int64_t progress_ns = clock_mono_ns();
    while (bench->mode == BENCH_FANOUT || bench->mode == BENCH_QUEUE) {
        struct bench_totals totals;
        bench_report_count(bench, &totals);
        if (totals.received != received)
            progress_ns = clock_mono_ns();
        received = totals.received;
        bool idle = clock_mono_ns() - progress_ns > bench->options->timeout;
        if (received >= totals.expected || idle || interrupt_exit_status() != 0)
            break;
        pause_for_poll(bench, &polls, show);
    }
    if (show)
        bench_report_progress_end();
}

static void close_all(struct bench *bench)
{
    for (uint64_t i = 0; i < bench->publishers_count; i++)
        connection_close(&bench->publishers[i].conn);
    for (uint64_t i = 0; i < bench->subscribers_count; i++)
        connection_drain(bench->subscribers[i].conn, bench->options);
    for (uint64_t i = 0; i < bench->subscribers_count; i++) {
        connection_wait_drained(bench->subscribers[i].conn, bench->options);
        natsSubscription_Destroy(bench->subscribers[i].sub);
        connection_close(&bench->subscribers[i].conn);
    }
    connection_fini();
}

static void free_all(struct bench *bench)
{
    for (uint64_t i = 0; i < bench->publishers_count; i++)
        mem_free(bench->publishers[i].payload);
    for (uint64_t i = 0; i < bench->subscribers_count; i++)
        mem_free(bench->subscribers[i].next);
    mem_free(bench->publishers);
    mem_free(bench->subscribers);
    mem_free(bench->seen);
}

int bench_run(const struct options *options)
{
    struct bench bench = {.options = options};
    snprintf(bench.subject, sizeof bench.subject, "clearwing.bench.%x%x", (unsigned)getpid(),
             (unsigned)clock_mono_ns());
    bench.subject_text = options->arguments.count > 0 ? options->arguments.items[0] : bench.subject;
    if (check_options(&bench) != 0)
        return EXIT_STATUS_FAILED;
    prepare(&bench);
    int status = EXIT_STATUS_FAILED;
    struct bench_totals totals;
    bool ran = open_all(&bench) == 0 && !interrupt_stopped() && start_publishers(&bench) == 0;
    if (ran) {
        wait_for_all(&bench);
        bench_report_count(&bench, &totals);
    } else {
        join_publishers(&bench);
    }
    close_all(&bench);
    if (ran) {
        bench_report_print(&bench, &totals);
        status = bench_report_verdict(&bench, &totals);
    }
    free_all(&bench);
    return status ? status : interrupt_exit_status();
}
