/* What the monitor may see: the broker's state read as an RCU reader, without a lock that the data path takes.
 *
 * Called from monitor threads, each of which calls inspect_thread_enter once before and inspect_thread_leave
 * after its life. Values are copied into the caller's structs; text is borrowed and valid for the callback only
 * (server-wide text: for the life of the process). Callbacks must not block: a reader holds up what is freed.
 * Durations are nanoseconds; wall times are nanoseconds since 1970 UTC, 0 for "never". */
#ifndef BROKER_INSPECT_H
#define BROKER_INSPECT_H

#include "broker/base/base.h"
#include "broker/drop_reasons.h"
#include "broker/metrics.h"

void inspect_thread_enter(void);
void inspect_thread_leave(void);

struct inspect_server {
    const char *server_id, *server_name, *host, *http_host, *http_base_path;
    const char *config_digest; /* "sha256:...", "" without a configuration file */
    int port, http_port, https_port;
    bool auth_required, tls_required, tls_verify;
    int64_t start_wall_ns, now_wall_ns, config_load_wall_ns, uptime_ns;
    int64_t ping_interval_ns, write_deadline_ns;
    double auth_timeout_s, tls_timeout_s;
    uint64_t ping_max, max_control_line, max_pending;
    int64_t max_connections, max_payload; /* negative: unlimited */
    uint64_t max_subscriptions;           /* 0: unlimited */
    unsigned cores, workers;
    uint64_t resident_bytes;
    double cpu_percent; /* of one core, over the last second */
    uint64_t subscriptions;
    const char *system_account;          /* NULL: none */
    uint64_t cells[METRIC_CELLS];        /* of all workers, combined as their rows say */
    uint64_t closed[CLOSE_REASON_COUNT]; /* connections closed since start, by reason */
    uint64_t dropped[DROP_REASON_COUNT]; /* messages lost since start, by reason */
};

void inspect_server(struct inspect_server *out);

/* The part of it that never changes, for little. */
struct inspect_identity {
    const char *server_id, *server_name, *host;
};

void inspect_identity(struct inspect_identity *out);

/* Ready for clients: listening, and not shutting down. */
bool inspect_ready(void);

enum inspect_sort {
    INSPECT_SORT_CID,
    INSPECT_SORT_START,
    INSPECT_SORT_SUBS,
    INSPECT_SORT_PENDING,
    INSPECT_SORT_MSGS_TO,
    INSPECT_SORT_MSGS_FROM,
    INSPECT_SORT_BYTES_TO,
    INSPECT_SORT_BYTES_FROM,
    INSPECT_SORT_LAST,
    INSPECT_SORT_IDLE,
    INSPECT_SORT_UPTIME,
    INSPECT_SORT_STOP,
    INSPECT_SORT_REASON,
    INSPECT_SORT_RTT
};

enum inspect_state { INSPECT_OPEN, INSPECT_CLOSED, INSPECT_ALL, INSPECT_NONE };

struct inspect_query {
    enum inspect_sort sort;
    enum inspect_state state;
    uint64_t offset, limit;
    uint64_t cid;        /* 0: any */
    const char *user;    /* NULL: any; else exact */
    const char *account; /* NULL: any; else exact */
    const char *subject; /* NULL: any; else open ones with a subscription that overlaps it */
};

struct inspect_connection {
    uint64_t cid;
    const char *ip;
    int port;
    int64_t start_wall_ns, last_activity_wall_ns;
    int64_t stop_wall_ns;     /* 0: open */
    enum close_reason reason; /* CLOSE_NONE: open */
    int64_t rtt_ns, uptime_ns, idle_ns;
    uint64_t in_msgs, out_msgs, in_bytes, out_bytes, pending_bytes, stalls;
    uint64_t stalled, stalled_ns, stalled_by; /* by a cid, 0: never */
    uint64_t dropped_msgs;
    uint64_t subscriptions;
    const char *name, *lang, *version, *user; /* "" when not given */
    const char *account;
    bool continued;      /* some of its subscriptions were listed in an earlier piece */
    const void *private; /* for inspect_connections_subscriptions */
};

/* How far a list of subscriptions was read; private to the inspector. */
struct inspect_place {
    const void *last;
    uint64_t sid_hash, listed;
};

struct inspect_subscription {
    const char *account;
    struct span subject, queue, sid; /* queue.len 0: plain */
    uint64_t msgs, max, cid;         /* max 0: none */
};

struct inspect_page {
    uint64_t matching; /* of that state and account, before the other filters and paging */
    uint64_t listed;   /* in this page */
    bool account_known;
};

/* What comes after a connection was read. */
enum inspect_verdict {
    INSPECT_NEXT,  /* the next one */
    INSPECT_PAUSE, /* nothing now; the next one in the next piece */
    INSPECT_AGAIN, /* nothing now; this one again in the next piece, for the rest of its subscriptions */
};

struct inspect_reader {
    /* Once, before the first connection. */
    void (*begin)(void *context, const struct inspect_page *page);
    enum inspect_verdict (*each)(void *context, const struct inspect_connection *connection);
    void *context;
};

/* false: enough for now. */
typedef bool inspect_subscription_fn(void *context,
                                     const struct inspect_subscription *subscription);

/* A page of connections, chosen and sorted when it is opened: 32 bytes for each found, then for each of the page. It may be read
 * over any time, by any registered thread, one at a time; texts of the query are not needed any more. Connections that end
 * before their turn are left out. In a page of up to 1024 that is read in one piece nobody is: `listed` is exact. */
struct inspect_connections;

/* 0 or ERR_MEMORY. */
MUST_CHECK int inspect_connections_open(const struct inspect_query *query,
                                        struct inspect_connections **out);
/* Reads one piece, in an RCU section of its own: until the reader wants no more or the page ends. Returns whether there is
 * more; a connection that was to come again may be gone then. */
bool inspect_connections_next(struct inspect_connections *connections,
                              const struct inspect_reader *reader);
/* What it holds. */
size_t inspect_connections_bytes(const struct inspect_connections *connections);
void inspect_connections_close(struct inspect_connections **connections);

typedef void inspect_connection_fn(void *context, const struct inspect_connection *connection);

/* All open ones, in no order and without memory; in many short RCU sections. */
void inspect_connections_walk(inspect_connection_fn *each, void *context);

/* The subscriptions of one connection, inside a reader's callback; those that were not listed yet, if it came again. Returns
 * whether these were all. */
bool inspect_connections_subscriptions(const struct inspect_connection *connection,
                                       inspect_subscription_fn *each, void *context);

/* The statistics part of /subsz, in the order of metrics.def's SUBS rows. */
struct inspect_subscriptions {
    uint64_t num_subscriptions, num_cache, num_inserts, num_removes, num_matches;
    double cache_hit_rate;
    uint64_t max_fanout;
    double avg_fanout;
};

/* account NULL: all. An unknown account gives zeros. */
void inspect_subscription_statistics(const char *account, struct inspect_subscriptions *out);
/* How many subscriptions there are, of one account if not NULL, that match the literal subject `test` if not NULL. */
uint64_t inspect_subscriptions_count(const char *account, const char *test);

/* Pages through them in pieces. A plain value. */
struct inspect_subscription_cursor {
    const char *account, *test; /* as above; borrowed */
    uint64_t offset, limit;     /* how many yet to pass over, to list */
    /* Private; zeroed at the start. */
    uint64_t cid;
    uint32_t worker, slot;
    struct inspect_place place;
};

/* One piece, until each says it is enough. Returns whether there may be more. What comes or goes between pieces may be missed. */
bool inspect_subscriptions_next(struct inspect_subscription_cursor *cursor,
                                inspect_subscription_fn *each, void *context);
/* Whether text can be published to: no empty token, no wildcard token. */
bool inspect_subject_is_literal(const char *text);

/* How many of an account's subscriptions get what is published to the subject; for one with wildcards, how many are to nothing
 * that it does not cover. queue: only those of this queue; len 0: any. An unknown account has none. */
uint64_t inspect_subscribers(const char *account, struct span subject, struct span queue);

struct inspect_account {
    const char *name;
    bool is_system;
    int64_t update_wall_ns;
    uint64_t connections, subscriptions;
    uint64_t in_msgs, in_bytes, out_msgs, out_bytes, slow_consumers;
    struct inspect_subscriptions statistics;
};

typedef void inspect_account_fn(void *context, const struct inspect_account *account);

/* Calls each for all accounts, or only for the named one. Returns how many were called. */
unsigned inspect_accounts(const char *name, inspect_account_fn *each, void *context);

/* Whether somebody is connected to it. */
bool inspect_account_is_used(const char *name);

/* A service of the system account that an account may ask, about itself. */
struct inspect_import {
    const char *subject; /* what the account publishes to */
    const char *to;      /* whose place that takes */
    const char *system_account;
    bool shares_client; /* the service learns who asks */
};

typedef void inspect_import_fn(void *context, const struct inspect_import *import);

void inspect_account_imports(const struct inspect_account *account, inspect_import_fn *each,
                             void *context);

#endif
