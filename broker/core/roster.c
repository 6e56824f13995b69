/* A table that grows without moving: each segment is twice as long as the one before, so few words lead to all of them.
 *
 *     segments   [0] --> 64 slots     [1] --> 128 slots     [2] --> 256 slots ...
 *     slot       a session | where the next free slot is, marked by the lowest bit
 *
 * Invariants:
 *
 *  1. A segment is stored with release before `used` grows into it, and stays: a reader that loaded `used` finds all slots
 *     below it.
 *  2. A slot below `used` is a session or a link of the chain that starts at `free`; sessions are aligned, so that a link
 *     cannot be mistaken for one.
 *  3. A session is stored with release once it is whole, and taken out before it becomes garbage.
 */
#include "broker/core/roster.h"

#include "broker/base/err.h"
#include "broker/base/mem.h"
#include "broker/core/session.h"

enum { FIRST_BITS = 6, LINK = 1 };
_Static_assert(1 << FIRST_BITS == ROSTER_FIRST, "the first segment's length is a power of two");

static unsigned segment_of(uint32_t slot)
{
    return 63 - (unsigned)__builtin_clzll((uint64_t)slot + ROSTER_FIRST) - FIRST_BITS;
}

static _Atomic uintptr_t *find(const struct roster *roster, uint32_t slot)
{
    unsigned segment = segment_of(slot);
    _Atomic uintptr_t *slots =
        atomic_load_explicit(&roster->segments[segment], memory_order_acquire);
    return slots + ((uint64_t)slot + ROSTER_FIRST - ((uint64_t)ROSTER_FIRST << segment));
}

/* Makes room for one more slot at the end. */
static int grow(struct roster *roster, uint32_t used)
{
    unsigned segment = segment_of(used);
    if (segment >= ROSTER_SEGMENTS)
        return ERR_MEMORY;
    if (!atomic_load_explicit(&roster->segments[segment], memory_order_relaxed)) {
        _Atomic uintptr_t *slots =
            mem_alloc(((size_t)ROSTER_FIRST << segment) * sizeof(_Atomic uintptr_t));
        if (!slots)
            return ERR_MEMORY;
        atomic_store_explicit(&roster->segments[segment], slots, memory_order_release);
    }
    return 0;
}

int roster_add(struct roster *roster, struct session *session, uint32_t *slot)
{
    uintptr_t value = (uintptr_t)session;
    check(value != 0 && (value & LINK) == 0);
    if (roster->free) {
        *slot = roster->free - 1;
        _Atomic uintptr_t *place = find(roster, *slot);
        roster->free = (uint32_t)(atomic_load_explicit(place, memory_order_relaxed) >> 1);
        atomic_store_explicit(place, value, memory_order_release);
        return 0;
    }
    uint32_t used = atomic_load_explicit(&roster->used, memory_order_relaxed);
    if (grow(roster, used) != 0)
        return ERR_MEMORY;
    *slot = used;
    atomic_store_explicit(find(roster, used), value, memory_order_release);
    atomic_store_explicit(&roster->used, used + 1, memory_order_release);
    return 0;
}

void roster_remove(struct roster *roster, uint32_t slot)
{
    check(roster_at(roster, slot));
    atomic_store_explicit(find(roster, slot), (uintptr_t)roster->free << 1 | LINK,
                          memory_order_release);
    roster->free = slot + 1;
}

void roster_fini(struct roster *roster)
{
    for (unsigned i = 0; i < ROSTER_SEGMENTS; i++)
        mem_free(roster->segments[i]);
    *roster = (struct roster){.free = 0};
}

struct session *roster_at(const struct roster *roster, uint32_t slot)
{
    if (slot >= atomic_load_explicit(&roster->used, memory_order_acquire))
        return NULL;
    uintptr_t value = atomic_load_explicit(find(roster, slot), memory_order_acquire);
    return value & LINK ? NULL : (struct session *)value;
}

struct session *roster_next(const struct roster *roster, uint32_t *slot)
{
    uint32_t used = atomic_load_explicit(&roster->used, memory_order_acquire);
    while (*slot < used) {
        struct session *session = roster_at(roster, (*slot)++);
        if (session)
            return session;
    }
    return NULL;
}

struct session *roster_find(const struct roster *roster, uint64_t cid)
{
    struct session *session;
    uint32_t slot = 0;
    do
        session = roster_next(roster, &slot);
    while (session && session->cid != cid);
    return session;
}

void roster_verify(const struct roster *roster)
{
    uint32_t used = atomic_load_explicit(&roster->used, memory_order_relaxed), free = 0;
    for (uint32_t slot = roster->free; slot != 0; free++) {
        check(free < used && slot <= used && !roster_at(roster, slot - 1));
        slot = (uint32_t)(atomic_load_explicit(find(roster, slot - 1), memory_order_relaxed) >> 1);
    }
    for (uint32_t slot = 0; roster_next(roster, &slot);)
        free++;
    check(free == used);
}
