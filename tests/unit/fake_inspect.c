/* What the fake broker holds; see fake_inspect.h. Reading without having entered as a reader
 * aborts, as the real inspect.c may then read freed memory. */
#include "tests/unit/fake_inspect.h"

#include <stdio.h>

#include "broker/base/clock.h"
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
        .subscriptions = n == 1 ? 2 : 0,
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

/* Knows limit, cid, account and state: what the tests ask for. */
int inspect_connections(const struct inspect_query *query, struct inspect_page *page,
                        void (*begin)(void *context), inspect_connection_fn *each, void *context)
{
    check(entered);
    struct inspect_connection found[2048];
    uint64_t count = 0;
    for (unsigned n = 0; n < 2 + fake_inspect.extra_connections && query->state != INSPECT_CLOSED;
         n++)
        found[count++] = connection_at(n);
    if (query->state != INSPECT_OPEN)
        found[count++] = closed_connection();
    bool known = !query->account || strcmp(query->account, "NOPE") != 0;
    uint64_t matching = 0, listed = 0;
    for (int pass = 0; pass < 2; pass++) {
        listed = matching = 0;
        for (uint64_t i = 0; i < count && known; i++) {
            if (query->cid && found[i].cid != query->cid)
                continue;
            if (query->account && strcmp(found[i].account, query->account) != 0)
                continue;
            if (matching++ < query->offset || listed == query->limit)
                continue;
            listed++;
            if (pass == 1) {
                struct inspect_connection fresh =
                    found[i].stop_wall_ns ? found[i] : connection_at((unsigned)(found[i].cid - 4));
                each(context, &fresh);
            }
        }
        if (pass == 0) {
            *page = (struct inspect_page){matching, listed, known};
            if (begin)
                begin(context);
        }
    }
    return 0;
}

static const struct inspect_subscription subscriptions[] = {
    {"APP", {"foo.*", 5}, {"", 0}, {"1", 1}, 10, 0, 5},
    {"APP", {"bar", 3}, {"q", 1}, {"2", 1}, 1, 100, 5},
    {"$G", {"x.\"y", 4}, {"", 0}, {"s\x01", 2}, 0, 0, 4},
};

void inspect_connection_subscriptions(const struct inspect_connection *connection,
                                      inspect_subscription_fn *each, void *context)
{
    for (size_t i = 0; i < connection->subscriptions; i++)
        each(context, &subscriptions[i]);
}

void inspect_subscription_statistics(const char *account, struct inspect_subscriptions *out)
{
    (void)account;
    *out = (struct inspect_subscriptions){45, 9, 46, 1, 10, 0, 1, 7.0 / 9};
}

uint64_t inspect_subscriptions_list(const char *account, const char *test, uint64_t offset,
                                    uint64_t limit, inspect_subscription_fn *each, void *context)
{
    (void)test;
    uint64_t total = 0;
    for (size_t i = 0; i < array_length(subscriptions); i++) {
        if (account && strcmp(account, subscriptions[i].account) != 0)
            continue;
        if (total >= offset && total - offset < limit)
            each(context, &subscriptions[i]);
        total++;
    }
    return total;
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
