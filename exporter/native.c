/* The table does most of the work: a row tells where in which object its value is, its unit how the
 * value is written there, its labels what to call the series. A label's value is, in this order,
 * given by the caller, or the object's field of that name (with a few other spellings, label_keys),
 * or empty.
 *
 * What a server does not offer, or has no limit for, is absent: missing fields, negative numbers,
 * 2^64-1, unknown round-trip times ("0s") and Go's zero time all give no series. */
#include "exporter/native.h"

#include <stdio.h>

#include "broker/base/clock.h"
#include "monitor/json_read.h"

/* ---- values and labels ---- */

static bool number_value(const json_t *object, const struct metric_descriptor *row,
                         struct prom_text_value *out)
{
    int64_t integer;
    double real;
    if (json_read_integer(object, row->key, &integer)) {
        if (integer < 0)
            return false;
        *out = prom_text_scaled(row->unit, integer);
        return true;
    }
    if (!json_read_double(object, row->key, &real) || real < 0 || real >= 1.8e19)
        return false;
    *out = prom_text_scaled_real(row->unit, real);
    return true;
}

bool native_value(const json_t *object, const struct metric_descriptor *row,
                  struct prom_text_value *out)
{
    int64_t ns;
    switch (row->unit) {
    case METRIC_UNIT_TIME:
        if (!json_read_time(object, row->key, &ns))
            return false;
        break;
    case METRIC_UNIT_DURATION:
        if (!json_read_go_duration(object, row->key, &ns) || ns <= 0)
            return false;
        break;
    default: return number_value(object, row, out);
    }
    *out = prom_text_scaled(row->unit, ns);
    return true;
}

static const struct native_label label_keys[] = {
    {"user", "authorized_user"}, {"leaf_id", "id"},    {"leaf_name", "name"},
    {"stream", "name"},          {"consumer", "name"}, {"description", "config.description"},
    {"leader", "cluster.leader"}};

static void label_from_object(struct native *native, const char *name, const json_t *object)
{
    const char *key = name;
    for (size_t i = 0; i < array_length(label_keys); i++)
        if (strcmp(label_keys[i].name, name) == 0)
            key = label_keys[i].value;
    const json_t *value = json_read_at(object, key);
    char number[24] = "";
    const char *text = number;
    if (json_is_string(value))
        text = json_string_value(value);
    else if (json_is_integer(value))
        snprintf(number, sizeof number, "%lld", (long long)json_integer_value(value));
    else if (json_is_boolean(value))
        text = json_is_true(value) ? "true" : "false";
    prom_text_labels_add(&native->labels, name, text);
}

const char *native_labels(struct native *native, const char *names, struct native_entry entry)
{
    prom_text_labels_cut(&native->labels, native->base_len);
    while (names && *names) {
        char name[64];
        size_t len = strcspn(names, ",");
        snprintf(name, sizeof name, "%.*s", (int)len, names);
        names += len + (names[len] == ',');
        const struct native_label *extra = entry.extra;
        while (extra && extra->name && strcmp(extra->name, name) != 0)
            extra++;
        if (extra && extra->name)
            prom_text_labels_add(&native->labels, name, extra->value);
        else
            label_from_object(native, name, entry.object);
    }
    return native->labels.bytes;
}

void native_add(struct native *native, enum metric_id id, struct native_entry entry,
                struct prom_text_value value)
{
    const struct metric_descriptor *row = &metric_descriptors[id];
    series_add_row(native->set, row, native_labels(native, row->label, entry), value);
}

static bool is_info(const struct metric_descriptor *row)
{
    size_t len = strlen(row->name);
    return len > 5 && strcmp(row->name + len - 5, "_info") == 0;
}

void native_add_scope(struct native *native, enum metric_scope scope, struct native_entry entry)
{
    for (size_t i = 0; i < METRIC_COUNT; i++) {
        const struct metric_descriptor *row = &metric_descriptors[i];
        struct prom_text_value value = prom_text_unsigned(1);
        if (row->source != METRIC_SOURCE_JSON || row->scope != scope ||
            (!row->key && !is_info(row)))
            continue;
        if (!row->key || native_value(entry.object, row, &value))
            native_add(native, (enum metric_id)i, entry, value);
    }
}

/* Rows of ours that are fields of /varz or /subsz. */
static void add_source(struct native *native, enum metric_source source, const json_t *object)
{
    for (size_t i = 0; i < METRIC_COUNT; i++) {
        const struct metric_descriptor *row = &metric_descriptors[i];
        struct prom_text_value value;
        if (row->source == source && row->key && native_value(object, row, &value))
            native_add(native, (enum metric_id)i, (struct native_entry){object, NULL}, value);
    }
}

/* ---- the target itself ---- */

/* Only what has happened: five series of zeros for each endpoint would be the largest family of
 * all. */
static void map_errors(struct native *native, enum scrape_endpoint endpoint,
                       enum scrape_reason reason)
{
    const struct native_label extra[] = {{"endpoint", scrape_endpoint_name(endpoint)},
                                         {"reason", scrape_reason_name(reason)},
                                         {NULL, NULL}};
    uint64_t errors = native->result->errors[endpoint][reason];
    if (errors > 0)
        native_add(native, METRIC_endpoint_errors, (struct native_entry){NULL, extra},
                   prom_text_unsigned(errors));
}

static void map_endpoints(struct native *native)
{
    for (int i = 0; i < SCRAPE_ENDPOINTS; i++) {
        const struct scrape_document *document = &native->result->documents[i];
        const struct native_label endpoint[] = {{"endpoint", scrape_endpoint_name(i)},
                                                {NULL, NULL}};
        if (!document->wanted)
            continue;
        struct native_entry entry = {NULL, endpoint};
        native_add(native, METRIC_endpoint_up, entry, prom_text_unsigned(document->root != NULL));
        native_add(native, METRIC_endpoint_duration, entry, prom_text_real(document->seconds));
        for (int reason = SCRAPE_OK + 1; reason < SCRAPE_REASONS; reason++)
            map_errors(native, (enum scrape_endpoint)i, (enum scrape_reason)reason);
    }
}

static void map_dropped(void *context, const char *name, uint64_t count)
{
    const struct native_label family[] = {{"family", name}, {NULL, NULL}};
    native_add(context, METRIC_series_dropped, (struct native_entry){NULL, family},
               prom_text_unsigned(count));
}

/* ---- server ---- */

/* A series per field of an object of counters. */
static void map_counters(struct native *native, enum metric_id id, const json_t *object,
                         const char *label)
{
    json_t *counters = json_read_at(object, metric_descriptors[id].key), *value;
    const char *key;
    json_object_foreach (counters, key, value) {
        char text[64];
        size_t len = strlen(key);
        bool plural = strcmp(label, "kind") == 0 && len > 1 && key[len - 1] == 's';
        if (!json_is_integer(value) || json_integer_value(value) < 0)
            continue;
        snprintf(text, sizeof text, "%.*s", (int)(plural ? len - 1 : len), key);
        const struct native_label extra[] = {{label, plural ? text : key}, {NULL, NULL}};
        native_add(native, id, (struct native_entry){NULL, extra},
                   prom_text_unsigned((uint64_t)json_integer_value(value)));
    }
}

static void map_certificates(struct native *native, const json_t *varz)
{
    static const struct native_label listeners[] = {
        {"client", NULL},     {"cluster", "cluster"}, {"gateway", "gateway"},
        {"leafnode", "leaf"}, {"mqtt", "mqtt"},       {"websocket", "websocket"}};
    for (size_t i = 0; i < array_length(listeners); i++) {
        const struct native_label extra[] = {{"listener", listeners[i].name}, {NULL, NULL}};
        const json_t *object =
            listeners[i].value ? json_object_get(varz, listeners[i].value) : varz;
        struct prom_text_value value;
        if (native_value(object, &metric_descriptors[METRIC_tls_certificate_expiry], &value))
            native_add(native, METRIC_tls_certificate_expiry, (struct native_entry){NULL, extra},
                       value);
    }
}

static void map_health(struct native *native)
{
    static const struct {
        enum scrape_endpoint endpoint;
        const char *check;
    } checks[] = {{SCRAPE_HEALTHZ, "full"},
                  {SCRAPE_HEALTHZ_JS_ENABLED, "js_enabled_only"},
                  {SCRAPE_HEALTHZ_JS_SERVER, "js_server_only"}};
    for (size_t i = 0; i < array_length(checks); i++) {
        const json_t *root = native->result->documents[checks[i].endpoint].root;
        const struct native_label extra[] = {{"check", checks[i].check}, {NULL, NULL}};
        if (root)
            native_add(native, METRIC_health_status, (struct native_entry){NULL, extra},
                       prom_text_unsigned(strcmp(json_read_text(root, "status"), "ok") == 0));
    }
}

static void map_server(struct native *native, const json_t *varz)
{
    const struct native_label info[] = {
        {"jetstream_domain", json_read_text(varz, "jetstream.config.domain")},
        {"gateway_name", json_read_text(varz, "gateway.name")},
        {NULL, NULL}};
    int64_t now_ns;
    native_add(native, METRIC_server_info, (struct native_entry){varz, info},
               prom_text_unsigned(1));
    add_source(native, METRIC_SOURCE_WORKER, varz);
    add_source(native, METRIC_SOURCE_READ, varz);
    for (size_t i = 0; i < METRIC_COUNT; i++) {
        const struct metric_descriptor *row = &metric_descriptors[i];
        struct prom_text_value value;
        if (row->source == METRIC_SOURCE_FAMILY)
            map_counters(native, (enum metric_id)i, varz, row->label);
        else if (row->scope == METRIC_SCOPE_SERVER && row->key && !row->label &&
                 native_value(varz, row, &value))
            native_add(native, (enum metric_id)i, (struct native_entry){varz, NULL}, value);
    }
    if (json_read_time(varz, "now", &now_ns))
        native_add(
            native, METRIC_clock_skew, (struct native_entry){varz, NULL},
            prom_text_real((double)(now_ns - native->result->documents[SCRAPE_VARZ].local_wall_ns) /
                           (double)NS_PER_SEC));
    map_certificates(native, varz);
    map_health(native);
}

/* ---- routes, gateways, leafs ---- */

static void map_routes(struct native *native, const json_t *routez)
{
    size_t i;
    json_t *route;
    json_array_foreach (json_object_get(routez, "routes"), i, route) {
        native_add_scope(native, METRIC_SCOPE_ROUTE, (struct native_entry){route, NULL});
    }
}

static void map_gateway(struct native *native, const char *own, const char *remote,
                        const char *direction, const json_t *gateway)
{
    char cid[24] = "";
    uint64_t id;
    if (json_read_unsigned(gateway, "connection.cid", &id))
        snprintf(cid, sizeof cid, "%llu", (unsigned long long)id);
    const struct native_label extra[] = {{"direction", direction},
                                         {"cid", cid},
                                         {"gateway_name", own},
                                         {"remote_gateway_name", remote},
                                         {NULL, NULL}};
    native_add_scope(native, METRIC_SCOPE_GATEWAY, (struct native_entry){gateway, extra});
}

static void map_gateways(struct native *native, const json_t *gatewayz)
{
    const char *own = json_read_text(gatewayz, "name"), *remote;
    json_t *gateway, *list;
    size_t i;
    json_object_foreach (json_object_get(gatewayz, "outbound_gateways"), remote, gateway) {
        map_gateway(native, own, remote, "outbound", gateway);
    }
    json_object_foreach (json_object_get(gatewayz, "inbound_gateways"), remote, list) {
        json_array_foreach (list, i, gateway) {
            map_gateway(native, own, remote, "inbound", gateway);
        }
    }
}

static void map_leafs(struct native *native, const json_t *leafz)
{
    size_t i;
    json_t *leaf;
    json_array_foreach (json_object_get(leafz, "leafs"), i, leaf) {
        /* Older servers give no id: the address tells leafs of one account apart as well. */
        char id[96];
        int64_t number, port = 0;
        json_read_integer(leaf, "port", &port);
        if (json_read_integer(leaf, "id", &number))
            snprintf(id, sizeof id, "%lld", (long long)number);
        else
            snprintf(id, sizeof id, "%s:%lld", json_read_text(leaf, "ip"), (long long)port);
        bool spoke = false;
        bool known = json_read_boolean(leaf, "is_spoke", &spoke);
        const struct native_label extra[] = {{"leaf_id", id},
                                             {"role", !known  ? ""
                                                      : spoke ? "spoke"
                                                              : "hub"},
                                             {NULL, NULL}};
        native_add_scope(native, METRIC_SCOPE_LEAF, (struct native_entry){leaf, extra});
    }
}

/* ---- accounts ---- */

static void map_account_limits(struct native *native, const char *account, const json_t *detail)
{
    static const struct native_label resources[] = {
        {"subscriptions", "subs"}, {"connections", "conn"},      {"leafnodes", "leaf"},
        {"data_bytes", "data"},    {"payload_bytes", "payload"}, {"imports", "imports"},
        {"exports", "exports"}};
    const json_t *limits = json_read_at(detail, "decoded_jwt.nats.limits");
    for (size_t i = 0; i < array_length(resources); i++) {
        const struct native_label extra[] = {
            {"account", account}, {"resource", resources[i].name}, {NULL, NULL}};
        uint64_t limit;
        if (json_read_unsigned(limits, resources[i].value, &limit))
            native_add(native, METRIC_account_limit, (struct native_entry){NULL, extra},
                       prom_text_unsigned(limit));
    }
}

static void map_accounts(struct native *native, const json_t *accstatz, const json_t *accountz)
{
    size_t i;
    json_t *account;
    json_array_foreach (json_object_get(accstatz, "account_statz"), i, account) {
        const char *name = json_read_text(account, "acc");
        const json_t *detail = json_object_get(json_object_get(accountz, "details"), name);
        bool is_system = strcmp(json_read_text(accountz, "system_account"), name) == 0;
        bool jetstream = false, expired = false;
        json_read_boolean(detail, "is_system", &is_system);
        json_read_boolean(detail, "jetstream_enabled", &jetstream);
        json_read_boolean(detail, "expired", &expired);
        const char *own_name = json_read_text(account, "name");
        const struct native_label extra[] = {
            {"account", name},
            {"account_name", own_name[0] ? own_name : json_read_text(detail, "name_tag")},
            {"is_system", is_system ? "true" : "false"},
            {"jetstream", jetstream ? "true" : "false"},
            {"expired", expired ? "true" : "false"},
            {NULL, NULL}};
        native_add_scope(native, METRIC_SCOPE_ACCOUNT, (struct native_entry){account, extra});
        map_account_limits(native, name, detail);
    }
}

/* ---- subscriptions and subjects ---- */

/* Whether every subject that the subscription receives is covered by the pattern. */
static bool subject_covered(const char *pattern, const char *subject)
{
    for (;;) {
        size_t p = strcspn(pattern, "."), s = strcspn(subject, ".");
        if (p == 1 && pattern[0] == '>')
            return true;
        bool wide = s == 1 && subject[0] == '>';
        bool any = p == 1 && pattern[0] == '*' && !wide;
        if (!any && (p != s || memcmp(pattern, subject, p) != 0))
            return false;
        pattern += p;
        subject += s;
        if (*pattern != *subject)
            return false;
        if (*pattern == '\0')
            return true;
        pattern++;
        subject++;
    }
}

/* Sums by account for one pattern; {account: [subscriptions, messages]}. */
static json_t *subject_sums(const json_t *list, const char *pattern)
{
    json_t *sums = json_object(), *subscription;
    size_t i;
    json_array_foreach (list, i, subscription) {
        uint64_t messages = 0;
        if (!subject_covered(pattern, json_read_text(subscription, "subject")))
            continue;
        json_read_unsigned(subscription, "msgs", &messages);
        const char *account = json_read_text(subscription, "account");
        json_t *pair = json_object_get(sums, account);
        if (!pair) {
            pair = json_pack("[I,I]", (json_int_t)0, (json_int_t)0);
            json_object_set_new(sums, account, pair);
        }
        json_t *count = json_array_get(pair, 0), *sum = json_array_get(pair, 1);
        json_integer_set(count, json_integer_value(count) + 1);
        json_integer_set(sum, json_integer_value(sum) + (json_int_t)messages);
    }
    return sums;
}

static void map_subscriptions(struct native *native, const json_t *subsz)
{
    add_source(native, METRIC_SOURCE_SUBS, subsz);
    for (const char *const *pattern = native->options->subjects; *pattern; pattern++) {
        json_t *sums = subject_sums(json_object_get(subsz, "subscriptions_list"), *pattern), *pair;
        const char *account;
        json_object_foreach (sums, account, pair) {
            const struct native_label extra[] = {
                {"account", account}, {"subject", *pattern}, {NULL, NULL}};
            struct native_entry entry = {NULL, extra};
            native_add(native, METRIC_subject_subscriptions, entry,
                       prom_text_signed(json_integer_value(json_array_get(pair, 0))));
            native_add(native, METRIC_subject_delivered, entry,
                       prom_text_signed(json_integer_value(json_array_get(pair, 1))));
        }
        json_decref(sums);
    }
}

/* ---- all of it ---- */

static void map_documents(struct native *native, unsigned collect)
{
    const struct scrape_document *documents = native->result->documents;
    const json_t *varz = documents[SCRAPE_VARZ].root;
    if (collect & OPTIONS_SERVER)
        map_server(native, varz);
    if (collect & OPTIONS_CONNECTIONS)
        native_connections_map(native, documents[SCRAPE_CONNZ].root);
    if (collect & OPTIONS_SUBSCRIPTIONS)
        map_subscriptions(native, documents[SCRAPE_SUBSZ].root);
    if (collect & OPTIONS_ROUTES)
        map_routes(native, documents[SCRAPE_ROUTEZ].root);
    if (collect & OPTIONS_GATEWAYS)
        map_gateways(native, documents[SCRAPE_GATEWAYZ].root);
    if (collect & OPTIONS_LEAFS)
        map_leafs(native, documents[SCRAPE_LEAFZ].root);
    if (collect & OPTIONS_ACCOUNTS)
        map_accounts(native, documents[SCRAPE_ACCSTATZ].root, documents[SCRAPE_ACCOUNTZ].root);
    if (collect & OPTIONS_JETSTREAM)
        native_jetstream_map(native, documents[SCRAPE_JSZ].root, varz);
}

void native_map(struct series_set *set, const struct options *options, unsigned collect,
                const struct scrape_result *result, const char *server)
{
    struct native native = {.set = set, .options = options, .result = result};
    series_server(set, options->limit_series);
    prom_text_labels_add(&native.labels, "nats_server", server);
    prom_text_labels_add(&native.labels, "nats_cluster", result->cluster);
    native.base_len = native.labels.len;
    if (!native.labels.failed) {
        native_add(&native, METRIC_up, (struct native_entry){NULL, NULL},
                   prom_text_unsigned(result->up));
        map_endpoints(&native);
        if (result->up)
            map_documents(&native, collect);
        series_each_dropped(set, map_dropped, &native);
    }
    prom_text_labels_fini(&native.labels);
}

void native_map_exporter(struct series_set *set)
{
    struct prom_text_labels labels = {0};
    prom_text_labels_add(&labels, "version", CLEARWING_VERSION);
    prom_text_labels_add(&labels, "revision", CLEARWING_REVISION);
    series_add_row(set, &metric_descriptors[METRIC_exporter_build_info], labels.bytes,
                   prom_text_unsigned(1));
    prom_text_labels_fini(&labels);
}
