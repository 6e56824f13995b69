/* A client's socket: bytes to its session and back. Owned by one worker, whose thread alone calls all of this.
 * Freed as garbage after conn_close, because other workers may still hold its subscriptions. */
#ifndef BROKER_NET_CONN_H
#define BROKER_NET_CONN_H

#include "broker/core/session.h"
#include "broker/net/worker.h"

/* Takes fd. With refuse, the peer is told that there are too many connections. Without memory fd is closed. */
void conn_open(struct worker *worker, int fd, bool refuse);
/* At the end of a turn: writes what is queued, keeps the timer right, closes what failed. */
void conn_flush(struct session *session);
/* Within a turn: writes what the socket takes. */
void conn_relieve(struct session *session);
/* Writes what goes at once, then closes. */
void conn_close(struct session *session, enum close_reason reason);

#endif
