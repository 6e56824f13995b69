/* What the fake broker holds; see fake_inspect.h. Reading without having entered as a reader
 * aborts, as the real inspect.c may then read freed memory. */
#include "tests/unit/fake_inspect.h"

#include <stdio.h>

#include "broker/base/clock.h"
#include "broker/base/err.h"
#include "broker/base/mem.h"
#include "broker/health.h"
#include "broker/inspect.h"

#define FAKE_START_NS 1795396283603348008LL /* 2026-11-23T01:11:23.603348008Z */
#define FAKE_NOW_NS   1795396286261746898LL

struct fake_inspect fake_inspect = {.ready = true};
static _Thread_local bool entered;

void inspect_thread_enter(void)
{
    check(!entered);
    entered = true;
    atomic_fetch_add(&fake_inspect.readers, 1);
}

void inspect_thread_leave(void)
{
    check(entered);
    entered = false;
    atomic_fetch_sub(&fake_inspect.readers, 1);
}

bool inspect_ready(void)
{
    return fake_inspect.ready;
}

bool health_ask(enum health_check check, char reason[HEALTH_REASON_MAX])
{
    bool well = !(fake_inspect.unwell & 1U << check);
    if (!well)
        snprintf(reason, HEALTH_REASON_MAX, "check %d \"fails\"", (int)check);
    return well;
}

void inspect_identity(struct inspect_identity *out)
{
    check(entered);
    *out = (struct inspect_identity){FAKE_SERVER_ID, "fake <&> \xff", "127.0.0.1"};
}

void inspect_server(struct inspect_server *out)
{
    check(entered);
    *out = (struct inspect_server){
        .server_id = FAKE_SERVER_ID,
        .server_name = "fake <&> \xff",
        .host = "127.0.0.1",
        .http_host = "127.0.0.1",
        .http_base_path = "",
        .config_digest = "sha256:00",
        .port = 4222,
        .http_port = 8222,
        .start_wall_ns = FAKE_START_NS,
        .config_load_wall_ns = FAKE_START_NS,
        .now_wall_ns = FAKE_NOW_NS,
        .uptime_ns = 93784 * NS_PER_SEC,
        .ping_interval_ns = 120 * NS_PER_SEC,
        .write_deadline_ns = 10 * NS_PER_SEC,
        .auth_timeout_s = 2,
        .tls_timeout_s = 0.7,
        .ping_max = 2,
        .max_connections = 65536,
        .max_control_line = 4096,
        .max_payload = 1048576,
        .max_pending = 67108864,
        .cores = 2,
        .workers = 3,
        .resident_bytes = 12738560,
        .cpu_percent = 12.5,
        .subscriptions = 3,
        .system_account = "$SYS",
    };
    for (unsigned i = 0; i < METRIC_CELLS; i++)
        out->cells[i] = 1000 + i;
    out->cells[METRIC_in_bytes] = UINT64_MAX;
    out->closed[CLOSE_CLIENT_CLOSED] = 7;
    out->dropped[DROP_QUEUE_FULL] = 8;
}

static struct inspect_connection connection_at(unsigned n)
{
    struct inspect_connection one = {
        .cid = 4 + n,
        .ip = n == 0 ? "127.0.0.1" : "::1",
        .port = 56584 + (int)n,
        .start_wall_ns = FAKE_START_NS,
        .last_activity_wall_ns = FAKE_NOW_NS - NS_PER_SEC,
        .rtt_ns = n == 0 ? 813456 : 3329238,
        .uptime_ns = 2 * NS_PER_SEC,
        .idle_ns = NS_PER_SEC,
        .pending_bytes = n * 2000,
        .in_msgs = n == 0 ? 11 : 0,
        .out_msgs = n == 0 ? 0 : 11,
        .subscriptions = n == 1 ? 2 + fake_inspect.extra_subscriptions : 0,
        .name = n == 1 ? "sub-1" : "",
        .lang = n == 1 ? "c" : "go",
        .version = n == 1 ? "3.8.2" : "1.20.0",
        .user = n == 1 ? "alice" : "",
        .account = n == 1 ? "APP" : "$G",
    };
    static _Thread_local char version[32];
    if (n > 1) {
        snprintf(version, sizeof version, "9.%u", n);
        one.version = version;
    }
    return one;
}

static struct inspect_connection closed_connection(void)
{
    struct inspect_connection one = connection_at(1);
    one.cid = 6;
    one.stop_wall_ns = FAKE_NOW_NS;
    one.reason = CLOSE_STALE;
    one.stalls = 3;
    one.stalled = 2;
    one.stalled_ns = 4000000;
    one.stalled_by = 5;
    one.dropped_msgs = 9;
    one.subscriptions = 1;
    return one;
}

/* A page of what is there now. cids: 0 is the closed one. */
struct inspect_connections {
    uint64_t cids[2048];
    uint64_t matching, count, next, listed;
    bool known, begun;
};

static _Thread_local struct inspect_connections *reading;

static struct inspect_connection by_cid(uint64_t cid, bool closed)
{
    return closed ? closed_connection() : connection_at((unsigned)(cid - 4));
}

/* Knows limit, cid, account and state: what the tests ask for. */
int inspect_connections_open(const struct inspect_query *query, struct inspect_connections **out)
{
    check(entered);
    struct inspect_connections *all = mem_zalloc(sizeof *all);
    if (!all)
        return ERR_MEMORY;
    all->known = !query->account || strcmp(query->account, "NOPE") != 0;
    unsigned open = query->state == INSPECT_CLOSED ? 0 : 2 + fake_inspect.extra_connections;
    unsigned count = open + (query->state != INSPECT_OPEN);
    for (unsigned n = 0; n < count; n++) {
        struct inspect_connection one = n < open ? connection_at(n) : closed_connection();
        if (query->account && strcmp(one.account, query->account) != 0)
            continue;
        all->matching++;
        if (query->cid && one.cid != query->cid)
            continue;
        if (all->listed++ >= query->offset && all->count < query->limit)
            all->cids[all->count++] = n < open ? one.cid : 0;
    }
    all->listed = 0;
    *out = all;
    return 0;
}

bool inspect_connections_next(struct inspect_connections *all, const struct inspect_reader *reader)
{
    check(entered);
    struct inspect_page page = {all->matching, all->count, all->known};
    if (!all->begun)
        reader->begin(reader->context, &page);
    all->begun = true;
    enum inspect_verdict verdict = INSPECT_NEXT;
    while (verdict == INSPECT_NEXT && all->next < all->count) {
        uint64_t cid = all->cids[all->next];
        struct inspect_connection one = by_cid(cid, cid == 0);
        one.continued = all->listed > 0;
        reading = all;
        verdict = reader->each(reader->context, &one);
        if (verdict == INSPECT_AGAIN)
            break;
        all->next++;
        all->listed = 0;
    }
    return all->next < all->count;
}

size_t inspect_connections_bytes(const struct inspect_connections *connections)
{
    return sizeof *connections;
}

void inspect_connections_close(struct inspect_connections **connections)
{
    mem_free(*connections);
    *connections = NULL;
}

void inspect_connections_walk(inspect_connection_fn *each, void *context)
{
    check(entered);
    for (unsigned n = 0; n < 2 + fake_inspect.extra_connections; n++) {
        struct inspect_connection one = connection_at(n);
        each(context, &one);
    }
}

static const struct inspect_subscription subscriptions[] = {
    {"APP", {"foo.*", 5}, {"", 0}, {"1", 1}, 10, 0, 5},
    {"APP", {"bar", 3}, {"q", 1}, {"2", 1}, 1, 100, 5},
    {"$G", {"x.\"y", 4}, {"", 0}, {"s\x01", 2}, 0, 0, 4},
};

/* Of the one being read. */
bool inspect_connections_subscriptions(const struct inspect_connection *connection,
                                       inspect_subscription_fn *each, void *context)
{
    struct inspect_connections *all = reading;
    while (all->listed < connection->subscriptions)
        if (!each(context, &subscriptions[all->listed++ % array_length(subscriptions)]))
            return false;
    return true;
}

void inspect_subscription_statistics(const char *account, struct inspect_subscriptions *out)
{
    (void)account;
    *out = (struct inspect_subscriptions){45, 9, 46, 1, 10, 0, 1, 7.0 / 9};
}

uint64_t inspect_subscriptions_count(const char *account, const char *test)
{
    (void)test;
    uint64_t count = 0;
    for (size_t i = 0; i < array_length(subscriptions); i++)
        count += !account || strcmp(account, subscriptions[i].account) == 0;
    return count;
}

bool inspect_subscriptions_next(struct inspect_subscription_cursor *cursor,
                                inspect_subscription_fn *each, void *context)
{
    while (cursor->limit > 0 && cursor->slot < array_length(subscriptions)) {
        const struct inspect_subscription *one = &subscriptions[cursor->slot++];
        if (cursor->account && strcmp(cursor->account, one->account) != 0)
            continue;
        if (cursor->offset > 0) {
            cursor->offset--;
            continue;
        }
        cursor->limit--;
        if (!each(context, one))
            return true;
    }
    return false;
}

bool inspect_subject_is_literal(const char *text)
{
    return !strpbrk(text, "*>") && !strstr(text, "..");
}

unsigned inspect_accounts(const char *name, inspect_account_fn *each, void *context)
{
    const struct inspect_account accounts[] = {
        {"$G", false, FAKE_START_NS, 2, 5, 11, 168, 12, 169, 1, {5, 2, 6, 1, 3, 0.25, 1, 1}},
        {"$SYS", true, FAKE_START_NS, 0, 0, 0, 0, 0, 0, 0, {0}},
    };
    unsigned called = 0;
    for (size_t i = 0; i < array_length(accounts); i++) {
        if (name && strcmp(name, accounts[i].name) != 0)
            continue;
        called++;
        each(context, &accounts[i]);
    }
    return called;
}

void inspect_account_imports(const struct inspect_account *account, inspect_import_fn *each,
                             void *context)
{
    const struct inspect_import import = {"$SYS.REQ.USER.INFO", "$SYS.REQ.USER.$G.INFO", "$SYS",
                                          true};
    check(!account->is_system);
    each(context, &import);
}
