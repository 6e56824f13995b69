/* One frame of the viewer. The screen's thread; reads the ui, and tells it how many rows fitted. */
#ifndef TOP_SCREEN_H
#define TOP_SCREEN_H

#include "top/ui.h"

void screen_draw(struct ui *ui);

#endif
