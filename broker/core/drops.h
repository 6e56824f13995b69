/* Messages that were meant for a connection and did not reach it: counted by reason, and for the connection.
 *
 * At any quiet moment:
 *
 *     deliveries = messages written whole + messages in queues + dropped, over all reasons
 *
 * where a delivery is what delivery_publish counts as reached, what it refused for want of room or memory, and each answer
 * 503. Everything here is called where something is lost; a message that arrives costs nothing. `delivery` is the calling
 * worker's; the session may be another worker's, inside an RCU section. */
#ifndef BROKER_CORE_DROPS_H
#define BROKER_CORE_DROPS_H

#include "broker/base/base.h"
#include "broker/drop_reasons.h"

struct delivery;
struct session;
struct sub;

COLD void drops_count(struct delivery *delivery, struct session *session, enum drop_reason reason,
                      uint64_t msgs);
/* The message cannot be queued for this subscription. A plain one goes without. Of a queue group another member may take it;
 * when all were tried, drops_group counts it, unless one did. */
COLD void drops_refuse(struct delivery *delivery, const struct sub *sub, enum drop_reason reason);
COLD void drops_group(struct delivery *delivery, bool taken);
/* A message from another worker that its receiver cannot be given. */
COLD void drops_mail(struct delivery *delivery, const struct sub *sub);
/* The session is being closed: what its queue holds is lost. */
void drops_queue(struct delivery *delivery, struct session *session);
/* The session is being freed: tells the log what was on its way to it when it was closed. */
void drops_after_close(const struct session *session);

#endif
