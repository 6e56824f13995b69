/* /metrics: the metric table in Prometheus' words. Every row but those of single connections
 * appears by itself: WORKER and READ rows as one series, SUBS rows, FAMILY rows with their one
 * bounded label.
 *
 * Of connections only a summary is told, whose size does not grow with their number: sums, two
 * distributions, and a count by client library, where client-chosen text makes at most
 * METRICS_LIBRARIES_MAX series, then "other". */
#include <limits.h>
#include <stdio.h>
#include <unistd.h>

#include "broker/base/mem.h"
#include "broker/inspect.h"
#include "monitor/metrics_accounts.h"
#include "monitor/prom_text.h"
#include "monitor/request.h"
#include "monitor/values.h"

enum {
    METRICS_LIBRARIES_MAX = 100,
    METRICS_LIBRARY_TEXT_MAX = 48,
    SERVER_NAME_MAX = HOST_NAME_MAX + 16
};

static const double rtt_bounds[] = {0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025,
                                    0.05,   0.1,     0.25,   0.5,   1,      2.5,   5,    10};
static const double queue_bounds[] = {0,         1 << 10, 8 << 10,  64 << 10,
                                      512 << 10, 4 << 20, 32 << 20, 64 << 20};

struct library {
    char lang[METRICS_LIBRARY_TEXT_MAX], version[METRICS_LIBRARY_TEXT_MAX];
    uint64_t connections;
};

struct summary {
    uint64_t pending_sum, pending_max;
    uint64_t rtt_counts[array_length(rtt_bounds) + 1];
    double rtt_sum;
    uint64_t queue_counts[array_length(queue_bounds) + 1];
    struct library library[METRICS_LIBRARIES_MAX];
    size_t libraries;
    uint64_t other;
};

static void observe(const double *bounds, size_t count, uint64_t *counts, double value)
{
    size_t i = 0;
    while (i < count && value > bounds[i])
        i++;
    counts[i]++;
}

static void copy_cut(char *out, const char *text)
{
    size_t len = min_size(strlen(text), METRICS_LIBRARY_TEXT_MAX - 1);
    memcpy(out, text, len);
    out[len] = '\0';
}

static void count_library(struct summary *summary, const struct inspect_connection *connection)
{
    struct library seen = {.connections = 1};
    copy_cut(seen.lang, connection->lang);
    copy_cut(seen.version, connection->version);
    for (size_t i = 0; i < summary->libraries; i++) {
        struct library *known = &summary->library[i];
        if (strcmp(known->lang, seen.lang) == 0 && strcmp(known->version, seen.version) == 0) {
            known->connections++;
            return;
        }
    }
    if (summary->libraries < METRICS_LIBRARIES_MAX)
        summary->library[summary->libraries++] = seen;
    else
        summary->other++;
}

static void summarize(void *context, const struct inspect_connection *connection)
{
    struct summary *summary = context;
    summary->pending_sum += connection->pending_bytes;
    if (connection->pending_bytes > summary->pending_max)
        summary->pending_max = connection->pending_bytes;
    observe(queue_bounds, array_length(queue_bounds), summary->queue_counts,
            (double)connection->pending_bytes);
    if (connection->rtt_ns > 0) {
        double rtt_seconds = (double)connection->rtt_ns * 1e-9;
        summary->rtt_sum += rtt_seconds;
        observe(rtt_bounds, array_length(rtt_bounds), summary->rtt_counts, rtt_seconds);
    }
    count_library(summary, connection);
}

static struct prom_text_value whole(enum metric_unit unit, uint64_t value)
{
    return metrics_unit_factor(unit) < 1 ? prom_text_scaled(unit, (int64_t)value)
                                         : prom_text_unsigned(value);
}

static void write_row(struct prom_text *text, const char *labels, enum metric_id id,
                      struct value value)
{
    enum metric_unit unit = metric_descriptors[id].unit;
    if (value.form == VALUE_ABSENT || value.form == VALUE_UNLIMITED)
        return;
    prom_text_row(text, &metric_descriptors[id]);
    if (value.form == VALUE_REAL)
        prom_text_sample(text, labels, prom_text_scaled_real(unit, value.real));
    else
        prom_text_sample(text, labels, whole(unit, value.integer));
}

static void write_family(struct prom_text *text, struct prom_text_labels *labels, enum metric_id id,
                         const struct inspect_server *server, const struct endpoint_counts *counts)
{
    size_t common = labels->len;
    struct value_series series;
    prom_text_row(text, &metric_descriptors[id]);
    for (size_t n = 0; values_family(server, counts, id, n, &series); n++) {
        prom_text_labels_add(labels, metric_descriptors[id].label, series.label);
        prom_text_sample(text, labels->bytes, whole(metric_descriptors[id].unit, series.value));
        prom_text_labels_cut(labels, common);
    }
}

static void write_table(struct prom_text *text, struct prom_text_labels *labels,
                        const struct inspect_server *server, const struct endpoint_counts *counts)
{
    struct inspect_subscriptions statistics;
    inspect_subscription_statistics(NULL, &statistics);
    for (enum metric_id id = 0; id < METRIC_COUNT; id++) {
        switch (metric_descriptors[id].source) {
        case METRIC_SOURCE_WORKER:
        case METRIC_SOURCE_READ:
            write_row(text, labels->bytes, id, values_server(server, id));
            break;
        case METRIC_SOURCE_SUBS:
            write_row(text, labels->bytes, id, values_subscriptions(&statistics, id));
            break;
        case METRIC_SOURCE_FAMILY: write_family(text, labels, id, server, counts); break;
        case METRIC_SOURCE_JSON:
            if (metric_descriptors[id].scope == METRIC_SCOPE_SERVER)
                write_row(text, labels->bytes, id, values_server(server, id));
            break;
        case METRIC_SOURCE_CONN: break;
        }
    }
}

static void begin_row(struct prom_text *text, enum metric_id id, enum prom_text_kind kind)
{
    const struct metric_descriptor *row = &metric_descriptors[id];
    char name[METRIC_NAME_MAX];
    prom_text_family(text, metrics_family_name(row, name), kind, metrics_unit_name(row->unit),
                     row->help);
}

static void write_identity(struct prom_text *text, struct prom_text_labels *labels,
                           const struct inspect_server *server)
{
    size_t common = labels->len;
    prom_text_labels_add(labels, "server_id", server->server_id);
    prom_text_labels_add(labels, "server_name", server->server_name);
    prom_text_labels_add(labels, "version", CLEARWING_NATS_VERSION);
    prom_text_labels_add(labels, "clearwing_version", CLEARWING_VERSION);
    prom_text_labels_add(labels, "host", server->host);
    prom_text_row(text, &metric_descriptors[METRIC_server_info]);
    prom_text_sample(text, labels->bytes, prom_text_unsigned(1));
    prom_text_labels_cut(labels, common);
    prom_text_labels_add(labels, "check", "full");
    prom_text_row(text, &metric_descriptors[METRIC_health_status]);
    prom_text_sample(text, labels->bytes, prom_text_unsigned(inspect_ready()));
    prom_text_labels_cut(labels, common);
}

static void write_library(struct prom_text *text, struct prom_text_labels *labels, const char *lang,
                          const char *version, uint64_t connections)
{
    size_t common = labels->len;
    prom_text_labels_add(labels, "kind", "Client");
    prom_text_labels_add(labels, "type", "nats");
    prom_text_labels_add(labels, "lang", lang);
    prom_text_labels_add(labels, "version", version);
    prom_text_sample(text, labels->bytes, prom_text_unsigned(connections));
    prom_text_labels_cut(labels, common);
}

static void write_summary(struct prom_text *text, struct prom_text_labels *labels,
                          const struct summary *summary)
{
    prom_text_row(text, &metric_descriptors[METRIC_connections_pending]);
    prom_text_sample(text, labels->bytes, prom_text_unsigned(summary->pending_sum));
    prom_text_row(text, &metric_descriptors[METRIC_connections_pending_max]);
    prom_text_sample(text, labels->bytes, prom_text_unsigned(summary->pending_max));
    prom_text_row(text, &metric_descriptors[METRIC_connections_by_library]);
    for (size_t i = 0; i < summary->libraries; i++)
        write_library(text, labels, summary->library[i].lang, summary->library[i].version,
                      summary->library[i].connections);
    if (summary->other)
        write_library(text, labels, "other", "other", summary->other);
    begin_row(text, METRIC_connections_rtt, PROM_TEXT_GAUGE_HISTOGRAM);
    prom_text_histogram(text, labels->bytes, rtt_bounds, array_length(rtt_bounds),
                        summary->rtt_counts, summary->rtt_sum);
    begin_row(text, METRIC_connections_queue, PROM_TEXT_GAUGE_HISTOGRAM);
    prom_text_histogram(text, labels->bytes, queue_bounds, array_length(queue_bounds),
                        summary->queue_counts, (double)summary->pending_sum);
}

/* What tells this server from others and outlives a restart: its name, or where clients find it. The id does not. */
static const char *stable_name(const struct inspect_server *server, char *out)
{
    if (strcmp(server->server_name, server->server_id) != 0)
        return server->server_name;
    char host[HOST_NAME_MAX + 1] = "localhost";
    bool wildcard = strcmp(server->host, "0.0.0.0") == 0 || strcmp(server->host, "::") == 0;
    if (wildcard)
        gethostname(host, sizeof host - 1);
    snprintf(out, SERVER_NAME_MAX, "%s:%d", wildcard ? host : server->host, server->port);
    return out;
}

void metrics_answer(struct request *request)
{
    struct inspect_server server;
    inspect_server(&server);
    struct summary *summary = mem_zalloc(sizeof *summary);
    if (!summary) {
        request_error(request, 503, "out of memory");
        return;
    }
    inspect_connections_walk(summarize, summary);
    struct prom_text text;
    struct prom_text_labels labels = {0};
    prom_text_init(&text, prom_text_negotiate(request->accept));
    char name[SERVER_NAME_MAX];
    prom_text_labels_add(&labels, "nats_server", stable_name(&server, name));
    write_identity(&text, &labels, &server);
    write_table(&text, &labels, &server, request->counts);
    bool complete = metrics_accounts_write(&text, &labels);
    write_summary(&text, &labels, summary);
    prom_text_end(&text);
    request->content_type = prom_text_content_type(text.format);
    size_t len;
    bool failed = labels.failed || !complete;
    char *bytes = prom_text_take(&text, &len);
    prom_text_labels_fini(&labels);
    mem_free(summary);
    if (bytes)
        text_buffer_adopt(&request->body, bytes, len);
    if (!bytes || failed)
        request_error(request, 503, "out of memory");
}
