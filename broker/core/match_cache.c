/* A set-associative table: a subject's hash chooses a set of four ways, one cache line of tags and pointers.
 *
 *     set: [ tag tag tag tag | entry entry entry entry | next victim ]
 *
 *  1. An entry is true while the generation it was made under is still the interest's (see sublist.h); a stale one is
 *     matched again in place.
 *  2. A subject is remembered only when it is missed twice within a short time: request inboxes, used once, leave
 *     nothing behind but a hash in `seen`.
 *  3. When a full set would have to give up an entry, the table doubles, up to a maximum; then the ways take turns.
 *  4. The entries' matches hold at most BYTES_MAX together, or there is one entry.
 *
 * An account that nobody publishes to has no table at all.
 */
#include "broker/core/match_cache.h"

#include "broker/base/mem.h"

/* SEEN: twenty thousand subjects used in turn find most of their marks again in the next round. */
enum { WAYS = MATCH_CACHE_WAYS, SETS_MIN = 16, SETS_MAX = 1 << 14, SEEN = 1 << 15, SEEN_WAYS = 4 };

/* What the entries' matches may hold together: a wide queue group is copied into each subject's. */
enum { BYTES_MAX = 32 << 20 };

void match_cache_init(struct match_cache *cache, struct sublist *list)
{
    *cache = (struct match_cache){.list = list};
}

static uint64_t fanout(const struct match *match)
{
    return match->plain_count + match->group_count;
}

static void entry_free(struct match_cache *cache, struct match_cache_entry *entry)
{
    counter_add(&cache->fanout_sum, 0 - fanout(entry->match));
    atomic_fetch_sub_explicit(&cache->entries, 1, memory_order_relaxed);
    cache->bytes -= entry->match_capacity;
    mem_free(entry->match);
    mem_free(entry);
}

void match_cache_fini(struct match_cache *cache)
{
    for (uint32_t i = 0; cache->sets && i <= cache->set_mask; i++)
        for (int way = 0; way < WAYS; way++)
            if (cache->sets[i].entries[way])
                entry_free(cache, cache->sets[i].entries[way]);
    mem_free(cache->sets);
    mem_free(cache->seen);
    mem_free(cache->scratch);
    *cache = (struct match_cache){.list = NULL};
}

static void note_fanout(struct match_cache *cache, const struct match *match)
{
    if (fanout(match) > atomic_load_explicit(&cache->fanout_max, memory_order_relaxed))
        atomic_store_explicit(&cache->fanout_max, fanout(match), memory_order_relaxed);
}

/* Matches anew into the entry; false when out of memory. */
static bool refresh(struct match_cache *cache, struct match_cache_entry *entry, struct span subject)
{
    struct sublist_generation now = sublist_generation(cache->list, entry->generation_slot);
    uint64_t before = entry->match ? fanout(entry->match) : 0;
    size_t capacity = entry->match_capacity;
    if (sublist_match(cache->list, subject, &entry->match, &entry->match_capacity) != 0)
        return false;
    entry->generation = now;
    cache->bytes += entry->match_capacity - capacity;
    counter_add(&cache->fanout_sum, fanout(entry->match) - before);
    note_fanout(cache, entry->match);
    return true;
}

/* Doubles the table and places all entries again; ways that do not fit any more are given up. */
static void grow(struct match_cache *cache)
{
    uint32_t old_count = cache->sets ? cache->set_mask + 1 : 0;
    uint32_t count = old_count ? old_count * 2 : SETS_MIN;
    struct match_cache_set *sets = mem_zalloc_aligned(count * sizeof *sets);
    if (!sets)
        return;
    for (uint32_t i = 0; i < old_count; i++) {
        for (int way = 0; way < WAYS; way++) {
            struct match_cache_entry *entry = cache->sets[i].entries[way];
            if (!entry)
                continue;
            struct match_cache_set *set = &sets[entry->hash & (count - 1)];
            int free_way = 0;
            while (free_way < WAYS && set->entries[free_way])
                free_way++;
            check(free_way < WAYS); /* an old set's four entries go to two new ones */
            set->entries[free_way] = entry;
            set->tags[free_way] = (uint32_t)(entry->hash >> 32);
        }
    }
    mem_free(cache->sets);
    cache->sets = sets;
    cache->set_mask = count - 1;
}

/* Whether this hash was missed a short time ago; remembers it. Which older mark of its set has to go changes from miss to
 * miss, else subjects used in turn could push each other out for ever. */
static bool seen_lately(struct match_cache *cache, uint64_t hash)
{
    if (!cache->seen && !(cache->seen = mem_zalloc(SEEN * sizeof *cache->seen)))
        return false;
    uint16_t *marks = &cache->seen[(hash >> 16) % SEEN & ~(uint64_t)(SEEN_WAYS - 1)];
    uint16_t mark = (uint16_t)(hash | 1);
    for (int way = 0; way < SEEN_WAYS; way++)
        if (marks[way] == mark)
            return true;
    marks[cache->next_mark++ % SEEN_WAYS] = mark;
    return false;
}

static int choose_way(struct match_cache *cache, uint64_t hash)
{
    for (;;) {
        struct match_cache_set *set = &cache->sets[hash & cache->set_mask];
        for (int way = 0; way < WAYS; way++)
            if (!set->entries[way])
                return way;
        uint32_t mask = cache->set_mask;
        if (mask + 1 < SETS_MAX)
            grow(cache);
        if (mask == cache->set_mask)
            return (int)(set->next_victim++ % WAYS);
    }
}

/* Gives up entries in turn, but not the one in use, until what they hold is within bounds. */
static void stay_within_bytes(struct match_cache *cache, const struct match_cache_entry *in_use)
{
    while (cache->bytes > BYTES_MAX && cache->entries > 1) {
        uint32_t place = cache->hand++;
        struct match_cache_entry **entry =
            &cache->sets[place / WAYS & cache->set_mask].entries[place % WAYS];
        if (!*entry || *entry == in_use)
            continue;
        entry_free(cache, *entry);
        *entry = NULL;
    }
}

static COLD const struct match *remember(struct match_cache *cache, struct span subject,
                                         uint64_t hash)
{
    if (!cache->sets)
        grow(cache);
    if (!cache->sets)
        return NULL;
    struct match_cache_entry *entry = mem_zalloc(sizeof *entry + subject.len);
    if (!entry)
        return NULL;
    entry->hash = hash;
    entry->generation_slot = sublist_generation_slot(subject);
    entry->subject_len = (uint32_t)subject.len;
    memcpy(entry->subject, subject.ptr, subject.len);
    if (!refresh(cache, entry, subject)) {
        mem_free(entry->match);
        mem_free(entry);
        return NULL;
    }
    int way = choose_way(cache, hash);
    struct match_cache_set *set = &cache->sets[hash & cache->set_mask];
    if (set->entries[way])
        entry_free(cache, set->entries[way]);
    set->entries[way] = entry;
    set->tags[way] = (uint32_t)(hash >> 32);
    atomic_fetch_add_explicit(&cache->entries, 1, memory_order_relaxed);
    stay_within_bytes(cache, entry);
    return entry->match;
}

/* The subject's entry, true or not. */
static struct match_cache_entry *find_entry(struct match_cache *cache, struct span subject,
                                            uint64_t hash)
{
    for (int way = 0; cache->sets && way < WAYS; way++) {
        struct match_cache_entry *entry = cache->sets[hash & cache->set_mask].entries[way];
        if (entry && entry->hash == hash &&
            span_equal((struct span){entry->subject, entry->subject_len}, subject))
            return entry;
    }
    return NULL;
}

const struct match *match_cache_miss(struct match_cache *cache, struct span subject, uint64_t hash)
{
    counter_add(&cache->misses, 1);
    struct match_cache_entry *entry = find_entry(cache, subject, hash);
    if (entry) {
        if (!refresh(cache, entry, subject))
            return NULL;
        stay_within_bytes(cache, entry);
        return entry->match;
    }
    if (seen_lately(cache, hash)) {
        const struct match *match = remember(cache, subject, hash);
        if (match)
            return match;
    }
    if (sublist_match(cache->list, subject, &cache->scratch, &cache->scratch_capacity) != 0)
        return NULL;
    note_fanout(cache, cache->scratch);
    return cache->scratch;
}
