/* The list is built once from columns.def and the metric table. A column's key is its heading in
 * small letters, which for the metrics gives the sort keys that nats-server and nats-top use
 * (msgs_to, pending, rtt, ...).
 *
 * Units: a TIME metric in a list is shown as its age, a DURATION as it is, a COUNTER as rate or
 * total. */
#include "top/columns.h"

#include <ctype.h>
#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <strings.h>

#include "top/format.h"

enum { COLUMNS_MAX = 32 };

static struct column columns[COLUMNS_MAX];
static size_t column_count;
static pthread_once_t columns_once = PTHREAD_ONCE_INIT;
static bool ascii_only;

static struct column *column_add(enum column_kind kind, unsigned index, const char *heading,
                                 int width, int priority, const char *help)
{
    check(column_count < COLUMNS_MAX);
    struct column *column = &columns[column_count++];
    *column = (struct column){
        .kind = kind, .index = index, .heading = heading, .width = width, .priority = priority};
    snprintf(column->help, sizeof column->help, "%.*s", (int)strcspn(help, ","), help);
    for (size_t i = 0; heading[i] && i + 1 < sizeof column->key; i++)
        column->key[i] = (char)tolower((unsigned char)heading[i]);
    return column;
}

static void metric_add(enum metric_id id, int width, int priority)
{
    const struct metric_descriptor *row = &metric_descriptors[id];
    for (size_t i = 0; i < column_count; i++)
        if (columns[i].metric == row)
            return;
    column_add(COLUMN_METRIC, id - SAMPLE_CONN_FIRST, row->column, width, priority, row->help)
        ->metric = row;
}

static void columns_build(void)
{
#define COLUMN_PLAIN(kind, text, heading, width, priority, help)                                   \
    column_add(COLUMN_##kind, text, heading, width, priority, help);
#define COLUMN_METRIC(field, width, priority) metric_add(METRIC_##field, width, priority);
#include "top/columns.def"
#undef COLUMN_PLAIN
#undef COLUMN_METRIC
    for (int i = 0; i < SAMPLE_CONN_METRICS; i++)
        if (metric_descriptors[SAMPLE_CONN_FIRST + i].column)
            metric_add((enum metric_id)(SAMPLE_CONN_FIRST + i), 10, 20);
}

const struct column *columns_all(size_t *count)
{
    pthread_once(&columns_once, columns_build);
    *count = column_count;
    return columns;
}

const struct column *columns_find(const char *key)
{
    size_t count;
    const struct column *all = columns_all(&count);
    for (size_t i = 0; i < count; i++)
        if (strcasecmp(all[i].key, key) == 0 ||
            (all[i].metric && strcasecmp(all[i].metric->key, key) == 0))
            return &all[i];
    return NULL;
}

const char *columns_server_sort(const struct column *column)
{
    static const char *const offered[] = {"subs",      "pending",  "msgs_to",
                                          "msgs_from", "bytes_to", "bytes_from",
                                          "idle",      "uptime",   "rtt"};
    for (size_t i = 0; i < array_length(offered); i++)
        if (strcmp(offered[i], column->key) == 0)
            return offered[i];
    return "cid";
}

bool columns_is_text(const struct column *column)
{
    return column->kind == COLUMN_TEXT || column->kind == COLUMN_HOST;
}

bool columns_ascending(const struct column *column)
{
    return column->kind != COLUMN_METRIC || column->index == METRIC_conn_start - SAMPLE_CONN_FIRST;
}

static bool shown_as_rate(const struct column *column, bool rates)
{
    return rates && column->metric && column->metric->kind == METRIC_KIND_COUNTER;
}

char *columns_heading(const struct column *column, bool rates, char *out)
{
    snprintf(out, FORMAT_MAX, "%s%s", column->heading, shown_as_rate(column, rates) ? "/s" : "");
    return out;
}

double columns_number(const struct column *column, const struct column_view *view,
                      const struct model_conn *conn)
{
    if (column->kind == COLUMN_CID)
        return (double)conn->sample->cid;
    if (column->kind != COLUMN_METRIC)
        return NAN;
    if (shown_as_rate(column, view->rates))
        return conn->rates[column->index].now;
    const struct sample_value *value = &conn->sample->values[column->index];
    if (!value->present)
        return NAN;
    if (column->metric->unit == METRIC_UNIT_TIME)
        return fmax(0, ((double)view->now_ns - value->number) / 1e9);
    if (column->metric->unit == METRIC_UNIT_DURATION)
        return value->number / 1e9;
    return value->number;
}

double columns_sort_number(const struct column *column, const struct column_view *view,
                           const struct model_conn *conn)
{
    if (shown_as_rate(column, view->rates))
        return conn->rates[column->index].fast;
    return columns_number(column, view, conn);
}

char *columns_metric_text(const struct metric_descriptor *metric, double value, bool rate, bool raw,
                          char *out)
{
    double ns = fmin(fmax(value * 1e9, 0), 9e18); /* what a server says may not fit otherwise */
    switch (metric->unit) {
    case METRIC_UNIT_TIME: return format_duration((int64_t)ns, out);
    case METRIC_UNIT_DURATION: return format_latency((int64_t)(ns + 0.5), out);
    case METRIC_UNIT_PERCENT: snprintf(out, FORMAT_MAX, "%.1f%%", value); return out;
    case METRIC_UNIT_RATIO: snprintf(out, FORMAT_MAX, "%.1f%%", value * 100); return out;
    default: break;
    }
    if (raw)
        return format_exact(value, rate ? 1 : 0, out);
    return metric->unit == METRIC_UNIT_BYTES ? format_bytes(value, out) : format_count(value, out);
}

char *columns_text(const struct column *column, const struct column_view *view,
                   const struct model_conn *conn, char *out)
{
    const struct sample_conn *sample = conn->sample;
    switch (column->kind) {
    case COLUMN_CID:
        snprintf(out, COLUMN_TEXT_MAX, "%llu", (unsigned long long)sample->cid);
        return out;
    case COLUMN_HOST:
        snprintf(out, COLUMN_TEXT_MAX, strchr(sample->text[SAMPLE_IP], ':') ? "[%s]:%d" : "%s:%d",
                 sample->text[SAMPLE_IP], sample->port);
        return out;
    case COLUMN_TEXT:
        snprintf(out, COLUMN_TEXT_MAX, "%s",
                 sample->text[column->index][0] ? sample->text[column->index] : "-");
        return out;
    case COLUMN_METRIC: break;
    }
    double value = columns_number(column, view, conn);
    if (!sample->values[column->index].present)
        snprintf(out, COLUMN_TEXT_MAX, "%s", columns_absent());
    else if (isnan(value))
        snprintf(out, COLUMN_TEXT_MAX, "%s", columns_unknown());
    else
        columns_metric_text(column->metric, value, shown_as_rate(column, view->rates), view->raw,
                            out);
    return out;
}

void columns_set_ascii(bool ascii)
{
    ascii_only = ascii;
}

const char *columns_unknown(void)
{
    return ascii_only ? "-" : "–";
}

const char *columns_absent(void)
{
    return ascii_only ? "." : "·";
}
