/* Boxes over the view: the keys, made from keys.def, and the choice of the column to sort by. */
#include <curses.h>
#include <stdio.h>

#include "top/format.h"
#include "top/paint.h"
#include "top/views.h"

/* Keys of a group are packed into lines: "o choose the column  < > ...". Returns the line after the
 * last. */
static int help_keys_draw(int y, int x, int width, int bottom)
{
    size_t count;
    const struct key_row *rows = keys_rows(&count);
    int column = 0, each = width >= 116 ? width / 2 : width;
    int lines = width >= 116 ? ((int)count + 1) / 2 : (int)count;
    for (size_t i = 0; i < count; i++) {
        bool first = i == 0 || strcmp(rows[i].group, rows[i - 1].group) != 0;
        int row = y + (int)i % lines;
        column = (int)i / lines * each;
        if (row >= bottom)
            continue;
        paint_cell(row, x + column, 8, PAINT_TITLE,
                   first || (int)i % lines == 0 ? rows[i].group : "");
        paint_cell(row, x + column + 8, 14, PAINT_STRONG, rows[i].names);
        paint_cell(row, x + column + 22, each - 23, PAINT_LABEL, rows[i].help);
    }
    return y + lines < bottom ? y + lines : bottom;
}

/* Two keys per line in little room: names only, their help cut. */
static void help_narrow_draw(int y, int x, int width, int bottom)
{
    size_t count;
    const struct key_row *rows = keys_rows(&count);
    int lines = ((int)count + 1) / 2, each = width / 2;
    for (size_t i = 0; i < count; i++) {
        int row = y + (int)i % lines, at = x + (int)i / lines * each;
        if (row >= bottom)
            continue;
        paint_cell(row, at, 14, PAINT_STRONG, rows[i].names);
        paint_cell(row, at + 14, each - 15, PAINT_LABEL, rows[i].help);
    }
}

static void help_draw(void)
{
    static const char *const notes[] = {
        "Rates are per second of the server's clock between two polls; 10s and 60s are exponential "
        "averages.",
        "Warning and critical: pending 25/75 % of max_pending, CPU 70/90 % of the cores, "
        "connections 80/95 %",
        "of the limit, RTT 10/100 ms, slow consumers: any / one in the last minute.",
    };
    size_t count;
    keys_rows(&count);
    int width = COLS < 132 ? COLS - 2 : 130, inside = width - 4;
    int wanted = (inside >= 116 ? ((int)count + 1) / 2 : (int)count) + 7;
    int height = wanted < LINES - 2 ? wanted : LINES - 2;
    int y = (LINES - height) / 2, x = (COLS - width) / 2, bottom = y + height - 1;
    paint_box(y, x, height, width, "Keys");
    if (height < wanted) {
        help_narrow_draw(y + 1, x + 2, inside, bottom);
        return;
    }
    int at = help_keys_draw(y + 1, x + 2, inside, bottom) + 1;
    for (size_t i = 0; i < array_length(notes) && at < bottom; i++)
        paint_cell(at++, x + 2, inside, PAINT_FAINT, notes[i]);
    paint_format(at, x + 2, PAINT_FAINT, "%s this server does not offer it   %s not known yet",
                 columns_absent(), columns_unknown());
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
