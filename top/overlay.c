/* Boxes over the view: the keys, made from keys.def, and the choice of the column to sort by. */
#include <curses.h>
#include <stdio.h>

#include "top/format.h"
#include "top/paint.h"
#include "top/views.h"

enum { KEYS_WIDTH = 100, NOTE_LINES = 9 };

static void help_keys_draw(int y, int x, int width)
{
    size_t count;
    const struct key_row *rows = keys_rows(&count);
    int lines = ((int)count + 1) / 2, each = width / 2, names = each < 44 ? 14 : 16;
    for (size_t i = 0; i < count; i++) {
        int row = y + (int)i % lines, at = x + (int)i / lines * each;
        bool first = i == 0 || (int)i == lines || strcmp(rows[i].group, rows[i - 1].group) != 0;
        if (each >= 44)
            paint_cell(row, at, 8, PAINT_TITLE, first ? rows[i].group : "");
        at += each >= 44 ? 8 : 0;
        paint_cell(row, at, names, PAINT_STRONG, rows[i].names);
        paint_cell(row, at + names, 24, PAINT_LABEL, rows[i].help);
    }
}

static void help_notes_draw(int y, int x, int width)
{
    static const char *const notes[] = {
        "Filter  text  ~regex  name:text  user=me  pending>1MiB  rtt>10ms  !term; all must hold",
        "Rates   per second of the server's clock between two polls; 10s and 60s are averages",
        "Colours pending 25/75 % of max_pending, CPU 70/90 %, connections 80/95 % of the limit,",
        "        RTT 10/100 ms, slow consumers: any / in the last minute",
    };
    for (size_t i = 0; i < array_length(notes); i++)
        paint_cell(y + (int)i, x, width, PAINT_FAINT, notes[i]);
    paint_format(y + (int)array_length(notes), x, PAINT_FAINT,
                 "Signs   %s not offered by this server   %s not known yet", columns_absent(),
                 columns_unknown());
}

static void help_draw(void)
{
    size_t count;
    keys_rows(&count);
    int lines = ((int)count + 1) / 2, width = COLS < KEYS_WIDTH ? COLS - 2 : KEYS_WIDTH - 2;
    bool notes = lines + NOTE_LINES <= LINES;
    int height = lines + 2 + (notes ? NOTE_LINES - 3 : 0);
    height = height < LINES ? height : LINES;
    int y = (LINES - height) / 2, x = (COLS - width) / 2;
    paint_box(y, x, height, width, "Keys");
    help_keys_draw(y + 1, x + 2, width - 4);
    if (notes)
        help_notes_draw(y + 2 + lines, x + 2, width - 4);
}

static void picker_draw(const struct ui *ui)
{
    size_t count;
    const struct column *all = columns_all(&count);
    int width = COLS < 78 ? COLS - 2 : 76;
    int height = (int)count + 3 < LINES - 2 ? (int)count + 3 : LINES - 2, shown = height - 3;
    int y = (LINES - height) / 2, x = (COLS - width) / 2;
    int first = (int)ui->picker >= shown ? (int)ui->picker - shown + 1 : 0;
    paint_box(y, x, height, width, "Sort by");
    for (int i = 0; i < shown && first + i < (int)count; i++) {
        const struct column *column = &all[first + i];
        char heading[FORMAT_MAX];
        bool here = first + i == (int)ui->picker;
        paint_set_selected(here);
        paint_cell(y + 1 + i, x + 1, width - 2, PAINT_PLAIN, here ? paint_glyph(GLYPH_CURSOR) : "");
        paint_cell(y + 1 + i, x + 3, 14, column == ui->sort ? PAINT_STRONG : PAINT_PLAIN,
                   columns_heading(column, ui->rates, heading));
        paint_cell(y + 1 + i, x + 18, width - 20, PAINT_LABEL, column->help);
        paint_set_selected(false);
    }
    paint_format(y + height - 2, x + 3, PAINT_FAINT, "Enter sorts, Esc leaves; type a name: %s_",
                 ui->picker_typed);
}

void overlay_draw(struct ui *ui)
{
    if (ui->overlay == UI_OVERLAY_HELP)
        help_draw();
    else if (ui->overlay == UI_OVERLAY_SORT)
        picker_draw(ui);
}
