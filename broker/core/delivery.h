/* From a published message to the queues of those who want it.
 *
 * struct delivery is the core's part of one worker: caches, counters, spare chunks, mail to other workers, and the list
 * of sessions touched in this turn. Its worker alone uses it, but for what is marked "any thread". */
#ifndef BROKER_CORE_DELIVERY_H
#define BROKER_CORE_DELIVERY_H

#include "broker/base/garbage.h"
#include "broker/core/broker.h"
#include "broker/core/mail.h"
#include "broker/core/outq.h"
#include "broker/core/parcel.h"
#include "broker/core/roster.h"
#include "broker/core/session.h"
#include "broker/drop_reasons.h"
#include "broker/metrics.h"

struct publish {
    struct span subject, reply; /* reply.len 0: none */
    uint64_t subject_hash;      /* hash_bytes of it; mail needs none */
    /* What stands behind the subject as receivers get it: "[<reply> ][<header size> ]<size>\r\n", blanks single; reply is its
     * front. Often the payload follows at once: then it is the publisher's own line. */
    struct span rest;
    uint32_t header_size; /* of the payload's front; 0: no headers */
    struct span payload;  /* headers and body, then CR LF: len counts these too */
    struct block *block;  /* where the payload lies, or NULL: somewhere that does not last */
};

/* Messages of one publisher that are looked at together. */
enum { DELIVERY_GROUP = 16 };

/* What is on its way to one other worker. */
struct delivery_outgoing {
    struct sub **targets; /* of the message being delivered */
    uint32_t count, capacity;
    bool addressed;               /* stands among delivery->addressed */
    struct parcel *parcel;        /* messages packed since the last delivery_send_parcels */
    struct parcel *_Atomic spare; /* put back by the receiver */
};

struct delivery {
    struct broker *broker;
    unsigned index;
    struct mail_carrier carrier;

    /* Read by any thread. */
    struct metric_cells cells;
    _Atomic uint64_t closed[CLOSE_REASON_COUNT];
    _Atomic uint64_t dropped[DROP_REASON_COUNT];
    struct roster sessions;
    _Atomic uint32_t gated; /* how many of its sessions are gated */

    /* The time, refreshed by the worker at each batch of input. */
    int64_t now_mono_ns, now_wall_ns;

    struct session own; /* who publishes what the broker itself has to say; system.c's */
    struct session *touched;
    struct garbage_list garbage;
    struct outq_pool pool;
    uint64_t random;
    uint64_t gate_bytes; /* 75 % of max_pending: a fuller queue holds producers back */

    struct delivery_outgoing *outgoing; /* by worker */
    unsigned *addressed;                /* workers with something outgoing */
    unsigned addressed_count;

    /* Who refused the message that a queue group is being tried for, last; NULL: nobody. drops.c's. */
    struct session *refused_by;
    enum drop_reason refused_for;
};

MUST_CHECK int delivery_init(struct delivery *delivery, struct broker *broker, unsigned index);
void delivery_fini(struct delivery *delivery);

/* Reads the clocks. */
void delivery_set_time(struct delivery *delivery);

/* Asks memory for what delivering these messages, at most DELIVERY_GROUP, will need. Changes nothing. Worth it when subjects are
 * many. */
void delivery_fetch_ahead(struct delivery *delivery, const struct session *from,
                          const struct publish *messages, int count);
/* Delivers to those that match. Returns how many it reached, remote ones counted when packed. */
uint64_t delivery_deliver(struct delivery *delivery, struct session *from,
                          const struct publish *message, const struct match *match);
/* Sends what was packed for other workers; from is slowed down if one of their mailboxes is over its limit. Before anything that
 * tells the publisher that its messages were taken. */
void delivery_send_parcels(struct delivery *delivery, struct session *from);
/* A message from another worker for subscriptions of this one. */
void delivery_receive(struct delivery *delivery, const struct publish *message,
                      struct sub *const *targets, uint32_t count);
/* Tells a requester that nobody listens, if it asked to be told. */
void delivery_no_responders(struct delivery *delivery, struct session *from,
                            const struct publish *message);

/* The worker's part of an account. */
static inline struct account_worker *delivery_account(struct delivery *delivery,
                                                      const struct account *account)
{
    return account->workers[delivery->index];
}

/* Delivers to all that are interested, as delivery_deliver. */
static inline uint64_t delivery_publish(struct delivery *delivery, struct session *from,
                                        const struct publish *message)
{
    struct match_cache *cache = &delivery_account(delivery, from->account)->cache;
    const struct match *match = match_cache_find(cache, message->subject, message->subject_hash);
    return match && match->sub_count > 0 ? delivery_deliver(delivery, from, message, match) : 0;
}

/* Whether what matching needs is too much for the nearest caches. */
static inline bool delivery_subjects_are_many(struct delivery *delivery,
                                              const struct account *account)
{
    enum { MANY = 2048 };
    const struct match_cache *cache = &delivery_account(delivery, account)->cache;
    return atomic_load_explicit(&cache->entries, memory_order_relaxed) >= MANY;
}

/* After queueing: is the session over its limit, or should producers slow down? */
static inline void session_check_pending(struct session *session)
{
    if (outq_pending_bytes(&session->out) > session->delivery->gate_bytes)
        session_over_gate(session);
}

uint64_t delivery_random(struct delivery *delivery);

#endif
