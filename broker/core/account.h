/* An account: a subject space of its own, with its interest and its counters.
 *
 * Accounts are made before the workers start and live as long as the broker. The per-worker part is used by that
 * worker only; its counters may be read by any thread. */
#ifndef BROKER_CORE_ACCOUNT_H
#define BROKER_CORE_ACCOUNT_H

#include "broker/core/match_cache.h"

struct account_worker {
    struct match_cache cache;
    _Atomic uint64_t in_msgs, in_bytes, out_msgs, out_bytes, slow_consumers, connections;
};

struct account {
    const char *name;
    bool is_system;
    int64_t update_wall_ns;
    struct sublist *interest;
    struct session *own_client; /* the broker's own subscriptions in it; NULL: none. system.h */
    uint64_t own_subscriptions; /* how many of the interest's these are */
    unsigned worker_count;
    struct account_worker **workers; /* each in cache lines of its own */
};

/* NULL when out of memory. name is borrowed for the account's life. */
struct account *account_new(const char *name, bool is_system, unsigned workers);
void account_free(struct account **account);

#endif
