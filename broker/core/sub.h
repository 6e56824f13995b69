/* One subscription of one connection.
 *
 * Made, counted, changed and unlinked by the worker that owns its connection; read by all workers (through match
 * results) and by the monitor, so it is freed as garbage. The texts lie behind the struct. */
#ifndef BROKER_CORE_SUB_H
#define BROKER_CORE_SUB_H

#include <limits.h>
#include <stdatomic.h>

#include "broker/base/base.h"
#include "broker/base/garbage.h"

struct session;
struct sublist_node;
struct sublist_set;

struct sub {
    struct garbage garbage;

    /* The session's list: walked by readers, changed by the owner. */
    struct sub *_Atomic next;
    struct sub *previous;
    struct sub *same_bucket; /* the session's table of sids; owner only */

    /* Where it stands in the interest; under the interest's lock. */
    struct sublist_node *node;
    struct sublist_set *set;
    uint32_t slot;

    /* From here on what each delivery needs, side by side. Constant, but for the atomics. */
    uint32_t subject_len, sid_len, queue_len;
    struct session *session;
    unsigned worker; /* the owner's index, or SUB_WORKER_ANY */
    bool literal;    /* without wildcards: every message for it has its very subject */

    /* Written by the owner, read by all. */
    _Atomic bool gone;          /* unlinked: deliver nothing more */
    _Atomic uint64_t delivered; /* messages queued since SUB */
    _Atomic uint64_t max;       /* auto-unsubscribe after this many; 0: never */

    /* Places asked for by publishers of any worker while max is set, so that no more are sent than will be taken. */
    _Atomic uint64_t claimed;

    /* "HMSG <subject> <sid> <queue>": a message's line up to the reply, ready to be copied, then the queue's name. */
    char line[];
};

/* A subscription of the broker itself: handled by whichever worker publishes. See system.h. */
#define SUB_WORKER_ANY UINT_MAX

enum { SUB_SUBJECT_AT = sizeof "HMSG " - 1 };

static inline struct span sub_subject(const struct sub *sub)
{
    return (struct span){sub->line + SUB_SUBJECT_AT, sub->subject_len};
}

static inline struct span sub_sid(const struct sub *sub)
{
    return (struct span){sub->line + SUB_SUBJECT_AT + sub->subject_len + 1, sub->sid_len};
}

static inline struct span sub_queue(const struct sub *sub)
{
    return (struct span){sub_sid(sub).ptr + sub->sid_len + 1, sub->queue_len};
}

/* "HMSG " or "MSG " */
static inline struct span sub_operation(const struct sub *sub, bool headers)
{
    return (struct span){sub->line + !headers, (size_t)SUB_SUBJECT_AT - !headers};
}

/* " <sid> " */
static inline struct span sub_blank_sid_blank(const struct sub *sub)
{
    return (struct span){sub_sid(sub).ptr - 1, sub->sid_len + 2};
}

/* NULL when out of memory. Linked nowhere yet. */
struct sub *sub_new(struct session *session, unsigned worker, struct span subject,
                    struct span queue, struct span sid);
/* For garbage_put. */
void sub_free_garbage(struct garbage *garbage);

#endif
