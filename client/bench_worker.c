/* What the threads of a bench run do.
 *
 * A payload of 16 bytes or more begins with a stamp: the message's index in the run and the time at
 * which it was due. Indexes are dealt to publishers in ranges, so the index tells the publisher,
 * and: fan-out      each subscriber expects each publisher's indexes in steps of one; a gap is a
 * loss queue group  each index arrives once at any member; a bitmap tells request      the reply
 * carries the stamp of its request With smaller payloads only counts are compared.
 *
 * Time. With --rate, message i is due at start + i / rate, whatever happened before, and its
 * latency runs from then. A sender that was held up therefore counts the wait of every message it
 * delayed, instead of omitting it. Without a rate a message is due when it is sent. */
#include "client/bench.h"

#include "client/connection.h"
#include "client/interrupt.h"
#include "client/say.h"

#include <stdio.h>
#include <sys/prctl.h>
#include <time.h>

struct stamp {
    uint64_t index;
    int64_t due_ns;
};

enum { SLEEP_NS_MAX = 100 * NS_PER_MS, PROBE_WAIT_NS = 20 * NS_PER_MS };

/* Odd in length and content: no stamped payload looks like it. */
static const char probe_text[] = "is this subscription heard of yet?";

/* --- receiving
 * ---------------------------------------------------------------------------------------- */

static uint64_t publisher_of(const struct bench *bench, uint64_t index)
{
    uint64_t share = bench->options->messages / bench->publishers_count;
    uint64_t larger = bench->options->messages % bench->publishers_count; /* these have one more */
    uint64_t in_larger = larger * (share + 1);
    return index < in_larger ? index / (share + 1) : larger + (index - in_larger) / share;
}

static bool mark_seen(struct bench *bench, uint64_t index)
{
    uint64_t bit = (uint64_t)1 << (index & 63);
    return !(atomic_fetch_or_explicit(&bench->seen[index >> 6], bit, memory_order_relaxed) & bit);
}

/* Files a message under good, repeated or unexpected. */
static void judge(struct bench_subscriber *s, const struct stamp *stamp)
{
    struct bench *bench = s->bench;
    if (stamp->index >= bench->options->messages) {
        bench_add(&s->unexpected, 1);
        return;
    }
    bool fresh;
    if (bench->mode == BENCH_FANOUT) {
        uint64_t *next = &s->next[publisher_of(bench, stamp->index)];
        fresh = stamp->index >= *next;
        if (fresh)
            *next = stamp->index + 1;
    } else {
        fresh = mark_seen(bench, stamp->index);
    }
    bench_add(fresh ? &s->good : &s->repeated, 1);
}

static void answer(natsConnection *conn, natsMsg *message)
{
    const char *to = natsMsg_GetReply(message);
    if (to && !interrupt_exit_status())
        natsConnection_Publish(conn, to, natsMsg_GetData(message), natsMsg_GetDataLength(message));
}

static bool is_probe(const char *data, size_t len)
{
    return len == sizeof probe_text && memcmp(data, probe_text, len) == 0;
}

void bench_worker_on_message(natsConnection *conn, natsSubscription *sub, natsMsg *message,
                             void *subscriber)
{
    (void)sub;
    struct bench_subscriber *s = subscriber;
    struct bench *bench = s->bench;
    int64_t now_ns = clock_mono_ns();
    const char *data = natsMsg_GetData(message);
    size_t len = (size_t)natsMsg_GetDataLength(message);
    if (is_probe(data, len)) {
        bench_add(&s->probes, 1);
        if (bench->mode == BENCH_REQUEST)
            answer(conn, message);
    } else if (len != bench->options->size) {
        bench_add(&s->unexpected, 1);
    } else {
        bench_add(&s->received, 1);
        atomic_store_explicit(&s->last_ns, now_ns, memory_order_relaxed);
        if (bench->mode == BENCH_REQUEST) {
            answer(conn, message);
        } else if (bench->stamped) {
            struct stamp stamp;
            memcpy(&stamp, data, sizeof stamp);
            judge(s, &stamp);
            latency_add(&s->latency, now_ns - stamp.due_ns);
        }
    }
    natsMsg_Destroy(message);
}

/* --- sending
 * ------------------------------------------------------------------------------------------ */

static int64_t due_time(const struct bench_publisher *p, uint64_t nth)
{
    const struct bench *bench = p->bench;
    uint64_t rate = bench->options->rate;
    uint64_t turn = nth * bench->publishers_count + p->number;
    return bench->start_ns + (int64_t)(turn / rate) * NS_PER_SEC +
           (int64_t)((turn % rate) * (uint64_t)NS_PER_SEC / rate);
}

/* Sleeps until then, waking now and then to see whether to stop. */
static void sleep_until(int64_t due_ns)
{
    for (int64_t now_ns = clock_mono_ns(); now_ns < due_ns && !interrupt_stopped();
         now_ns = clock_mono_ns()) {
        int64_t until_ns = due_ns - now_ns > SLEEP_NS_MAX ? now_ns + SLEEP_NS_MAX : due_ns;
        struct timespec until = {until_ns / NS_PER_SEC, until_ns % NS_PER_SEC};
        clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &until, NULL);
    }
}

static natsStatus send_request(struct bench_publisher *p, const struct stamp *stamp)
{
    const struct options *options = p->bench->options;
    natsMsg *reply = NULL;
    natsStatus status = natsConnection_Request(&reply, p->conn, p->bench->subject_text, p->payload,
                                               (int)options->size, connection_ms(options->timeout));
    if (status == NATS_OK) {
        bool same = natsMsg_GetDataLength(reply) == (int)options->size &&
                    memcmp(natsMsg_GetData(reply), p->payload, options->size) == 0;
        /* An outside responder may answer as it likes. */
        bool right = same || p->bench->subscribers_count == 0;
        bench_add(right ? &p->replies : &p->wrong, 1);
        latency_add(&p->latency, clock_mono_ns() - stamp->due_ns);
    } else if (status == NATS_TIMEOUT) {
        bench_add(&p->timeouts, 1);
    } else if (status == NATS_NO_RESPONDERS) {
        bench_add(&p->no_responders, 1);
    } else {
        return status;
    }
    natsMsg_Destroy(reply);
    return NATS_OK;
}

static natsStatus send_one(struct bench_publisher *p, uint64_t nth)
{
    const struct bench *bench = p->bench;
    struct stamp stamp = {.index = p->first + nth};
    if (bench->options->rate > 0) {
        stamp.due_ns = due_time(p, nth);
        sleep_until(stamp.due_ns);
        if (interrupt_stopped())
            return NATS_OK;
    } else {
        stamp.due_ns = clock_mono_ns();
    }
    if (bench->stamped)
        memcpy(p->payload, &stamp, sizeof stamp);
    natsStatus status = bench->mode == BENCH_REQUEST
                            ? send_request(p, &stamp)
                            : natsConnection_Publish(p->conn, bench->subject_text, p->payload,
                                                     (int)bench->options->size);
    if (status == NATS_OK)
        bench_add(&p->sent, 1);
    return status;
}

void *bench_worker_publish(void *publisher)
{
    struct bench_publisher *p = publisher;
    struct bench *bench = p->bench;
    natsStatus status = NATS_OK;
    prctl(PR_SET_TIMERSLACK, 1UL, 0UL, 0UL,
          0UL); /* sleep until the time asked for, not 50 us more */
    sleep_until(bench->start_ns);
    for (uint64_t nth = 0; nth < p->count && status == NATS_OK && !interrupt_stopped(); nth++)
        status = send_one(p, nth);
    if (status == NATS_OK)
        status = natsConnection_FlushTimeout(p->conn, connection_ms(bench->options->timeout));
    atomic_store(&p->end_ns, clock_mono_ns());
    if (status != NATS_OK && !interrupt_exit_status())
        connection_say("a publisher stopped", status);
    atomic_fetch_add(&bench->publishers_done, 1);
    nats_ReleaseThreadMemory();
    return NULL;
}

/* --- interest on another server
 * ----------------------------------------------------------------------- */

static bool all_probed(const struct bench *bench)
{
    uint64_t probed = 0;
    for (uint64_t i = 0; i < bench->subscribers_count; i++)
        probed += bench_read(&bench->subscribers[i].probes) > 0;
    /* One member of a queue group answers for all: the servers choose, we cannot. */
    return bench->queue ? probed > 0 : probed == bench->subscribers_count;
}

int bench_worker_probe(struct bench *bench)
{
    natsConnection *conn = bench->publishers[0].conn;
    int64_t deadline_ns = clock_mono_ns() + bench->options->timeout;
    while (!all_probed(bench) && !interrupt_stopped()) {
        if (clock_mono_ns() > deadline_ns) {
            say_line("what is published at %s does not reach the subscribers at %s within "
                     "--timeout: are the two "
                     "servers connected?",
                     bench->options->server, bench->options->subscriber_server);
            return -1;
        }
        natsStatus status =
            natsConnection_Publish(conn, bench->subject_text, probe_text, sizeof probe_text);
        if (status == NATS_OK)
            status = natsConnection_FlushTimeout(conn, connection_ms(bench->options->timeout));
        if (status != NATS_OK) {
            connection_say("a probe could not be sent", status);
            return -1;
        }
        interrupt_wait(PROBE_WAIT_NS);
    }
    return 0;
}
