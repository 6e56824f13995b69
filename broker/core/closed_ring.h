/* The last connections that closed, for /connz?state=closed.
 *
 * Any worker adds; the monitor reads inside an RCU section and takes no lock. Exactly the newest `capacity` are shown, fewer only
 * where memory was lacking or bounded: subscriptions of one connection are kept while its record has at most CLOSED_RECORD_MAX
 * bytes (some 10,000 of them), and all records together take about CLOSED_BYTES_EACH for each of capacity, then the
 * oldest go. How many subscriptions there were is kept in any case. Times are nanoseconds since 1970. */
#ifndef BROKER_CORE_CLOSED_RING_H
#define BROKER_CORE_CLOSED_RING_H

#include <pthread.h>
#include <stdatomic.h>

#include "broker/base/base.h"
#include "broker/base/garbage.h"
#include "broker/close_reasons.h"

enum { CLOSED_RECORD_MAX = 256 << 10, CLOSED_BYTES_EACH = 1 << 10, CLOSED_SHORT = 64 };

enum closed_text {
    CLOSED_IP,
    CLOSED_ACCOUNT,
    CLOSED_NAME,
    CLOSED_LANG,
    CLOSED_VERSION,
    CLOSED_USER,
    CLOSED_TEXTS
};

enum closed_count {
    CLOSED_IN_MSGS,
    CLOSED_OUT_MSGS,
    CLOSED_IN_BYTES,
    CLOSED_OUT_BYTES,
    CLOSED_PENDING_BYTES,
    CLOSED_STALLS,
    CLOSED_STALLED,
    CLOSED_STALLED_NS,
    CLOSED_STALLED_BY,
    CLOSED_DROPPED_MSGS,
    CLOSED_SUBSCRIPTIONS,
    CLOSED_COUNTS
};

struct sub;

/* Subscriptions yet to be read, and the subject of the one before, if it was short. */
struct closed_kept {
    struct span packed;
    uint32_t subject_len;
    char subject[CLOSED_SHORT];
};

/* What is remembered of a connection, as a plain value. What it points to is borrowed: by closed_ring_add for the
 * call, by a reader for its RCU section. Do not copy it: texts may lie in the room behind. */
struct closed_connection {
    uint64_t cid;
    uint16_t port;
    enum close_reason reason;
    int64_t start_wall_ns, stop_wall_ns, last_activity_wall_ns, rtt_ns;
    uint64_t counts[CLOSED_COUNTS];
    const char *texts[CLOSED_TEXTS]; /* "" when not given */

    /* Private to closed_ring.c, but for closed_ring_next_subscription. */
    struct closed_kept kept;
    char room[CLOSED_TEXTS][CLOSED_SHORT];
};

struct closed_subscription {
    struct span subject, queue, sid; /* queue.len 0: plain; valid until the next one is read */
    uint64_t msgs, max;
};

struct closed_block;

/* Where a record is. The block is valid as long as the RCU section; number and offset find it again in a later one. */
struct closed_place {
    const struct closed_block *block;
    uint64_t number;
    uint32_t offset;
};

/* Private to closed_ring.c. */
struct closed_ring {
    pthread_mutex_t lock; /* between workers that add */
    uint32_t capacity;
    uint64_t bytes, bytes_max; /* of all blocks; the writers' */
    struct closed_block *newest;
    struct closed_block *_Atomic oldest;
    _Atomic uint64_t added;
};

struct closed_reader {
    struct closed_place next;
    uint64_t first, end; /* numbers of what is to be shown */
};

void closed_ring_init(struct closed_ring *ring, uint32_t capacity);
void closed_ring_fini(struct closed_ring *ring);
/* Remembers it with its subscriptions, a list by sub->next; without memory for that it does not. What becomes too old goes
 * to garbage. */
void closed_ring_add(struct closed_ring *ring, const struct closed_connection *connection,
                     const struct sub *subs, struct garbage_list *garbage);

/* Readers: the places of all that are remembered now, oldest first, until it returns false. */
struct closed_reader closed_ring_reader(const struct closed_ring *ring);
bool closed_ring_next(struct closed_reader *reader, struct closed_place *out);
/* In a later RCU section: whether the record of that number and offset is still remembered, and then its block. */
MUST_CHECK bool closed_ring_find(const struct closed_ring *ring, struct closed_place *place);
/* The same for a reader; what was forgotten meanwhile it passes over. */
void closed_ring_resume(const struct closed_ring *ring, struct closed_reader *reader);
void closed_ring_read(struct closed_place place, struct closed_connection *out);
/* Takes the next one off connection->kept; false when there is none. */
bool closed_ring_next_subscription(struct closed_kept *kept, struct closed_subscription *out);

#endif
