/* WORKER rows are read from the summed cells by their id. READ and SUBS rows are computed ones:
 * each has its line in a switch here; a row without one is our own mistake and checked, and a test
 * asks for every row of the table. "Absent" is not zero: no limit has no value. */
#include "monitor/values.h"

static struct value integer(uint64_t value)
{
    return (struct value){.form = VALUE_INTEGER, .integer = value};
}

static struct value nanoseconds(int64_t value)
{
    return integer(value > 0 ? (uint64_t)value : 0);
}

static struct value real(double value)
{
    return (struct value){.form = VALUE_REAL, .real = value};
}

static struct value absent(void)
{
    return (struct value){.form = VALUE_ABSENT};
}

static struct value limit(int64_t value)
{
    return value < 0 ? (struct value){.form = VALUE_UNLIMITED} : integer((uint64_t)value);
}

struct value values_server(const struct inspect_server *server, enum metric_id id)
{
    if (metric_descriptors[id].source == METRIC_SOURCE_WORKER)
        return integer(server->cells[id]);
    switch ((int)id) {
    case METRIC_start: return nanoseconds(server->start_wall_ns);
    case METRIC_config_load_time: return nanoseconds(server->config_load_wall_ns);
    case METRIC_cpu: return real(server->cpu_percent);
    case METRIC_cores: return integer(server->cores);
    case METRIC_gomaxprocs: return integer(server->workers);
    case METRIC_mem: return integer(server->resident_bytes);
    case METRIC_max_connections: return limit(server->max_connections);
    case METRIC_subscriptions: return integer(server->subscriptions);
    /* Not clustered: none of these can be there yet. */
    case METRIC_routes:
    case METRIC_remotes:
    case METRIC_leafnodes: return integer(0);
    case METRIC_max_payload: return limit(server->max_payload);
    case METRIC_max_pending: return integer(server->max_pending);
    case METRIC_max_control_line: return integer(server->max_control_line);
    case METRIC_max_subscriptions:
        return server->max_subscriptions ? integer(server->max_subscriptions) : absent();
    case METRIC_write_deadline: return nanoseconds(server->write_deadline_ns);
    case METRIC_ping_interval: return nanoseconds(server->ping_interval_ns);
    case METRIC_ping_max: return integer(server->ping_max);
    case METRIC_auth_timeout: return real(server->auth_timeout_s);
    case METRIC_tls_timeout: return real(server->tls_timeout_s);
    /* Clients are all that connects so far. */
    case METRIC_in_client_msgs: return integer(server->cells[METRIC_in_msgs]);
    case METRIC_in_client_bytes: return integer(server->cells[METRIC_in_bytes]);
    case METRIC_out_client_msgs: return integer(server->cells[METRIC_out_msgs]);
    case METRIC_out_client_bytes: return integer(server->cells[METRIC_out_bytes]);
    default: check(metric_descriptors[id].source == METRIC_SOURCE_JSON);
    }
    return absent();
}

struct value values_connection(const struct inspect_connection *connection, enum metric_id id)
{
    switch ((int)id) {
    case METRIC_conn_in_msgs: return integer(connection->in_msgs);
    case METRIC_conn_out_msgs: return integer(connection->out_msgs);
    case METRIC_conn_in_bytes: return integer(connection->in_bytes);
    case METRIC_conn_out_bytes: return integer(connection->out_bytes);
    case METRIC_conn_pending_bytes: return integer(connection->pending_bytes);
    case METRIC_conn_subscriptions: return integer(connection->subscriptions);
    case METRIC_conn_stalls: return connection->stalls ? integer(connection->stalls) : absent();
    case METRIC_conn_stalled: return connection->stalled ? integer(connection->stalled) : absent();
    case METRIC_conn_stalled_ns:
        return connection->stalled ? nanoseconds((int64_t)connection->stalled_ns) : absent();
    case METRIC_conn_dropped_msgs:
        return connection->dropped_msgs ? integer(connection->dropped_msgs) : absent();
    case METRIC_conn_rtt: return nanoseconds(connection->rtt_ns);
    case METRIC_conn_start: return nanoseconds(connection->start_wall_ns);
    case METRIC_conn_last_activity: return nanoseconds(connection->last_activity_wall_ns);
    default: check(!"a CONN row of metrics.def has a line here");
    }
    return absent();
}

struct value values_subscriptions(const struct inspect_subscriptions *statistics, enum metric_id id)
{
    switch ((int)id) {
    case METRIC_num_subscriptions: return integer(statistics->num_subscriptions);
    case METRIC_num_cache: return integer(statistics->num_cache);
    case METRIC_num_inserts: return integer(statistics->num_inserts);
    case METRIC_num_removes: return integer(statistics->num_removes);
    case METRIC_num_matches: return integer(statistics->num_matches);
    case METRIC_cache_hit_rate: return real(statistics->cache_hit_rate);
    case METRIC_max_fanout: return integer(statistics->max_fanout);
    case METRIC_avg_fanout: return real(statistics->avg_fanout);
    default: check(!"a SUBS row of metrics.def has a line here");
    }
    return absent();
}

struct value values_account(const struct inspect_account *account, enum metric_id id)
{
    switch ((int)id) {
    case METRIC_account_connections: return integer(account->connections);
    case METRIC_account_leafnodes: return integer(0);
    case METRIC_account_subscriptions: return integer(account->subscriptions);
    case METRIC_account_in_msgs: return integer(account->in_msgs);
    case METRIC_account_in_bytes: return integer(account->in_bytes);
    case METRIC_account_out_msgs: return integer(account->out_msgs);
    case METRIC_account_out_bytes: return integer(account->out_bytes);
    case METRIC_account_slow_consumers: return integer(account->slow_consumers);
    default: return absent();
    }
}

/* Only clients connect so far; the other kinds are there for the document's shape. */
static bool by_kind(uint64_t of_clients, size_t n, struct value_series *out)
{
    static const struct {
        const char *label, *key;
    } kinds[] = {
        {"client", "clients"}, {"route", "routes"}, {"gateway", "gateways"}, {"leaf", "leafs"}};
    if (n >= array_length(kinds))
        return false;
    *out = (struct value_series){kinds[n].label, kinds[n].key, n == 0 ? of_clients : 0};
    return true;
}

static bool by_close_reason(const struct inspect_server *server, size_t n, struct value_series *out)
{
    enum close_reason reason = (enum close_reason)(n + CLOSE_NONE + 1);
    if (reason >= CLOSE_REASON_COUNT)
        return false;
    const char *label = close_reason_label(reason);
    *out = (struct value_series){label, label, server->closed[reason]};
    return true;
}

static bool by_drop_reason(const struct inspect_server *server, size_t n, struct value_series *out)
{
    enum drop_reason reason = (enum drop_reason)(n + CLOSE_NONE + 1);
    if (reason >= DROP_REASON_COUNT)
        return false;
    const char *label = drop_reasons_label(reason);
    *out = (struct value_series){label, label, server->dropped[reason]};
    return true;
}

static bool by_path(const struct endpoint_counts *counts, enum metric_id id, size_t n,
                    struct value_series *out)
{
    struct endpoint_usage usage;
    if (!endpoints_counted(counts, n, &usage))
        return false;
    *out = (struct value_series){usage.path, usage.path,
                                 id == METRIC_http_requests    ? usage.asked
                                 : id == METRIC_http_answering ? usage.spent_ns
                                                               : usage.sent_bytes};
    return true;
}

static bool by_state(const struct endpoint_counts *counts, size_t n, struct value_series *out)
{
    if (n >= ENDPOINT_STATES)
        return false;
    const char *label = endpoints_state_label((enum endpoint_state)n);
    *out = (struct value_series){
        label, label, atomic_load_explicit(&counts->connections[n], memory_order_relaxed)};
    return true;
}

static bool by_refusal(const struct endpoint_counts *counts, size_t n, struct value_series *out)
{
    if (n >= ENDPOINT_REFUSALS)
        return false;
    const char *label = endpoints_refusal_label((enum endpoint_refusal)n);
    *out = (struct value_series){
        label, label, atomic_load_explicit(&counts->turned_away[n], memory_order_relaxed)};
    return true;
}

bool values_family(const struct inspect_server *server, const struct endpoint_counts *counts,
                   enum metric_id id, size_t n, struct value_series *out)
{
    switch ((int)id) {
    case METRIC_slow_consumers_by_kind:
        return by_kind(server->cells[METRIC_slow_consumers], n, out);
    case METRIC_stale_connections_by_kind:
        return by_kind(server->cells[METRIC_stale_connections], n, out);
    case METRIC_closed_connections: return by_close_reason(server, n, out);
    case METRIC_dropped_msgs_by_reason: return by_drop_reason(server, n, out);
    case METRIC_http_requests:
    case METRIC_http_answering:
    case METRIC_http_sent: return by_path(counts, id, n, out);
    case METRIC_http_connections: return by_state(counts, n, out);
    case METRIC_http_turned_away: return by_refusal(counts, n, out);
    default: check(!"a FAMILY row of metrics.def has a line here");
    }
    return false;
}
