/* Drawing: styles instead of colours, cells instead of bytes, glyphs that know what the terminal
 * can show.
 *
 * Screen's thread, between terminal_start and terminal_stop. All text passes format_text, so what a
 * client calls itself cannot reach the terminal. Nothing is drawn outside the screen. Coordinates
 * are cells from 0. */
#ifndef TOP_PAINT_H
#define TOP_PAINT_H

#include "broker/base/base.h"

enum paint_style {
#define STYLE(name, ...) PAINT_##name,
#include "top/styles.def"
#undef STYLE
    PAINT_STYLES
};

enum paint_glyph {
    GLYPH_DOT, /* between words */
    GLYPH_LIVE,
    GLYPH_CURSOR,
    GLYPH_UP,
    GLYPH_DOWN,
    GLYPH_OUT,
    GLYPH_IN,
    GLYPH_RULE,
    GLYPH_BOX_TOP_LEFT,
    GLYPH_BOX_TOP_RIGHT,
    GLYPH_BOX_BOTTOM_LEFT,
    GLYPH_BOX_BOTTOM_RIGHT,
    GLYPH_BOX_SIDE,
    GLYPH_CROSS,
    GLYPHS
};

/* The value `back` samples ago, NAN for none; 0 is the newest. */
typedef double paint_past(const void *context, unsigned back);

/* Once after terminal_start, and again when one of them changes. */
void paint_setup(bool color, bool ascii);
/* For what follows: everything faint (data of the past), or on the selected row's background. */
void paint_set_stale(bool stale);
void paint_set_selected(bool selected);

const char *paint_glyph(enum paint_glyph glyph);

/* Text in its natural width; returns the column after it. */
int paint_put(int y, int x, enum paint_style style, const char *text);
PRINTF(4, 5) int paint_format(int y, int x, enum paint_style style, const char *format, ...);
/* Text in exactly `width` cells, cut or padded; right puts the padding in front. */
void paint_cell(int y, int x, int width, enum paint_style style, const char *text);
void paint_cell_right(int y, int x, int width, enum paint_style style, const char *text);
void paint_rule(int y, int x, int width, enum paint_style style);
/* A frame with an empty inside. */
void paint_box(int y, int x, int height, int width, const char *title);

/* Both return the largest value shown, 0 if there is none. */
double paint_spark(int y, int x, int width, enum paint_style style, paint_past *past,
                   const void *context);
/* A filled curve, two samples per cell where the terminal can; upwards, or hanging down. `styles`
 * is the first of PAINT_SHADES neighbours, from the axis outwards. */
enum { PAINT_SHADES = 5 };
double paint_graph(int y, int x, int height, int width, bool down, enum paint_style styles,
                   paint_past *past, const void *context);

#endif
