/* A style is a colour pair and attributes, looked up in styles.def for what the terminal has: 256
 * colours, 8, none. Every style has a second pair on the background of the selected row.
 *
 * Curves use braille cells, 2 by 4 dots, so a cell holds two samples and four levels; without
 * UTF-8, a column of '#' per sample. A sparkline is one cell per sample with eight levels; without
 * UTF-8, seven. */
#include "top/paint.h"

#include <curses.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>

#include "top/format.h"

enum { SELECTED_BACKGROUND = 238, TEXT_BYTES = 2048 };

static const struct {
    short foreground, background, foreground8, background8;
    attr_t with_color, without;
} styles[PAINT_STYLES] = {
#define STYLE(name, ...) [PAINT_##name] = {__VA_ARGS__},
#include "top/styles.def"
#undef STYLE
};

static const char *const glyphs[GLYPHS][2] = {
    [GLYPH_DOT] = {"-", "·"},
    [GLYPH_LIVE] = {"*", "●"},
    [GLYPH_CURSOR] = {">", "▸"},
    [GLYPH_UP] = {"^", "▲"},
    [GLYPH_DOWN] = {"v", "▼"},
    [GLYPH_OUT] = {"^", "▲"},
    [GLYPH_IN] = {"v", "▼"},
    [GLYPH_RULE] = {"-", "─"},
    [GLYPH_BOX_TOP_LEFT] = {"+", "╭"},
    [GLYPH_BOX_TOP_RIGHT] = {"+", "╮"},
    [GLYPH_BOX_BOTTOM_LEFT] = {"+", "╰"},
    [GLYPH_BOX_BOTTOM_RIGHT] = {"+", "╯"},
    [GLYPH_BOX_SIDE] = {"|", "│"},
    [GLYPH_CROSS] = {"x", "✗"},
};

static bool ascii_only, colored, stale, selected;

void paint_setup(bool color, bool ascii)
{
    ascii_only = ascii;
    colored = color && has_colors();
    if (!colored)
        return;
    start_color();
    use_default_colors();
    bool many = COLORS >= 256 && COLOR_PAIRS > 2 * PAINT_STYLES;
    for (short i = 0; i < PAINT_STYLES; i++) {
        short foreground = many ? styles[i].foreground : styles[i].foreground8;
        short background = many ? styles[i].background : styles[i].background8;
        init_pair((short)(i + 1), foreground, background);
        if (many)
            init_pair((short)(i + 1 + PAINT_STYLES), foreground, SELECTED_BACKGROUND);
    }
}

void paint_set_stale(bool on)
{
    stale = on;
}

void paint_set_selected(bool on)
{
    selected = on;
}

const char *paint_glyph(enum paint_glyph glyph)
{
    return glyphs[glyph][ascii_only ? 0 : 1];
}

static void style_use(enum paint_style style)
{
    if (stale)
        style = PAINT_FAINT;
    bool many = colored && COLORS >= 256;
    attr_t attributes = colored ? styles[style].with_color : styles[style].without;
    if (colored && !many && (style == PAINT_FAINT || style == PAINT_LABEL))
        attributes |= style == PAINT_FAINT ? A_DIM : 0;
    if (colored && !many && styles[style].background == 236)
        attributes |= A_REVERSE;
    if (selected && !many)
        attributes |= A_REVERSE;
    short pair = !colored ? 0 : (short)(style + 1 + (selected && many ? PAINT_STYLES : 0));
    attr_set(attributes, pair, NULL);
}

/* Safe text of a known number of cells; false when nothing of it is on the screen. */
static bool cells_put(int y, int x, int width, enum paint_style style, const char *text)
{
    if (y < 0 || y >= LINES || x < 0 || x >= COLS || width <= 0)
        return false;
    if (x + width > COLS)
        width = COLS - x;
    char safe[TEXT_BYTES];
    format_text(text, width, safe, sizeof safe);
    style_use(style);
    mvaddstr(y, x, safe);
    return true;
}

int paint_put(int y, int x, enum paint_style style, const char *text)
{
    int width = format_text_width(text);
    cells_put(y, x, width, style, text);
    return x + width;
}

int paint_format(int y, int x, enum paint_style style, const char *format, ...)
{
    char text[TEXT_BYTES];
    va_list values;
    va_start(values, format);
    vsnprintf(text, sizeof text, format, values);
    va_end(values);
    return paint_put(y, x, style, text);
}

void paint_cell(int y, int x, int width, enum paint_style style, const char *text)
{
    cells_put(y, x, width, style, text);
}

void paint_cell_right(int y, int x, int width, enum paint_style style, const char *text)
{
    int cells = format_text_width(text), pad = cells < width ? width - cells : 0;
    if (pad > 0)
        cells_put(y, x, pad, style, "");
    cells_put(y, x + pad, width - pad, style, text);
}

void paint_rule(int y, int x, int width, enum paint_style style)
{
    for (int i = 0; i < width; i++)
        cells_put(y, x + i, 1, style, paint_glyph(GLYPH_RULE));
}

void paint_box(int y, int x, int height, int width, const char *title)
{
    for (int row = 1; row + 1 < height; row++) {
        cells_put(y + row, x, width, PAINT_PLAIN, "");
        cells_put(y + row, x, 1, PAINT_TITLE, paint_glyph(GLYPH_BOX_SIDE));
        cells_put(y + row, x + width - 1, 1, PAINT_TITLE, paint_glyph(GLYPH_BOX_SIDE));
    }
    for (int edge = 0; edge < 2; edge++) {
        int row = edge ? y + height - 1 : y;
        cells_put(row, x, 1, PAINT_TITLE,
                  paint_glyph(edge ? GLYPH_BOX_BOTTOM_LEFT : GLYPH_BOX_TOP_LEFT));
        paint_rule(row, x + 1, width - 2, PAINT_TITLE);
        cells_put(row, x + width - 1, 1, PAINT_TITLE,
                  paint_glyph(edge ? GLYPH_BOX_BOTTOM_RIGHT : GLYPH_BOX_TOP_RIGHT));
    }
    paint_format(y, x + 2, PAINT_TITLE, " %s ", title);
}

/* Largest of the last `count` values, and whether they are all the same. */
static double largest(unsigned count, paint_past *past, const void *context, bool *flat)
{
    double most = 0, least = INFINITY;
    for (unsigned back = 0; back < count; back++) {
        double value = past(context, back);
        if (isnan(value))
            continue;
        most = fmax(most, value);
        least = fmin(least, value);
    }
    *flat = most == least;
    return most;
}

/* One of eight levels; a series that never changes stays in the middle. */
static int level_of(double value, double most, bool flat)
{
    if (!(value > 0) || most <= 0)
        return 0;
    if (flat)
        return 3;
    int level = (int)ceil(value / most * 8) - 1;
    return level > 0 ? level : 0;
}

double paint_spark(int y, int x, int width, enum paint_style style, paint_past *past,
                   const void *context)
{
    static const char *const fine[] = {"▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"};
    static const char *const coarse[] = {"_", ".", ":", "-", "=", "+", "*", "#"};
    if (width <= 0)
        return 0;
    bool flat;
    double most = largest((unsigned)width, past, context, &flat);
    for (int i = 0; i < width; i++) {
        double value = past(context, (unsigned)(width - 1 - i));
        const char *glyph =
            isnan(value) ? " " : (ascii_only ? coarse : fine)[level_of(value, most, flat)];
        cells_put(y, x + i, 1, value > 0 ? style : PAINT_FAINT, glyph);
    }
    return most;
}

/* Dots of one half of a braille cell, filled from its bottom or from its top. */
static unsigned half_cell(int dots, bool down, bool right)
{
    static const unsigned char bits[2][4] = {{0x40, 0x04, 0x02, 0x01}, {0x80, 0x20, 0x10, 0x08}};
    unsigned cell = 0;
    for (int i = 0; i < dots && i < 4; i++)
        cell |= bits[right][down ? 3 - i : i];
    return cell;
}

static int dots_of(double value, double most, int height)
{
    if (isnan(value) || value <= 0 || most <= 0)
        return 0;
    int dots = (int)lround(value / most * height);
    return dots > 0 ? dots : 1;
}

double paint_graph(int y, int x, int height, int width, bool down, enum paint_style first,
                   paint_past *past, const void *context)
{
    int per_cell = ascii_only ? 1 : 2, levels = ascii_only ? 1 : 4;
    bool flat;
    double most = largest((unsigned)(width * per_cell), past, context, &flat);
    double top = flat ? most * 1.25 : most;
    for (int column = 0; column < width; column++) {
        unsigned back = (unsigned)((width - 1 - column) * per_cell);
        int left = dots_of(past(context, back + (unsigned)per_cell - 1), top, height * levels);
        int right = dots_of(past(context, back), top, height * levels);
        for (int row = 0; row < height; row++) {
            int below = row * levels; /* dots nearer to the axis */
            unsigned cell =
                half_cell(left - below, down, false) | half_cell(right - below, down, true);
            if (ascii_only ? left <= below : cell == 0)
                break;
            unsigned code = 0x2800 + cell;
            char braille[4] = {(char)(0xe0 | code >> 12), (char)(0x80 | (code >> 6 & 0x3f)),
                               (char)(0x80 | (code & 0x3f)), '\0'};
            enum paint_style style = (enum paint_style)((int)first + row * PAINT_SHADES / height);
            cells_put(down ? y + row : y + height - 1 - row, x + column, 1, style,
                      ascii_only ? "#" : braille);
        }
    }
    return most;
}
