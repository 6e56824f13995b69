/* Reads the broker's sums, accounts and caches; its connections and subscriptions are inspect_connections.c's and
 * inspect_subscriptions.c's. Counters of different workers are read one after the other, so sums may be a few messages
 * apart; each never falls. */
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
#include "broker/inspect_subscriptions.h"

static struct broker *broker;
static _Atomic bool ready;
static _Atomic uint64_t cpu_permille; /* of one core */

void inspect_set(struct broker *of)
{
    broker = of;
}

const struct broker *inspect_broker(void)
{
    return broker;
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

void inspect_identity(struct inspect_identity *out)
{
    *out = (struct inspect_identity){broker->server_id, broker->server_name, broker->options->host};
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

static void end_statistics(struct inspect_subscriptions *out, uint64_t hits, uint64_t fanout)
{
    if (out->num_matches > 0)
        out->cache_hit_rate = (double)hits / (double)out->num_matches;
    if (out->num_cache > 0)
        out->avg_fanout = (double)fanout / (double)out->num_cache;
}

void inspect_subscription_statistics(const char *account, struct inspect_subscriptions *out)
{
    *out = (struct inspect_subscriptions){0};
    uint64_t hits = 0, fanout = 0;
    for (unsigned i = 0; i < broker->account_count; i++)
        if (!account || strcmp(account, broker->accounts[i]->name) == 0)
            add_statistics(broker->accounts[i], out, &hits, &fanout);
    end_statistics(out, hits, fanout);
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
    uint64_t hits = 0, fanout = 0;
    add_statistics(account, &out->statistics, &hits, &fanout);
    end_statistics(&out->statistics, hits, fanout);
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

bool inspect_account_is_used(const char *name)
{
    const struct account *account = broker_account(broker, name);
    for (unsigned i = 0; account && i < account->worker_count; i++)
        if (read_relaxed(account->workers[i]->connections) > 0)
            return true;
    return false;
}

void inspect_account_imports(const struct inspect_account *account, inspect_import_fn *each,
                             void *context)
{
    struct system_import import;
    for (size_t n = 0; !account->is_system && system_import(n, account->name, &import); n++) {
        struct inspect_import found = {import.subject, import.to, broker->system_account->name,
                                       import.shares_client};
        each(context, &found);
    }
}
