/* The older exporter's -jsz: four nested label sets, each the one above and more.
 *
 *     server > account > stream > consumer, source, mirror
 *
 * The labels are kept as text; a set is made by cutting back to the one above and adding its own.
 */
#include "exporter/compat.h"

#include <stdio.h>

#include "broker/base/clock.h"
#include "monitor/json_read.h"

struct number_row {
    const char *name, *key;
};

static void label(struct compat *compat, const char *name, const char *value)
{
    prom_text_labels_add(&compat->labels, name, value);
}

static const char *prefix_of(const struct compat *compat)
{
    return compat->options->prefix ? compat->options->prefix : "jetstream";
}

static void add_numbers(struct compat *compat, const char *area, const struct number_row *rows,
                        size_t count, const json_t *object)
{
    for (size_t i = 0; i < count; i++)
        compat_add_number(compat, prefix_of(compat), area, rows[i].name, PROM_TEXT_GAUGE, object,
                          rows[i].key);
}

/* A number that the server leaves out when it is zero. */
static void add_or_zero(struct compat *compat, const char *area, const char *name,
                        const json_t *object, const char *key)
{
    if (json_read_at(object, key))
        compat_add_number(compat, prefix_of(compat), area, name, PROM_TEXT_GAUGE, object, key);
    else
        compat_add(compat, prefix_of(compat), area, name, PROM_TEXT_GAUGE, prom_text_unsigned(0));
}

static void label_metadata(struct compat *compat, const char *kind, const char *const *keys,
                           const json_t *asset)
{
    const json_t *metadata = json_read_at(asset, "config.metadata");
    for (; *keys; keys++) {
        char name[160];
        snprintf(name, sizeof name, "%s_meta_%s", kind, *keys);
        for (char *c = name; *c; c++)
            if (!((*c >= '0' && *c <= '9') || (*c >= 'A' && *c <= 'Z') || (*c >= 'a' && *c <= 'z')))
                *c = '_';
        const char *value = json_string_value(json_object_get(metadata, *keys));
        label(compat, name, value ? value : "");
    }
}

/* Labels for one asset's leader: `kind`_leader and is_`kind`_leader. */
static void label_leader(struct compat *compat, const char *kind, const json_t *asset,
                         const char *own_name)
{
    char name[40];
    const json_t *cluster = json_object_get(asset, "cluster");
    const char *leader = json_read_text(cluster, "leader");
    snprintf(name, sizeof name, "%s_leader", kind);
    label(compat, name, leader);
    snprintf(name, sizeof name, "is_%s_leader", kind);
    label(compat, name, !cluster || strcmp(leader, own_name) == 0 ? "true" : "false");
}

static void add_age(struct compat *compat, const char *name, const json_t *consumer,
                    const char *key, int64_t now_ns)
{
    int64_t then_ns;
    if (json_read_time(consumer, key, &then_ns))
        compat_add(compat, prefix_of(compat), "consumer", name, PROM_TEXT_GAUGE,
                   prom_text_real((double)(now_ns - then_ns) / (double)NS_PER_SEC));
}

static void map_consumer(struct compat *compat, const json_t *consumer, const char *own_name,
                         int64_t now_ns)
{
    static const struct number_row rows[] = {{"delivered_consumer_seq", "delivered.consumer_seq"},
                                             {"delivered_stream_seq", "delivered.stream_seq"},
                                             {"ack_floor_consumer_seq", "ack_floor.consumer_seq"},
                                             {"ack_floor_stream_seq", "ack_floor.stream_seq"},
                                             {"num_ack_pending", "num_ack_pending"},
                                             {"num_redelivered", "num_redelivered"},
                                             {"num_waiting", "num_waiting"},
                                             {"num_pending", "num_pending"}};
    label(compat, "consumer_name", json_read_text(consumer, "name"));
    label_leader(compat, "consumer", consumer, own_name);
    label(compat, "consumer_desc", json_read_text(consumer, "config.description"));
    label_metadata(compat, "consumer", compat->options->consumer_meta_keys, consumer);
    add_numbers(compat, "consumer", rows, array_length(rows), consumer);
    json_read_time(consumer, "ts", &now_ns);
    add_age(compat, "last_delivery_seconds", consumer, "delivered.last_active", now_ns);
    add_age(compat, "last_ack_seconds", consumer, "ack_floor.last_active", now_ns);
}

static void map_source(struct compat *compat, const json_t *source, const char *role)
{
    static const char *const fields[] = {"name", "external.api", "external.deliver"};
    static const char *const suffixes[] = {"name", "api", "deliver"};
    char name[64];
    for (size_t i = 0; i < array_length(fields); i++) {
        snprintf(name, sizeof name, "%s_%s", role, suffixes[i]);
        label(compat, name, json_read_text(source, fields[i]));
    }
    snprintf(name, sizeof name, "%s_lag", role);
    add_or_zero(compat, "stream", name, source, "lag");
    snprintf(name, sizeof name, "%s_active_duration_ns", role);
    add_or_zero(compat, "stream", name, source, "active");
}

static void map_stream(struct compat *compat, const json_t *stream, const char *own_name,
                       int64_t now_ns)
{
    static const struct number_row rows[] = {{"total_messages", "state.messages"},
                                             {"total_bytes", "state.bytes"},
                                             {"first_seq", "state.first_seq"},
                                             {"last_seq", "state.last_seq"},
                                             {"consumer_count", "state.consumer_count"}};
    static const struct number_row limits[] = {{"limit_bytes", "config.max_bytes"},
                                               {"limit_messages", "config.max_msgs"}};
    const json_t *mirror = json_object_get(stream, "mirror");
    bool consumers = compat->options->compat_jetstream == OPTIONS_JS_CONSUMERS;
    size_t i;
    json_t *item;
    label(compat, "stream_name", json_read_text(stream, "name"));
    label_leader(compat, "stream", stream, own_name);
    label(compat, "stream_raft_group", json_read_text(stream, "stream_raft_group"));
    label_metadata(compat, "stream", compat->options->stream_meta_keys, stream);
    add_numbers(compat, "stream", rows, array_length(rows), stream);
    if (consumers)
        add_numbers(compat, "stream", limits, array_length(limits), stream);
    add_or_zero(compat, "stream", "subject_count", stream, "state.num_subjects");
    size_t mark = compat->labels.len;
    if (mirror)
        map_source(compat, mirror, "mirror");
    json_array_foreach (json_object_get(stream, "sources"), i, item) {
        prom_text_labels_cut(&compat->labels, mark);
        map_source(compat, item, "source");
    }
    if (!consumers)
        return;
    json_array_foreach (json_object_get(stream, "consumer_detail"), i, item) {
        prom_text_labels_cut(&compat->labels, mark);
        map_consumer(compat, item, own_name, now_ns);
    }
}

static void map_account(struct compat *compat, const json_t *account, const char *own_name,
                        int64_t now_ns)
{
    static const struct number_row rows[] = {{"max_memory", "reserved_memory"},
                                             {"max_storage", "reserved_storage"},
                                             {"memory_used", "memory"},
                                             {"storage_used", "storage"}};
    size_t i;
    json_t *stream;
    label(compat, "account", json_read_text(account, "name"));
    label(compat, "account_name", json_read_text(account, "name"));
    label(compat, "account_id", json_read_text(account, "id"));
    add_numbers(compat, "account", rows, array_length(rows), account);
    if (compat->options->compat_jetstream < OPTIONS_JS_STREAMS)
        return;
    size_t mark = compat->labels.len;
    json_array_foreach (json_object_get(account, "stream_detail"), i, stream) {
        prom_text_labels_cut(&compat->labels, mark);
        map_stream(compat, stream, own_name, now_ns);
    }
}

void compat_jetstream_map(struct compat *compat, const json_t *jsz, const json_t *varz)
{
    static const struct number_row rows[] = {
        {"total_streams", "streams"},        {"total_consumers", "consumers"},
        {"total_messages", "messages"},      {"total_message_bytes", "bytes"},
        {"max_memory", "config.max_memory"}, {"max_storage", "config.max_storage"}};
    const char *own_name = json_read_text(varz, "server_name");
    const json_t *meta = json_object_get(jsz, "meta_cluster");
    const char *leader = json_read_text(meta, "leader");
    int64_t now_ns = clock_wall_ns();
    size_t i;
    json_t *account;
    json_read_time(jsz, "now", &now_ns);
    const struct compat_label list[] = {
        {"server_id", compat->server_id},
        {"server_name", own_name},
        {"cluster", json_read_text(meta, "name")},
        {"domain", json_read_text(jsz, "config.domain")},
        {"meta_leader", leader},
        {"is_meta_leader", !meta || strcmp(leader, own_name) == 0 ? "true" : "false"},
        {NULL, NULL}};
    compat_labels(compat, list);
    add_or_zero(compat, "server", "jetstream_disabled", jsz, "disabled");
    add_numbers(compat, "server", rows, array_length(rows), jsz);
    size_t mark = compat->labels.len;
    json_array_foreach (json_object_get(jsz, "account_details"), i, account) {
        prom_text_labels_cut(&compat->labels, mark);
        map_account(compat, account, own_name, now_ns);
    }
}
