/* The server at a glance: curves when there is room, then gauges, rates, what went wrong, and the
 * busiest connections.
 *
 * Everything here walks the metric table: a gauge with a heading is a meter, a counter whose
 * heading says "/s" is a row of rates, what has no heading is a word and a number. So a metric that
 * only Clearwing has appears for a Clearwing server, and on others it is shown as absent where its
 * place is fixed. */
#include <curses.h>
#include <math.h>
#include <stdio.h>

#include "top/format.h"
#include "top/paint.h"
#include "top/views.h"

enum { WIDE = 96, TALL = 28, RATE_WIDTH = 10, FACTS_MAX = 24, SLOW_WINDOW = 60, GUTTER_WIDTH = 9 };

struct series {
    const struct model *model;
    enum metric_id id;
};

static double series_past(const void *context, unsigned back)
{
    const struct series *series = context;
    return model_past(series->model, series->id, back);
}

static bool is_server(const struct metric_descriptor *row)
{
    return row->source == METRIC_SOURCE_WORKER || row->source == METRIC_SOURCE_READ;
}

/* "MSGS/s OUT" without the "/s". */
static char *plain_heading(const struct metric_descriptor *row, char *out)
{
    const char *rate = strstr(row->column, "/s");
    snprintf(out, FORMAT_MAX, "%.*s%s", rate ? (int)(rate - row->column) : (int)strlen(row->column),
             row->column, rate ? rate + 2 : "");
    return out;
}

static char *value_text(const struct ui *ui, enum metric_id id, double value, bool rate, char *out)
{
    if (isnan(value))
        snprintf(out, FORMAT_MAX, "%s", columns_unknown());
    else
        columns_metric_text(&metric_descriptors[id], value, rate, ui->raw, out);
    return out;
}

/* Where the curves end: their largest value in the middle of the gutter's right side, zero at the
 * axis. */
static void scale_draw(const struct ui *ui, enum metric_id id, int y, int x, double most)
{
    char text[FORMAT_MAX];
    paint_cell_right(y, x, GUTTER_WIDTH - 1, PAINT_FAINT,
                     most > 0 ? value_text(ui, id, most, true, text) : "");
}

/* Out above the axis, in below it, each on its own scale, which stands beside it. */
static void curves_draw(const struct ui *ui, const struct model *model, enum metric_id out_id,
                        enum metric_id in_id, int y, int x, int height, int width)
{
    char text[FORMAT_MAX], title[FORMAT_MAX];
    int half = (height - 1) / 2, from = x + GUTTER_WIDTH, cells = width - GUTTER_WIDTH;
    struct series out_series = {model, out_id}, in_series = {model, in_id};
    double out_max =
        paint_graph(y + 1, from, half, cells, false, PAINT_OUT_1, series_past, &out_series);
    double in_max =
        paint_graph(y + 1 + half, from, half, cells, true, PAINT_IN_1, series_past, &in_series);
    scale_draw(ui, out_id, y + 1, x, out_max);
    scale_draw(ui, in_id, y + 2 * half, x, in_max);
    snprintf(title, sizeof title, "%.*s", (int)strcspn(metric_descriptors[out_id].column, " "),
             metric_descriptors[out_id].column);
    int at = paint_put(y, x, PAINT_TITLE, title) + 2;
    at = paint_format(y, at, PAINT_OUT, "%s out ", paint_glyph(GLYPH_OUT));
    at = paint_put(y, at, PAINT_STRONG,
                   value_text(ui, out_id, model->rates[out_id].now, true, text)) +
         2;
    at = paint_format(y, at, PAINT_IN, "%s in ", paint_glyph(GLYPH_IN));
    paint_put(y, at, PAINT_STRONG, value_text(ui, in_id, model->rates[in_id].now, true, text));
}

int views_level(double value, double limit, double warning, double critical)
{
    if (!(limit > 0) || isnan(value))
        return 0;
    return value >= limit * critical ? 2 : value >= limit * warning ? 1 : 0;
}

static enum paint_style level_style(int level, enum paint_style fine)
{
    return level == 2 ? PAINT_CRIT : level == 1 ? PAINT_WARN : fine;
}

static double value_of(const struct model *model, enum metric_id id)
{
    const struct sample_value *value = &model->last->values[id];
    return value->present ? value->number : (double)NAN;
}

/* What a gauge is measured against, in words, and how near it is. */
static int limit_of(const struct model *model, enum metric_id id, char *words)
{
    char limit[FORMAT_MAX];
    double value = value_of(model, id);
    words[0] = '\0';
    if (id == METRIC_cpu && !isnan(value_of(model, METRIC_cores))) {
        double cores = value_of(model, METRIC_cores);
        snprintf(words, FORMAT_MAX, "of %.0f%%", cores * 100);
        return views_level(value, cores * 100, 0.7, 0.9);
    }
    if (id == METRIC_connections && !isnan(value_of(model, METRIC_max_connections))) {
        double most = value_of(model, METRIC_max_connections);
        snprintf(words, FORMAT_MAX, "of %s", format_exact(most, 0, limit));
        return views_level(value, most, 0.8, 0.95);
    }
    return 0;
}

static void meter_draw(const struct ui *ui, const struct model *model, enum metric_id id, int y,
                       int x, int width)
{
    const struct metric_descriptor *row = &metric_descriptors[id];
    char text[FORMAT_MAX], words[FORMAT_MAX], most[FORMAT_MAX], max[FORMAT_MAX + 8];
    double value = value_of(model, id);
    int level = limit_of(model, id, words);
    paint_cell(y, x, 6, PAINT_LABEL, row->column);
    if (isnan(value))
        snprintf(text, sizeof text, "%s", columns_absent());
    else if (row->unit == METRIC_UNIT_NONE)
        format_exact(value, 0, text);
    else
        columns_metric_text(row, value, false, ui->raw, text);
    int at = x + 6;
    paint_cell_right(y, at, 9, level_style(level, PAINT_STRONG), text);
    paint_cell(y, at + 10, 11, PAINT_FAINT, words);
    bool narrow = width < 60; /* two meters beside each other */
    int spark_at = at + 21, spark_width = x + width - spark_at - (narrow ? 0 : 14);
    struct series series = {model, id};
    double largest =
        paint_spark(y, spark_at, spark_width, level_style(level, PAINT_OUT), series_past, &series);
    if (narrow)
        return;
    snprintf(max, sizeof max, " max %s", value_text(ui, id, largest, false, most));
    paint_cell(y, spark_at + spark_width, 14, PAINT_FAINT, max);
}

/* Returns the rows used. */
static int meters_draw(const struct ui *ui, const struct model *model, int y, int width)
{
    int per_row = width >= WIDE ? 2 : 1, shown = 0, each = (width - 2) / per_row - (per_row - 1);
    for (size_t i = 0; i < METRIC_COUNT; i++) {
        const struct metric_descriptor *row = &metric_descriptors[i];
        if (!is_server(row) || !row->column || row->kind != METRIC_KIND_GAUGE)
            continue;
        int column = shown % per_row;
        meter_draw(ui, model, (enum metric_id)i, y + shown / per_row, 1 + column * (each + 2),
                   each);
        shown++;
    }
    return (shown + per_row - 1) / per_row;
}

static bool is_rate_row(const struct model *model, size_t id)
{
    const struct metric_descriptor *row = &metric_descriptors[id];
    return is_server(row) && row->column && strstr(row->column, "/s") &&
           model->last->values[id].present;
}

static void rate_draw(const struct ui *ui, const struct model *model, enum metric_id id, int y,
                      int width)
{
    char text[FORMAT_MAX];
    const struct model_rate *rate = &model->rates[id];
    const double values[] = {rate->now, rate->fast, rate->slow, rate->peak};
    bool out = strstr(metric_descriptors[id].column, "OUT") != NULL;
    bool in = strstr(metric_descriptors[id].column, "IN") != NULL;
    enum paint_style style = out ? PAINT_OUT : in ? PAINT_IN : PAINT_PLAIN;
    paint_cell(y, 1, 11, PAINT_LABEL, plain_heading(&metric_descriptors[id], text));
    for (int i = 0; i < 4; i++)
        paint_cell_right(y, 11 + i * RATE_WIDTH, RATE_WIDTH,
                         i == 0 && values[0] > 0 ? style
                         : i == 0                ? PAINT_PLAIN
                                                 : PAINT_LABEL,
                         value_text(ui, id, values[i], true, text));
    paint_cell_right(y, 11 + 4 * RATE_WIDTH, RATE_WIDTH, PAINT_PLAIN,
                     value_text(ui, id, value_of(model, id), false, text));
    struct series series = {model, id};
    int at = 11 + 5 * RATE_WIDTH + 2;
    if (width < WIDE)
        paint_spark(y, at, width - at - 1, style, series_past, &series);
}

static int rates_draw(const struct ui *ui, const struct model *model, int y, int width)
{
    static const char *const headings[] = {"now/s", "10s/s", "60s/s", "peak/s", "total"};
    for (int i = 0; i < 5; i++)
        paint_cell_right(y, 11 + i * RATE_WIDTH, RATE_WIDTH, PAINT_HEADING, headings[i]);
    int used = 1;
    for (size_t i = 0; i < METRIC_COUNT; i++)
        if (is_rate_row(model, i) && i != METRIC_total_connections)
            rate_draw(ui, model, (enum metric_id)i, y + used++, width);
    if (is_rate_row(model, METRIC_total_connections))
        rate_draw(ui, model, METRIC_total_connections, y + used++, width);
    return used;
}

struct fact {
    enum metric_id id;
    char label[FORMAT_MAX], text[FORMAT_MAX];
    enum paint_style style;
};

/* Slow consumers of the last minute: any new one means lost messages. */
static double slow_lately(const struct model *model)
{
    double sum = 0;
    for (unsigned back = 0; back < SLOW_WINDOW; back++) {
        double rate = model_past(model, METRIC_slow_consumers, back);
        if (rate > 0)
            sum += rate * (model->interval_ns > 0 ? (double)model->interval_ns * 1e-9 : 1);
    }
    return round(sum);
}

static void fact_fill(const struct ui *ui, const struct model *model, enum metric_id id,
                      struct fact *fact)
{
    const struct metric_descriptor *row = &metric_descriptors[id];
    const char *key = strncmp(row->key, "num_", 4) == 0 ? row->key + 4 : row->key;
    double value = value_of(model, id);
    snprintf(fact->label, sizeof fact->label, "%s", key);
    for (char *at = fact->label; *at; at++)
        if (*at == '_')
            *at = ' ';
    fact->id = id;
    fact->style = PAINT_STRONG;
    if (isnan(value)) {
        snprintf(fact->text, sizeof fact->text, "%s", columns_absent());
        fact->style = PAINT_FAINT;
        return;
    }
    value_text(ui, id, value, false, fact->text);
    if (id == METRIC_slow_consumers && value > 0) {
        double lately = slow_lately(model);
        fact->style = lately > 0 ? PAINT_CRIT : PAINT_WARN;
        if (lately > 0)
            snprintf(fact->text + strlen(fact->text), sizeof fact->text - strlen(fact->text),
                     " (+%.0f)", lately);
    } else if (value == 0)
        fact->style = PAINT_FAINT;
}

/* What is worth a word beside the meters and rates: what is present first. */
static size_t facts_fill(const struct ui *ui, const struct model *model, struct fact *facts)
{
    static const enum metric_id more[] = {METRIC_routes,     METRIC_leafnodes,
                                          METRIC_num_cache,  METRIC_cache_hit_rate,
                                          METRIC_avg_fanout, METRIC_max_fanout};
    size_t count = 0;
    for (int present = 1; present >= 0; present--) {
        for (size_t i = 0; i < METRIC_COUNT && count < FACTS_MAX; i++) {
            const struct metric_descriptor *row = &metric_descriptors[i];
            bool worker = row->source == METRIC_SOURCE_WORKER && row->key &&
                          !(row->column && strstr(row->column, "/s")) &&
                          row->kind == METRIC_KIND_COUNTER;
            if (worker && model->last->values[i].present == present)
                fact_fill(ui, model, (enum metric_id)i, &facts[count++]);
        }
        for (size_t i = 0; i < array_length(more) && count < FACTS_MAX; i++)
            if (model->last->values[more[i]].present == present)
                fact_fill(ui, model, more[i], &facts[count++]);
    }
    return count;
}

static int facts_line_draw(const struct ui *ui, const struct model *model, int y, int lines,
                           int width)
{
    struct fact facts[FACTS_MAX];
    size_t count = facts_fill(ui, model, facts);
    int x = 1, line = 0;
    for (size_t i = 0; i < count; i++) {
        int needed = format_text_width(facts[i].label) + 1 + format_text_width(facts[i].text);
        if (x + needed >= width && x > 1) {
            x = 1;
            if (++line == lines)
                break;
        }
        x = paint_put(y + line, x, PAINT_LABEL, facts[i].label) + 1;
        x = paint_put(y + line, x, facts[i].style, facts[i].text) + 3;
    }
    return lines;
}

static void facts_panel_draw(const struct ui *ui, const struct model *model, int y, int x,
                             int height, int width)
{
    struct fact facts[FACTS_MAX];
    size_t count = facts_fill(ui, model, facts);
    int columns = width / 20, each = columns > 0 ? width / columns : width;
    for (size_t i = 0; i < count && (int)i < columns * height; i++) {
        int row = y + (int)i % height, at = x + (int)i / height * each;
        int text = format_text_width(facts[i].text);
        paint_cell(row, at, each - text - 2, PAINT_LABEL, facts[i].label);
        paint_put(row, at + each - text - 2, facts[i].style, facts[i].text);
    }
}

static int curves_height(int height)
{
    return height < TALL - 4 ? 0 : height >= 44 ? 15 : height >= 34 ? 11 : 7;
}

void overview_draw(struct ui *ui, int y, int height)
{
    const struct model *model = &ui_active(ui)->model;
    int end = y + height, curves = COLS >= WIDE ? curves_height(height) : 0;
    if (curves > 0) {
        int each = (COLS - 4) / 2;
        curves_draw(ui, model, METRIC_out_msgs, METRIC_in_msgs, y, 1, curves, each);
        curves_draw(ui, model, METRIC_out_bytes, METRIC_in_bytes, y, COLS - 1 - each, curves, each);
        y += curves + (height > 24);
    }
    y += meters_draw(ui, model, y, COLS) + (height > 18);
    int used = rates_draw(ui, model, y, COLS);
    if (COLS >= WIDE)
        facts_panel_draw(ui, model, y, 11 + 5 * RATE_WIDTH + 3, used, COLS - 65);
    y += used + (height > 22);
    if (COLS < WIDE && end - y > 4)
        y += facts_line_draw(ui, model, y, 2, COLS);
    if (end - y < 3)
        return;
    char count[160], heading[FORMAT_MAX];
    paint_format(y, 1, PAINT_TITLE, "TOP CONNECTIONS by %s",
                 columns_heading(ui->sort, ui->rates, heading));
    paint_cell_right(y, COLS / 2, COLS - COLS / 2 - 1, PAINT_FAINT, views_count(ui, count));
    table_draw(ui, y + 1, end - y - 1);
}
