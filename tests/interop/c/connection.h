/* The cases about connections, each run once by the main thread; a check that fails ends the
 * program. */
#ifndef INTEROP_CONNECTION_H
#define INTEROP_CONNECTION_H

struct task;

void connection_rtt_flush(const struct task *task);
void connection_visible(const struct task *task);
void connection_reconnect(const struct task *task);
void connection_accepted(const struct task *task);
void connection_refused(const struct task *task);
void connection_permission_violation(const struct task *task);
void connection_many(const struct task *task);

#endif
