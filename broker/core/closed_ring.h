/* The last connections that closed, for /connz?state=closed.
 *
 * Any worker adds; the monitor reads inside an RCU section and takes no lock. Memory grows with what is remembered, up
 * to the configured number. Entries are immutable. */
#ifndef BROKER_CORE_CLOSED_RING_H
#define BROKER_CORE_CLOSED_RING_H

#include <pthread.h>
#include <stdatomic.h>

#include "broker/base/base.h"
#include "broker/base/garbage.h"
#include "broker/close_reasons.h"

struct closed_subscription {
    uint32_t subject_len, queue_len, sid_len;
    uint64_t msgs, max;
    const char *text; /* subject, queue, sid */
};

struct closed_connection {
    struct garbage garbage;
    uint64_t cid;
    int port;
    enum close_reason reason;
    int64_t start_wall_ns, stop_wall_ns, last_activity_wall_ns, rtt_ns;
    uint64_t in_msgs, out_msgs, in_bytes, out_bytes, pending_bytes, stalls;
    uint64_t stalled, stalled_ns, stalled_by, dropped_msgs;
    const char *account;
    uint32_t subscription_count;
    char ip[46];
    char *name, *lang, *version, *user; /* behind the struct */
    struct closed_subscription *subscriptions;
};

struct closed_ring {
    pthread_mutex_t lock; /* between workers that add */
    uint32_t capacity;
    uint64_t added;
    struct closed_connection *_Atomic *slots;
};

MUST_CHECK int closed_ring_init(struct closed_ring *ring, uint32_t capacity);
void closed_ring_fini(struct closed_ring *ring);
/* Takes the entry; what it replaces goes to garbage. */
void closed_ring_add(struct closed_ring *ring, struct closed_connection *entry,
                     struct garbage_list *garbage);
/* Reader: entry i of capacity, or NULL. */
const struct closed_connection *closed_ring_at(const struct closed_ring *ring, uint32_t i);

#endif
