/* One worker's memory of match results in one account: literal subject -> match. A hit takes no lock.
 *
 * Used by its worker only, inside an RCU read section, except the counters, which any thread may read. What
 * match_cache_find returns is valid until the next call or the end of the section. */
#ifndef BROKER_CORE_MATCH_CACHE_H
#define BROKER_CORE_MATCH_CACHE_H

#include "broker/core/sublist.h"

struct match_cache_set;

struct match_cache {
    struct sublist *list;
    struct match_cache_set *sets; /* NULL until first used */
    uint32_t set_mask;
    uint16_t *seen; /* parts of the hashes of subjects missed lately; NULL until first used */
    struct match *scratch;
    size_t scratch_capacity;
    size_t bytes;  /* of the entries' matches */
    uint32_t hand; /* where to look next for an entry to give up, if they are too many */

    _Atomic uint64_t hits, misses, entries;
    _Atomic uint64_t fanout_sum, fanout_max; /* over the entries; max over all matches so far */
};

void match_cache_init(struct match_cache *cache, struct sublist *list);
void match_cache_fini(struct match_cache *cache);

/* What matches the subject now. NULL only when out of memory. */
const struct match *match_cache_find(struct match_cache *cache, struct span subject);

#endif
