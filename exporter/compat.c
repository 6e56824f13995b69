/* The older exporter's names.
 *
 * /varz, /subsz and /routez are walked: each number becomes a gauge named after its path, so that
 * the names follow the server's version, as they do there. The other endpoints have fixed lists.
 * All units are the older exporter's, which is why milliseconds and microseconds stand beside
 * seconds here. */
#include "exporter/compat.h"

#include <stdio.h>

#include "broker/base/clock.h"
#include "broker/base/mem.h"
#include "monitor/json_read.h"

void compat_labels(struct compat *compat, const struct compat_label *list)
{
    prom_text_labels_cut(&compat->labels, 0);
    for (; list->name; list++)
        prom_text_labels_add(&compat->labels, list->name, list->value);
}

void compat_add(struct compat *compat, const char *prefix, const char *area, const char *name,
                enum prom_text_kind kind, struct prom_text_value value)
{
    char full[PROM_TEXT_NAME_MAX];
    snprintf(full, sizeof full, "%s_%s_%s", prefix, area, name);
    struct series_family_name family = {full, kind, "", name};
    series_add(compat->set, &family, compat->labels.bytes, value);
}

void compat_add_number(struct compat *compat, const char *prefix, const char *area,
                       const char *name, enum prom_text_kind kind, const json_t *object,
                       const char *key)
{
    const json_t *value = json_read_at(object, key);
    if (json_is_integer(value))
        compat_add(compat, prefix, area, name, kind, prom_text_signed(json_integer_value(value)));
    else if (json_is_real(value))
        compat_add(compat, prefix, area, name, kind, prom_text_real(json_real_value(value)));
    else if (json_is_boolean(value))
        compat_add(compat, prefix, area, name, kind, prom_text_unsigned(json_is_true(value)));
}

static void label_server(struct compat *compat)
{
    const struct compat_label list[] = {{"server_id", compat->server_id}, {NULL, NULL}};
    compat_labels(compat, list);
}

/* ---- names made from the document ---- */

static bool word_in(const char *word, const char *const *list, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (strcmp(word, list[i]) == 0)
            return true;
    return false;
}

/* parent_key with "/" as "_", "_" at the ends trimmed and runs of it made one. */
static void path_join(char *out, size_t out_bytes, const char *parent, const char *key)
{
    char raw[METRIC_NAME_MAX * 2];
    size_t used = 0;
    snprintf(raw, sizeof raw, "%s_%s", parent, key);
    for (const char *c = raw; *c && used + 1 < out_bytes; c++) {
        bool word =
            (*c >= '0' && *c <= '9') || (*c >= 'A' && *c <= 'Z') || (*c >= 'a' && *c <= 'z');
        if (word)
            out[used++] = *c;
        else if (used > 0 && out[used - 1] != '_')
            out[used++] = '_';
    }
    while (used > 0 && out[used - 1] == '_')
        used--;
    out[used] = '\0';
}

static void add_text(struct compat *compat, const char *area, const char *path, const char *key,
                     const char *text)
{
    static const char *const shown[] = {"server_id", "server_name", "version", "domain",
                                        "leader",    "name",        "start",   "config_load_time"};
    int64_t ns;
    if (!word_in(key, shown, array_length(shown)))
        return;
    if (json_read_parse_time(text, &ns)) {
        compat_add(compat, compat->prefix, area, path, PROM_TEXT_GAUGE,
                   prom_text_signed(ns / NS_PER_MS));
        return;
    }
    const struct compat_label list[] = {
        {"server_id", compat->server_id}, {"value", text}, {NULL, NULL}};
    compat_labels(compat, list);
    compat_add(compat, compat->prefix, area, path, PROM_TEXT_GAUGE, prom_text_unsigned(1));
    label_server(compat);
}

enum { DEPTH_MAX = 8 };

static void walk(struct compat *compat, const char *area, json_t *object, const char *parent,
                 int depth)
{
    static const char *const skipped[] = {"leaf",
                                          "trusted_operators_claim",
                                          "cluster_tls_timeout",
                                          "cluster_cluster_port",
                                          "cluster_auth_timeout",
                                          "gateway_port",
                                          "gateway_auth_timeout",
                                          "gateway_tls_timeout",
                                          "gateway_connect_retries"};
    const char *key;
    json_t *value;
    json_object_foreach (object, key, value) {
        char path[METRIC_NAME_MAX];
        path_join(path, sizeof path, parent, key);
        if (word_in(path, skipped, array_length(skipped)))
            continue;
        if (json_is_object(value) && depth < DEPTH_MAX)
            walk(compat, area, value, path, depth + 1);
        else if (json_is_number(value))
            compat_add(compat, compat->prefix, area, path, PROM_TEXT_GAUGE,
                       json_is_integer(value) ? prom_text_signed(json_integer_value(value))
                                              : prom_text_real(json_real_value(value)));
        else if (json_is_string(value))
            add_text(compat, area, path, key, json_string_value(value));
    }
}

static void map_walked(struct compat *compat, const char *area, enum scrape_endpoint endpoint)
{
    label_server(compat);
    walk(compat, area, compat->result->documents[endpoint].root, "", 0);
}

/* ---- connections ---- */

static void add_connection_times(struct compat *compat, const json_t *connection)
{
    int64_t ns;
    const char *prefix = compat->prefix;
    if (json_read_time(connection, "start", &ns))
        compat_add(compat, prefix, "connz", "start", PROM_TEXT_UNTYPED,
                   prom_text_signed(ns / NS_PER_MS));
    if (json_read_time(connection, "last_activity", &ns))
        compat_add(compat, prefix, "connz", "last_activity", PROM_TEXT_UNTYPED,
                   prom_text_signed(ns / NS_PER_MS));
    bool known = json_read_go_duration(connection, "rtt", &ns);
    compat_add(compat, prefix, "connz", "rtt", PROM_TEXT_GAUGE,
               prom_text_signed(known ? ns / 1000 : -1));
    if (json_read_uptime(connection, "uptime", &ns))
        compat_add(compat, prefix, "connz", "uptime", PROM_TEXT_UNTYPED,
                   prom_text_signed(ns / NS_PER_MS));
    if (json_read_uptime(connection, "idle", &ns))
        compat_add(compat, prefix, "connz", "idle", PROM_TEXT_GAUGE,
                   prom_text_signed(ns / NS_PER_MS));
}

static void add_connection(struct compat *compat, const json_t *connection)
{
    char cid[24] = "", port[24] = "";
    int64_t number;
    if (json_read_integer(connection, "cid", &number))
        snprintf(cid, sizeof cid, "%lld", (long long)number);
    if (json_read_integer(connection, "port", &number))
        snprintf(port, sizeof port, "%lld", (long long)number);
    const struct compat_label list[] = {
        {"server_id", compat->server_id},
        {"cid", cid},
        {"kind", json_read_text(connection, "kind")},
        {"type", json_read_text(connection, "type")},
        {"ip", json_read_text(connection, "ip")},
        {"port", port},
        {"name", json_read_text(connection, "name")},
        {"name_tag", json_read_text(connection, "name_tag")},
        {"account", json_read_text(connection, "account")},
        {"account_id", json_read_text(connection, "account")},
        {"lang", json_read_text(connection, "lang")},
        {"version", json_read_text(connection, "version")},
        {"tls_version", json_read_text(connection, "tls_version")},
        {"tls_cipher_suite", json_read_text(connection, "tls_cipher_suite")},
        {NULL, NULL}};
    compat_labels(compat, list);
    for (int k = 0; k < SCRAPE_CONN_SUMS; k++)
        compat_add_number(compat, compat->prefix, "connz", scrape_conn_sum_keys[k],
                          PROM_TEXT_BARE_COUNTER, connection, scrape_conn_sum_keys[k]);
    compat_add_number(compat, compat->prefix, "connz", "pending_bytes", PROM_TEXT_GAUGE, connection,
                      "pending_bytes");
    compat_add_number(compat, compat->prefix, "connz", "subscriptions", PROM_TEXT_GAUGE, connection,
                      "subscriptions");
    add_connection_times(compat, connection);
}

static void map_connections(struct compat *compat, bool detailed)
{
    const json_t *connz = compat->result->documents[SCRAPE_CONNZ].root;
    const json_t *connections = json_object_get(connz, "connections");
    uint64_t pending = 0, subscriptions = 0, value;
    size_t i;
    json_t *connection;
    if (!connz)
        return;
    json_array_foreach (connections, i, connection) {
        if (json_read_unsigned(connection, "pending_bytes", &value))
            pending += value;
        if (json_read_unsigned(connection, "subscriptions", &value))
            subscriptions += value;
        if (detailed)
            add_connection(compat, connection);
    }
    const char *prefix = compat->prefix;
    label_server(compat);
    compat_add(compat, prefix, "connz", "num_connections", PROM_TEXT_GAUGE,
               prom_text_unsigned(json_array_size(connections)));
    compat_add_number(compat, prefix, "connz", "total", PROM_TEXT_GAUGE, connz, "total");
    compat_add_number(compat, prefix, "connz", "offset", PROM_TEXT_GAUGE, connz, "offset");
    compat_add_number(compat, prefix, "connz", "limit", PROM_TEXT_GAUGE, connz, "limit");
    compat_add(compat, prefix, "connz", "pending_bytes", PROM_TEXT_GAUGE,
               prom_text_unsigned(pending));
    compat_add(compat, prefix, "connz", "subscriptions", PROM_TEXT_GAUGE,
               prom_text_unsigned(subscriptions));
    for (int k = 0; k < SCRAPE_CONN_SUMS; k++)
        compat_add(compat, prefix, "connz", scrape_conn_sum_keys[k], PROM_TEXT_BARE_COUNTER,
                   prom_text_unsigned(compat->result->conn_sums[k]));
}

/* ---- health ---- */

static void map_health(struct compat *compat, enum scrape_endpoint endpoint)
{
    const json_t *root = compat->result->documents[endpoint].root;
    const char *area = scrape_endpoint_name(endpoint);
    const char *status = root ? json_read_text(root, "status") : "unreachable";
    bool ok = strcmp(status, "ok") == 0;
    const struct compat_label list[] = {
        {"server_id", compat->server_id}, {"value", status}, {NULL, NULL}};
    compat_labels(compat, list);
    compat_add(compat, compat->prefix, area, "status_value", PROM_TEXT_GAUGE,
               prom_text_unsigned(ok));
    label_server(compat);
    if (root)
        compat_add(compat, compat->prefix, area, "status", PROM_TEXT_GAUGE,
                   prom_text_unsigned(!ok));
}

/* ---- gateways ---- */

static void add_gateway(struct compat *compat, const char *own, const char *remote,
                        const char *direction, const json_t *gateway)
{
    static const char *const numbers[] = {"pending_bytes", "in_msgs",   "out_msgs",
                                          "in_bytes",      "out_bytes", "subscriptions"};
    static const int64_t zero_time_s = -62135596800;
    const json_t *connection = json_object_get(gateway, "connection");
    const char *prefix = compat->prefix;
    char cid[24] = "0", area[64];
    int64_t number, ns = 0;
    if (json_read_integer(connection, "cid", &number))
        snprintf(cid, sizeof cid, "%lld", (long long)number);
    snprintf(area, sizeof area, "gatewayz_%s_gateway", direction);
    const struct compat_label list[] = {{"gateway_name", own},
                                        {"cid", cid},
                                        {"remote_gateway_name", remote},
                                        {"server_id", compat->server_id},
                                        {NULL, NULL}};
    compat_labels(compat, list);
    compat_add_number(compat, prefix, area, "configured", PROM_TEXT_GAUGE, gateway, "configured");
    bool known = json_read_time(connection, "start", &ns);
    compat_add(compat, prefix, area, "conn_start_time_seconds", PROM_TEXT_GAUGE,
               prom_text_signed(known ? ns / NS_PER_SEC : zero_time_s));
    known = json_read_time(connection, "last_activity", &ns);
    compat_add(compat, prefix, area, "conn_last_activity_seconds", PROM_TEXT_GAUGE,
               prom_text_signed(known ? ns / NS_PER_SEC : zero_time_s));
    ns = 0;
    json_read_uptime(connection, "uptime", &ns);
    compat_add(compat, prefix, area, "conn_uptime_seconds", PROM_TEXT_GAUGE,
               prom_text_signed(ns / NS_PER_SEC));
    ns = 0;
    json_read_uptime(connection, "idle", &ns);
    compat_add(compat, prefix, area, "conn_idle_seconds", PROM_TEXT_GAUGE,
               prom_text_signed(ns / NS_PER_SEC));
    ns = 0;
    json_read_go_duration(connection, "rtt", &ns);
    compat_add(compat, prefix, area, "conn_rtt", PROM_TEXT_GAUGE,
               prom_text_real((double)ns / (double)NS_PER_SEC));
    for (size_t i = 0; i < array_length(numbers); i++) {
        char name[40];
        snprintf(name, sizeof name, "conn_%s", numbers[i]);
        compat_add_number(compat, prefix, area, name, PROM_TEXT_GAUGE, connection, numbers[i]);
    }
}

static void map_gateways(struct compat *compat)
{
    const json_t *gatewayz = compat->result->documents[SCRAPE_GATEWAYZ].root;
    const char *own = json_read_text(gatewayz, "name"), *remote;
    json_t *gateway, *list;
    size_t i;
    json_object_foreach (json_object_get(gatewayz, "outbound_gateways"), remote, gateway) {
        add_gateway(compat, own, remote, "outbound", gateway);
    }
    json_object_foreach (json_object_get(gatewayz, "inbound_gateways"), remote, list) {
        json_array_foreach (list, i, gateway) {
            add_gateway(compat, own, remote, "inbound", gateway);
        }
    }
}

/* ---- leafs ---- */

static void map_leafs(struct compat *compat)
{
    static const char *const numbers[] = {"in_msgs", "out_msgs", "in_bytes", "out_bytes"};
    const json_t *leafz = compat->result->documents[SCRAPE_LEAFZ].root;
    size_t i;
    json_t *leaf;
    if (!leafz)
        return;
    label_server(compat);
    compat_add_number(compat, compat->prefix, "leafz", "conn_nodes_total", PROM_TEXT_GAUGE, leafz,
                      "leafnodes");
    json_array_foreach (json_object_get(leafz, "leafs"), i, leaf) {
        char port[24] = "";
        int64_t number;
        if (json_read_integer(leaf, "port", &number))
            snprintf(port, sizeof port, "%lld", (long long)number);
        const struct compat_label list[] = {{"server_id", compat->server_id},
                                            {"account", json_read_text(leaf, "account")},
                                            {"account_id", json_read_text(leaf, "account")},
                                            {"ip", json_read_text(leaf, "ip")},
                                            {"port", port},
                                            {"name", json_read_text(leaf, "name")},
                                            {NULL, NULL}};
        compat_labels(compat, list);
        compat_add(compat, compat->prefix, "leafz", "info", PROM_TEXT_GAUGE, prom_text_unsigned(1));
        if (json_read_go_duration(leaf, "rtt", &number))
            compat_add(compat, compat->prefix, "leafz", "conn_rtt", PROM_TEXT_GAUGE,
                       prom_text_real((double)number / (double)NS_PER_SEC));
        for (size_t k = 0; k < array_length(numbers); k++) {
            char name[40];
            snprintf(name, sizeof name, "conn_%s", numbers[k]);
            compat_add_number(compat, compat->prefix, "leafz", name, PROM_TEXT_GAUGE, leaf,
                              numbers[k]);
        }
        compat_add_number(compat, compat->prefix, "leafz", "conn_subscriptions_total",
                          PROM_TEXT_GAUGE, leaf, "subscriptions");
    }
}

/* ---- accounts ---- */

struct number_row {
    const char *name, *key;
};

static void map_account_statistics(struct compat *compat)
{
    static const struct number_row rows[] = {
        {"current_connections", "conns"},     {"total_connections", "total_conns"},
        {"leaf_nodes", "leafnodes"},          {"sent_messages", "sent.msgs"},
        {"sent_bytes", "sent.bytes"},         {"received_messages", "received.msgs"},
        {"received_bytes", "received.bytes"}, {"slow_consumers", "slow_consumers"}};
    const json_t *root = compat->result->documents[SCRAPE_ACCSTATZ].root;
    size_t i;
    json_t *account;
    json_array_foreach (json_object_get(root, "account_statz"), i, account) {
        const char *name = json_read_text(account, "acc");
        uint64_t subscriptions = 0;
        const struct compat_label list[] = {{"server_id", compat->server_id},
                                            {"account", name},
                                            {"account_id", name},
                                            {"account_name", json_read_text(account, "name")},
                                            {NULL, NULL}};
        compat_labels(compat, list);
        for (size_t k = 0; k < array_length(rows); k++)
            compat_add_number(compat, compat->prefix, "accstatz", rows[k].name, PROM_TEXT_GAUGE,
                              account, rows[k].key);
        json_read_unsigned(account, "num_subscriptions", &subscriptions);
        compat_add(compat, compat->prefix, "accstatz", "subscriptions", PROM_TEXT_GAUGE,
                   prom_text_unsigned(subscriptions));
    }
}

static void map_account_details(struct compat *compat)
{
    static const struct number_row rows[] = {{"client_connections", "client_connections"},
                                             {"leafnode_connections", "leafnode_connections"},
                                             {"subscriptions", "subscriptions"},
                                             {"is_system", "is_system"},
                                             {"expired", "expired"},
                                             {"complete", "complete"},
                                             {"jetstream_enabled", "jetstream_enabled"}};
    static const struct number_row limits[] = {
        {"limit_subs", "subs"},       {"limit_data", "data"},
        {"limit_payload", "payload"}, {"limit_imports", "imports"},
        {"limit_exports", "exports"}, {"limit_wildcards", "wildcards"},
        {"limit_conn", "conn"},       {"limit_leaf", "leaf"}};
    json_t *details = json_read_at(compat->result->documents[SCRAPE_ACCOUNTZ].root, "details"),
           *one;
    const char *name;
    json_object_foreach (details, name, one) {
        const json_t *jwt = json_read_at(one, "decoded_jwt.nats.limits");
        const struct compat_label list[] = {{"server_id", compat->server_id},
                                            {"account_id", name},
                                            {"account_name", json_read_text(one, "name_tag")},
                                            {NULL, NULL}};
        compat_labels(compat, list);
        for (size_t k = 0; k < array_length(rows); k++) {
            if (json_read_at(one, rows[k].key))
                compat_add_number(compat, compat->prefix, "accountz", rows[k].name, PROM_TEXT_GAUGE,
                                  one, rows[k].key);
            else
                compat_add(compat, compat->prefix, "accountz", rows[k].name, PROM_TEXT_GAUGE,
                           prom_text_unsigned(0));
        }
        for (size_t k = 0; k < array_length(limits); k++) {
            int64_t limit = 0;
            bool flag = false;
            if (json_read_boolean(jwt, limits[k].key, &flag))
                limit = flag;
            json_read_integer(jwt, limits[k].key, &limit);
            compat_add(compat, compat->prefix, "accountz", limits[k].name, PROM_TEXT_GAUGE,
                       prom_text_signed(limit));
        }
    }
}

/* ---- all of it ---- */

static const char *server_label(const struct options *options, const struct scrape_result *result,
                                bool only_target)
{
    const json_t *varz = result->documents[SCRAPE_VARZ].root;
    const char *own = "";
    if (only_target && (options->internal_id || options->internal_name))
        own = json_read_text(varz, options->internal_id ? "server_id" : "server_name");
    return own[0] ? own : result->label;
}

static void map_up(struct compat *compat)
{
    static const struct series_family_name family = {
        "nats_up", PROM_TEXT_GAUGE, "", "1 if the server answered /varz in this scrape, else 0"};
    label_server(compat);
    series_add(compat->set, &family, compat->labels.bytes, prom_text_unsigned(compat->result->up));
}

void compat_map(struct series_set *set, const struct options *options,
                const struct scrape_result *result, bool with_up, bool only_target)
{
    const struct scrape_document *documents = result->documents;
    struct compat compat = {.set = set,
                            .options = options,
                            .result = result,
                            .prefix = options->prefix ? options->prefix : "gnatsd",
                            .server_id = server_label(options, result, only_target)};
    unsigned on = options->compat;
    series_server(set, UINT64_MAX); /* the older exporter had no limit */
    if (with_up)
        map_up(&compat);
    if (on & OPTIONS_VARZ)
        map_walked(&compat, "varz", SCRAPE_VARZ);
    if (on & (OPTIONS_CONNZ | OPTIONS_CONNZ_DETAILED))
        map_connections(&compat, on & OPTIONS_CONNZ_DETAILED);
    if (on & OPTIONS_SUBZ)
        map_walked(&compat, "subsz", SCRAPE_SUBSZ);
    if (on & OPTIONS_ROUTEZ)
        map_walked(&compat, "routez", SCRAPE_ROUTEZ);
    if (on & OPTIONS_GATEWAYZ)
        map_gateways(&compat);
    if (on & OPTIONS_LEAFZ)
        map_leafs(&compat);
    if (on & OPTIONS_ACCSTATZ)
        map_account_statistics(&compat);
    if (on & OPTIONS_ACCOUNTZ)
        map_account_details(&compat);
    if (on & OPTIONS_HEALTHZ)
        map_health(&compat, SCRAPE_HEALTHZ);
    if (on & OPTIONS_HEALTHZ_JS_ENABLED)
        map_health(&compat, SCRAPE_HEALTHZ_JS_ENABLED);
    if (on & OPTIONS_HEALTHZ_JS_SERVER)
        map_health(&compat, SCRAPE_HEALTHZ_JS_SERVER);
    if (on & OPTIONS_JSZ && documents[SCRAPE_JSZ].root && documents[SCRAPE_VARZ].root)
        compat_jetstream_map(&compat, documents[SCRAPE_JSZ].root, documents[SCRAPE_VARZ].root);
    prom_text_labels_fini(&compat.labels);
}
