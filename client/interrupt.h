/* Stopping: SIGINT, SIGTERM, and the program's own reasons, all through one door.
 *
 * interrupt_init is called first, before any other thread exists; the rest on any thread. The first
 * reason to stop sets the exit status. A second signal ends the process at once, for when the first
 * gets stuck. */
#ifndef CLIENT_INTERRUPT_H
#define CLIENT_INTERRUPT_H

#include "broker/base/base.h"

MUST_CHECK int interrupt_init(void);

/* From now on interrupt_stopped() is true and waiters wake. */
void interrupt_stop(int exit_status);
bool interrupt_stopped(void);
/* The stop came from a signal, not from the program. */
bool interrupt_signalled(void);
/* Of the first stop; 0 if it was a signal or there was none. */
int interrupt_exit_status(void);

/* Sleeps until stopped or the time is over, -1 for ever; returns interrupt_stopped(). */
bool interrupt_wait(int64_t timeout_ns);
/* Sleeps until fd has something to read, or its end; false when stopped. */
MUST_CHECK bool interrupt_wait_readable(int fd);

#endif
