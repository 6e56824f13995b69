/* The broker's own state held against the model's: counters after every step, structures at
 * intervals. */
#ifndef TESTS_SIM_VERIFY_H
#define TESTS_SIM_VERIFY_H

#include "tests/sim/network.h"

/* Counters of sessions, workers and accounts; who is to be closed and why; nothing unaccounted for
 * in any text. */
void verify_step(const struct network *network);
/* The interest, each session's subscriptions, and that caches agree with the model on these
 * subjects. */
void verify_structures(const struct network *network, const char *const *subjects, size_t count);

#endif
