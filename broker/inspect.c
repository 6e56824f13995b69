/* Walks the broker as an RCU reader: per-worker lists of sessions, the ring of closed connections, accounts and caches.
 *
 * A page of connections is made in two passes inside one read section: first a small key (what to sort by, the cid, where it
 * is) of every connection that the filters let through, then, for the page only, a copy of all values. Counters of
 * different workers are read one after the other, so sums may be a few messages apart; each never falls.
 */
#include "broker/inspect.h"

#include <sys/resource.h>
#include <unistd.h>

#include "broker/base/clock.h"
#include "broker/base/err.h"
#include "broker/base/mem.h"
#include "broker/base/rcu.h"
#include "broker/core/delivery.h"
#include "broker/core/subject.h"
#include "broker/inspect_set.h"

static struct broker *broker;
static _Atomic bool ready;
static _Atomic uint64_t cpu_permille; /* of one core */

void inspect_set(struct broker *of)
{
    broker = of;
}

void inspect_set_ready(bool now)
{
    atomic_store(&ready, now);
}

bool inspect_ready(void)
{
    return atomic_load(&ready);
}

void inspect_thread_enter(void)
{
    rcu_thread_register();
}

void inspect_thread_leave(void)
{
    rcu_thread_unregister();
}

/* ---- the server ---- */

void inspect_sample_cpu(void)
{
    static int64_t last_used_us, last_ns;
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    int64_t used_us = (usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * 1000000LL +
                      usage.ru_utime.tv_usec + usage.ru_stime.tv_usec;
    int64_t now_ns = clock_mono_ns();
    if (last_ns != 0 && now_ns > last_ns)
        atomic_store(
            &cpu_permille,
            (uint64_t)((double)(used_us - last_used_us) * 1e6 / (double)(now_ns - last_ns) + 0.5));
    last_used_us = used_us;
    last_ns = now_ns;
}

double inspect_cpu_percent(void)
{
    return (double)atomic_load(&cpu_permille) / 10;
}

uint64_t inspect_resident_bytes(void)
{
    unsigned long long whole, resident = 0;
    FILE *file = fopen("/proc/self/statm", "r");
    if (!file)
        return 0;
    if (fscanf(file, "%llu %llu", &whole, &resident) != 2)
        resident = 0;
    fclose(file);
    return resident * (uint64_t)sysconf(_SC_PAGESIZE);
}

static void sum_workers(struct inspect_server *out)
{
    for (unsigned worker = 0; worker < broker->worker_count; worker++) {
        struct delivery *delivery = broker->deliveries[worker];
        for (int id = 0; id < METRIC_CELLS; id++) {
            uint64_t value = metrics_get(&delivery->cells, (enum metric_id)id);
            if (metric_descriptors[id].combine == METRIC_COMBINE_SUM)
                out->cells[id] += value;
            else if (value > out->cells[id])
                out->cells[id] = value;
        }
        for (int reason = 0; reason < CLOSE_REASON_COUNT; reason++)
            out->closed[reason] +=
                atomic_load_explicit(&delivery->closed[reason], memory_order_relaxed);
        for (int reason = 0; reason < DROP_REASON_COUNT; reason++)
            out->dropped[reason] +=
                atomic_load_explicit(&delivery->dropped[reason], memory_order_relaxed);
    }
    struct inspect_subscriptions subscriptions;
    inspect_subscription_statistics(NULL, &subscriptions);
    out->subscriptions = subscriptions.num_subscriptions;
    for (unsigned i = 0; i < broker->account_count; i++) {
        for (unsigned worker = 0; worker < broker->worker_count; worker++) {
            const struct match_cache *cache = &broker->accounts[i]->workers[worker]->cache;
            out->cells[METRIC_subject_cache_hits] += cache->hits;
            out->cells[METRIC_subject_cache_misses] += cache->misses;
        }
    }
}

void inspect_server(struct inspect_server *out)
{
    const struct options *options = broker->options;
    *out = (struct inspect_server){
        .server_id = broker->server_id,
        .server_name = broker->server_name,
        .host = options->host,
        .http_host = options->http_host ? options->http_host : options->host,
        .http_base_path = options->http_base_path ? options->http_base_path : "",
        .config_digest = options->config_digest,
        .port = broker->port,
        .http_port = options->http_port, /* as configured: -1 stays -1 */
        .https_port = options->https_port,
        .auth_required = broker->auth_required,
        .start_wall_ns = broker->start_wall_ns,
        .now_wall_ns = clock_wall_ns(),
        .config_load_wall_ns = broker->start_wall_ns,
        .uptime_ns = clock_mono_ns() - broker->start_mono_ns,
        .ping_interval_ns = options->ping_interval_ns,
        .write_deadline_ns = options->write_deadline_ns,
        .auth_timeout_s = options->auth_timeout_s,
        .tls_timeout_s = 2,
        .ping_max = (uint64_t)options->ping_max,
        .max_connections = options->max_connections,
        .max_control_line = (uint64_t)options->max_control_line,
        .max_payload = options->max_payload,
        .max_pending = (uint64_t)options->max_pending,
        .max_subscriptions = (uint64_t)options->max_subscriptions,
        .cores = (unsigned)sysconf(_SC_NPROCESSORS_ONLN),
        .workers = broker->worker_count,
        .resident_bytes = inspect_resident_bytes(),
        .cpu_percent = inspect_cpu_percent(),
        .system_account = broker->system_account->name,
    };
    sum_workers(out);
}

/* ---- connections ---- */

struct key {
    int64_t by;
    uint64_t cid;
    const struct session *open; /* NULL: closed */
    struct closed_place closed;
};

enum { KEYS_FIRST = 256 };

struct keys {
    struct key *all;
    size_t count, capacity;
    uint64_t matching; /* of the state and account, whatever the other filters say */
    bool failed;
};

static const struct client_info nobody = {.name = "", .lang = "", .version = "", .user = ""};

static const struct client_info *info_of(const struct session *session)
{
    const struct client_info *info = atomic_load_explicit(&session->info, memory_order_acquire);
    return info ? info : &nobody;
}

#define read_relaxed(field) atomic_load_explicit(&(field), memory_order_relaxed)

static void fill_open(const struct session *session, int64_t now, struct inspect_connection *out)
{
    const struct client_info *info = info_of(session);
    *out = (struct inspect_connection){
        .cid = session->cid,
        .ip = session->ip,
        .port = session->port,
        .start_wall_ns = session->start_wall_ns,
        .last_activity_wall_ns = read_relaxed(session->last_activity_wall_ns),
        .rtt_ns = read_relaxed(session->rtt_ns),
        .in_msgs = read_relaxed(session->in_msgs),
        .out_msgs = read_relaxed(session->out_msgs),
        .in_bytes = read_relaxed(session->in_bytes),
        .out_bytes = read_relaxed(session->out_bytes),
        .pending_bytes = outq_pending_bytes(&session->out),
        .stalls = read_relaxed(session->stalls),
        .stalled = read_relaxed(session->stalled),
        .stalled_ns = read_relaxed(session->stalled_ns),
        .stalled_by = read_relaxed(session->stalled_by),
        .dropped_msgs = read_relaxed(session->dropped_msgs),
        .subscriptions = read_relaxed(session->sub_count),
        .name = info->name,
        .lang = info->lang,
        .version = info->version,
        .user = info->user,
        .account = session->account->name,
        .private = session,
    };
    out->uptime_ns = now - out->start_wall_ns;
    out->idle_ns = now - out->last_activity_wall_ns;
}

static void fill_closed(const struct closed_connection *closed, struct inspect_connection *out)
{
    *out = (struct inspect_connection){
        .cid = closed->cid,
        .ip = closed->texts[CLOSED_IP],
        .port = closed->port,
        .start_wall_ns = closed->start_wall_ns,
        .last_activity_wall_ns = closed->last_activity_wall_ns,
        .stop_wall_ns = closed->stop_wall_ns,
        .reason = closed->reason,
        .rtt_ns = closed->rtt_ns,
        .in_msgs = closed->counts[CLOSED_IN_MSGS],
        .out_msgs = closed->counts[CLOSED_OUT_MSGS],
        .in_bytes = closed->counts[CLOSED_IN_BYTES],
        .out_bytes = closed->counts[CLOSED_OUT_BYTES],
        .pending_bytes = closed->counts[CLOSED_PENDING_BYTES],
        .stalls = closed->counts[CLOSED_STALLS],
        .stalled = closed->counts[CLOSED_STALLED],
        .stalled_ns = closed->counts[CLOSED_STALLED_NS],
        .stalled_by = closed->counts[CLOSED_STALLED_BY],
        .dropped_msgs = closed->counts[CLOSED_DROPPED_MSGS],
        .subscriptions = closed->counts[CLOSED_SUBSCRIPTIONS],
        .name = closed->texts[CLOSED_NAME],
        .lang = closed->texts[CLOSED_LANG],
        .version = closed->texts[CLOSED_VERSION],
        .user = closed->texts[CLOSED_USER],
        .account = closed->texts[CLOSED_ACCOUNT],
        .private = closed,
    };
    out->uptime_ns = closed->stop_wall_ns - closed->start_wall_ns;
    out->idle_ns = closed->stop_wall_ns - closed->last_activity_wall_ns;
}

/* The first bytes of a text as a number that sorts like it; texts that agree in these are sorted by cid. */
static int64_t text_key(const char *text)
{
    uint64_t key = 0;
    for (int i = 0; i < 7; i++)
        key = key << 8 | (text[0] ? (unsigned char)*text++ : 0);
    return (int64_t)key;
}

/* Smaller comes first. */
static int64_t sort_key(enum inspect_sort sort, const struct inspect_connection *conn)
{
    switch (sort) {
    case INSPECT_SORT_CID:
    case INSPECT_SORT_START: return 0;
    case INSPECT_SORT_SUBS: return -(int64_t)conn->subscriptions;
    case INSPECT_SORT_PENDING: return -(int64_t)conn->pending_bytes;
    case INSPECT_SORT_MSGS_TO: return -(int64_t)conn->out_msgs;
    case INSPECT_SORT_MSGS_FROM: return -(int64_t)conn->in_msgs;
    case INSPECT_SORT_BYTES_TO: return -(int64_t)conn->out_bytes;
    case INSPECT_SORT_BYTES_FROM: return -(int64_t)conn->in_bytes;
    case INSPECT_SORT_LAST: return -conn->last_activity_wall_ns;
    case INSPECT_SORT_IDLE: return -conn->idle_ns;
    case INSPECT_SORT_UPTIME: return conn->uptime_ns;
    case INSPECT_SORT_STOP: return -conn->stop_wall_ns;
    case INSPECT_SORT_REASON: return text_key(close_reason_text(conn->reason));
    case INSPECT_SORT_RTT: return -conn->rtt_ns;
    }
    return 0;
}

static bool subscribes_to(const struct session *session, struct span subject)
{
    const struct sub *sub = atomic_load_explicit(&session->subs, memory_order_acquire);
    for (; sub; sub = atomic_load_explicit(&sub->next, memory_order_acquire))
        if (subject_overlaps(sub_subject(sub), subject))
            return true;
    return false;
}

static bool wanted(const struct inspect_query *query, const struct inspect_connection *conn)
{
    return (query->cid == 0 || conn->cid == query->cid) &&
           (!query->user || strcmp(conn->user, query->user) == 0) &&
           (!query->subject || conn->stop_wall_ns != 0 ||
            subscribes_to(conn->private, span_of(query->subject)));
}

static void keys_add(struct keys *keys, const struct inspect_query *query,
                     const struct inspect_connection *conn, struct key key)
{
    if (query->account && strcmp(conn->account, query->account) != 0)
        return;
    keys->matching++;
    if (keys->failed || !wanted(query, conn))
        return;
    if (keys->count == keys->capacity) {
        size_t alone = MEM_ALONE_BYTES / sizeof(struct key) + 1;
        size_t capacity = keys->capacity ? max_size(keys->capacity * 2, alone) : KEYS_FIRST;
        struct key *larger = mem_realloc(keys->all, capacity * sizeof *larger);
        if (!larger) {
            keys->failed = true;
            return;
        }
        keys->all = larger;
        keys->capacity = capacity;
    }
    key.by = sort_key(query->sort, conn);
    key.cid = conn->cid;
    keys->all[keys->count++] = key;
}

static void collect_keys(struct keys *keys, const struct inspect_query *query, int64_t now)
{
    struct inspect_connection conn;
    for (unsigned i = 0; query->state != INSPECT_CLOSED && i < broker->worker_count; i++) {
        const struct session *session =
            atomic_load_explicit(&broker->deliveries[i]->sessions, memory_order_acquire);
        for (; session; session = atomic_load_explicit(&session->next, memory_order_acquire)) {
            fill_open(session, now, &conn);
            keys_add(keys, query, &conn, (struct key){.open = session});
        }
    }
    struct closed_reader reader = closed_ring_reader(&broker->closed);
    struct closed_connection closed;
    struct key key = {.open = NULL};
    while (query->state != INSPECT_OPEN && closed_ring_next(&reader, &key.closed)) {
        closed_ring_read(key.closed, &closed);
        fill_closed(&closed, &conn);
        keys_add(keys, query, &conn, key);
    }
}

static bool before(const struct key *left, const struct key *right)
{
    return left->by != right->by ? left->by < right->by : left->cid < right->cid;
}

static void swap_keys(struct key *a, struct key *b)
{
    struct key was = *a;
    *a = *b;
    *b = was;
}

static void sift_down(struct key *all, size_t at, size_t count)
{
    for (size_t child; (child = 2 * at + 1) < count; at = child) {
        if (child + 1 < count && before(&all[child], &all[child + 1]))
            child++;
        if (!before(&all[at], &all[child]))
            return;
        swap_keys(&all[at], &all[child]);
    }
}

/* A heap sort: in place, where qsort would leave room for all keys behind in the heap. */
static void sort_keys(struct key *all, size_t count)
{
    for (size_t i = count / 2; i-- > 0;)
        sift_down(all, i, count);
    while (count-- > 1) {
        swap_keys(&all[0], &all[count]);
        sift_down(all, 0, count);
    }
}

static bool account_exists(const char *name)
{
    return broker_account(broker, name) != NULL;
}

int inspect_connections(const struct inspect_query *query, struct inspect_page *page,
                        void (*begin)(void *context), inspect_connection_fn *each, void *context)
{
    struct keys keys = {0};
    int64_t now = clock_wall_ns();
    rcu_enter();
    collect_keys(&keys, query, now);
    if (keys.failed) {
        rcu_leave();
        mem_free(keys.all);
        return ERR_MEMORY;
    }
    sort_keys(keys.all, keys.count);
    uint64_t first = query->offset < keys.count ? query->offset : keys.count;
    uint64_t listed = keys.count - first < query->limit ? keys.count - first : query->limit;
    *page =
        (struct inspect_page){.matching = keys.matching,
                              .listed = listed,
                              .account_known = !query->account || account_exists(query->account)};
    if (begin)
        begin(context);
    for (uint64_t i = first; i < first + listed; i++) {
        const struct key *key = &keys.all[i];
        struct inspect_connection conn;
        struct closed_connection closed;
        if (key->open) {
            fill_open(key->open, now, &conn);
        } else {
            closed_ring_read(key->closed, &closed);
            fill_closed(&closed, &conn);
        }
        each(context, &conn);
    }
    rcu_leave();
    mem_free(keys.all);
    return 0;
}

static struct inspect_subscription describe(const struct sub *sub)
{
    return (struct inspect_subscription){
        .account = sub->session->account->name,
        .subject = sub_subject(sub),
        .queue = sub_queue(sub),
        .sid = sub_sid(sub),
        .msgs = read_relaxed(sub->delivered),
        .max = read_relaxed(sub->max),
        .cid = sub->session->cid,
    };
}

void inspect_connection_subscriptions(const struct inspect_connection *connection,
                                      inspect_subscription_fn *each, void *context)
{
    if (connection->stop_wall_ns == 0) {
        const struct session *session = connection->private;
        const struct sub *sub = atomic_load_explicit(&session->subs, memory_order_acquire);
        for (; sub; sub = atomic_load_explicit(&sub->next, memory_order_acquire)) {
            struct inspect_subscription subscription = describe(sub);
            each(context, &subscription);
        }
        return;
    }
    const struct closed_connection *closed = connection->private;
    struct closed_kept kept = closed->kept;
    struct closed_subscription was;
    while (closed_ring_next_subscription(&kept, &was)) {
        struct inspect_subscription subscription = {
            .account = connection->account,
            .subject = was.subject,
            .queue = was.queue,
            .sid = was.sid,
            .msgs = was.msgs,
            .max = was.max,
            .cid = connection->cid,
        };
        each(context, &subscription);
    }
}

/* ---- subscriptions ---- */

static void add_statistics(const struct account *account, struct inspect_subscriptions *out,
                           uint64_t *hits, uint64_t *fanout)
{
    struct sublist_counts counts = sublist_counts(account->interest);
    /* The broker's own are no client's. */
    out->num_subscriptions += counts.subscriptions - account->own_subscriptions;
    out->num_inserts += counts.inserts - account->own_subscriptions;
    out->num_removes += counts.removes;
    for (unsigned i = 0; i < broker->worker_count; i++) {
        const struct match_cache *cache = &account->workers[i]->cache;
        out->num_cache += read_relaxed(cache->entries);
        out->num_matches += read_relaxed(cache->hits) + read_relaxed(cache->misses);
        *hits += read_relaxed(cache->hits);
        *fanout += read_relaxed(cache->fanout_sum);
        if (read_relaxed(cache->fanout_max) > out->max_fanout)
            out->max_fanout = read_relaxed(cache->fanout_max);
    }
}

void inspect_subscription_statistics(const char *account, struct inspect_subscriptions *out)
{
    *out = (struct inspect_subscriptions){0};
    uint64_t hits = 0, fanout = 0;
    for (unsigned i = 0; i < broker->account_count; i++)
        if (!account || strcmp(account, broker->accounts[i]->name) == 0)
            add_statistics(broker->accounts[i], out, &hits, &fanout);
    if (out->num_matches > 0)
        out->cache_hit_rate = (double)hits / (double)out->num_matches;
    if (out->num_cache > 0)
        out->avg_fanout = (double)fanout / (double)out->num_cache;
}

uint64_t inspect_subscriptions_list(const char *account, const char *test, uint64_t offset,
                                    uint64_t limit, inspect_subscription_fn *each, void *context)
{
    uint64_t matching = 0;
    rcu_enter();
    for (unsigned i = 0; i < broker->worker_count; i++) {
        const struct session *session =
            atomic_load_explicit(&broker->deliveries[i]->sessions, memory_order_acquire);
        for (; session; session = atomic_load_explicit(&session->next, memory_order_acquire)) {
            if (account && strcmp(account, session->account->name) != 0)
                continue;
            const struct sub *sub = atomic_load_explicit(&session->subs, memory_order_acquire);
            for (; sub; sub = atomic_load_explicit(&sub->next, memory_order_acquire)) {
                if (test && !subject_matches(sub_subject(sub), span_of(test)))
                    continue;
                if (matching >= offset && matching - offset < limit) {
                    struct inspect_subscription subscription = describe(sub);
                    each(context, &subscription);
                }
                matching++;
            }
        }
    }
    rcu_leave();
    return matching;
}

bool inspect_subject_is_literal(const char *text)
{
    return subject_valid_literal(span_of(text));
}

/* ---- accounts ---- */

static void describe_account(const struct account *account, struct inspect_account *out)
{
    *out = (struct inspect_account){.name = account->name,
                                    .is_system = account->is_system,
                                    .update_wall_ns = account->update_wall_ns};
    for (unsigned i = 0; i < account->worker_count; i++) {
        const struct account_worker *part = account->workers[i];
        out->connections += read_relaxed(part->connections);
        out->in_msgs += read_relaxed(part->in_msgs);
        out->in_bytes += read_relaxed(part->in_bytes);
        out->out_msgs += read_relaxed(part->out_msgs);
        out->out_bytes += read_relaxed(part->out_bytes);
        out->slow_consumers += read_relaxed(part->slow_consumers);
    }
    inspect_subscription_statistics(account->name, &out->statistics);
    out->subscriptions = out->statistics.num_subscriptions;
}

unsigned inspect_accounts(const char *name, inspect_account_fn *each, void *context)
{
    unsigned called = 0;
    for (unsigned i = 0; i < broker->account_count; i++) {
        if (name && strcmp(name, broker->accounts[i]->name) != 0)
            continue;
        struct inspect_account account;
        describe_account(broker->accounts[i], &account);
        each(context, &account);
        called++;
    }
    return called;
}
