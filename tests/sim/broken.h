/* Faults put into a copy of the core on purpose, to see that the simulator notices: break_core.py
 * has the list. In the ordinary program there are none. */
#ifndef TESTS_SIM_BROKEN_H
#define TESTS_SIM_BROKEN_H

#include <stdbool.h>

/* Turns one fault on; false when there is none of this name. */
bool broken_choose(const char *name);
/* All names, as text for people. */
const char *broken_names(void);
/* What the command line says to turn the chosen fault on; "" without one. */
const char *broken_arguments(void);

#endif
