/* Keys are those of the monitoring documents, from the metric table; what the server did not say is
 * left out, what cannot be known yet (a rate after one sample) is null. Times are RFC 3339,
 * durations seconds, the rest is in the unit of the monitoring document. Counters stay integers:
 * they do not go through a double. */
#include "top/batch_json.h"

#include <jansson.h>
#include <math.h>

#include "broker/base/clock.h"

static json_t *number_or_null(double value)
{
    return isfinite(value) ? json_real(value) : json_null();
}

static json_t *value_json(const struct metric_descriptor *row, const struct sample_value *value)
{
    char text[CLOCK_TEXT_MAX];
    switch (row->unit) {
    case METRIC_UNIT_TIME: return json_string(clock_rfc3339((int64_t)value->count, text));
    case METRIC_UNIT_NS:
    case METRIC_UNIT_DURATION: return json_real(value->number / 1e9);
    default: break;
    }
    if (value->number == floor(value->number) && value->count <= INT64_MAX && value->number >= 0)
        return json_integer((json_int_t)value->count);
    return json_real(value->number);
}

static json_t *server_json(const struct sample *last)
{
    char now[CLOCK_TEXT_MAX];
    json_t *server = json_pack("{s:s, s:s, s:s, s:s, s:f}", "server_id", last->server_id,
                               "server_name", last->server_name, "version", last->version, "now",
                               clock_rfc3339(last->now_ns, now), "uptime_seconds",
                               (double)(last->now_ns - last->start_ns) / 1e9);
    for (size_t i = 0; i < METRIC_COUNT; i++)
        if (last->values[i].present)
            json_object_set_new(server, metric_descriptors[i].key,
                                value_json(&metric_descriptors[i], &last->values[i]));
    return server;
}

static json_t *rates_json(const struct model *model)
{
    json_t *rates = json_object();
    for (size_t i = 0; i < METRIC_COUNT; i++)
        if (model->last->values[i].present && metric_descriptors[i].kind == METRIC_KIND_COUNTER)
            json_object_set_new(rates, metric_descriptors[i].key,
                                number_or_null(model->rates[i].now));
    return rates;
}

static json_t *conn_json(const struct model_conn *conn)
{
    const struct sample_conn *sample = conn->sample;
    json_t *object = json_pack("{s:I, s:i}", "cid", (json_int_t)sample->cid, "port", sample->port);
    json_t *rates = json_object();
    for (int i = 0; i < SAMPLE_TEXTS; i++)
        if (sample->text[i][0])
            json_object_set_new(object, sample_text_key((enum sample_text)i),
                                json_string(sample->text[i]));
    for (size_t m = 0; m < SAMPLE_CONN_METRICS; m++) {
        const struct metric_descriptor *row = &metric_descriptors[SAMPLE_CONN_FIRST + m];
        if (!sample->values[m].present)
            continue;
        json_object_set_new(object, row->key, value_json(row, &sample->values[m]));
        if (row->kind == METRIC_KIND_COUNTER)
            json_object_set_new(rates, row->key, number_or_null(conn->rates[m].now));
    }
    json_object_set_new(object, "rates", rates);
    return object;
}

bool batch_json_write(FILE *out, const struct model *model, const struct rows *rows, bool line)
{
    char now[CLOCK_TEXT_MAX];
    json_t *connections = json_array(), *errors = json_array();
    for (size_t i = 0; i < rows->count; i++)
        json_array_append_new(connections, conn_json(rows->conns[i]));
    if (model->error[0])
        json_array_append_new(errors, json_string(model->error));
    json_t *interval =
        model->interval_ns > 0 ? json_real((double)model->interval_ns / 1e9) : json_null();
    json_int_t total = model->connz ? (json_int_t)model->connz->total : 0;
    json_t *document =
        json_pack("{s:s, s:s, s:o, s:o, s:o, s:I, s:o, s:o}", "schema", "top/1", "time",
                  clock_rfc3339(model->last->wall_ns, now), "interval_seconds", interval, "server",
                  server_json(model->last), "rates", rates_json(model), "connections_total", total,
                  "connections", connections, "errors", errors);
    bool written = document &&
                   json_dumpf(document, out, line ? JSON_COMPACT : JSON_INDENT(2)) == 0 &&
                   fputc('\n', out) != EOF;
    json_decref(document);
    return written;
}
