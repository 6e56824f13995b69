/* /varz: the server. Two sources make the document: fields that are no metrics (names, addresses,
 * settings), each a small function below, and the metric table, whose WORKER, READ and FAMILY rows
 * with a JSON key all appear.
 *
 * The list `order` gives nats-server's order of fields and nothing else: a key without a function
 * is taken from the table, and rows that the list does not name follow at the end, so that a new
 * row needs no change here. */
#include "monitor/varz.h"

#include "broker/base/clock.h"
#include "broker/inspect.h"
#include "monitor/request.h"
#include "monitor/value_json.h"

struct document {
    struct json_writer *json;
    const struct inspect_server *server;
    const struct endpoint_counts *counts;
};

typedef void write_fn(const struct document *document, const char *key);

#define TEXT_FIELD(function, value)                                                                \
    static void function(const struct document *document, const char *key)                         \
    {                                                                                              \
        json_write_text(document->json, key, value);                                               \
    }
#define TRUE_FIELD(function, value)                                                                \
    static void function(const struct document *document, const char *key)                         \
    {                                                                                              \
        json_write_true_if(document->json, key, value);                                            \
    }
#define SIGNED_FIELD(function, value)                                                              \
    static void function(const struct document *document, const char *key)                         \
    {                                                                                              \
        json_write_signed(document->json, key, value);                                             \
    }

TEXT_FIELD(server_id, document->server->server_id)
TEXT_FIELD(server_name, document->server->server_name)
TEXT_FIELD(nats_version, CLEARWING_NATS_VERSION)
TEXT_FIELD(own_version, CLEARWING_VERSION)
TEXT_FIELD(compiler, "C, compiled by " __VERSION__)
TEXT_FIELD(config_digest, document->server->config_digest)
TEXT_FIELD(host, document->server->host)
TEXT_FIELD(http_host, document->server->http_host)
TEXT_FIELD(http_base_path, document->server->http_base_path)
TRUE_FIELD(auth_required, document->server->auth_required)
TRUE_FIELD(tls_required, document->server->tls_required)
TRUE_FIELD(tls_verify, document->server->tls_verify)
SIGNED_FIELD(proto, 1)
SIGNED_FIELD(port, document->server->port)
SIGNED_FIELD(http_port, document->server->http_port)
SIGNED_FIELD(https_port, document->server->https_port)
SIGNED_FIELD(workers, (int64_t)document->server->workers)

static void empty_object(const struct document *document, const char *key)
{
    json_write_object(document->json, key);
    json_write_end(document->json);
}

/* How long the store's disk was waited for: there is no store. */
static void disk_waits(const struct document *document, const char *key)
{
    static const char *const names[] = {"waiters", "waits", "wait_time", "max_wait_time"};
    json_write_object(document->json, key);
    for (size_t i = 0; i < array_length(names); i++)
        json_write_unsigned(document->json, names[i], 0);
    json_write_end(document->json);
}

static void now(const struct document *document, const char *key)
{
    json_write_time(document->json, key, document->server->now_wall_ns);
}

static void uptime(const struct document *document, const char *key)
{
    char text[CLOCK_TEXT_MAX];
    json_write_text(document->json, key, clock_uptime(document->server->uptime_ns, text));
}

static void system_account(const struct document *document, const char *key)
{
    json_write_text_if(document->json, key, document->server->system_account);
}

static const struct field {
    const char *key;
    write_fn *write; /* NULL: from the metric table */
} order[] = {
    {"server_id", server_id},
    {"server_name", server_name},
    {"version", nats_version},
    {"proto", proto},
    {"go", compiler},
    {"host", host},
    {"port", port},
    {"auth_required", auth_required},
    {"tls_required", tls_required},
    {"tls_verify", tls_verify},
    {"max_connections", NULL},
    {"max_subscriptions", NULL},
    {"ping_interval", NULL},
    {"ping_max", NULL},
    {"http_host", http_host},
    {"http_port", http_port},
    {"http_base_path", http_base_path},
    {"https_port", https_port},
    {"auth_timeout", NULL},
    {"max_control_line", NULL},
    {"max_payload", NULL},
    {"max_pending", NULL},
    {"cluster", empty_object},
    {"gateway", empty_object},
    {"leaf", empty_object},
    {"mqtt", empty_object},
    {"websocket", empty_object},
    {"jetstream", empty_object},
    {"tls_timeout", NULL},
    {"write_deadline", NULL},
    {"start", NULL},
    {"now", now},
    {"uptime", uptime},
    {"mem", NULL},
    {"cores", NULL},
    {"gomaxprocs", NULL},
    {"cpu", NULL},
    {"connections", NULL},
    {"total_connections", NULL},
    {"routes", NULL},
    {"remotes", NULL},
    {"leafnodes", NULL},
    {"in_msgs", NULL},
    {"in_bytes", NULL},
    {"in_client_msgs", NULL},
    {"in_client_bytes", NULL},
    {"out_msgs", NULL},
    {"out_bytes", NULL},
    {"out_client_msgs", NULL},
    {"out_client_bytes", NULL},
    {"slow_consumers", NULL},
    {"stale_connections", NULL},
    {"stalled_clients", NULL},
    {"subscriptions", NULL},
    {"http_req_stats", NULL},
    {"config_load_time", NULL},
    {"config_digest", config_digest},
    {"system_account", system_account},
    {"slow_consumer_stats", NULL},
    {"stale_connection_stats", NULL},
    {"disk_io_wait_stats", disk_waits},
    {"clearwing_version", own_version},
    {"workers", workers},
};

static bool in_document(const struct metric_descriptor *row)
{
    switch (row->source) {
    case METRIC_SOURCE_WORKER:
    case METRIC_SOURCE_READ:
    case METRIC_SOURCE_FAMILY: return row->key != NULL;
    case METRIC_SOURCE_JSON: return row->key && row->scope == METRIC_SCOPE_SERVER;
    default: return false;
    }
}

static void write_row(const struct document *document, enum metric_id id)
{
    const struct metric_descriptor *row = &metric_descriptors[id];
    if (row->source != METRIC_SOURCE_FAMILY) {
        value_json_write(document->json, id, values_server(document->server, id));
        return;
    }
    struct value_series series;
    json_write_object(document->json, row->key);
    for (size_t n = 0; values_family(document->server, document->counts, id, n, &series); n++)
        if (series.value > 0 || strcmp(row->label, "path") != 0) /* paths that nobody asked for */
            json_write_unsigned(document->json, series.key, series.value);
    json_write_end(document->json);
}

/* Writes the rows of that key; false when no row of this document has it. */
static bool write_key(const struct document *document, const char *key)
{
    for (enum metric_id id = 0; id < METRIC_COUNT; id++) {
        if (!in_document(&metric_descriptors[id]) || strcmp(metric_descriptors[id].key, key) != 0)
            continue;
        write_row(document, id);
        return true;
    }
    return false;
}

static bool is_ordered(const char *key)
{
    for (size_t i = 0; i < array_length(order); i++)
        if (strcmp(order[i].key, key) == 0)
            return true;
    return false;
}

void varz_write(const struct endpoint_counts *counts, struct json_writer *json)
{
    static const struct endpoint_counts none;
    struct inspect_server server;
    inspect_server(&server);
    struct document document = {json, &server, counts ? counts : &none};
    json_write_object(json, NULL);
    for (size_t i = 0; i < array_length(order); i++) {
        if (order[i].write)
            order[i].write(&document, order[i].key);
        else
            check(write_key(&document, order[i].key));
    }
    for (enum metric_id id = 0; id < METRIC_COUNT; id++)
        if (in_document(&metric_descriptors[id]) && !is_ordered(metric_descriptors[id].key))
            write_row(&document, id);
    json_write_end(json);
}

void varz_answer(struct request *request)
{
    varz_write(request->counts, request_json(request, 2));
    request_json_end(request);
}
