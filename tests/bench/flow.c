/* Publishers and subscribers.
 *
 * One loop offers messages on every publisher and reads whatever has arrived. What may be offered
 * is decided by one of four rules (`allowed`):
 *
 *   window   at most `window` messages published and not yet delivered to all; batches of up to 64 KiB per write. It
 *            keeps the server busy without ever filling its queues to the slow-consumer limit, which would measure
 *            something else.
 *   pace     as window, but one message per write and a least time between writes, so that each is its own segment.
 *   rate     open loop: message n is due at start + n * interval whatever the server does, and its latency counts
 *            from that time, so that a stall is not hidden by the sender waiting along (coordinated omission). One
 *            publisher only.
 *   unheard  no subscriber: a PING after each batch, at most 12 of them unanswered. The batch is always the same.
 *
 * What arrives is verified. Each payload of 16 bytes or more carries (publisher, sequence, mark).
 * Per connection and publisher the sequence must grow; in the end counts and the sum of all
 * sequence numbers must agree with what was sent, so that one message lost and another doubled is
 * noticed too.
 *
 * A run is: connect, subscribe, warm up, drain, [measured: offer for a time, drain], settle,
 * compare.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "engines.h"
#include "link.h"

enum {
    BATCH_BYTES = 64 * 1024,
    LINE_BYTES = 40, /* about what a MSG line and the line ends add to a payload */
    UNHEARD_PINGS =
        12, /* with their batches less than a core's cache: beyond it memory is what is measured */
    RELAY_PONG_BYTES = 64 * 1024, /* the relay answers that many with a PONG, unasked */
    EVENTS = 256,
    HEAD_BYTES = 48,
};

static const uint64_t stuck_ns = 5000000000; /* without any progress: what is missing is lost */

struct flow {
    const struct load_plan *plan;
    struct load_result *result;
    int epoll;
    struct link *publishers;
    struct link *subscribers;
    uint32_t copies; /* deliveries per message */
    uint32_t window;
    uint32_t batch;

    char (*heads)[HEAD_BYTES]; /* per subject: the PUB line */
    uint32_t *head_lengths;
    char *body;    /* payload and line end */
    char *unheard; /* a whole batch and its PING, where nobody looks at what is in it */
    int unheard_file;
    uint64_t unheard_bytes; /* sent so far */
    size_t unheard_length;

    uint64_t *next; /* per publisher: the sequence of its next message */
    uint64_t *seen; /* per subscriber and publisher: one more than the last sequence */
    uint64_t sent;
    uint64_t received;
    uint64_t sequence_sum;

    bool sending;
    bool measured;
    uint64_t limit;       /* messages of this phase */
    uint64_t phase_start; /* time, and what had been sent then */
    uint64_t phase_first;
    uint64_t pace_next;
    uint64_t read_time; /* of the read being parsed; 0: not yet asked */
};

static uint32_t mark_of(uint64_t sequence, uint32_t source)
{
    return (uint32_t)(sequence * 0x9e3779b1u) ^ source;
}

static uint64_t interval_ns(const struct flow *flow)
{
    return MEASURE_SECOND_NS / flow->plan->rate;
}

static void on_message(void *context, struct link *link, const struct link_message *message)
{
    struct flow *flow = context;
    flow->received++;
    flow->result->corrupted += message->size != flow->plan->size;
    if (message->size < sizeof(struct link_stamp)) {
        return;
    }
    struct link_stamp stamp = link_stamp_of(message);
    if (stamp.source >= flow->plan->publishers ||
        stamp.mark != mark_of(stamp.sequence, stamp.source)) {
        flow->result->corrupted++;
        return;
    }
    uint64_t subscriber = (uint64_t)(link - flow->subscribers);
    uint64_t *seen = &flow->seen[subscriber * flow->plan->publishers + stamp.source];
    flow->result->misordered += stamp.sequence < *seen;
    *seen = stamp.sequence + 1;
    flow->sequence_sum += stamp.sequence;
    if (flow->plan->rate > 0 && flow->measured) {
        if (flow->read_time == 0) {
            flow->read_time = measure_now();
        }
        uint64_t due = flow->phase_start + (stamp.sequence - flow->phase_first) * interval_ns(flow);
        measure_add(&flow->result->latency, flow->read_time > due ? flow->read_time - due : 0);
    }
}

static void put_message(struct flow *flow, uint32_t publisher)
{
    struct link *link = &flow->publishers[publisher];
    uint64_t sequence = flow->next[publisher]++;
    uint64_t number = sequence * flow->plan->publishers + publisher;
    uint32_t subject = (uint32_t)(number * 7919 % flow->plan->subjects);
    size_t size = flow->plan->size;
    uint32_t head = flow->head_lengths[subject];
    char *at = link_reserve(link, head + size + 2);
    memcpy(at, flow->heads[subject], head);
    memcpy(at + head, flow->body, size + 2);
    if (size >= sizeof(struct link_stamp)) {
        struct link_stamp stamp = {sequence, publisher, mark_of(sequence, publisher)};
        memcpy(at + head, &stamp, sizeof stamp);
    }
    flow->sent++;
}

/* Makes the batch that publishers without listeners send again and again. It is a file in memory, so that neither
 * composing nor copying messages is the generator's work where it would be most of it. */
static void prepare_unheard(struct flow *flow)
{
    size_t wire = flow->head_lengths[0] + flow->plan->size + 2;
    flow->unheard_length = flow->batch * wire + (flow->plan->relay ? 0 : 6);
    flow->unheard_file = memfd_create("unheard", MFD_CLOEXEC);
    if (flow->unheard_file < 0 || ftruncate(flow->unheard_file, (off_t)flow->unheard_length) != 0) {
        load_die("cannot make a file in memory: %s", strerror(errno));
    }
    flow->unheard =
        mmap(NULL, flow->unheard_length, PROT_READ | PROT_WRITE, MAP_SHARED, flow->unheard_file, 0);
    if (flow->unheard == MAP_FAILED) {
        load_die("cannot map a file in memory: %s", strerror(errno));
    }
    for (uint32_t i = 0; i < flow->batch; i++) {
        memcpy(flow->unheard + i * wire, flow->heads[0], flow->head_lengths[0]);
        memcpy(flow->unheard + i * wire + flow->head_lengths[0], flow->body, flow->plan->size + 2);
    }
    if (!flow->plan->relay) {
        memcpy(flow->unheard + flow->batch * wire, "PING\r\n", 6);
    }
}

static void put_unheard(struct flow *flow, uint32_t p, uint64_t count)
{
    struct link *link = &flow->publishers[p];
    size_t skipped = (flow->batch - count) * (flow->head_lengths[0] + flow->plan->size + 2);
    link_send_file(link, flow->unheard_file, flow->unheard, skipped,
                   flow->unheard_length - skipped);
    flow->next[p] += count;
    flow->sent += count;
    flow->unheard_bytes += flow->unheard_length - skipped;
    link->pings_sent =
        flow->plan->relay ? flow->unheard_bytes / RELAY_PONG_BYTES : link->pings_sent + 1;
}

static void put_messages(struct flow *flow, uint32_t p, uint64_t count)
{
    for (uint64_t i = 0; i < count; i++) {
        put_message(flow, p);
    }
    link_flush(&flow->publishers[p]);
}

/* How many messages publisher p may send now. */
static uint64_t allowed(struct flow *flow, uint32_t p, uint64_t now)
{
    const struct load_plan *plan = flow->plan;
    uint64_t left = flow->limit - (flow->sent - flow->phase_first);
    uint64_t count = flow->batch;
    if (flow->publishers[p].blocked || left == 0) {
        return 0;
    }
    if (plan->rate > 0) {
        uint64_t due = (now - flow->phase_start) / interval_ns(flow) + 1;
        uint64_t sent = flow->sent - flow->phase_first;
        count = due > sent ? due - sent : 0;
    } else if (flow->copies == 0) {
        count =
            flow->publishers[p].pings_sent - flow->publishers[p].pongs < UNHEARD_PINGS ? count : 0;
    } else {
        uint64_t in_flight = flow->sent - flow->received / flow->copies;
        uint64_t room = in_flight < flow->window ? flow->window - in_flight : 0;
        uint64_t worth = flow->batch < flow->window / 2 ? flow->batch : (flow->window + 1) / 2;
        if (room < worth || (plan->pace_ns > 0 && now < flow->pace_next)) {
            return 0;
        }
        count = room < count ? room : count;
        flow->pace_next = now + plan->pace_ns;
    }
    return count < left ? count : left;
}

/* Sends what is allowed; returns how long to wait for events before asking again. */
static uint64_t offer(struct flow *flow, uint64_t now)
{
    bool sent = false;
    for (uint32_t p = 0; p < flow->plan->publishers; p++) {
        uint64_t count = allowed(flow, p, now);
        if (count == 0) {
            continue;
        }
        if (flow->copies == 0) {
            put_unheard(flow, p, count);
        } else {
            put_messages(flow, p, count);
        }
        link_watch(&flow->publishers[p], flow->epoll, false);
        sent = true;
    }
    if (flow->plan->rate > 0) {
        uint64_t due = flow->phase_start + (flow->sent - flow->phase_first) * interval_ns(flow);
        now = measure_now();
        return due > now ? due - now : 0;
    }
    return sent || flow->plan->pace_ns > 0 ? 0 : MEASURE_SECOND_NS / 100;
}

/* Handles what is ready, or becomes so within `ns`. */
static void turn(struct flow *flow, uint64_t ns)
{
    struct epoll_event events[EVENTS];
    int count = link_wait(flow->epoll, events, EVENTS, ns);
    for (int i = 0; i < count; i++) {
        struct link *link = events[i].data.ptr;
        if (events[i].events & ~(uint32_t)EPOLLOUT) {
            flow->read_time = 0;
            link_read(link, on_message, flow);
        }
        if (link->out_length > 0) {
            link_flush(link);
        }
        link_watch(link, flow->epoll, false);
    }
}

static bool drained(const struct flow *flow)
{
    for (uint32_t p = 0; p < flow->plan->publishers; p++) {
        const struct link *link = &flow->publishers[p];
        if (link->out_length > 0 || link->pongs < link->pings_sent) {
            return false;
        }
    }
    return flow->received >= flow->sent * flow->copies;
}

/* Offers load until the time or the count is reached, then reads until all has arrived or nothing
 * moves any more. */
static void pump(struct flow *flow, double seconds, uint64_t limit)
{
    uint64_t now = measure_now();
    uint64_t until = now + (uint64_t)(seconds * (double)MEASURE_SECOND_NS);
    uint64_t progress_time = now;
    uint64_t progress = 0;
    flow->phase_start = now;
    flow->phase_first = flow->sent;
    flow->pace_next = 0;
    flow->limit = limit > 0 ? limit : UINT64_MAX / 2;
    for (bool sending = true; sending || !drained(flow); now = measure_now()) {
        uint64_t wait = MEASURE_SECOND_NS / 100;
        sending = sending && (limit > 0 ? flow->sent - flow->phase_first < limit : now < until);
        if (sending) {
            wait = offer(flow, now);
        }
        turn(flow, wait);
        uint64_t moved = flow->received + flow->sent;
        if (moved != progress) {
            progress = moved;
            progress_time = now;
        } else if (now > progress_time + stuck_ns) {
            return;
        }
    }
}

static void subscribe(struct flow *flow)
{
    const struct load_plan *plan = flow->plan;
    for (uint32_t k = 0; k < plan->subjects && plan->layout == LOAD_SPREAD; k++) {
        link_printf(&flow->subscribers[k % plan->subscribers], "SUB %s.%u.%u %u\r\n", plan->subject,
                    k / 100, k % 100, k + 1);
    }
    for (uint32_t i = 0; i < (plan->subjects + 99) / 100 && plan->layout == LOAD_WILDCARDS; i++) {
        link_printf(&flow->subscribers[i % (plan->subscribers - 1)], "SUB %s.%u.* %u\r\n",
                    plan->subject, i, i + 1);
    }
    for (uint32_t s = 0; s < plan->subscribers; s++) {
        struct link *link = &flow->subscribers[s];
        if (plan->layout == LOAD_EVERYBODY) {
            link_printf(link, "SUB %s.0.0 1\r\n", plan->subject);
        } else if (plan->layout == LOAD_QUEUE) {
            link_printf(link, "SUB %s.0.0 workers 1\r\n", plan->subject);
        } else if (plan->layout == LOAD_WILDCARDS && s == plan->subscribers - 1) {
            link_printf(link, "SUB %s.> 1\r\n", plan->subject);
        }
    }
}

static struct link *open_links(struct flow *flow, uint32_t count, uint32_t first)
{
    struct link *links = load_alloc(count + 1, sizeof *links);
    for (uint32_t i = 0; i < count; i++) {
        link_open(&links[i], first + i, flow->plan);
        if (!flow->plan->relay) {
            link_greet(&links[i]);
            link_settle(&links[i], on_message, flow);
        }
        link_watch(&links[i], flow->epoll, true);
    }
    return links;
}

static void settle_all(struct flow *flow)
{
    for (uint32_t s = 0; s < flow->plan->subscribers && !flow->plan->relay; s++) {
        link_settle(&flow->subscribers[s], on_message, flow);
    }
}

/* Everything a run needs, up to subscriptions that are in force. Subscribers connect first: the
 * relay tells by order. */
static void prepare(struct flow *flow)
{
    const struct load_plan *plan = flow->plan;
    flow->copies = plan->layout == LOAD_EVERYBODY   ? plan->subscribers
                   : plan->layout == LOAD_WILDCARDS ? 2
                                                    : plan->layout != LOAD_NOBODY;
    uint64_t wire = plan->size + LINE_BYTES;
    uint64_t bytes = (2 << 20) + (uint64_t)BATCH_BYTES * flow->copies;
    uint64_t window = bytes / (wire * (flow->copies > 0 ? flow->copies : 1));
    flow->window = plan->window > 0 ? plan->window : (uint32_t)(window > 16 ? window : 16);
    flow->batch = plan->pace_ns > 0 || wire >= BATCH_BYTES ? 1 : (uint32_t)(BATCH_BYTES / wire);
    flow->heads = load_alloc(plan->subjects, sizeof *flow->heads);
    flow->head_lengths = load_alloc(plan->subjects, sizeof *flow->head_lengths);
    for (uint32_t k = 0; k < plan->subjects; k++) {
        flow->head_lengths[k] =
            (uint32_t)snprintf(flow->heads[k], HEAD_BYTES,
                               plan->relay ? "MSG %s.%u.%u 1 %u\r\n" : "PUB %s.%u.%u %u\r\n",
                               plan->subject, k / 100, k % 100, plan->size);
    }
    flow->body = load_alloc(1, plan->size + 2);
    memset(flow->body, 'x', plan->size);
    memcpy(flow->body + plan->size, "\r\n", 2);
    if (flow->copies == 0) {
        prepare_unheard(flow);
    }
    flow->next = load_alloc(plan->publishers, sizeof *flow->next);
    flow->seen = load_alloc((size_t)(plan->subscribers + 1) * plan->publishers, sizeof *flow->seen);
    flow->epoll = epoll_create1(EPOLL_CLOEXEC);
    flow->subscribers = open_links(flow, plan->subscribers, 0);
    flow->publishers = open_links(flow, plan->publishers, plan->subscribers);
    subscribe(flow);
    settle_all(flow);
}

static void compare(struct flow *flow, uint64_t sent_before, uint64_t received_before)
{
    const struct load_plan *plan = flow->plan;
    struct load_result *result = flow->result;
    uint64_t sum = 0;
    for (uint32_t p = 0; p < plan->publishers; p++) {
        sum += flow->next[p] * (flow->next[p] - 1) / 2 * flow->copies;
    }
    result->sum_differs =
        plan->size >= sizeof(struct link_stamp) && flow->copies > 0 && sum != flow->sequence_sum;
    result->messages_total = flow->sent;
    result->messages_sent = flow->sent - sent_before;
    result->messages_expected = result->messages_sent * flow->copies;
    result->messages_received = flow->received - received_before;
    result->bytes_sent = result->messages_sent * plan->size;
    result->bytes_received = result->messages_received * plan->size;
    result->unit = flow->copies == 0 ? "messages published" : "messages delivered";
    result->units = flow->copies == 0 ? result->messages_sent : result->messages_received;
}

void flow_run(const struct load_plan *plan, struct load_result *result)
{
    struct flow flow = {.plan = plan, .result = result};
    prepare(&flow);
    pump(&flow, plan->messages_max > 0 ? 0 : plan->seconds < 2 ? plan->seconds / 5 : 0.4, 0);
    uint64_t sent = flow.sent;
    uint64_t received = flow.received;
    flow.measured = true;
    load_begin(plan, result);
    pump(&flow, plan->seconds, plan->messages_max);
    load_end(plan, result);
    settle_all(&flow);
    compare(&flow, sent, received);
    for (uint32_t p = 0; p < plan->publishers; p++) {
        link_close(&flow.publishers[p]);
    }
    for (uint32_t s = 0; s < plan->subscribers; s++) {
        link_close(&flow.subscribers[s]);
    }
    close(flow.epoll);
}
