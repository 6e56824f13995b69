/* What the program says on stderr: one line each, beginning with "clearwing VERB: ".
 * Any thread; a line is written whole. say_verb is called once, before other threads exist. */
#ifndef CLIENT_SAY_H
#define CLIENT_SAY_H

#include "broker/base/base.h"

/* name is kept, not copied; NULL leaves "clearwing-client: ". */
void say_verb(const char *name);
/* The prefix without the colon: "clearwing publish". */
const char *say_program(void);

/* An error names what went wrong, the value it was about, and what to do. */
PRINTF(1, 2) void say_line(const char *format, ...);

#endif
