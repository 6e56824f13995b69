/* Runs a shell command with bytes on its stdin and takes its stdout. Any thread; blocks until the
 * command ends, its time is over (it is then killed with all it started) or it wrote too much. */
#ifndef CLIENT_COMMAND_H
#define CLIENT_COMMAND_H

#include "broker/base/base.h"

struct command_result {
    char *bytes; /* owned by the caller; may be NULL when len is 0 */
    size_t len;
    const char *failure; /* NULL when the command ended with status 0; else a static text */
};

/* subject is given to the command as the environment variable NATS_SUBJECT. */
void command_run(const char *command, const char *subject, struct span input, size_t output_max,
                 int64_t timeout_ns, struct command_result *result);

#endif
