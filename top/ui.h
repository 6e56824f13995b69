/* The viewer's state: what is watched, what is chosen, what is open.
 *
 * One thread: input, samples and drawing take turns in ui_run. Drawing reads it, and tells back
 * only where things are. */
#ifndef TOP_UI_H
#define TOP_UI_H

#include "top/fetch.h"
#include "top/keys.h"
#include "top/model.h"
#include "top/rows.h"

enum ui_overlay { UI_OVERLAY_NONE, UI_OVERLAY_HELP, UI_OVERLAY_SORT };
enum ui_prompt { UI_PROMPT_NONE, UI_PROMPT_FILTER, UI_PROMPT_LIMIT };

enum { UI_WIDTH_MIN = 60, UI_HEIGHT_MIN = 12, UI_HITS_MAX = 32 };

struct ui_server {
    char shown_url[OPTIONS_URL_BYTES];
    struct fetch *fetch;
    struct model model;
};

struct ui {
    const struct options *options;
    struct ui_server servers[OPTIONS_URLS_MAX];
    size_t server_count, active;

    enum options_view view;
    const struct column *sort;
    bool descending, rates, raw, hide_idle, color, ascii, mouse;
    int64_t interval_ns;
    unsigned limit;
    struct filter filter;
    char filter_text[FILTER_BYTES_MAX];

    struct rows rows;    /* of the active server */
    uint64_t cursor_cid; /* the cursor's connection; 0: the first row, whichever that is */
    size_t cursor;       /* its place in rows */
    size_t scroll;       /* first row on the screen */
    size_t column_scroll;
    bool detail; /* the pane is open */

    enum ui_overlay overlay;
    size_t picker; /* column under the picker's cursor */
    char picker_typed[24];
    enum ui_prompt prompt;
    char prompt_text[FILTER_BYTES_MAX];
    char filter_before[FILTER_BYTES_MAX]; /* to return to when the prompt is left with Esc */

    bool paused, quit;
    int64_t paused_ns;
    char message[320];
    int64_t message_ns;
    unsigned samples; /* good ones of the active server, for --count */

    /* Told by drawing: how many rows fitted, and where the mouse finds what. */
    size_t page;
    int table_y; /* line of the headings */
    const struct column *hit_columns[UI_HITS_MAX];
    int hit_ends[UI_HITS_MAX], tab_ends[2]; /* first cell after it */
    size_t hit_count;
};

/* Runs until the user leaves. The exit status. */
MUST_CHECK int ui_run(const struct options *options);

struct ui_server *ui_active(struct ui *ui);
/* Rows anew from model, filter and order; keeps the cursor on its connection. */
void ui_rows_refresh(struct ui *ui);
/* Tells every fetch thread what is wanted now. */
void ui_wish(struct ui *ui);
struct column_view ui_column_view(const struct ui *ui);
PRINTF(2, 3) void ui_message(struct ui *ui, const char *format, ...);
void ui_filter_set(struct ui *ui, const char *text);

#endif
