/* A page of connections, chosen at once and read piece by piece.
 *
 * First a small key is made of every connection that the filters let through: what to sort by, the cid, where it is. The keys are
 * sorted, and those of the page kept. Then each call of inspect_connections_next is an RCU section of its own: it finds
 * connections again by their keys and hands out copies of their values.
 *
 *     key of an open one     worker, slot of its roster, cid        gone if the slot is free or another cid's
 *     key of a closed one    number and offset of its record        gone if its block was forgotten
 *
 * So a reader that is slow holds up nothing that is freed, and a large page costs its keys. What ends between the making of its
 * key and its turn is left out. The page's head says how many there are: for a page of up to INSPECT_SECTION it
 * is written in the section that the first of them are read in, after those that are gone were taken off, so that it is exact
 * if one section was enough. */
#include "broker/base/clock.h"
#include "broker/base/err.h"
#include "broker/base/mem.h"
#include "broker/base/rcu.h"
#include "broker/core/subject.h"
#include "broker/inspect_set.h"
#include "broker/inspect_subscriptions.h"

enum { KEYS_FIRST = 256 };

#define CLOSED UINT32_MAX /* in place of a worker */

struct key {
    int64_t by;
    uint64_t cid;
    uint64_t at;     /* the slot, or the record's number */
    uint32_t offset; /* of the record */
    uint32_t worker;
};

struct inspect_connections {
    struct key *keys; /* of all that were found, then of the page */
    size_t count, capacity;
    bool failed;
    bool begun;
    bool account_known;
    uint64_t matching;
    int64_t now;
    size_t next;                /* the key whose turn it is */
    struct inspect_place place; /* in its subscriptions */
};

/* What a callback can ask more about. */
struct found {
    const struct session *session; /* NULL: closed */
    struct closed_connection closed;
    struct inspect_place *place;
};

struct open_place {
    uint32_t worker, slot;
};

typedef void open_fn(void *context, const struct inspect_connection *conn,
                     const struct session *session, struct open_place place);

/* ---- values ---- */

static const struct client_info nobody = {.name = "", .lang = "", .version = "", .user = ""};

static const struct client_info *info_of(const struct session *session)
{
    const struct client_info *info = atomic_load_explicit(&session->info, memory_order_acquire);
    return info ? info : &nobody;
}

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
    };
    out->uptime_ns = closed->stop_wall_ns - closed->start_wall_ns;
    out->idle_ns = closed->stop_wall_ns - closed->last_activity_wall_ns;
}

/* ---- keys ---- */

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
    for (; sub; sub = inspect_subscriptions_after(sub))
        if (subject_overlaps(sub_subject(sub), subject))
            return true;
    return false;
}

/* session is NULL for a closed one. */
static bool wanted(const struct inspect_query *query, const struct inspect_connection *conn,
                   const struct session *session)
{
    return (query->cid == 0 || conn->cid == query->cid) &&
           (!query->user || strcmp(conn->user, query->user) == 0) &&
           (!query->subject || !session || subscribes_to(session, span_of(query->subject)));
}

static void add_key(struct inspect_connections *all, const struct inspect_query *query,
                    const struct inspect_connection *conn, const struct session *session,
                    struct key key)
{
    if (query->account && strcmp(conn->account, query->account) != 0)
        return;
    all->matching++;
    if (all->failed || !wanted(query, conn, session))
        return;
    if (all->count == all->capacity) {
        size_t alone = MEM_ALONE_BYTES / sizeof(struct key) + 1;
        size_t capacity = all->capacity ? max_size(all->capacity * 2, alone) : KEYS_FIRST;
        struct key *larger = mem_realloc(all->keys, capacity * sizeof *larger);
        if (!larger) {
            all->failed = true;
            return;
        }
        all->keys = larger;
        all->capacity = capacity;
    }
    key.by = sort_key(query->sort, conn);
    key.cid = conn->cid;
    all->keys[all->count++] = key;
}

/* All open ones: in sections, each of which goes on at the slot where the one before left off. */
static void walk(int64_t now, open_fn *each, void *context)
{
    const struct broker *broker = inspect_broker();
    struct open_place place = {.worker = 0};
    for (; place.worker < broker->worker_count; place = (struct open_place){place.worker + 1, 0}) {
        const struct roster *roster = &broker->deliveries[place.worker]->sessions;
        const struct session *session;
        uint32_t next = 0;
        do {
            rcu_enter();
            for (int i = 0; i < INSPECT_SECTION && (session = roster_next(roster, &next)); i++) {
                struct inspect_connection conn;
                fill_open(session, now, &conn);
                place.slot = next - 1;
                each(context, &conn, session, place);
            }
            rcu_leave();
        } while (session);
    }
}

struct collector {
    struct inspect_connections *all;
    const struct inspect_query *query;
};

static void collect(void *context, const struct inspect_connection *conn,
                    const struct session *session, struct open_place place)
{
    const struct collector *to = context;
    add_key(to->all, to->query, conn, session,
            (struct key){.at = place.slot, .worker = place.worker});
}

static void collect_closed(struct inspect_connections *all, const struct inspect_query *query)
{
    const struct closed_ring *ring = &inspect_broker()->closed;
    struct closed_reader reader;
    bool more = true;
    for (bool first = true; more; first = false) {
        rcu_enter();
        if (first)
            reader = closed_ring_reader(ring);
        else
            closed_ring_resume(ring, &reader);
        struct closed_place place;
        for (int i = 0; i < INSPECT_SECTION && (more = closed_ring_next(&reader, &place)); i++) {
            struct inspect_connection conn;
            struct closed_connection closed;
            closed_ring_read(place, &closed);
            fill_closed(&closed, &conn);
            add_key(all, query, &conn, NULL,
                    (struct key){.at = place.number, .offset = place.offset, .worker = CLOSED});
        }
        rcu_leave();
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

/* Only the page's keys stay. */
static void cut_page(struct inspect_connections *all, const struct inspect_query *query)
{
    size_t first = query->offset < all->count ? query->offset : all->count;
    size_t listed = all->count - first < query->limit ? all->count - first : query->limit;
    if (listed < all->count)
        memmove(all->keys, all->keys + first, listed * sizeof *all->keys);
    struct key *smaller = listed ? mem_realloc(all->keys, listed * sizeof *smaller) : NULL;
    if (smaller)
        all->keys = smaller;
    all->count = listed;
}

int inspect_connections_open(const struct inspect_query *query, struct inspect_connections **out)
{
    struct inspect_connections *all = mem_zalloc(sizeof *all);
    if (!all)
        return ERR_MEMORY;
    all->now = clock_wall_ns();
    all->account_known = !query->account || broker_account(inspect_broker(), query->account);
    struct collector collector = {all, query};
    if (query->state == INSPECT_OPEN || query->state == INSPECT_ALL)
        walk(all->now, collect, &collector);
    if (query->state == INSPECT_CLOSED || query->state == INSPECT_ALL)
        collect_closed(all, query);
    if (all->failed) {
        inspect_connections_close(&all);
        return ERR_MEMORY;
    }
    sort_keys(all->keys, all->count);
    cut_page(all, query);
    *out = all;
    return 0;
}

void inspect_connections_close(struct inspect_connections **connections)
{
    if (*connections)
        mem_free((*connections)->keys);
    mem_free(*connections);
    *connections = NULL;
}

size_t inspect_connections_bytes(const struct inspect_connections *connections)
{
    return sizeof *connections + connections->count * sizeof *connections->keys;
}

/* ---- reading ---- */

/* Whose key it is, if it is still there. */
static bool find(const struct key *key, struct found *out)
{
    const struct broker *broker = inspect_broker();
    if (key->worker == CLOSED) {
        struct closed_place place = {.number = key->at, .offset = key->offset};
        out->session = NULL;
        if (!closed_ring_find(&broker->closed, &place))
            return false;
        closed_ring_read(place, &out->closed);
        return true;
    }
    out->session = roster_at(&broker->deliveries[key->worker]->sessions, (uint32_t)key->at);
    return out->session && out->session->cid == key->cid;
}

static void begin(struct inspect_connections *all, const struct inspect_reader *reader)
{
    size_t kept = 0;
    struct found found;
    for (size_t i = 0; i < all->count && all->count <= INSPECT_SECTION; i++)
        if (find(&all->keys[i], &found))
            all->keys[kept++] = all->keys[i];
    if (all->count <= INSPECT_SECTION)
        all->count = kept;
    struct inspect_page page = {all->matching, all->count, all->account_known};
    all->begun = true;
    reader->begin(reader->context, &page);
}

bool inspect_connections_next(struct inspect_connections *all, const struct inspect_reader *reader)
{
    enum inspect_verdict verdict = INSPECT_NEXT;
    rcu_enter();
    if (!all->begun)
        begin(all, reader);
    while (verdict == INSPECT_NEXT && all->next < all->count) {
        struct found found = {.place = &all->place};
        struct inspect_connection conn;
        if (find(&all->keys[all->next], &found)) {
            if (found.session)
                fill_open(found.session, all->now, &conn);
            else
                fill_closed(&found.closed, &conn);
            conn.private = &found;
            conn.continued = all->place.listed > 0;
            verdict = reader->each(reader->context, &conn);
        }
        if (verdict == INSPECT_AGAIN)
            break;
        all->next++;
        all->place = (struct inspect_place){.listed = 0};
    }
    rcu_leave();
    return all->next < all->count;
}

struct walker {
    inspect_connection_fn *each;
    void *context;
};

static void walk_one(void *context, const struct inspect_connection *conn,
                     const struct session *session, struct open_place place)
{
    const struct walker *walker = context;
    (void)session;
    (void)place;
    walker->each(walker->context, conn);
}

void inspect_connections_walk(inspect_connection_fn *each, void *context)
{
    struct walker walker = {each, context};
    walk(clock_wall_ns(), walk_one, &walker);
}

static bool list_open(const struct found *found, inspect_subscription_fn *each, void *context)
{
    const struct sub *sub = inspect_subscriptions_resume(found->session, found->place);
    for (; sub; sub = inspect_subscriptions_after(sub)) {
        struct inspect_subscription subscription = inspect_subscriptions_describe(sub);
        inspect_subscriptions_listed(found->place, sub);
        if (!each(context, &subscription))
            return false;
    }
    return true;
}

static bool list_closed(const struct inspect_connection *connection, const struct found *found,
                        inspect_subscription_fn *each, void *context)
{
    struct closed_kept kept = found->closed.kept;
    struct closed_subscription was;
    for (uint64_t at = 0; closed_ring_next_subscription(&kept, &was); at++) {
        if (at < found->place->listed)
            continue;
        struct inspect_subscription subscription = {
            .account = connection->account,
            .subject = was.subject,
            .queue = was.queue,
            .sid = was.sid,
            .msgs = was.msgs,
            .max = was.max,
            .cid = connection->cid,
        };
        found->place->listed++;
        if (!each(context, &subscription))
            return false;
    }
    return true;
}

bool inspect_connections_subscriptions(const struct inspect_connection *connection,
                                       inspect_subscription_fn *each, void *context)
{
    const struct found *found = connection->private;
    return found->session ? list_open(found, each, context)
                          : list_closed(connection, found, each, context);
}
