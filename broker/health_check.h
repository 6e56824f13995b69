/* `clearwing --health-check [URL|PATH]`: asks a running server whether it is well, for scripts and containers that have no curl.
 * Main thread, instead of serving. */
#ifndef BROKER_HEALTH_CHECK_H
#define BROKER_HEALTH_CHECK_H

#include "broker/options.h"

/* target: http://HOST[:PORT][/PATH], a path, or "" for /readyz; without a host, the monitoring port that options name is asked.
 * 0 when the answer is 200, after one line on standard output; else an ERR_* after one on standard error. Ends the process
 * with status 1 if there is no answer in time. */
MUST_CHECK int health_check_run(const struct options *options, const char *target);

#endif
