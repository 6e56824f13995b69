/* One published message: match, then each plain subscription, then one member of each queue group. A subscription of this
 * worker is written into its session's queue at once; those of another worker get it in a parcel, one for each turn.
 *
 *     MSG <subject> <sid> [<reply> ]<size>\r\n<payload>\r\n
 *
 * A subscription holds its line up to the reply ready (sub.h), and what follows is what the publisher sent: with a payload of up
 * to COPY_MAX a message is two copies. Larger payloads are one block that queues point to. Invariants:
 *
 *  1. Messages of one publisher reach one receiver in order: local ones through its queue, mailed ones because mail
 *     between two workers stays in order.
 *  2. A subscription is counted, ended and removed by its owner only. Publishers elsewhere merely claim a place while an
 *     automatic unsubscribe is pending.
 *  3. Nothing here removes from the interest while a match result is being walked, but for subscriptions that the walk has
 *     passed; what is removed stays readable until the RCU section ends.
 */
#include "broker/core/delivery.h"

#include "broker/base/clock.h"
#include "broker/base/err.h"
#include "broker/base/mem.h"
#include "broker/core/drops.h"

/* From here on sharing a block beats copying: two pieces for writev against a copy per receiver. */
enum { COPY_MAX = 1024 };

/* At most this much of a line is neither subject, reply nor sid: the operation, blanks, two sizes, CR LF. */
enum { LINE_SLACK = 40 };

/* A full queue's producers wait this long for each delivery, at most STALL_MAX for a batch: nats-server's figures. */
#define STALL_NS      (2 * NS_PER_MS)
#define STALL_FULL_NS (5 * NS_PER_MS)
#define STALL_MAX_NS  (10 * NS_PER_MS)

struct outgoing_line {
    const struct publish *message;
    /* Rest and payload, if they are to be copied and lie behind each other; len 0: they do not. */
    struct span tail;
    bool headers;   /* the message has some */
    uint64_t bytes; /* of headers and body */
    /* The payload's, made when first needed; one reference held here if own_block. */
    struct block *block;
    bool own_block;
};

/* ---- life ---- */

int delivery_init(struct delivery *delivery, struct broker *broker, unsigned index)
{
    delivery->broker = broker;
    delivery->index = index;
    delivery->own = (struct session){.delivery = delivery,
                                     .account = broker->system_account,
                                     .echo = true,
                                     .stall_ns = STALL_MAX_NS};
    delivery->random = (uint64_t)clock_wall_ns() * 0x9e3779b97f4a7c15u + index + 1;
    delivery->gate_bytes = (uint64_t)broker->options->max_pending / 4 * 3;
    delivery->outgoing = mem_zalloc(broker->worker_count * sizeof *delivery->outgoing);
    delivery_set_time(delivery);
    delivery->addressed = mem_zalloc(broker->worker_count * sizeof *delivery->addressed);
    return delivery->outgoing && delivery->addressed ? 0 : ERR_MEMORY;
}

void delivery_fini(struct delivery *delivery)
{
    garbage_free_all(&delivery->garbage);
    roster_fini(&delivery->sessions);
    outq_pool_fini(&delivery->pool);
    for (unsigned i = 0; delivery->outgoing && i < delivery->broker->worker_count; i++) {
        parcel_free(delivery->outgoing[i].parcel);
        parcel_free(delivery->outgoing[i].spare);
        mem_free(delivery->outgoing[i].targets);
    }
    mem_free(delivery->outgoing);
    mem_free(delivery->addressed);
}

void delivery_set_time(struct delivery *delivery)
{
    delivery->now_mono_ns = clock_mono_ns();
    delivery->now_wall_ns = clock_wall_ns();
}

uint64_t delivery_random(struct delivery *delivery)
{
    uint64_t x = delivery->random;
    x ^= x << 13;
    x ^= x >> 7;
    x ^= x << 17;
    return delivery->random = x;
}

/* ---- the line ---- */

static char *append_number(char *at, uint32_t number)
{
    char digits[10];
    int count = 0;
    do
        digits[count++] = (char)('0' + number % 10);
    while ((number /= 10) > 0);
    while (count > 0)
        *at++ = digits[--count];
    return at;
}

/* The payload as something that lasts; NULL when out of memory. */
static struct block *line_block(struct outgoing_line *line)
{
    if (!line->block) {
        line->block = block_new(line->message->payload.len);
        if (!line->block)
            return NULL;
        memcpy(line->block->bytes, line->message->payload.ptr, line->message->payload.len);
        line->own_block = true;
    }
    return line->block;
}

static inline struct outgoing_line line_of(const struct publish *message)
{
    struct span rest = message->rest, payload = message->payload;
    bool copied = payload.len <= COPY_MAX && rest.ptr + rest.len == payload.ptr;
    return (struct outgoing_line){
        .message = message,
        .tail = {rest.ptr, copied ? rest.len + payload.len : 0},
        .headers = message->header_size > 0,
        .bytes = payload.len - 2,
        .block = message->block,
    };
}

/* Queues the last `len` bytes of the payload as a piece of its block; false when out of memory. */
static NOINLINE bool queue_shared(struct delivery *delivery, struct session *to,
                                  struct outgoing_line *line, size_t len)
{
    struct span whole = line->message->payload;
    struct block *block = line_block(line);
    if (!block)
        return false;
    const char *start = line->own_block ? block->bytes : whole.ptr;
    return outq_append_block(&to->out, &delivery->pool, block,
                             (struct span){start + whole.len - len, len}) == 0;
}

/* Queues a message with headers for a receiver that takes none: its line's end is not as the publisher wrote it. */
static COLD bool queue_without_headers(struct delivery *delivery, struct session *to,
                                       const struct sub *sub, struct outgoing_line *line)
{
    const struct publish *message = line->message;
    size_t skip = message->header_size;
    struct span payload = {message->payload.ptr + skip, message->payload.len - skip};
    bool copied = payload.len <= COPY_MAX;
    size_t most = message->subject.len + message->reply.len + sub->sid_len + LINE_SLACK;
    char *room = outq_reserve(&to->out, &delivery->pool, most + (copied ? payload.len : 0));
    if (!room)
        return false;
    char *at = append_bytes(room, sub_operation(sub, false));
    at = append_bytes(at, message->subject);
    at = append_bytes(at, sub_blank_sid_blank(sub));
    if (message->reply.len > 0) {
        at = append_bytes(at, message->reply);
        *at++ = ' ';
    }
    at = append_number(at, (uint32_t)payload.len - 2);
    at = append_bytes(at, SPAN_LITERAL("\r\n"));
    if (copied)
        at = append_bytes(at, payload);
    outq_commit(&to->out, (size_t)(at - room));
    if (copied || queue_shared(delivery, to, line, payload.len))
        return true;
    outq_take_back(&to->out, &delivery->pool, (size_t)(at - room));
    return false;
}

static inline size_t start_len(const struct sub *sub, const struct publish *message, bool headers)
{
    return SUB_SUBJECT_AT - (size_t)!headers + message->subject.len + sub->sid_len + 2;
}

/* The line up to and with the blank behind the sid; returns its end. */
static inline char *append_start(char *at, const struct sub *sub, const struct publish *message,
                                 bool headers)
{
    if (sub->literal)
        return append_bytes(
            at, (struct span){sub_operation(sub, headers).ptr, start_len(sub, message, headers)});
    at = append_bytes(at, sub_operation(sub, headers));
    at = append_bytes(at, message->subject);
    return append_bytes(at, sub_blank_sid_blank(sub));
}

/* Queues one message; false when out of memory. */
static bool queue_message(struct delivery *delivery, struct session *to, const struct sub *sub,
                          struct outgoing_line *line, bool headers)
{
    const struct publish *message = line->message;
    struct span rest = message->rest, payload = message->payload;
    if (message->header_size > 0 && !headers)
        return queue_without_headers(delivery, to, sub, line);
    bool copied = payload.len <= COPY_MAX;
    size_t len = start_len(sub, message, headers) + rest.len + (copied ? payload.len : 0);
    char *at = outq_reserve(&to->out, &delivery->pool, len);
    if (!at)
        return false;
    at = append_bytes(append_start(at, sub, message, headers), rest);
    if (copied)
        memcpy(at, payload.ptr, payload.len);
    outq_commit(&to->out, len);
    if (copied || queue_shared(delivery, to, line, payload.len))
        return true;
    outq_take_back(&to->out, &delivery->pool, len);
    return false;
}

/* ---- receivers of this worker ---- */

/* A receiver without room: how long its producer should wait. False: with no_fast_producer_stall, it goes without. */
static COLD bool hold_back(struct delivery *delivery, struct session *from, const struct sub *sub)
{
    const struct options *options = delivery->broker->options;
    struct session *to = sub->session;
    if (options->no_fast_producer_stall) {
        uint64_t max = atomic_load_explicit(&sub->max, memory_order_relaxed);
        if (max == 0 || atomic_load_explicit(&sub->claimed, memory_order_relaxed) < max)
            drops_refuse(delivery, sub, DROP_QUEUE_FULL);
        return false;
    }
    if (from != to && from->stall_ns < STALL_MAX_NS) {
        bool full = outq_pending_bytes(&to->out) >= (uint64_t)options->max_pending;
        int64_t wait_ns = full ? STALL_FULL_NS : STALL_NS;
        from->stall_ns += wait_ns;
        counter_add(&from->stalled, 1);
        counter_add(&from->stalled_ns, (uint64_t)wait_ns);
        atomic_store_explicit(&from->stalled_by, to->cid, memory_order_relaxed);
        atomic_fetch_add_explicit(&to->stalls, 1, memory_order_relaxed);
        metrics_add(&delivery->cells, METRIC_stalled_clients, 1);
        metrics_add(&delivery->cells, METRIC_stalled_ns, (uint64_t)wait_ns);
    }
    return true;
}

/* Takes one of the subscription's last places, if they are counted. A place that was not to be had is not given back: the
 * owner may have begun to count anew meanwhile (session_unsubscribe), and from nothing the count would fall below it. */
static bool claim_place(struct sub *sub, uint64_t max)
{
    return max == 0 || atomic_fetch_add_explicit(&sub->claimed, 1, memory_order_relaxed) < max;
}

/* Its place need not be given back: the subscription ends with the session. */
static COLD void fail_without_memory(struct delivery *delivery, const struct session *from,
                                     const struct sub *sub)
{
    session_fail(sub->session, CLOSE_OUT_OF_MEMORY);
    if (from) /* else delivery_receive counts it */
        drops_refuse(delivery, sub, drop_reasons_of_close(CLOSE_OUT_OF_MEMORY));
}

/* With all that a delivery may have to look at. from: the publisher; NULL: the message came as mail. */
static bool deliver_with_care(struct delivery *delivery, struct session *from, struct sub *sub,
                              struct outgoing_line *line)
{
    struct session *to = sub->session;
    if (to->close_reason != CLOSE_NONE || atomic_load_explicit(&sub->gone, memory_order_relaxed))
        return false;
    uint64_t delivered = atomic_load_explicit(&sub->delivered, memory_order_relaxed);
    uint64_t max = atomic_load_explicit(&sub->max, memory_order_relaxed);
    if (max > 0 && delivered >= max)
        return false;
    /* Mail has passed its sender's gate and has its place. */
    if (from && atomic_load_explicit(&to->gated, memory_order_relaxed) &&
        !hold_back(delivery, from, sub))
        return false;
    if (from && !claim_place(sub, max))
        return false;
    bool headers = to->headers && line->message->header_size > 0;
    if (!queue_message(delivery, to, sub, line, headers)) {
        fail_without_memory(delivery, from, sub);
        return false;
    }
    outq_count_message(&to->out, line->bytes - (headers ? 0 : line->message->header_size));
    if (CLEARWING_COUNTERS || max > 0)
        atomic_store_explicit(&sub->delivered, delivered + 1, memory_order_relaxed);
    if (!to->touched)
        session_touch(to);
    session_check_pending(to);
    if (max > 0 && delivered + 1 >= max)
        session_remove_sub(to, sub);
    return true;
}

/* The short way, as most go: nothing is to be looked at, and there is room. */
static inline bool deliver_local(struct delivery *delivery, struct session *from, struct sub *sub,
                                 struct outgoing_line *line)
{
    struct session *to = sub->session;
    struct span tail = line->tail;
    size_t len = start_len(sub, line->message, line->headers) + tail.len;
    if (tail.len == 0 || (size_t)(to->out.limit - to->out.at) < len ||
        to->close_reason != CLOSE_NONE || (line->headers && !to->headers) ||
        atomic_load_explicit(&sub->gone, memory_order_relaxed) ||
        atomic_load_explicit(&to->gated, memory_order_relaxed) ||
        atomic_load_explicit(&sub->max, memory_order_relaxed) > 0)
        return deliver_with_care(delivery, from, sub, line);
    char *at = append_start(to->out.at, sub, line->message, line->headers);
    memcpy(at, tail.ptr, tail.len);
    outq_commit(&to->out, len);
    outq_count_message(&to->out, line->bytes);
    counter_add(&sub->delivered, 1);
    if (!to->touched)
        session_touch(to);
    session_check_pending(to);
    return true;
}

/* ---- receivers of other workers ---- */

/* Whether a message may be mailed to this subscription. */
static bool claim(struct delivery *delivery, struct session *from, struct sub *sub)
{
    if (atomic_load_explicit(&sub->gone, memory_order_acquire))
        return false;
    struct delivery *owner = delivery->broker->deliveries[sub->worker];
    if (atomic_load_explicit(&owner->gated, memory_order_relaxed) > 0 &&
        atomic_load_explicit(&sub->session->gated, memory_order_relaxed) &&
        !hold_back(delivery, from, sub))
        return false;
    return claim_place(sub, atomic_load_explicit(&sub->max, memory_order_acquire));
}

/* Gives back a place that no message will take. The owner may have begun to count anew meanwhile, so never to below what it has
 * delivered; should one of the new places go with it, its message finds the subscription ended and is counted there. */
static COLD void unclaim(struct sub *sub)
{
    uint64_t claimed = atomic_load_explicit(&sub->claimed, memory_order_relaxed);
    while (atomic_load_explicit(&sub->max, memory_order_relaxed) > 0 &&
           claimed > atomic_load_explicit(&sub->delivered, memory_order_relaxed) &&
           !atomic_compare_exchange_weak_explicit(&sub->claimed, &claimed, claimed - 1,
                                                  memory_order_relaxed, memory_order_relaxed))
        continue;
}

static COLD bool grow_targets(struct delivery_outgoing *outgoing)
{
    uint32_t capacity = outgoing->capacity ? outgoing->capacity * 2 : 16;
    struct sub **targets = mem_realloc(outgoing->targets, capacity * sizeof *targets);
    if (!targets)
        return false;
    outgoing->targets = targets;
    outgoing->capacity = capacity;
    return true;
}

static bool address_remote(struct delivery *delivery, struct session *from, struct sub *sub)
{
    if (!claim(delivery, from, sub))
        return false;
    struct delivery_outgoing *outgoing = &delivery->outgoing[sub->worker];
    if (outgoing->count == outgoing->capacity && !grow_targets(outgoing)) {
        unclaim(sub);
        drops_refuse(delivery, sub, drop_reasons_of_close(CLOSE_OUT_OF_MEMORY));
        return false;
    }
    outgoing->targets[outgoing->count++] = sub;
    if (!outgoing->addressed) {
        outgoing->addressed = true;
        delivery->addressed[delivery->addressed_count++] = sub->worker;
    }
    return true;
}

void delivery_receive(struct delivery *delivery, const struct publish *message,
                      struct sub *const *targets, uint32_t count)
{
    struct outgoing_line line = line_of(message);
    for (uint32_t i = 0; i < count; i++)
        if (!deliver_local(delivery, NULL, targets[i], &line))
            drops_mail(delivery, targets[i]);
    if (line.own_block)
        block_unref(line.block);
}

static bool send_parcel(struct delivery *delivery, unsigned to)
{
    struct delivery_outgoing *outgoing = &delivery->outgoing[to];
    if (!outgoing->parcel)
        return false;
    struct mail *mail = parcel_mail(outgoing->parcel);
    outgoing->parcel = NULL;
    return delivery->carrier.send(delivery->carrier.context, to, mail);
}

void delivery_send_parcels(struct delivery *delivery, struct session *from)
{
    bool full = false;
    for (unsigned i = 0; i < delivery->addressed_count; i++) {
        full |= send_parcel(delivery, delivery->addressed[i]);
        delivery->outgoing[delivery->addressed[i]].addressed = false;
    }
    delivery->addressed_count = 0;
    if (full && from->stall_ns < STALL_MAX_NS)
        from->stall_ns += STALL_NS;
}

/* There is no memory to send the message to those that were to get it. */
static COLD void drop_targets(struct delivery *delivery, const struct delivery_outgoing *outgoing)
{
    for (uint32_t i = 0; i < outgoing->count; i++) {
        unclaim(outgoing->targets[i]);
        drops_count(delivery, outgoing->targets[i]->session,
                    drop_reasons_of_close(CLOSE_OUT_OF_MEMORY), 1);
    }
}

/* Packs the message for the targets collected for one worker. False when out of memory. */
static bool pack(struct delivery *delivery, unsigned to, struct outgoing_line *line)
{
    struct delivery_outgoing *outgoing = &delivery->outgoing[to];
    struct publish message = *line->message;
    if (message.payload.len > PARCEL_INLINE_MAX) {
        struct block *block = line_block(line);
        if (!block)
            return false;
        if (line->own_block)
            message.payload.ptr = block->bytes;
    }
    if (!parcel_add(&outgoing->parcel, &outgoing->spare, &message, line->block, outgoing->targets,
                    outgoing->count)) {
        send_parcel(delivery, to);
        if (!parcel_add(&outgoing->parcel, &outgoing->spare, &message, line->block,
                        outgoing->targets, outgoing->count))
            return false;
    }
    metrics_add(&delivery->cells, METRIC_mailbox_mails, 1);
    return true;
}

static void pack_all(struct delivery *delivery, struct outgoing_line *line)
{
    for (unsigned i = 0; i < delivery->addressed_count; i++) {
        struct delivery_outgoing *outgoing = &delivery->outgoing[delivery->addressed[i]];
        if (outgoing->count > 0 && !pack(delivery, delivery->addressed[i], line))
            drop_targets(delivery, outgoing);
        outgoing->count = 0;
    }
}

/* ---- publish ---- */

static inline bool deliver(struct delivery *delivery, struct session *from, struct sub *sub,
                           struct outgoing_line *line, bool *mailed)
{
    if (sub->session == from && !from->echo)
        return false;
    if (sub->worker == delivery->index)
        return deliver_local(delivery, from, sub, line);
    if (sub->worker == SUB_WORKER_ANY)
        return system_take(delivery, from, sub, line->message);
    bool taken = address_remote(delivery, from, sub);
    *mailed |= taken;
    return taken;
}

/* Each step needs what the one before it asked for, so all messages take a step together: their waits overlap. */
void delivery_fetch_ahead(struct delivery *delivery, const struct session *from,
                          const struct publish *messages, int count)
{
    const struct match_cache *cache = &delivery_account(delivery, from->account)->cache;
    const struct match_cache_entry *entries[DELIVERY_GROUP];
    check(count <= DELIVERY_GROUP);
    for (int i = 0; i < count; i++)
        __builtin_prefetch(match_cache_set(cache, messages[i].subject_hash));
    for (int i = 0; i < count; i++) {
        entries[i] = match_cache_peek(cache, messages[i].subject_hash);
        __builtin_prefetch(entries[i]);
        __builtin_prefetch((const char *)entries[i] + 64);
    }
    for (int i = 0; i < count; i++)
        if (entries[i])
            __builtin_prefetch(entries[i]->match);
    for (int i = 0; i < count; i++) {
        if (!entries[i] || entries[i]->match->sub_count == 0)
            continue;
        const struct sub *sub = entries[i]->match->subs[0];
        __builtin_prefetch(&sub->session, 1);
        __builtin_prefetch(sub->line, 0);
    }
}

/* A wide fan-out's receivers do not all lie in the nearest cache: asks for those that come a little later. */
static inline void fetch_ahead(const struct match *match, uint32_t at)
{
    enum { SUBS_AHEAD = 6, SESSIONS_AHEAD = 3 };
    if (at + SUBS_AHEAD >= match->plain_count)
        return;
    const struct sub *sub = match->subs[at + SUBS_AHEAD];
    __builtin_prefetch(&sub->session, 1);
    __builtin_prefetch(sub->line, 0);
    __builtin_prefetch(match->subs[at + SESSIONS_AHEAD]->session, 1);
}

uint64_t delivery_deliver(struct delivery *delivery, struct session *from,
                          const struct publish *message, const struct match *match)
{
    struct outgoing_line line = line_of(message);
    uint64_t reached = 0;
    bool mailed = false;
    for (uint32_t i = 0; i < match->plain_count; i++) {
        fetch_ahead(match, i);
        reached += deliver(delivery, from, match->subs[i], &line, &mailed);
    }
    for (uint32_t i = 0; i < match->group_count; i++) {
        struct match_group group = match->groups[i];
        uint32_t start = group.count > 1 ? (uint32_t)(delivery_random(delivery) % group.count) : 0;
        uint32_t tried = 0;
        for (; tried < group.count; tried++) {
            uint32_t member = group.first + (start + tried) % group.count;
            if (deliver(delivery, from, match->subs[member], &line, &mailed)) {
                reached++;
                break;
            }
        }
        if (delivery->refused_by)
            drops_group(delivery, tried < group.count);
    }
    if (mailed)
        pack_all(delivery, &line);
    if (line.own_block)
        block_unref(line.block);
    return reached;
}

void delivery_no_responders(struct delivery *delivery, struct session *from,
                            const struct publish *message)
{
    struct account_worker *part = delivery_account(delivery, from->account);
    const struct match *match = match_cache_find(
        &part->cache, message->reply, hash_bytes(message->reply.ptr, message->reply.len));
    for (uint32_t i = 0; match && i < match->plain_count; i++) {
        struct sub *sub = match->subs[i];
        if (sub->session != from || atomic_load_explicit(&sub->gone, memory_order_relaxed))
            continue;
        static const char status[] = " 16 16\r\nNATS/1.0 503\r\n\r\n\r\n";
        size_t len = 5 + message->reply.len + 1 + sub->sid_len + sizeof status - 1;
        char *room = outq_reserve(&from->out, &delivery->pool, len);
        if (!room) {
            session_fail(from, CLOSE_OUT_OF_MEMORY);
            return;
        }
        char *at = append_bytes(room, SPAN_LITERAL("HMSG "));
        at = append_bytes(at, message->reply);
        *at++ = ' ';
        at = append_bytes(at, sub_sid(sub));
        append_bytes(at, SPAN_LITERAL(status));
        outq_commit(&from->out, len);
        outq_count_status(&from->out);
        session_touch(from);
        session_check_pending(from);
        metrics_add(&delivery->cells, METRIC_no_responders, 1);
        return;
    }
}
