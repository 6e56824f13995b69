/* The frame around a view: header, tabs, a line for what went wrong, the view, the footer.
 *
 * The line below the tabs is always there, so that nothing jumps when it has something to say.
 * Order of importance: failure, paused, restart or recovery, the answer to a key. Figures of a
 * server that does not answer stay on the screen, faint, and the line says how old they are. */
#include "top/screen.h"

#include <curses.h>
#include <math.h>
#include <stdio.h>
#include <time.h>

#include "broker/base/clock.h"
#include "top/format.h"
#include "top/paint.h"
#include "top/views.h"

enum { MESSAGE_SECONDS = 5, TEXT_MAX = 512 };

static char *server_label(const struct sample *last, char *out, size_t out_bytes)
{
    size_t len = strlen(last->server_name);
    if (strcmp(last->server_name, last->server_id) == 0 && len > 12)
        snprintf(out, out_bytes, "%.4s..%s", last->server_id, last->server_id + len - 4);
    else
        snprintf(out, out_bytes, "%s", last->server_name);
    return out;
}

static void state_of(const struct ui *ui, const struct ui_server *server, char *out,
                     enum paint_style *style)
{
    char age[FORMAT_MAX];
    const struct model *model = &server->model;
    *style = PAINT_BAR_OK;
    if (ui->paused) {
        *style = PAINT_BAR_WARN;
        format_duration(clock_mono_ns() - ui->paused_ns, age);
        snprintf(out, TEXT_MAX, "PAUSED %s", age);
    } else if (model->failures > 0) {
        *style = PAINT_BAR_CRIT;
        snprintf(out, TEXT_MAX, "%s no answer", paint_glyph(GLYPH_CROSS));
    } else if (!model->last) {
        *style = PAINT_BAR_WARN;
        snprintf(out, TEXT_MAX, "connecting");
    } else if (fetch_slow(server->fetch)) {
        *style = PAINT_BAR_WARN;
        snprintf(out, TEXT_MAX, "%s slow poll", paint_glyph(GLYPH_LIVE));
    } else
        snprintf(out, TEXT_MAX, "%s live", paint_glyph(GLYPH_LIVE));
}

static char *interval_text(int64_t ns, char *out)
{
    if (ns < NS_PER_SEC)
        snprintf(out, FORMAT_MAX, "%.1fs", (double)ns / 1e9);
    else
        format_duration(ns, out);
    return out;
}

static void header_draw(const struct ui *ui, const struct ui_server *server)
{
    char right[2 * TEXT_MAX], state[TEXT_MAX], name[160], up[FORMAT_MAX], every[FORMAT_MAX],
        now[16];
    const struct sample *last = server->model.last;
    const char *dot = paint_glyph(GLYPH_DOT);
    enum paint_style state_style;
    state_of(ui, server, state, &state_style);
    time_t seconds = (time_t)(clock_wall_ns() / NS_PER_SEC);
    struct tm local;
    strftime(now, sizeof now, "%H:%M:%S", localtime_r(&seconds, &local));
    const char *url = server->shown_url;
    if (COLS < 120 && strncmp(url, "http://", 7) == 0)
        url += 7;
    snprintf(right, sizeof right, "  %s  %s  %s ", interval_text(ui->interval_ns, every), url, now);
    paint_cell(0, 0, COLS, PAINT_BAR, "");
    int right_at = COLS - format_text_width(right), state_at = right_at - format_text_width(state);
    if (last) {
        int x = paint_format(0, 1, PAINT_BAR_STRONG, "%s", server_label(last, name, sizeof name));
        if (last->cluster[0])
            x = paint_format(0, x, PAINT_BAR, " %s %s", dot, last->cluster);
        if (last->product[0])
            x = paint_format(0, x, PAINT_BAR, " %s Clearwing %s", dot, last->product);
        else
            x = paint_format(0, x, PAINT_BAR, " %s NATS %s", dot, last->version);
        x = paint_format(0, x, PAINT_BAR, " %s up %s", dot,
                         format_duration(last->now_ns - last->start_ns, up));
        if (x + 1 > state_at)
            paint_cell(0, state_at - 2, COLS - state_at + 2, PAINT_BAR, "");
    } else
        paint_put(0, 1, PAINT_BAR_STRONG, "clearwing top");
    paint_put(0, state_at, state_style, state);
    paint_put(0, right_at, PAINT_BAR_FAINT, right);
}

static void tabs_draw(struct ui *ui)
{
    static const char *const names[] = {"1 Overview", "2 Connections"};
    int x = 1;
    for (int i = 0; i < 2; i++) {
        x = paint_format(1, x, (int)ui->view == i ? PAINT_TAB_ACTIVE : PAINT_TAB, " %s ", names[i]);
        ui->tab_ends[i] = x++;
    }
    if (ui->server_count < 2)
        return;
    char label[160], all[TEXT_MAX];
    int at = COLS - 1;
    paint_put(1, at -= 4, PAINT_FAINT, " [ ]");
    for (size_t i = ui->server_count; i-- > 0;) {
        const struct ui_server *server = &ui->servers[i];
        const char *url = strstr(server->shown_url, "://");
        if (server->model.last)
            server_label(server->model.last, label, sizeof label);
        else
            snprintf(label, sizeof label, "%.100s", url ? url + 3 : server->shown_url);
        snprintf(all, sizeof all, " %s ", label);
        at -= format_text_width(all);
        if (at <= x)
            break;
        bool failing = server->model.failures > 0;
        paint_put(1, at,
                  failing           ? PAINT_CRIT
                  : i == ui->active ? PAINT_TAB_ACTIVE
                                    : PAINT_TAB,
                  all);
    }
}

static void failure_draw(const struct model *model, int64_t next_ns)
{
    char line[TEXT_MAX * 2], age[FORMAT_MAX] = "", next[FORMAT_MAX];
    int64_t now = clock_mono_ns();
    if (next_ns > now)
        snprintf(next, sizeof next, "next try in %llds",
                 (long long)((next_ns - now + NS_PER_SEC - 1) / NS_PER_SEC));
    else
        snprintf(next, sizeof next, "trying");
    if (model->last)
        format_duration(now - model->good_ns, age);
    snprintf(line, sizeof line, " %s %s %s %s%s%s", paint_glyph(GLYPH_CROSS), next,
             paint_glyph(GLYPH_DOT), model->last ? "data is " : "", age,
             model->last ? " old " : "");
    int used = format_text_width(line);
    paint_cell(2, 0, COLS, PAINT_BANNER_CRIT, line);
    paint_format(2, used, PAINT_BANNER_CRIT, "%s %s", paint_glyph(GLYPH_DOT), model->error);
}

static void banner_draw(const struct ui *ui, const struct ui_server *server)
{
    const struct model *model = &server->model;
    int64_t now = clock_mono_ns();
    char line[TEXT_MAX];
    if (model->failures > 0 && !ui->paused) {
        failure_draw(model, fetch_next_ns(server->fetch));
        return;
    }
    if (model->error[0])
        snprintf(line, sizeof line, " %s", model->error);
    else if (ui->message_ns && now - ui->message_ns < MESSAGE_SECONDS * NS_PER_SEC)
        snprintf(line, sizeof line, " %s", ui->message);
    else if (model->alternating || (model->notice_ns && now - model->notice_ns < MODEL_NOTICE_NS))
        snprintf(line, sizeof line, " %s", model->notice);
    else
        return;
    paint_cell(2, 0, COLS, PAINT_BANNER_WARN, line);
}

static void prompt_draw(const struct ui *ui, int y)
{
    bool limit = ui->prompt == UI_PROMPT_LIMIT;
    paint_cell(y, 0, COLS, PAINT_BAR, "");
    int x = paint_put(y, 1, PAINT_BAR_KEY, limit ? "Connections to ask for: " : "Filter: ");
    x = paint_put(y, x, PAINT_BAR_STRONG, ui->prompt_text);
    x = paint_put(y, x, PAINT_BAR_STRONG, "_");
    if (limit)
        return;
    if (ui->filter.error[0])
        paint_format(y, x + 2, PAINT_BAR_CRIT, "%s", ui->filter.error);
    else if (!ui->prompt_text[0])
        paint_put(y, x + 2, PAINT_BAR_FAINT, "text  ~regex  name:text  pending>1MiB  !term");
}

/* Draws the hints that fit, or only measures them. Returns the column after the last. */
static int hints_draw(const struct ui *ui, int y, int gap, bool draw)
{
    size_t count;
    const struct key_row *rows = keys_rows(&count);
    int x = 1;
    for (size_t i = 0; i < count; i++) {
        if (!rows[i].hint)
            continue;
        const char *hint =
            rows[i].action == KEY_ACTION_TOTALS && !ui->rates ? "Rates" : rows[i].hint;
        char name[16];
        snprintf(name, sizeof name, "%.*s", (int)strcspn(rows[i].names, " "), rows[i].names);
        int width = (int)strlen(name) + 1 + (int)strlen(hint);
        if (draw && x + width < COLS) {
            paint_put(y, x, PAINT_BAR_KEY, name);
            paint_put(y, x + (int)strlen(name) + 1, PAINT_BAR, hint);
        }
        x += width + gap;
    }
    return x;
}

static void footer_draw(const struct ui *ui)
{
    int y = LINES - 1;
    if (ui->prompt != UI_PROMPT_NONE) {
        prompt_draw(ui, y);
        return;
    }
    paint_cell(y, 0, COLS, PAINT_BAR, "");
    hints_draw(ui, y, hints_draw(ui, y, 3, false) <= COLS ? 3 : 1, true);
}

static void empty_draw(int height)
{
    const char *text = "waiting for the first answer";
    paint_put(3 + height / 2, (COLS - (int)strlen(text)) / 2, PAINT_FAINT, text);
}

void screen_draw(struct ui *ui)
{
    struct ui_server *server = ui_active(ui);
    erase();
    if (LINES < UI_HEIGHT_MIN || COLS < UI_WIDTH_MIN) {
        paint_format(0, 0, PAINT_STRONG, "terminal too small (%dx%d, need %dx%d)", COLS, LINES,
                     UI_WIDTH_MIN, UI_HEIGHT_MIN);
        refresh();
        return;
    }
    header_draw(ui, server);
    tabs_draw(ui);
    banner_draw(ui, server);
    int height = LINES - 4;
    paint_set_stale(model_stale(&server->model) && !ui->paused);
    if (!server->model.last)
        empty_draw(height);
    else if (ui->view == OPTIONS_OVERVIEW)
        overview_draw(ui, 3, height);
    else
        connections_draw(ui, 3, height);
    paint_set_stale(false);
    footer_draw(ui);
    overlay_draw(ui);
    refresh();
}
