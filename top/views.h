/* The views and the boxes over them: each draws into the rows it is given. The screen's thread. */
#ifndef TOP_VIEWS_H
#define TOP_VIEWS_H

#include "top/ui.h"

/* height rows from y, the whole width. */
void overview_draw(struct ui *ui, int y, int height);
void connections_draw(struct ui *ui, int y, int height);
/* The list alone: headings and rows; also the lower part of the overview. */
void table_draw(struct ui *ui, int y, int height);
/* The pane of one connection. */
void detail_draw(struct ui *ui, int y, int height);
void overlay_draw(struct ui *ui);

/* How much a figure worries: 0 fine, 1 warning, 2 critical. */
int views_level(double value, double limit, double warning, double critical);
/* "1,024 of 48,112 connections". out needs 160 bytes. */
char *views_count(const struct ui *ui, char *out);

#endif
