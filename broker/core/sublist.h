/* Interest: which subscriptions want a subject. One per account, shared by all workers.
 *
 * sublist_insert and sublist_remove may be called by any worker and take a lock; what they do is seen by every later
 * sublist_match on any thread. sublist_match takes no lock; it must run inside an RCU read section, and what it
 * returns may be used until that section ends. Generations tell whether a result kept longer is still true. */
#ifndef BROKER_CORE_SUBLIST_H
#define BROKER_CORE_SUBLIST_H

#include <stdatomic.h>

#include "broker/base/base.h"
#include "broker/base/garbage.h"
#include "broker/core/sub.h"

struct sublist;

/* A match: plain subscriptions first, then the members of each queue group. In one block, freed with mem_free. */
struct match_group {
    uint32_t first, count; /* range in subs */
};

struct match {
    uint32_t plain_count, group_count;
    uint32_t sub_count;          /* all of subs */
    struct sub **subs;           /* behind groups */
    struct match_group groups[]; /* group_count */
};

/* What a match result depends on: the changes among subjects with the same first token, and those of patterns
 * that start with a wildcard. Equal now and then means the result is still true. */
struct sublist_generation {
    uint64_t first_token, wildcard;
};

struct sublist_counts {
    uint64_t subscriptions, inserts, removes;
};

struct sublist *sublist_new(void);
/* Frees the tree; the subscriptions are the callers'. No readers may be left. */
void sublist_free(struct sublist **list);

/* 0 or ERR_MEMORY. What becomes unused goes to garbage. */
MUST_CHECK int sublist_insert(struct sublist *list, struct sub *sub, struct garbage_list *garbage);
void sublist_remove(struct sublist *list, struct sub *sub, struct garbage_list *garbage);

/* Counters of changes, by the first token's hash. With them struct sublist begins. */
enum { SUBLIST_GENERATION_SLOTS = 256 };
struct sublist_generations {
    _Atomic uint64_t wildcard, first_token[SUBLIST_GENERATION_SLOTS];
};

/* Which of them the subject's first token has. */
unsigned sublist_generation_slot(struct span subject);
struct sublist_generation sublist_generation(const struct sublist *list, unsigned slot);

/* Whether nothing has changed since then. */
static inline bool sublist_generation_is(const struct sublist *list, unsigned slot,
                                         struct sublist_generation then)
{
    const struct sublist_generations *now = (const struct sublist_generations *)(const void *)list;
    return atomic_load_explicit(&now->first_token[slot], memory_order_acquire) ==
               then.first_token &&
           atomic_load_explicit(&now->wildcard, memory_order_acquire) == then.wildcard;
}

/* Collects what matches the subject into *match, a block of *capacity bytes that grows as needed (NULL and 0 at first).
 * Returns 0, or ERR_MEMORY with *match and *capacity as they were. */
MUST_CHECK int sublist_match(const struct sublist *list, struct span subject, struct match **match,
                             size_t *capacity);

struct sublist_counts sublist_counts(const struct sublist *list);

/* Tests: walks every invariant of the tree; no writer may be active. */
void sublist_verify(struct sublist *list);

#endif
