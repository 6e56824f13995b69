/* JetStream: the server's part always, streams and consumers when their detail was asked for.
 *
 * Every replica reports a stream. By default only its leader's view is exported, so that sums are
 * right without a filter; a stream without a cluster block is led by the server that has it. */
#include "exporter/native.h"

#include <stdio.h>

#include "monitor/json_read.h"

static bool leads(const json_t *asset, const char *own_name)
{
    const json_t *cluster = json_object_get(asset, "cluster");
    return !cluster || strcmp(json_read_text(cluster, "leader"), own_name) == 0;
}

static void map_replicas(struct native *native, const json_t *stream, const char *account)
{
    size_t i;
    json_t *replica;
    json_array_foreach (json_read_at(stream, "cluster.replicas"), i, replica) {
        const struct native_label extra[] = {{"account", account},
                                             {"stream", json_read_text(stream, "name")},
                                             {"peer", json_read_text(replica, "name")},
                                             {NULL, NULL}};
        struct native_entry entry = {replica, extra};
        bool current;
        native_add_scope(native, METRIC_SCOPE_REPLICA, entry);
        if (!json_read_at(replica, "lag"))
            native_add(native, METRIC_replica_lag, entry, prom_text_unsigned(0));
        if (json_read_boolean(replica, "current", &current))
            native_add(native, METRIC_replica_current, entry, prom_text_unsigned(current));
    }
}

static void map_source(struct native *native, const json_t *stream, const char *account,
                       const json_t *source, const char *role)
{
    const struct native_label extra[] = {{"account", account},
                                         {"stream", json_read_text(stream, "name")},
                                         {"source", json_read_text(source, "name")},
                                         {"role", role},
                                         {NULL, NULL}};
    if (source)
        native_add_scope(native, METRIC_SCOPE_SOURCE, (struct native_entry){source, extra});
}

static void map_consumer(struct native *native, const json_t *consumer, const char *account,
                         const char *stream, const char *own_name)
{
    bool leader = leads(consumer, own_name);
    const struct native_label extra[] = {{"account", account},
                                         {"stream", stream},
                                         {"consumer", json_read_text(consumer, "name")},
                                         {NULL, NULL}};
    struct native_entry entry = {consumer, extra};
    if (!leader && native->options->jetstream_leaders_only)
        return;
    native_add_scope(native, METRIC_SCOPE_CONSUMER, entry);
    native_add(native, METRIC_consumer_leader, entry, prom_text_unsigned(leader));
}

static void map_stream(struct native *native, const json_t *stream, const char *account,
                       const char *own_name)
{
    bool leader = leads(stream, own_name);
    const struct native_label extra[] = {
        {"account", account},
        {"raft_group", json_read_text(stream, "stream_raft_group")},
        {NULL, NULL}};
    struct native_entry entry = {stream, extra};
    size_t i;
    json_t *item;
    if (leader || !native->options->jetstream_leaders_only) {
        native_add_scope(native, METRIC_SCOPE_STREAM, entry);
        native_add(native, METRIC_stream_leader, entry, prom_text_unsigned(leader));
        map_replicas(native, stream, account);
        map_source(native, stream, account, json_object_get(stream, "mirror"), "mirror");
        json_array_foreach (json_object_get(stream, "sources"), i, item) {
            map_source(native, stream, account, item, "source");
        }
    }
    if (native->options->jetstream < OPTIONS_JS_CONSUMERS)
        return;
    json_array_foreach (json_object_get(stream, "consumer_detail"), i, item) {
        map_consumer(native, item, account, json_read_text(stream, "name"), own_name);
    }
}

void native_jetstream_map(struct native *native, const json_t *jsz, const json_t *varz)
{
    const char *own_name = json_read_text(varz, "server_name"), *leader;
    struct native_entry none = {jsz, NULL};
    bool disabled = false;
    size_t i, k;
    json_t *account, *stream;
    if (!jsz)
        return;
    json_read_boolean(jsz, "disabled", &disabled);
    native_add(native, METRIC_js_enabled, none, prom_text_unsigned(!disabled));
    if (disabled)
        return;
    native_add_scope(native, METRIC_SCOPE_JETSTREAM, none);
    if (json_read_string(jsz, "meta_cluster.leader", &leader))
        native_add(native, METRIC_js_meta_leader, none,
                   prom_text_unsigned(strcmp(leader, own_name) == 0));
    if (native->options->jetstream < OPTIONS_JS_STREAMS)
        return;
    json_array_foreach (json_object_get(jsz, "account_details"), i, account) {
        const char *name = json_read_text(account, "name");
        const struct native_label extra[] = {{"account", name}, {NULL, NULL}};
        native_add_scope(native, METRIC_SCOPE_JS_ACCOUNT, (struct native_entry){account, extra});
        json_array_foreach (json_object_get(account, "stream_detail"), k, stream) {
            map_stream(native, stream, name, own_name);
        }
    }
}
