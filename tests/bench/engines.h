/* The engines: each runs one plan from connecting to closing and fills the result. Called once per
 * process, by load.c. */
#ifndef BENCH_ENGINES_H
#define BENCH_ENGINES_H

#include "load.h"

/* flow.c: publishers and subscribers, as fast as a window allows or at a fixed rate. */
void flow_run(const struct load_plan *plan, struct load_result *result);
/* request.c: requesters and responders, a number of requests in flight. */
void request_run(const struct load_plan *plan, struct load_result *result);
/* connections.c: connect, subscribe, ping, close, again and again. */
void connections_churn(const struct load_plan *plan, struct load_result *result);
/* connections.c: from exec of the server to its first PONG. */
void connections_start_up(const struct load_plan *plan, struct load_result *result);
/* idle.c: memory of connections that do nothing. */
void idle_connections(const struct load_plan *plan, struct load_result *result);
/* idle.c: memory after such connections left. */
void idle_departed(const struct load_plan *plan, struct load_result *result);
/* idle.c: memory of a server that nobody uses. */
void idle_none(const struct load_plan *plan, struct load_result *result);

#endif
