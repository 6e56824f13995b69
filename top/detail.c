/* The pane of one connection: what it is, the recent past of its figures, its subscriptions.
 *
 * Curves are drawn for every metric of the list that changes fast enough to have one; metrics
 * without a column are named by their key, so that all the server says about the connection is
 * here. */
#include <curses.h>
#include <math.h>
#include <stdio.h>
#include <time.h>

#include "broker/base/clock.h"
#include "top/format.h"
#include "top/paint.h"
#include "top/views.h"

struct series {
    const struct model_conn *conn;
    unsigned metric;
};

static double series_past(const void *context, unsigned back)
{
    const struct series *series = context;
    return model_conn_past(series->conn, series->metric, back);
}

static void identity_draw(const struct model_conn *conn, int y)
{
    static const struct {
        enum sample_text text;
        const char *label;
    } parts[] = {{SAMPLE_ACCOUNT, "account"}, {SAMPLE_USER, "user"},   {SAMPLE_KIND, ""},
                 {SAMPLE_TYPE, ""},           {SAMPLE_LANG, "client"}, {SAMPLE_VERSION, ""},
                 {SAMPLE_TLS_VERSION, "TLS"}, {SAMPLE_TLS_CIPHER, ""}};
    const struct sample_conn *sample = conn->sample;
    const struct sample_value *start = &sample->values[METRIC_conn_start - SAMPLE_CONN_FIRST];
    int x = paint_format(y, 1, PAINT_PLAIN, "%s:%d", sample->text[SAMPLE_IP], sample->port);
    for (size_t i = 0; i < array_length(parts) && x < COLS; i++) {
        if (!sample->text[parts[i].text][0])
            continue;
        bool joined = parts[i].text == SAMPLE_VERSION || parts[i].text == SAMPLE_TLS_CIPHER;
        if (!joined)
            x = paint_format(y, x, PAINT_FAINT, " %s ", paint_glyph(GLYPH_DOT));
        if (parts[i].label[0])
            x = paint_put(y, x, PAINT_LABEL, parts[i].label);
        x = paint_format(y, x, PAINT_PLAIN, "%s%s", joined || parts[i].label[0] ? " " : "",
                         sample->text[parts[i].text]);
    }
    if (!start->present)
        return;
    time_t seconds = (time_t)(start->count / (uint64_t)NS_PER_SEC);
    struct tm local;
    char since[32];
    strftime(since, sizeof since, "%Y-%m-%d %H:%M:%S", localtime_r(&seconds, &local));
    paint_format(y, x, PAINT_LABEL, " %s since %s", paint_glyph(GLYPH_DOT), since);
}

static void figure_draw(const struct ui *ui, const struct model_conn *conn, unsigned m, int y,
                        int x, int width)
{
    const struct metric_descriptor *row = &metric_descriptors[SAMPLE_CONN_FIRST + m];
    const struct sample_value *value = &conn->sample->values[m];
    bool counter = row->kind == METRIC_KIND_COUNTER;
    char label[FORMAT_MAX], text[FORMAT_MAX];
    double shown = counter                             ? conn->rates[m].now
                   : row->unit == METRIC_UNIT_DURATION ? value->number / 1e9
                                                       : value->number;
    snprintf(label, sizeof label, "%s%s", row->column ? row->column : row->key,
             counter ? "/s" : "");
    if (!value->present || isnan(shown))
        snprintf(text, sizeof text, "%s", value->present ? columns_unknown() : columns_absent());
    else
        columns_metric_text(row, shown, counter, ui->raw, text);
    bool out = strstr(label, "_TO") != NULL, in = strstr(label, "_FROM") != NULL;
    enum paint_style style = out ? PAINT_OUT : in ? PAINT_IN : PAINT_PLAIN;
    paint_cell(y, x, 13, PAINT_LABEL, label);
    paint_cell_right(y, x + 13, 10, shown > 0 ? PAINT_STRONG : PAINT_FAINT, text);
    struct series series = {conn, m};
    paint_spark(y, x + 25, width - 26, style, series_past, &series);
}

static int figures_draw(const struct ui *ui, const struct model_conn *conn, int y)
{
    int shown = 0, each = (COLS - 2) / 2;
    for (unsigned m = 0; m < SAMPLE_CONN_METRICS; m++) {
        const struct metric_descriptor *row = &metric_descriptors[SAMPLE_CONN_FIRST + m];
        if (row->unit == METRIC_UNIT_TIME || SAMPLE_CONN_FIRST + m == METRIC_conn_subscriptions ||
            (!row->column && !conn->sample->values[m].present))
            continue;
        figure_draw(ui, conn, m, y + shown / 2, 1 + shown % 2 * each, each);
        shown++;
    }
    return (shown + 1) / 2;
}

static void subscription_draw(const struct ui *ui, const struct model *model, size_t at, int y,
                              int subject)
{
    const struct sample_subscription *sub = &model->detail->subscriptions[at];
    char text[FORMAT_MAX];
    double rate = model_subscription_rate(model, at);
    paint_cell(y, 3, subject - 4, PAINT_PLAIN, sub->subject);
    paint_cell(y, subject, 14, PAINT_LABEL, sub->queue[0] ? sub->queue : "-");
    paint_cell_right(y, subject + 14, 8, PAINT_LABEL, sub->sid);
    paint_cell_right(y, subject + 22, 10, PAINT_PLAIN,
                     ui->raw ? format_exact((double)sub->msgs, 0, text)
                             : format_count((double)sub->msgs, text));
    paint_cell_right(y, subject + 32, 10, rate > 0 ? PAINT_OUT : PAINT_FAINT,
                     isnan(rate) ? columns_unknown() : format_count(rate, text));
    if (sub->max)
        format_count((double)sub->max, text);
    paint_cell_right(y, subject + 42, 8, PAINT_LABEL, sub->max ? text : "-");
}

static void subscriptions_draw(const struct ui *ui, const struct model *model, uint64_t cid, int y,
                               int height)
{
    const struct sample_detail *detail =
        model->detail && model->detail->cid == cid ? model->detail : NULL;
    static const char *const headings[] = {"SID", "MSGS", "MSGS/s", "MAX"};
    static const int widths[] = {8, 10, 10, 8};
    int subject = COLS - 52 < 60 ? COLS - 52 : 60;
    if (height < 2)
        return;
    if (!detail) {
        paint_put(y, 1, PAINT_FAINT, "asking for its subscriptions");
        return;
    }
    paint_format(y, 1, PAINT_HEADING, "SUBSCRIPTIONS %zu", detail->count);
    paint_cell(y, subject, 14, PAINT_HEADING, "QUEUE");
    for (int i = 0, x = subject + 14; i < 4; x += widths[i++])
        paint_cell_right(y, x, widths[i], PAINT_HEADING, headings[i]);
    for (size_t i = 0; i < detail->count && (int)i < height - 1; i++) {
        bool last = (int)i == height - 2 && i + 1 < detail->count;
        if (last)
            paint_format(y + 1 + (int)i, 3, PAINT_FAINT, "and %zu more", detail->count - i);
        else
            subscription_draw(ui, model, i, y + 1 + (int)i, subject);
    }
}

void detail_draw(struct ui *ui, int y, int height)
{
    const struct model *model = &ui_active(ui)->model;
    const struct model_conn *conn = ui->cursor < ui->rows.count ? ui->rows.conns[ui->cursor] : NULL;
    paint_rule(y, 0, COLS, PAINT_FAINT);
    if (!conn)
        return;
    paint_format(y, 2, PAINT_TITLE, " CID %llu %s %s ", (unsigned long long)conn->sample->cid,
                 paint_glyph(GLYPH_DOT),
                 conn->sample->text[SAMPLE_NAME][0] ? conn->sample->text[SAMPLE_NAME] : "no name");
    identity_draw(conn, y + 1);
    int used = 2 + figures_draw(ui, conn, y + 2);
    subscriptions_draw(ui, model, conn->sample->cid, y + used, height - used);
}
