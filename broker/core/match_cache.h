/* One worker's memory of match results in one account: literal subject -> match. A hit takes no lock.
 *
 * Used by its worker only, inside an RCU read section, except the counters, which any thread may read. What
 * match_cache_find returns is valid until the next call or the end of the section. */
#ifndef BROKER_CORE_MATCH_CACHE_H
#define BROKER_CORE_MATCH_CACHE_H

#include "broker/base/counter.h"
#include "broker/base/hash.h"
#include "broker/core/sublist.h"

enum { MATCH_CACHE_WAYS = 4 };

/* Private to match_cache.c and match_cache_find. */
struct match_cache_entry {
    struct sublist_generation generation;
    struct match *match;
    unsigned generation_slot;
    uint32_t subject_len;
    uint64_t hash;
    size_t match_capacity;
    char subject[];
};

struct match_cache_set {
    _Alignas(64) uint32_t tags[MATCH_CACHE_WAYS];
    uint32_t next_victim;
    struct match_cache_entry *entries[MATCH_CACHE_WAYS];
};

struct match_cache {
    struct sublist *list;
    struct match_cache_set *sets; /* NULL until first used */
    uint32_t set_mask;
    uint16_t *seen; /* parts of the hashes of subjects missed lately; NULL until first used */
    uint32_t next_mark;
    struct match *scratch;
    size_t scratch_capacity;
    size_t bytes;  /* of the entries' matches */
    uint32_t hand; /* where to look next for an entry to give up, if they are too many */

    uint64_t new_hits; /* since match_cache_count */
    _Atomic uint64_t hits, misses, entries;
    _Atomic uint64_t fanout_sum, fanout_max; /* over the entries; max over all matches so far */
};

void match_cache_init(struct match_cache *cache, struct sublist *list);
void match_cache_fini(struct match_cache *cache);

/* The set that a hash belongs to; NULL: there is no table. */
static inline const struct match_cache_set *match_cache_set(const struct match_cache *cache,
                                                            uint64_t hash)
{
    return cache->sets ? &cache->sets[hash & cache->set_mask] : NULL;
}

/* What matches the subject now, if it is not remembered, or no longer true. NULL only when out of memory. */
const struct match *match_cache_miss(struct match_cache *cache, struct span subject, uint64_t hash);

/* What matches the subject, whose hash_bytes this is, now. NULL only when out of memory. */
static inline const struct match *match_cache_find(struct match_cache *cache, struct span subject,
                                                   uint64_t hash)
{
    const struct match_cache_set *set = match_cache_set(cache, hash);
    uint32_t tag = (uint32_t)(hash >> 32);
    for (int way = 0; set && way < MATCH_CACHE_WAYS; way++) {
        const struct match_cache_entry *entry = set->entries[way];
        if (set->tags[way] != tag || !entry || entry->subject_len != subject.len ||
            !bytes_equal(entry->subject, subject.ptr, subject.len))
            continue;
        if (!sublist_generation_is(cache->list, entry->generation_slot, entry->generation))
            break;
        cache->new_hits += CLEARWING_COUNTERS;
        return entry->match;
    }
    return match_cache_miss(cache, subject, hash);
}

/* Brings hits up to date. */
static inline void match_cache_count(struct match_cache *cache)
{
    counter_add(&cache->hits, cache->new_hits);
    cache->new_hits = 0;
}

/* For prefetching: what is probably the entry of a hash, or NULL. Reads the set only. */
static inline const struct match_cache_entry *match_cache_peek(const struct match_cache *cache,
                                                               uint64_t hash)
{
    const struct match_cache_set *set = match_cache_set(cache, hash);
    for (int way = 0; way < MATCH_CACHE_WAYS; way++)
        if (set->tags[way] == (uint32_t)(hash >> 32))
            return set->entries[way];
    return NULL;
}

#endif
