/* `clearwing --signal WORD[=PID]`: one process tells another what to do. Main thread. */
#ifndef BROKER_SIGNAL_COMMAND_H
#define BROKER_SIGNAL_COMMAND_H

#include "broker/base/base.h"

/* target is WORD, WORD=PID, WORD=PREFIX* or WORD=FILE, the file holding a pid; without one the only
 * other process called clearwing. 0, or an ERR_* after one or more lines on standard error. */
MUST_CHECK int signal_command_run(const char *target);

#endif
