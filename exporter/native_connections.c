/* Connections: a bounded summary always, single ones when asked for.
 *
 * The summary's size follows from how many client libraries and accounts there are, both capped;
 * distributions of round-trip times and queues stand for what one series per connection would show.
 * Where there is a limit, the largest stay: connections by queued bytes, then by bytes moved, then
 * by id, so that the choice is stable. */
#include "exporter/native.h"

#include <stdlib.h>

#include "broker/base/clock.h"
#include "broker/base/mem.h"
#include "monitor/json_read.h"

enum { LIBRARIES_MAX = 100 };

static const double rtt_bounds[] = {0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025,
                                    0.05,   0.1,     0.25,   0.5,   1,      2.5,   5,    10};
static const double queue_bounds[] = {0,         1 << 10, 8 << 10,  64 << 10,
                                      512 << 10, 4 << 20, 32 << 20, 64 << 20};

static void observe(const double *bounds, size_t count, uint64_t *counts, double value)
{
    size_t i = 0;
    while (i < count && value > bounds[i])
        i++;
    counts[i]++;
}

/* ---- counts by text ---- */

/* {text: count}, largest first. */
struct tally {
    const char *text;
    json_int_t count;
};

static int compare_tallies(const void *a, const void *b)
{
    const struct tally *x = a, *y = b;
    if (x->count != y->count)
        return x->count > y->count ? -1 : 1;
    return strcmp(x->text, y->text);
}

static void count_text(json_t *counts, const char *text)
{
    json_t *count = json_object_get(counts, text);
    if (count)
        json_integer_set(count, json_integer_value(count) + 1);
    else
        json_object_set_new_nocheck(counts, text, json_integer(1));
}

/* Adds the `max` largest as series; keys of counts are rendered labels. */
static void add_tallies(struct native *native, enum metric_id id, json_t *counts, size_t max)
{
    size_t used = 0;
    struct tally *tallies = mem_alloc((json_object_size(counts) + 1) * sizeof *tallies);
    const char *text;
    json_t *count;
    if (!tallies)
        return;
    json_object_foreach (counts, text, count) {
        tallies[used++] = (struct tally){text, json_integer_value(count)};
    }
    qsort(tallies, used, sizeof *tallies, compare_tallies);
    for (size_t i = 0; i < used && i < max; i++)
        series_add_row(native->set, &metric_descriptors[id], tallies[i].text,
                       prom_text_signed(tallies[i].count));
    mem_free(tallies);
}

/* ---- the summary ---- */

static const char *account_of(const json_t *connection)
{
    const char *account = json_read_text(connection, "account");
    return account[0] ? account : "$G";
}

static void map_groups(struct native *native, const json_t *connections)
{
    json_t *libraries = json_object(), *accounts = json_object(), *connection;
    size_t i;
    json_array_foreach (connections, i, connection) {
        const struct native_label account[] = {{"account", account_of(connection)}, {NULL, NULL}};
        struct native_entry entry = {connection, account};
        count_text(
            libraries,
            native_labels(native, metric_descriptors[METRIC_connections_by_library].label, entry));
        count_text(
            accounts,
            native_labels(native, metric_descriptors[METRIC_connections_by_account].label, entry));
    }
    add_tallies(native, METRIC_connections_by_library, libraries, LIBRARIES_MAX);
    add_tallies(native, METRIC_connections_by_account, accounts, SIZE_MAX);
    json_decref(libraries);
    json_decref(accounts);
}

static void map_distributions(struct native *native, const json_t *connections)
{
    uint64_t rtts[array_length(rtt_bounds) + 1] = {0}, queues[array_length(queue_bounds) + 1] = {0};
    uint64_t pending_sum = 0, pending_max = 0, pending;
    double rtt_sum = 0;
    int64_t rtt_ns;
    size_t i;
    json_t *connection;
    json_array_foreach (connections, i, connection) {
        if (json_read_go_duration(connection, "rtt", &rtt_ns) && rtt_ns > 0) {
            double seconds = (double)rtt_ns / (double)NS_PER_SEC;
            rtt_sum += seconds;
            observe(rtt_bounds, array_length(rtt_bounds), rtts, seconds);
        }
        if (json_read_unsigned(connection, "pending_bytes", &pending)) {
            pending_sum += pending;
            pending_max = pending > pending_max ? pending : pending_max;
            observe(queue_bounds, array_length(queue_bounds), queues, (double)pending);
        }
    }
    struct native_entry none = {NULL, NULL};
    native_add(native, METRIC_connections_pending, none, prom_text_unsigned(pending_sum));
    native_add(native, METRIC_connections_pending_max, none, prom_text_unsigned(pending_max));
    const char *labels = native_labels(native, NULL, none);
    series_add_distribution(native->set, &metric_descriptors[METRIC_connections_rtt], labels,
                            rtt_bounds, array_length(rtt_bounds), rtts, rtt_sum);
    series_add_distribution(native->set, &metric_descriptors[METRIC_connections_queue], labels,
                            queue_bounds, array_length(queue_bounds), queues, (double)pending_sum);
}

static void map_closed(struct native *native)
{
    const char *reason;
    json_t *count;
    json_object_foreach (native->result->closed_by_reason, reason, count) {
        const struct native_label extra[] = {{"reason", reason}, {NULL, NULL}};
        native_add(native, METRIC_connections_closed, (struct native_entry){NULL, extra},
                   prom_text_signed(json_integer_value(count)));
    }
}

/* ---- single connections ---- */

struct ranked {
    const json_t *connection;
    uint64_t pending, moved, cid;
};

static int compare_ranked(const void *a, const void *b)
{
    const struct ranked *x = a, *y = b;
    if (x->pending != y->pending)
        return x->pending > y->pending ? -1 : 1;
    if (x->moved != y->moved)
        return x->moved > y->moved ? -1 : 1;
    return (x->cid > y->cid) - (x->cid < y->cid);
}

static void add_connection(struct native *native, const json_t *connection)
{
    const struct native_label account[] = {{"account", account_of(connection)}, {NULL, NULL}};
    struct native_entry entry = {connection, account};
    native_add(native, METRIC_connection_info, entry, prom_text_unsigned(1));
    for (size_t i = 0; i < METRIC_COUNT; i++) {
        const struct metric_descriptor *row = &metric_descriptors[i];
        struct prom_text_value value;
        if (row->source == METRIC_SOURCE_CONN && native_value(connection, row, &value))
            series_add_row(native->set, row, native_labels(native, "cid", entry), value);
    }
}

static void map_single(struct native *native, const json_t *connections)
{
    size_t count = json_array_size(connections), i;
    struct ranked *ranking = mem_zalloc((count + 1) * sizeof *ranking);
    json_t *connection;
    if (!ranking)
        return;
    json_array_foreach (connections, i, connection) {
        uint64_t in = 0, out = 0;
        ranking[i].connection = connection;
        json_read_unsigned(connection, "pending_bytes", &ranking[i].pending);
        json_read_unsigned(connection, "in_bytes", &in);
        json_read_unsigned(connection, "out_bytes", &out);
        json_read_unsigned(connection, "cid", &ranking[i].cid);
        ranking[i].moved = in + out;
    }
    qsort(ranking, count, sizeof *ranking, compare_ranked);
    if (native->options->connections == OPTIONS_CONN_TOP)
        count = min_size(count, native->options->connections_top);
    for (i = 0; i < count; i++)
        add_connection(native, ranking[i].connection);
    mem_free(ranking);
}

void native_connections_map(struct native *native, const json_t *connz)
{
    const json_t *connections = json_object_get(connz, "connections");
    struct native_entry none = {NULL, NULL};
    uint64_t total;
    map_closed(native);
    if (!connz)
        return;
    native_add(native, METRIC_connections_listed, none,
               prom_text_unsigned(json_array_size(connections)));
    if (json_read_unsigned(connz, "total", &total))
        native_add(native, METRIC_connections_matching, none, prom_text_unsigned(total));
    map_distributions(native, connections);
    map_groups(native, connections);
    if (native->options->connections >= OPTIONS_CONN_TOP)
        map_single(native, connections);
}
