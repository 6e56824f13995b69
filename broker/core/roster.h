/* One worker's sessions, by slot: a place that a reader can come back to.
 *
 * The worker that owns the roster adds and removes. Any thread reads, and what it finds stays readable for its RCU section;
 * a slot may have another session in the next one, so who comes back compares cids. A slot costs eight bytes and is used
 * again; their memory stays with the roster until roster_fini. A zeroed roster is an empty one. */
#ifndef BROKER_CORE_ROSTER_H
#define BROKER_CORE_ROSTER_H

#include <stdatomic.h>

#include "broker/base/base.h"

enum { ROSTER_SEGMENTS = 24, ROSTER_FIRST = 64 };
#define ROSTER_NOWHERE UINT32_MAX

struct session;

/* Private to roster.c. */
struct roster {
    _Atomic uintptr_t *_Atomic segments[ROSTER_SEGMENTS];
    _Atomic uint32_t used; /* slots that were ever taken */
    uint32_t free;         /* the first free one, plus one; 0: none */
};

/* The owner's. 0 with its slot, or ERR_MEMORY. */
MUST_CHECK int roster_add(struct roster *roster, struct session *session, uint32_t *slot);
void roster_remove(struct roster *roster, uint32_t slot);
void roster_fini(struct roster *roster);

/* Any thread's, inside an RCU section. */

/* Who is there; NULL: nobody. */
struct session *roster_at(const struct roster *roster, uint32_t slot);
/* The first one at *slot or behind, and moves *slot behind it; NULL: there is none. */
struct session *roster_next(const struct roster *roster, uint32_t *slot);
/* The one with that cid, by looking at all; NULL: none has it. */
struct session *roster_find(const struct roster *roster, uint64_t cid);

/* Tests: each slot is either a session's or on the chain of free ones, once. */
void roster_verify(const struct roster *roster);

#endif
