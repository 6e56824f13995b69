/* Two polls one interval apart make the rates; with --count each further poll makes another
 * document.
 *
 * JSON and CSV hold base units: counts, bytes, seconds, RFC 3339 times, nothing scaled. Unknown is
 * null in JSON and an empty cell in CSV. What the server does not offer is not in the JSON at all,
 * and is an empty cell in CSV. */
#include "top/batch.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <time.h>

#include "broker/base/clock.h"
#include "broker/base/mem.h"
#include "top/batch_json.h"
#include "top/fetch.h"
#include "top/format.h"
#include "top/rows.h"

static void cell_csv(FILE *out, const char *text)
{
    if (!strpbrk(text, ",\"\r\n")) {
        fputs(text, out);
        return;
    }
    fputc('"', out);
    for (; *text; text++) {
        if (*text == '"')
            fputc('"', out);
        fputc(*text, out);
    }
    fputc('"', out);
}

static bool is_counter(const struct column *column)
{
    return column->metric && column->metric->kind == METRIC_KIND_COUNTER;
}

static void heading_csv(FILE *out)
{
    size_t count;
    const struct column *all = columns_all(&count);
    for (size_t i = 0; i < count; i++) {
        fprintf(out, "%s%s", i ? "," : "", all[i].key);
        if (is_counter(&all[i]))
            fprintf(out, ",%s_per_second", all[i].key);
    }
    fputc('\n', out);
}

/* As many digits as the number has, without an exponent for what is a count. */
static void number_csv(FILE *out, double value, bool whole)
{
    if (!isnan(value))
        fprintf(out, whole ? "%.0f" : "%.9g", value);
}

static void row_csv(FILE *out, const struct model_conn *conn, const struct column_view *view)
{
    struct column_view totals = *view, rates = *view;
    totals.rates = false;
    rates.rates = true;
    size_t count;
    const struct column *all = columns_all(&count);
    for (size_t i = 0; i < count; i++) {
        const struct column *column = &all[i];
        bool plain = column->metric && column->metric->unit != METRIC_UNIT_TIME &&
                     column->metric->unit != METRIC_UNIT_DURATION;
        char text[COLUMN_TEXT_MAX];
        if (i)
            fputc(',', out);
        if (column->metric)
            number_csv(out, columns_number(column, &totals, conn), plain);
        else if (column->kind == COLUMN_TEXT)
            cell_csv(out, conn->sample->text[column->index]);
        else
            cell_csv(out, columns_text(column, &totals, conn, text));
        if (is_counter(column)) {
            fputc(',', out);
            number_csv(out, columns_number(column, &rates, conn), false);
        }
    }
    fputc('\n', out);
}

/* A server figure, or the sign for absent. */
static const char *figure(const struct model *model, enum metric_id id, bool rate, bool raw,
                          char *out)
{
    const struct sample_value *value = &model->last->values[id];
    if (!value->present)
        return columns_absent();
    double shown = rate ? model->rates[id].now : value->number;
    if (isnan(shown))
        return columns_unknown();
    return columns_metric_text(&metric_descriptors[id], shown, rate, raw, out);
}

static void server_text(FILE *out, const struct options *options, const struct model *model)
{
    const struct sample *last = model->last;
    const char *gap = options->delimiter ? options->delimiter : "  ";
    char a[FORMAT_MAX], b[FORMAT_MAX], c[FORMAT_MAX], d[FORMAT_MAX];
    bool raw = options->raw;
    fprintf(out, "NATS server version%s%s%suptime%s%s\n", gap, last->version, gap, gap,
            format_duration(last->now_ns - last->start_ns, a));
    fprintf(out, "Server%s%s\nID%s%s\n", gap, last->server_name, gap, last->server_id);
    fprintf(out, "Load: CPU%s%s%sMemory%s%s%sSlow consumers%s%s\n", gap,
            figure(model, METRIC_cpu, false, raw, a), gap, gap,
            figure(model, METRIC_mem, false, raw, b), gap, gap,
            figure(model, METRIC_slow_consumers, false, raw, c));
    fprintf(out, "In: Msgs%s%s%sBytes%s%s%sMsgs/s%s%s%sBytes/s%s%s\n", gap,
            figure(model, METRIC_in_msgs, false, raw, a), gap, gap,
            figure(model, METRIC_in_bytes, false, raw, b), gap, gap,
            figure(model, METRIC_in_msgs, true, raw, c), gap, gap,
            figure(model, METRIC_in_bytes, true, raw, d));
    fprintf(out, "Out: Msgs%s%s%sBytes%s%s%sMsgs/s%s%s%sBytes/s%s%s\n", gap,
            figure(model, METRIC_out_msgs, false, raw, a), gap, gap,
            figure(model, METRIC_out_bytes, false, raw, b), gap, gap,
            figure(model, METRIC_out_msgs, true, raw, c), gap, gap,
            figure(model, METRIC_out_bytes, true, raw, d));
}

static void cell_text(FILE *out, const struct options *options, const struct column *column,
                      const char *text, bool first)
{
    if (options->delimiter) {
        fprintf(out, "%s%s", first ? "" : options->delimiter, text);
        return;
    }
    char safe[COLUMN_TEXT_MAX * 4], padded[COLUMN_TEXT_MAX * 4];
    int width = format_text_width(text);
    if (columns_is_text(column)) {
        format_text(text, column->width, safe, sizeof safe);
        fprintf(out, "%s%s", first ? "" : " ", safe);
        return;
    }
    format_text(text, width, safe, sizeof safe);
    format_text("", width < column->width ? column->width - width : 0, padded, sizeof padded);
    fprintf(out, "%s%s%s", first ? "" : " ", padded, safe);
}

static void table_text(FILE *out, const struct options *options, const struct model *model,
                       const struct rows *rows, const struct column_view *view)
{
    size_t count, listed = model->connz ? model->connz->count : 0;
    const struct column *all = columns_all(&count);
    fprintf(out, "\nConnections: %zu", rows->count);
    if (model->connz && (rows->count != listed || model->connz->total != listed))
        fprintf(out, " of %llu%s", (unsigned long long)model->connz->total,
                listed < model->connz->total ? ", see --limit" : "");
    fputc('\n', out);
    for (size_t i = 0; i < count; i++) {
        char heading[FORMAT_MAX];
        cell_text(out, options, &all[i], columns_heading(&all[i], view->rates, heading), i == 0);
    }
    fputc('\n', out);
    for (size_t r = 0; r < rows->count; r++) {
        for (size_t i = 0; i < count; i++) {
            char text[COLUMN_TEXT_MAX];
            cell_text(out, options, &all[i], columns_text(&all[i], view, rows->conns[r], text),
                      i == 0);
        }
        fputc('\n', out);
    }
}

static bool print(FILE *out, const struct options *options, const struct model *model, bool first)
{
    struct filter filter = {0};
    if (options->filter && !filter_parse(&filter, options->filter))
        return false;
    struct column_view view = {!options->totals, options->raw,
                               model->connz ? model->connz->now_ns : model->last->now_ns};
    struct rows_query query = {
        .sort = options->sort, .descending = options->descending, .view = view, .filter = &filter};
    struct rows rows = {0};
    bool done = rows_build(&rows, model, &query);
    if (done && options->form == OPTIONS_JSON)
        done = batch_json_write(out, model, &rows, options->count > 1);
    else if (done && options->form == OPTIONS_CSV) {
        if (first)
            heading_csv(out);
        for (size_t i = 0; i < rows.count; i++)
            row_csv(out, rows.conns[i], &view);
    } else if (done) {
        server_text(out, options, model);
        table_text(out, options, model, &rows, &view);
    }
    rows_fini(&rows);
    filter_fini(&filter);
    return done;
}

static void sleep_until(int64_t mono_ns)
{
    struct timespec until = {mono_ns / NS_PER_SEC, mono_ns % NS_PER_SEC};
    while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &until, NULL) == EINTR)
        continue;
}

/* False, and a line said why, when there is nothing to print. */
static bool poll_into(struct model *model, const struct options *options, bool *sort_refused)
{
    struct fetch_wish wish = {.interval_ns = options->interval_ns,
                              .limit = options->limit,
                              .sort = columns_server_sort(options->sort),
                              .connections = true};
    char url[OPTIONS_URL_BYTES];
    fetch_shown_url(options->urls[0], url, sizeof url);
    struct sample *sample = fetch_poll(options->urls[0], options, &wish, sort_refused);
    if (!sample || !model_ingest(model, sample)) {
        fputs("clearwing-top: out of memory\n", stderr);
        return false;
    }
    if (model->error[0])
        fprintf(stderr, "clearwing-top: %s does not answer as a monitoring port: %s\n", url,
                model->error);
    return model->error[0] == '\0';
}

static int batch_loop(FILE *out, const struct options *options, struct model *model)
{
    unsigned wanted = options->count > 0 ? options->count : 1;
    bool sort_refused = false, rates = options->interval_ns > 0;
    int64_t due_ns = clock_mono_ns();
    for (unsigned polls = 0, printed = 0; printed < wanted; polls++) {
        sleep_until(due_ns);
        due_ns += options->interval_ns;
        if (!poll_into(model, options, &sort_refused))
            return 1;
        if (rates && polls == 0)
            continue;
        if (!print(out, options, model, printed++ == 0)) {
            fputs("clearwing-top: out of memory\n", stderr);
            return 1;
        }
        if (fflush(out) != 0) {
            fprintf(stderr, "clearwing-top: cannot write the output: %s\n", strerror(errno));
            return 1;
        }
    }
    return 0;
}

int batch_run(const struct options *options)
{
    FILE *out = stdout;
    if (options->output && !(out = fopen(options->output, "we"))) {
        fprintf(stderr, "clearwing-top: cannot write %s: %s\n", options->output, strerror(errno));
        return 1;
    }
    struct model *model = mem_zalloc_or_exit(sizeof *model);
    model_init(model);
    int status = batch_loop(out, options, model);
    model_fini(model);
    mem_free(model);
    if (out != stdout && fclose(out) != 0 && status == 0) {
        fprintf(stderr, "clearwing-top: cannot write %s: %s\n", options->output, strerror(errno));
        status = 1;
    }
    return status;
}
