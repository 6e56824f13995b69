/* The connection list and the pane of one connection.
 *
 * Columns are dropped from the least important one until the rest fits; what is left over widens
 * NAME. Scrolled to the right, the id and the name stay and the others come in order. */
#include <curses.h>
#include <math.h>
#include <stdio.h>

#include "broker/base/clock.h"
#include "top/format.h"
#include "top/paint.h"
#include "top/views.h"

enum {
    MARKER_WIDTH = 1,
    FROZEN = 2,
    CHOSEN_MAX = UI_HITS_MAX,
    NAME_WIDTH_MAX = 40,
    NEW_SECONDS = 3,
    PANE_MIN = 9
};

struct chosen {
    const struct column *columns[CHOSEN_MAX];
    int widths[CHOSEN_MAX];
    size_t count;
};

static int width_of(const struct column *column, const struct column_view *view)
{
    char heading[FORMAT_MAX];
    int heading_width = (int)strlen(columns_heading(column, view->rates, heading)) + 1;
    int raw = view->raw && column->metric && column->width < 14 ? 14 : column->width;
    return raw > heading_width ? raw : heading_width;
}

/* Whether a column of this priority still fits with all that matter more. */
static void columns_choose(const struct ui *ui, const struct column_view *view, int width,
                           struct chosen *chosen)
{
    size_t count;
    const struct column *all = columns_all(&count);
    bool wanted[CHOSEN_MAX] = {false};
    int room = width - MARKER_WIDTH;
    size_t skip = min_size(ui->column_scroll, count > FROZEN + 1 ? count - FROZEN - 1 : 0);
    for (int priority = 0; priority <= 32; priority++)
        for (size_t i = 0; i < count; i++) {
            int order = skip > 0 && i >= FROZEN ? (int)i : all[i].priority;
            bool skipped = i >= FROZEN && i < FROZEN + skip;
            if (order != priority || skipped || room < width_of(&all[i], view))
                continue;
            wanted[i] = true;
            room -= width_of(&all[i], view);
        }
    for (size_t i = 0; i < count; i++)
        if (wanted[i]) {
            chosen->widths[chosen->count] = width_of(&all[i], view);
            chosen->columns[chosen->count++] = &all[i];
        }
    if (chosen->count > 1 && chosen->columns[1]->index == SAMPLE_NAME) {
        int wider = chosen->widths[1] + room;
        chosen->widths[1] = wider < NAME_WIDTH_MAX ? wider : NAME_WIDTH_MAX;
    }
}

static void headings_draw(struct ui *ui, const struct column_view *view,
                          const struct chosen *chosen, int y)
{
    int x = MARKER_WIDTH;
    ui->table_y = y;
    ui->hit_count = chosen->count;
    for (size_t i = 0; i < chosen->count; i++) {
        const struct column *column = chosen->columns[i];
        ui->hit_columns[i] = column;
        ui->hit_ends[i] = x + chosen->widths[i] + 1;
        char heading[FORMAT_MAX], marked[2 * FORMAT_MAX];
        bool sorted = column == ui->sort;
        columns_heading(column, view->rates, heading);
        snprintf(marked, sizeof marked, "%s%s", heading,
                 sorted ? paint_glyph(ui->descending ? GLYPH_DOWN : GLYPH_UP) : "");
        int width = chosen->widths[i] - 1;
        enum paint_style style = sorted ? PAINT_SORTED : PAINT_HEADING;
        const char *shown = format_text_width(marked) <= width ? marked : heading;
        if (columns_is_text(column))
            paint_cell(y, x + 1, width, style, shown);
        else
            paint_cell_right(y, x + 1, width, style, shown);
        x += chosen->widths[i];
    }
}

/* 2: about to be cut off as slow, or far away; 1: getting there. */
static int level_of(const struct ui *ui, const struct model_conn *conn, unsigned metric)
{
    const struct model *model = &ui->servers[ui->active].model;
    const struct sample_value *value = &conn->sample->values[metric];
    if (metric + SAMPLE_CONN_FIRST == METRIC_conn_pending_bytes)
        return views_level(value->number, model->last->values[METRIC_max_pending].number, 0.25,
                           0.75);
    if (metric + SAMPLE_CONN_FIRST == METRIC_conn_rtt)
        return views_level(value->number, (double)NS_PER_MS, 10, 100);
    return 0;
}

static enum paint_style style_of(const struct ui *ui, const struct column *column,
                                 const struct model_conn *conn, double value)
{
    if (!column->metric)
        return column->kind == COLUMN_TEXT && column->index == SAMPLE_NAME ? PAINT_PLAIN
                                                                           : PAINT_LABEL;
    if (isnan(value) || value == 0)
        return PAINT_FAINT;
    int level = level_of(ui, conn, column->index);
    if (level > 0)
        return level == 2 ? PAINT_CRIT : PAINT_WARN;
    unsigned id = column->index + SAMPLE_CONN_FIRST;
    if (id == METRIC_conn_out_msgs || id == METRIC_conn_out_bytes)
        return PAINT_OUT;
    if (id == METRIC_conn_in_msgs || id == METRIC_conn_in_bytes)
        return PAINT_IN;
    return PAINT_PLAIN;
}

static void row_draw(const struct ui *ui, const struct column_view *view,
                     const struct chosen *chosen, const struct model_conn *conn, int y,
                     bool selected)
{
    char text[COLUMN_TEXT_MAX];
    int worst = 0;
    for (unsigned m = 0; m < SAMPLE_CONN_METRICS; m++) {
        int level = level_of(ui, conn, m);
        worst = level > worst ? level : worst;
    }
    bool fresh =
        conn->first_seen_ns && clock_mono_ns() - conn->first_seen_ns < NEW_SECONDS * NS_PER_SEC;
    paint_set_selected(selected);
    paint_cell(y, 0, COLS, PAINT_PLAIN, "");
    paint_put(y, 0,
              worst == 2 ? PAINT_CRIT
              : worst    ? PAINT_WARN
                         : PAINT_STRONG,
              worst == 2 ? "!"
              : worst    ? "~"
              : selected ? paint_glyph(GLYPH_CURSOR)
                         : " ");
    int x = MARKER_WIDTH;
    for (size_t i = 0; i < chosen->count; i++) {
        const struct column *column = chosen->columns[i];
        enum paint_style style = style_of(ui, column, conn, columns_number(column, view, conn));
        if (style == PAINT_PLAIN && fresh)
            style = PAINT_STRONG;
        columns_text(column, view, conn, text);
        if (columns_is_text(column))
            paint_cell(y, x + 1, chosen->widths[i] - 1, style, text);
        else
            paint_cell_right(y, x + 1, chosen->widths[i] - 1, style, text);
        x += chosen->widths[i];
    }
    paint_set_selected(false);
}

void table_draw(struct ui *ui, int y, int height)
{
    struct column_view view = ui_column_view(ui);
    struct chosen chosen = {.count = 0};
    columns_choose(ui, &view, COLS - 1, &chosen);
    headings_draw(ui, &view, &chosen, y);
    ui->page = height > 1 ? (size_t)height - 1 : 0;
    if (ui->cursor < ui->scroll)
        ui->scroll = ui->cursor;
    if (ui->page > 0 && ui->cursor >= ui->scroll + ui->page)
        ui->scroll = ui->cursor - ui->page + 1;
    if (ui->rows.count <= ui->page)
        ui->scroll = 0;
    else if (ui->scroll + ui->page > ui->rows.count)
        ui->scroll = ui->rows.count - ui->page;
    for (size_t i = 0; i < ui->page && ui->scroll + i < ui->rows.count; i++)
        row_draw(ui, &view, &chosen, ui->rows.conns[ui->scroll + i], y + 1 + (int)i,
                 ui->scroll + i == ui->cursor);
    if (ui->rows.count == 0)
        paint_put(y + 1, 2, PAINT_FAINT,
                  ui->filter_text[0] || ui->hide_idle
                      ? "no connection matches; Esc clears the filter"
                      : "no connections");
}

char *views_count(const struct ui *ui, char *out)
{
    const struct model *model = &ui->servers[ui->active].model;
    char shown[FORMAT_MAX], listed[FORMAT_MAX], total[FORMAT_MAX];
    size_t count = model->connz ? model->connz->count : 0;
    uint64_t all = model->connz ? model->connz->total : 0;
    format_exact((double)ui->rows.count, 0, shown);
    format_exact((double)count, 0, listed);
    format_exact((double)(all > count ? all : count), 0, total);
    if (ui->rows.count != count)
        snprintf(out, 160, "%s match, %s of %s connections", shown, listed, total);
    else
        snprintf(out, 160, "%s of %s connections", listed, total);
    return out;
}

static void status_draw(const struct ui *ui, int y)
{
    const struct model *model = &ui->servers[ui->active].model;
    const char *dot = paint_glyph(GLYPH_DOT);
    char count[160], heading[FORMAT_MAX];
    int x = paint_put(y, 1, PAINT_STRONG, views_count(ui, count));
    if (model->connz && model->connz->total > model->connz->count)
        x = paint_format(y, x, PAINT_WARN, ", the first by %s", columns_server_sort(ui->sort));
    x = paint_format(y, x, PAINT_LABEL, " %s sort %s %s", dot,
                     columns_heading(ui->sort, ui->rates, heading),
                     paint_glyph(ui->descending ? GLYPH_DOWN : GLYPH_UP));
    x = paint_format(y, x, PAINT_LABEL, " %s %s", dot, ui->rates ? "rates" : "totals");
    if (ui->hide_idle)
        x = paint_format(y, x, PAINT_WARN, " %s idle hidden", dot);
    if (ui->filter_text[0])
        x = paint_format(y, x, ui->filter.error[0] ? PAINT_CRIT : PAINT_WARN, " %s filter %s", dot,
                         ui->filter_text);
}

static int pane_height(int height)
{
    return height >= 40 ? 16 : height >= 26 ? 12 : height >= 18 ? PANE_MIN : 0;
}

void connections_draw(struct ui *ui, int y, int height)
{
    int pane = ui->detail ? pane_height(height) : 0;
    status_draw(ui, y);
    table_draw(ui, y + 1, height - 1 - pane);
    if (pane > 0)
        detail_draw(ui, y + height - pane, pane);
    else if (ui->detail)
        paint_cell_right(y, COLS / 2, COLS / 2 - 1, PAINT_WARN, "too low for the detail pane");
}
