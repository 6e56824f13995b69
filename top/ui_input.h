/* What a key does. The screen's thread. */
#ifndef TOP_UI_INPUT_H
#define TOP_UI_INPUT_H

#include "top/ui.h"

/* A curses key code (special) or a character. */
void ui_input(struct ui *ui, int code, bool special);

#endif
