/* Keys go to the topmost thing that wants them: an open prompt takes text, an overlay takes
 * movement, the view takes the actions of keys.def. */
#include "top/ui_input.h"

#include <ctype.h>
#include <curses.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>
#include <wchar.h>

#include "broker/base/clock.h"
#include "top/batch_json.h"
#include "top/format.h"
#include "top/paint.h"
#include "top/terminal.h"

static void move_to(struct ui *ui, size_t row)
{
    if (ui->rows.count == 0)
        return;
    ui->cursor = row < ui->rows.count ? row : ui->rows.count - 1;
    ui->cursor_cid = ui->rows.conns[ui->cursor]->sample->cid;
    if (ui->detail)
        ui_wish(ui);
}

static void move_first(struct ui *ui)
{
    move_to(ui, 0);
    if (!ui->detail)
        ui->cursor_cid = 0;
}

static void move_by(struct ui *ui, long rows)
{
    long at = (long)ui->cursor + rows;
    move_to(ui, at < 0 ? 0 : (size_t)at);
}

static void sort_by(struct ui *ui, const struct column *column)
{
    ui->sort = column;
    ui->descending = !columns_ascending(column);
    ui_wish(ui);
    ui_rows_refresh(ui);
    move_first(ui);
}

static void sort_step(struct ui *ui, int step)
{
    size_t count;
    const struct column *all = columns_all(&count);
    size_t at = (size_t)(ui->sort - all);
    sort_by(ui, &all[(at + count + (size_t)(step + (int)count)) % count]);
}

static void view_open(struct ui *ui, enum options_view view)
{
    ui->view = view;
    if (view == OPTIONS_OVERVIEW && ui->detail) {
        ui->detail = false;
        ui_wish(ui);
    }
}

static void heading_click(struct ui *ui, const struct column *column)
{
    if (column == ui->sort) {
        ui->descending = !ui->descending;
        ui_rows_refresh(ui);
    } else
        sort_by(ui, column);
}

/* A tab, a heading (again: the other order), a row. */
static void click(struct ui *ui, int y, int x)
{
    for (int i = 0; y == 1 && i < 2; i++)
        if (x < ui->tab_ends[i]) {
            view_open(ui, (enum options_view)i);
            return;
        }
    for (size_t i = 0; y == ui->table_y && i < ui->hit_count; i++)
        if (x < ui->hit_ends[i]) {
            heading_click(ui, ui->hit_columns[i]);
            return;
        }
    size_t below = y > ui->table_y ? (size_t)(y - ui->table_y) : 0;
    if (below > 0 && below <= ui->page && ui->scroll + below <= ui->rows.count)
        move_to(ui, ui->scroll + below - 1);
}

static void mouse(struct ui *ui)
{
    MEVENT event;
    if (getmouse(&event) != OK)
        return;
    if (event.bstate & BUTTON4_PRESSED)
        move_by(ui, -3);
    else if (event.bstate & BUTTON5_PRESSED)
        move_by(ui, 3);
    else if (event.bstate & BUTTON1_PRESSED)
        click(ui, event.y, event.x);
}

static void interval_step(struct ui *ui, bool faster)
{
    static const int ladder_ms[] = {100, 200, 500, 1000, 2000, 5000, 10000, 30000, 60000};
    size_t at = 0;
    while (at + 1 < array_length(ladder_ms) && ladder_ms[at] * NS_PER_MS < ui->interval_ns)
        at++;
    bool between = ladder_ms[at] * NS_PER_MS != ui->interval_ns;
    if (faster && at > 0)
        at--;
    else if (!faster && !between && at + 1 < array_length(ladder_ms))
        at++;
    ui->interval_ns = ladder_ms[at] * NS_PER_MS;
    ui_wish(ui);
}

static void server_step(struct ui *ui, int step)
{
    ui->active =
        (ui->active + ui->server_count + (size_t)(step + (int)ui->server_count)) % ui->server_count;
    ui->detail = false;
    ui->cursor_cid = 0;
    ui->cursor = ui->scroll = 0;
    ui_wish(ui);
    ui_rows_refresh(ui);
}

static void detail_toggle(struct ui *ui)
{
    if (ui->rows.count == 0)
        return;
    ui->detail = ui->view == OPTIONS_OVERVIEW || !ui->detail;
    ui->view = OPTIONS_CONNECTIONS;
    ui->cursor_cid = ui->rows.conns[ui->cursor]->sample->cid;
    ui_wish(ui);
}

static void back(struct ui *ui)
{
    if (ui->detail)
        detail_toggle(ui);
    else if (ui->filter_text[0])
        ui_filter_set(ui, "");
}

static void snapshot_write(struct ui *ui)
{
    const struct model *model = &ui_active(ui)->model;
    if (!model->last)
        return;
    char name[64], path[160];
    size_t used = 0;
    for (const char *at = model->last->server_name; *at && used < 32; at++)
        name[used++] = isalnum((unsigned char)*at) ? *at : '-';
    name[used] = '\0';
    snprintf(path, sizeof path, "top-%s-%lld.json", name,
             (long long)(clock_wall_ns() / NS_PER_SEC));
    FILE *out = fopen(path, "wxe");
    bool written = out && batch_json_write(out, model, &ui->rows, false);
    if (out && fclose(out) != 0)
        written = false;
    ui_message(ui, written ? "written to %s" : "cannot write %s here", path);
}

static void pause_toggle(struct ui *ui)
{
    ui->paused = !ui->paused;
    ui->paused_ns = clock_mono_ns();
}

static void prompt_open(struct ui *ui, enum ui_prompt prompt)
{
    ui->prompt = prompt;
    if (prompt == UI_PROMPT_LIMIT)
        snprintf(ui->prompt_text, sizeof ui->prompt_text, "%u", ui->limit);
    else {
        snprintf(ui->prompt_text, sizeof ui->prompt_text, "%s", ui->filter_text);
        snprintf(ui->filter_before, sizeof ui->filter_before, "%s", ui->filter_text);
    }
}

static void prompt_accept(struct ui *ui)
{
    if (ui->prompt == UI_PROMPT_LIMIT) {
        char *end;
        long limit = strtol(ui->prompt_text, &end, 10);
        if (*end || limit < 1 || limit > 1000000)
            ui_message(ui, "the limit is a number from 1 to 1000000");
        else {
            ui->limit = (unsigned)limit;
            ui_wish(ui);
        }
    }
    ui->prompt = UI_PROMPT_NONE;
}

static void prompt_erase(struct ui *ui)
{
    size_t len = strlen(ui->prompt_text);
    while (len > 0 && ((unsigned char)ui->prompt_text[len - 1] & 0xc0) == 0x80)
        len--;
    ui->prompt_text[len > 0 ? len - 1 : 0] = '\0';
}

static void prompt_add(struct ui *ui, int code)
{
    char bytes[MB_LEN_MAX + 1];
    mbstate_t state = {0};
    size_t len = wcrtomb(bytes, (wchar_t)code, &state), used = strlen(ui->prompt_text);
    if (code < 32 || len == (size_t)-1 || used + len + 1 > sizeof ui->prompt_text)
        return;
    memcpy(ui->prompt_text + used, bytes, len);
    ui->prompt_text[used + len] = '\0';
}

static void prompt_input(struct ui *ui, int code, bool special)
{
    if (!special && code == 27) {
        if (ui->prompt == UI_PROMPT_FILTER)
            ui_filter_set(ui, ui->filter_before);
        ui->prompt = UI_PROMPT_NONE;
        return;
    }
    if ((!special && (code == '\r' || code == '\n')) || (special && code == KEY_ENTER)) {
        prompt_accept(ui);
        return;
    }
    if ((special && code == KEY_BACKSPACE) || (!special && (code == 127 || code == 8)))
        prompt_erase(ui);
    else if (!special && code == 21)
        ui->prompt_text[0] = '\0';
    else if (!special)
        prompt_add(ui, code);
    if (ui->prompt == UI_PROMPT_FILTER)
        ui_filter_set(ui, ui->prompt_text);
}

/* Letters choose the first column whose key begins with them. */
static void picker_type(struct ui *ui, int code)
{
    size_t count, used = strlen(ui->picker_typed);
    const struct column *all = columns_all(&count);
    if (used + 1 >= sizeof ui->picker_typed || (!isalnum(code) && code != '_'))
        return;
    ui->picker_typed[used] = (char)code;
    ui->picker_typed[used + 1] = '\0';
    for (size_t i = 0; i < count; i++)
        if (strncasecmp(all[i].key, ui->picker_typed, used + 1) == 0) {
            ui->picker = i;
            return;
        }
    ui->picker_typed[used] = '\0';
}

static void picker_input(struct ui *ui, int code, bool special)
{
    size_t count;
    const struct column *all = columns_all(&count);
    if (special && (code == KEY_UP || code == KEY_DOWN)) {
        ui->picker = (ui->picker + (code == KEY_UP ? count - 1 : 1)) % count;
        ui->picker_typed[0] = '\0';
    } else if ((!special && (code == '\r' || code == '\n')) || (special && code == KEY_ENTER)) {
        ui->overlay = UI_OVERLAY_NONE;
        sort_by(ui, &all[ui->picker]);
    } else if (!special && code == 27)
        ui->overlay = UI_OVERLAY_NONE;
    else if (!special && code < 128)
        picker_type(ui, code);
}

static void picker_open(struct ui *ui)
{
    size_t count;
    ui->overlay = UI_OVERLAY_SORT;
    ui->picker = (size_t)(ui->sort - columns_all(&count));
    ui->picker_typed[0] = '\0';
}

static bool action_move(struct ui *ui, enum key_action action)
{
    long page = ui->page > 1 ? (long)ui->page - 1 : 1;
    switch (action) {
    case KEY_ACTION_UP: move_by(ui, -1); return true;
    case KEY_ACTION_DOWN: move_by(ui, 1); return true;
    case KEY_ACTION_PAGE_UP: move_by(ui, -page); return true;
    case KEY_ACTION_PAGE_DOWN: move_by(ui, page); return true;
    case KEY_ACTION_FIRST: move_first(ui); return true;
    case KEY_ACTION_LAST: move_to(ui, (size_t)-1); return true;
    case KEY_ACTION_LEFT: ui->column_scroll -= ui->column_scroll > 0; return true;
    case KEY_ACTION_RIGHT: ui->column_scroll++; return true;
    default: return false;
    }
}

static bool action_look(struct ui *ui, enum key_action action)
{
    switch (action) {
    case KEY_ACTION_TOTALS:
        ui->rates = !ui->rates;
        ui_rows_refresh(ui);
        return true;
    case KEY_ACTION_RAW: ui->raw = !ui->raw; return true;
    case KEY_ACTION_HIDE_IDLE:
        ui->hide_idle = !ui->hide_idle;
        ui_rows_refresh(ui);
        return true;
    case KEY_ACTION_REVERSE:
        ui->descending = !ui->descending;
        ui_rows_refresh(ui);
        return true;
    case KEY_ACTION_MOUSE:
        ui->mouse = !ui->mouse;
        terminal_mouse(ui->mouse);
        ui_message(ui,
                   ui->mouse ? "the mouse sorts, selects and scrolls" : "the mouse selects text");
        return true;
    case KEY_ACTION_COLOR:
        ui->color = !ui->color;
        paint_setup(ui->color, ui->ascii);
        return true;
    case KEY_ACTION_ASCII:
        ui->ascii = !ui->ascii || ui->options->ascii;
        format_set_ascii(ui->ascii);
        columns_set_ascii(ui->ascii);
        paint_setup(ui->color, ui->ascii);
        return true;
    case KEY_ACTION_REDRAW: clearok(curscr, TRUE); return true;
    default: return false;
    }
}

static void action_do(struct ui *ui, enum key_action action)
{
    if (action_move(ui, action) || action_look(ui, action))
        return;
    switch (action) {
    case KEY_ACTION_OVERVIEW: view_open(ui, OPTIONS_OVERVIEW); break;
    case KEY_ACTION_CONNECTIONS: view_open(ui, OPTIONS_CONNECTIONS); break;
    case KEY_ACTION_NEXT_VIEW:
        view_open(ui, ui->view == OPTIONS_OVERVIEW ? OPTIONS_CONNECTIONS : OPTIONS_OVERVIEW);
        break;
    case KEY_ACTION_SERVER_BACK: server_step(ui, -1); break;
    case KEY_ACTION_SERVER_NEXT: server_step(ui, 1); break;
    case KEY_ACTION_DETAIL: detail_toggle(ui); break;
    case KEY_ACTION_BACK: back(ui); break;
    case KEY_ACTION_FILTER: prompt_open(ui, UI_PROMPT_FILTER); break;
    case KEY_ACTION_LIMIT: prompt_open(ui, UI_PROMPT_LIMIT); break;
    case KEY_ACTION_SORT: picker_open(ui); break;
    case KEY_ACTION_SORT_LEFT: sort_step(ui, -1); break;
    case KEY_ACTION_SORT_RIGHT: sort_step(ui, 1); break;
    case KEY_ACTION_RESET: model_reset_averages(&ui_active(ui)->model); break;
    case KEY_ACTION_PAUSE: pause_toggle(ui); break;
    case KEY_ACTION_FASTER: interval_step(ui, true); break;
    case KEY_ACTION_SLOWER: interval_step(ui, false); break;
    case KEY_ACTION_NOW: fetch_now(ui_active(ui)->fetch); break;
    case KEY_ACTION_WRITE: snapshot_write(ui); break;
    case KEY_ACTION_SUSPEND: terminal_suspend(); break;
    case KEY_ACTION_HELP: ui->overlay = UI_OVERLAY_HELP; break;
    case KEY_ACTION_QUIT: ui->quit = true; break;
    default: break;
    }
}

void ui_input(struct ui *ui, int code, bool special)
{
    enum key_action action = special || code < 128 ? keys_action(code) : KEY_ACTION_NONE;
    if (ui->prompt != UI_PROMPT_NONE)
        prompt_input(ui, code, special);
    else if (ui->overlay == UI_OVERLAY_SORT)
        picker_input(ui, code, special);
    else if (ui->overlay == UI_OVERLAY_HELP && action != KEY_ACTION_QUIT)
        ui->overlay = UI_OVERLAY_NONE;
    else if (special && code == KEY_MOUSE)
        mouse(ui);
    else
        action_do(ui, action);
}
