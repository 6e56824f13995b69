/* The terminal: taking it over and giving it back, whatever happens.
 *
 * Screen's thread only. After terminal_start every way out of the process restores the terminal:
 * terminal_stop, exit, a fatal signal. Termination and job-control signals arrive as ordinary reads
 * on terminal_signals(). */
#ifndef TOP_TERMINAL_H
#define TOP_TERMINAL_H

#include "broker/base/base.h"

/* False with a reason when this terminal cannot show a screen. */
MUST_CHECK bool terminal_start(char *error, size_t error_bytes);
void terminal_stop(void);
/* A signalfd of SIGINT SIGTERM SIGHUP SIGQUIT SIGWINCH SIGTSTP SIGCONT; -1 before the start. */
int terminal_signals(void);
/* Blocks those signals; before any thread is made, so that all inherit it. False when it cannot. */
MUST_CHECK bool terminal_block_signals(void);
/* Gives the terminal back, stops the process, and takes the terminal again when it is continued. */
void terminal_suspend(void);
/* Whether clicks and the wheel come here; else they are the terminal's own, for selecting text. */
void terminal_mouse(bool on);
/* Adopts the terminal's size if it changed. */
void terminal_resize(void);

#endif
