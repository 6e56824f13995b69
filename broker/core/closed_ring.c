/* Closed connections, packed: some 35 bytes for what takes 500 as a struct with its texts.
 *
 *     oldest                                                            newest
 *     [ base | record record record ... ] ---> [ base | record record ... ] ---> NULL
 *
 * A queue of blocks. Connections that end one after the other are much alike: near in time, of the same library, from the same
 * address. So a block keeps the first of its connections in full as its base, and a record of each, the first one included,
 * that tells how it differs. A record can be read without those before it:
 *
 *     length | given | cid port start stop: less the base's | last activity: less start | rtt: less last activity, or whole
 *            | reason, texts, counts: those that are given, the others are the base's | subscriptions
 *     a subscription: length of sid, what is given | subject | [length of queue] [msgs] [max] | queue, sid
 *
 * Numbers have seven bits to a byte, the lowest first; the top bit tells that more follow. Signed ones come as
 * 0 -1 1 -2 2 ... A short text begins with how much of its beginning it shares with the base's; a subject with how much it shares
 * with that of the subscription before it, the first with the base's first. Readers put these together in the value's own room.
 * Invariants:
 *
 *  1. Records are numbered from 0 as they come; a block's are first, first + 1, ... up to its successor's first.
 *  2. `added` is stored with release after a record and all that leads to it: a reader that looks only at records
 *     below the `added` it loaded sees them complete. What it may see is never changed.
 *  3. Only the oldest block goes, and whole: when none of its records is among the newest `capacity`, or when all blocks
 *     together are larger than bytes_max. The newest one stays. Readers load `oldest` before `added`, so all that
 *     they are to show still stands behind it.
 */
#include "broker/core/closed_ring.h"

#include "broker/base/mem.h"
#include "broker/core/sub.h"

enum {
    BLOCK_BYTES = 32 << 10, /* larger for a record that would not fit */
    BYTES_MAX_LEAST = 1 << 20,
    NUMBER_MAX = 10, /* bytes of a packed one */
    NEAR = 64,       /* differences below this take one byte */
};

/* The lowest bits of `given`; those for texts and counts follow. */
enum { GIVEN_REASON = 1, GIVEN_RTT = 2, GIVEN_BITS = 2 };

/* What a subscription gives besides subject and sid; the length of sid stands above these bits. */
enum { GIVES_QUEUE = 1, GIVES_MSGS = 2, GIVES_MAX = 4, GIVES_BITS = 3 };

struct closed_block {
    struct garbage garbage;
    struct closed_block *_Atomic next;
    uint64_t first;      /* number of its first record */
    uint32_t records;    /* offset of its first record, behind the texts of base */
    uint32_t used, size; /* of bytes; the writers' */
    struct closed_connection base;
    unsigned char bytes[];
};

/* ---- packing ---- */

/* Without out it only measures. */
struct packer {
    unsigned char *out;
    size_t len;
};

static void put_bytes(struct packer *to, const void *bytes, size_t len)
{
    if (to->out)
        memcpy(to->out + to->len, bytes, len);
    to->len += len;
}

static void put_number(struct packer *to, uint64_t number)
{
    unsigned char bytes[NUMBER_MAX];
    size_t len = 0;
    for (; number > 0x7f; number >>= 7)
        bytes[len++] = (unsigned char)(number | 0x80);
    bytes[len++] = (unsigned char)number;
    put_bytes(to, bytes, len);
}

static void put_difference(struct packer *to, uint64_t value, uint64_t from)
{
    uint64_t difference = value - from;
    put_number(to, difference << 1 ^ -(difference >> 63));
}

static void put_span(struct packer *to, struct span span)
{
    put_bytes(to, span.ptr, span.len);
}

/* How many bytes both begin with; 0 for a text that readers have no room for. */
static size_t shared(struct span text, struct span like)
{
    size_t len = 0;
    while (text.len < CLOSED_SHORT && len < min_size(text.len, like.len) &&
           text.ptr[len] == like.ptr[len])
        len++;
    return len;
}

static void put_text(struct packer *to, const char *text, const char *like)
{
    size_t from = shared(span_of(text), span_of(like));
    put_number(to, from);
    put_bytes(to, text + from, strlen(text + from) + 1);
}

static void keep_subject(struct closed_kept *kept, struct span subject)
{
    if (subject.len >= CLOSED_SHORT)
        return;
    memcpy(kept->subject, subject.ptr, subject.len);
    kept->subject_len = (uint32_t)subject.len;
}

static void put_subscription(struct packer *to, const struct sub *sub, struct closed_kept *before)
{
    struct span subject = sub_subject(sub), queue = sub_queue(sub), sid = sub_sid(sub);
    uint64_t msgs = atomic_load_explicit(&sub->delivered, memory_order_relaxed);
    uint64_t max = atomic_load_explicit(&sub->max, memory_order_relaxed);
    size_t from = shared(subject, (struct span){before->subject, before->subject_len});
    put_number(to, sid.len << GIVES_BITS | (queue.len ? GIVES_QUEUE : 0) | (msgs ? GIVES_MSGS : 0) |
                       (max ? GIVES_MAX : 0));
    put_number(to, from);
    put_number(to, subject.len - from);
    put_bytes(to, subject.ptr + from, subject.len - from);
    if (queue.len)
        put_number(to, queue.len);
    if (msgs)
        put_number(to, msgs);
    if (max)
        put_number(to, max);
    put_span(to, queue);
    put_span(to, sid);
    keep_subject(before, subject);
}

static void put_subscriptions(struct packer *to, const struct sub *sub,
                              const struct closed_connection *base)
{
    struct closed_kept before = base->kept;
    for (; sub; sub = atomic_load_explicit(&sub->next, memory_order_relaxed)) {
        size_t texts = sub_subject(sub).len + sub_queue(sub).len + sub_sid(sub).len;
        if (to->len + texts + 6 * NUMBER_MAX > CLOSED_RECORD_MAX)
            return;
        put_subscription(to, sub, &before);
    }
}

static uint64_t text_bit(int i)
{
    return (uint64_t)1 << (GIVEN_BITS + i);
}

static uint64_t count_bit(int i)
{
    return (uint64_t)1 << (GIVEN_BITS + CLOSED_TEXTS + i);
}

static uint64_t activity(const struct closed_connection *connection)
{
    return (uint64_t)connection->last_activity_wall_ns - (uint64_t)connection->start_wall_ns;
}

/* What is not as in the base; and rtt, unless it is about when the last activity was, right after CONNECT. */
static uint64_t given(const struct closed_connection *connection,
                      const struct closed_connection *base)
{
    uint64_t bits = connection->reason != base->reason ? GIVEN_REASON : 0;
    uint64_t apart = (uint64_t)connection->rtt_ns - activity(connection);
    if (apart + NEAR >= 2 * NEAR)
        bits |= GIVEN_RTT;
    for (int i = 0; i < CLOSED_TEXTS; i++)
        if (strcmp(connection->texts[i], base->texts[i]) != 0)
            bits |= text_bit(i);
    for (int i = 0; i < CLOSED_COUNTS; i++)
        if (connection->counts[i] != base->counts[i])
            bits |= count_bit(i);
    return bits;
}

static void put_connection(struct packer *to, const struct closed_connection *connection,
                           const struct sub *subs, const struct closed_connection *base)
{
    uint64_t bits = given(connection, base);
    put_number(to, bits);
    put_difference(to, connection->cid, base->cid);
    put_difference(to, connection->port, base->port);
    put_difference(to, (uint64_t)connection->start_wall_ns, (uint64_t)base->start_wall_ns);
    put_difference(to, (uint64_t)connection->stop_wall_ns, (uint64_t)base->stop_wall_ns);
    put_difference(to, activity(connection), 0);
    put_difference(to, (uint64_t)connection->rtt_ns, bits & GIVEN_RTT ? 0 : activity(connection));
    if (bits & GIVEN_REASON)
        put_number(to, connection->reason);
    for (int i = 0; i < CLOSED_TEXTS; i++)
        if (bits & text_bit(i))
            put_text(to, connection->texts[i], base->texts[i]);
    for (int i = 0; i < CLOSED_COUNTS; i++)
        if (bits & count_bit(i))
            put_number(to, connection->counts[i]);
    put_subscriptions(to, subs, base);
}

static size_t packed_size(const struct closed_connection *connection, const struct sub *subs,
                          const struct closed_connection *base)
{
    struct packer measure = {0};
    put_connection(&measure, connection, subs, base);
    return measure.len;
}

/* ---- unpacking ---- */

static uint64_t take_number(const unsigned char **at)
{
    uint64_t number = 0;
    int shift = 0;
    for (; **at > 0x7f; shift += 7)
        number |= (uint64_t)(*(*at)++ & 0x7f) << shift;
    return number | (uint64_t) * (*at)++ << shift;
}

static uint64_t take_difference(const unsigned char **at, uint64_t from)
{
    uint64_t number = take_number(at);
    return from + (number >> 1 ^ -(number & 1));
}

static struct span take_span(const unsigned char **at, size_t len)
{
    struct span span = {(const char *)*at, len};
    *at += len;
    return span;
}

static const char *take_text(const unsigned char **at, const char *like, char room[CLOSED_SHORT])
{
    size_t from = take_number(at);
    struct span rest = take_span(at, strlen((const char *)*at) + 1);
    if (from == 0)
        return rest.ptr;
    memcpy(room, like, from);
    memcpy(room + from, rest.ptr, rest.len);
    return room;
}

void closed_ring_read(struct closed_place place, struct closed_connection *out)
{
    const struct closed_connection *base = &place.block->base;
    const unsigned char *at = place.block->bytes + place.offset;
    size_t len = take_number(&at);
    const unsigned char *end = at + len;
    *out = *base;
    uint64_t bits = take_number(&at);
    out->cid = take_difference(&at, base->cid);
    out->port = (uint16_t)take_difference(&at, base->port);
    out->start_wall_ns = (int64_t)take_difference(&at, (uint64_t)base->start_wall_ns);
    out->stop_wall_ns = (int64_t)take_difference(&at, (uint64_t)base->stop_wall_ns);
    out->last_activity_wall_ns = (int64_t)take_difference(&at, (uint64_t)out->start_wall_ns);
    out->rtt_ns = (int64_t)take_difference(&at, bits & GIVEN_RTT ? 0 : activity(out));
    if (bits & GIVEN_REASON)
        out->reason = (enum close_reason)take_number(&at);
    for (int i = 0; i < CLOSED_TEXTS; i++)
        if (bits & text_bit(i))
            out->texts[i] = take_text(&at, base->texts[i], out->room[i]);
    for (int i = 0; i < CLOSED_COUNTS; i++)
        if (bits & count_bit(i))
            out->counts[i] = take_number(&at);
    out->kept.packed = (struct span){(const char *)at, (size_t)(end - at)};
}

bool closed_ring_next_subscription(struct closed_kept *kept, struct closed_subscription *out)
{
    if (kept->packed.len == 0)
        return false;
    const unsigned char *start = (const unsigned char *)kept->packed.ptr, *at = start;
    uint64_t gives = take_number(&at);
    size_t from = take_number(&at), len = take_number(&at);
    out->subject = take_span(&at, len);
    if (from + len < CLOSED_SHORT) {
        memcpy(kept->subject + from, out->subject.ptr, len);
        kept->subject_len = (uint32_t)(from + len);
        out->subject = (struct span){kept->subject, from + len};
    }
    size_t queue_len = gives & GIVES_QUEUE ? take_number(&at) : 0;
    out->msgs = gives & GIVES_MSGS ? take_number(&at) : 0;
    out->max = gives & GIVES_MAX ? take_number(&at) : 0;
    out->queue = take_span(&at, queue_len);
    out->sid = take_span(&at, gives >> GIVES_BITS);
    kept->packed = (struct span){(const char *)at, kept->packed.len - (size_t)(at - start)};
    return true;
}

/* ---- blocks ---- */

static void free_block(struct garbage *garbage)
{
    mem_free(container_of(garbage, struct closed_block, garbage));
}

/* With that base, and room for a record of that size. */
static struct closed_block *block_new(const struct closed_connection *base, size_t record)
{
    size_t texts = 0;
    for (int i = 0; i < CLOSED_TEXTS; i++)
        texts += strlen(base->texts[i]) + 1;
    size_t needed = sizeof(struct closed_block) + texts + NUMBER_MAX + record;
    size_t whole = max_size(needed, BLOCK_BYTES);
    struct closed_block *block = mem_alloc(whole);
    if (!block)
        return NULL;
    *block = (struct closed_block){.size = (uint32_t)(whole - sizeof *block), .base = *base};
    struct packer to = {block->bytes, 0};
    for (int i = 0; i < CLOSED_TEXTS; i++) {
        block->base.texts[i] = (const char *)block->bytes + to.len;
        put_bytes(&to, base->texts[i], strlen(base->texts[i]) + 1);
    }
    block->records = block->used = (uint32_t)to.len;
    return block;
}

static void write_record(struct closed_block *block, const struct closed_connection *connection,
                         const struct sub *subs, size_t size)
{
    struct packer length = {block->bytes + block->used, 0};
    put_number(&length, size);
    struct packer record = {length.out + length.len, 0};
    put_connection(&record, connection, subs, &block->base);
    check(record.len == size);
    block->used += (uint32_t)(length.len + size);
}

static void append_block(struct closed_ring *ring, struct closed_block *block)
{
    block->first = atomic_load_explicit(&ring->added, memory_order_relaxed);
    ring->bytes += block->size;
    if (ring->newest)
        atomic_store_explicit(&ring->newest->next, block, memory_order_release);
    else
        atomic_store_explicit(&ring->oldest, block, memory_order_release);
    ring->newest = block;
}

static void forget_oldest(struct closed_ring *ring, struct garbage_list *garbage)
{
    uint64_t added = atomic_load_explicit(&ring->added, memory_order_relaxed);
    struct closed_block *oldest = atomic_load_explicit(&ring->oldest, memory_order_relaxed);
    while (oldest != ring->newest) {
        struct closed_block *next = atomic_load_explicit(&oldest->next, memory_order_relaxed);
        if (added - next->first < ring->capacity && ring->bytes <= ring->bytes_max)
            return;
        atomic_store_explicit(&ring->oldest, next, memory_order_release);
        ring->bytes -= oldest->size;
        garbage_put(garbage, &oldest->garbage, free_block);
        oldest = next;
    }
}

/* ---- life ---- */

void closed_ring_init(struct closed_ring *ring, uint32_t capacity)
{
    *ring = (struct closed_ring){
        .capacity = capacity,
        .bytes_max = max_size((size_t)capacity * CLOSED_BYTES_EACH, BYTES_MAX_LEAST),
    };
    pthread_mutex_init(&ring->lock, NULL);
}

void closed_ring_fini(struct closed_ring *ring)
{
    struct closed_block *block = atomic_load_explicit(&ring->oldest, memory_order_relaxed);
    while (block) {
        struct closed_block *next = atomic_load_explicit(&block->next, memory_order_relaxed);
        mem_free(block);
        block = next;
    }
    atomic_store_explicit(&ring->oldest, NULL, memory_order_relaxed);
    ring->newest = NULL;
    pthread_mutex_destroy(&ring->lock);
}

void closed_ring_add(struct closed_ring *ring, const struct closed_connection *connection,
                     const struct sub *subs, struct garbage_list *garbage)
{
    if (ring->capacity == 0)
        return;
    pthread_mutex_lock(&ring->lock);
    struct closed_block *block = ring->newest;
    size_t size = block ? packed_size(connection, subs, &block->base) : 0;
    if (!block || block->size - block->used < NUMBER_MAX + size) {
        struct closed_connection base = *connection;
        base.kept.subject_len = 0;
        if (subs)
            keep_subject(&base.kept, sub_subject(subs));
        size = packed_size(connection, subs, &base);
        block = block_new(&base, size);
        if (block)
            append_block(ring, block);
    }
    if (block) {
        write_record(block, connection, subs, size);
        atomic_fetch_add_explicit(&ring->added, 1, memory_order_release);
        forget_oldest(ring, garbage);
    }
    pthread_mutex_unlock(&ring->lock);
}

/* ---- readers ---- */

struct closed_reader closed_ring_reader(const struct closed_ring *ring)
{
    const struct closed_block *oldest = atomic_load_explicit(&ring->oldest, memory_order_acquire);
    uint64_t end = atomic_load_explicit(&ring->added, memory_order_acquire);
    if (!oldest)
        return (struct closed_reader){.end = 0};
    return (struct closed_reader){
        .next = {oldest, oldest->first, oldest->records},
        .first = end > ring->capacity ? end - ring->capacity : 0,
        .end = end,
    };
}

bool closed_ring_next(struct closed_reader *reader, struct closed_place *out)
{
    while (reader->next.number < reader->end) {
        struct closed_place *place = &reader->next;
        const struct closed_block *next =
            atomic_load_explicit(&place->block->next, memory_order_acquire);
        if (next && next->first == place->number)
            *place = (struct closed_place){next, next->first, next->records};
        *out = *place;
        const unsigned char *at = place->block->bytes + place->offset;
        size_t len = take_number(&at);
        place->offset = (uint32_t)(at + len - place->block->bytes);
        if (place->number++ >= reader->first)
            return true;
    }
    return false;
}

bool closed_ring_find(const struct closed_ring *ring, struct closed_place *place)
{
    const struct closed_block *block = atomic_load_explicit(&ring->oldest, memory_order_acquire);
    if (!block || place->number < block->first)
        return false;
    const struct closed_block *next;
    while ((next = atomic_load_explicit(&block->next, memory_order_acquire)) != NULL &&
           next->first <= place->number)
        block = next;
    place->block = block;
    if (place->number == block->first) /* a reader comes from the end of the block before */
        place->offset = block->records;
    return true;
}

void closed_ring_resume(const struct closed_ring *ring, struct closed_reader *reader)
{
    if (reader->next.number >= reader->end || closed_ring_find(ring, &reader->next))
        return;
    const struct closed_block *oldest = atomic_load_explicit(&ring->oldest, memory_order_acquire);
    reader->next = (struct closed_place){oldest, oldest->first, oldest->records};
}
