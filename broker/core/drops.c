/* A message is lost in one of four places, and counted there:
 *
 *     publisher --> queue full, no memory                       drops_refuse, drops_group
 *               --> parcel  no memory                           drops_count
 *                   parcel --> receiver closed, unsubscribed,   drops_mail
 *                              no memory
 *               --> queue --> closed before it was written      drops_queue
 *
 * The connection's own count has writers on any worker. What it is when the connection is closed is remembered with it; mail
 * that comes later is counted by its reason, and told in the log when the session is freed, which is behind all such mail.
 */
#include "broker/core/drops.h"

#include "broker/base/log.h"
#include "broker/core/delivery.h"

void drops_count(struct delivery *delivery, struct session *session, enum drop_reason reason,
                 uint64_t msgs)
{
    counter_add(&delivery->dropped[reason], msgs);
    metrics_add(&delivery->cells, METRIC_dropped_msgs, msgs);
    atomic_fetch_add_explicit(&session->dropped_msgs, msgs, memory_order_relaxed);
}

void drops_refuse(struct delivery *delivery, const struct sub *sub, enum drop_reason reason)
{
    if (sub->queue_len == 0) {
        drops_count(delivery, sub->session, reason, 1);
        return;
    }
    delivery->refused_by = sub->session;
    delivery->refused_for = reason;
}

void drops_group(struct delivery *delivery, bool taken)
{
    if (!taken)
        drops_count(delivery, delivery->refused_by, delivery->refused_for, 1);
    delivery->refused_by = NULL;
}

void drops_mail(struct delivery *delivery, const struct sub *sub)
{
    struct session *session = sub->session;
    enum drop_reason reason = session->close_reason != CLOSE_NONE
                                  ? drop_reasons_of_close(session->close_reason)
                                  : DROP_UNSUBSCRIBED;
    drops_count(delivery, session, reason, 1);
}

void drops_queue(struct delivery *delivery, struct session *session)
{
    uint64_t msgs = outq_unsent_messages(&session->out);
    if (msgs > 0)
        drops_count(delivery, session, drop_reasons_of_close(session->close_reason), msgs);
    session->dropped_at_close = atomic_load_explicit(&session->dropped_msgs, memory_order_relaxed);
}

void drops_after_close(const struct session *session)
{
    uint64_t msgs = atomic_load_explicit(&session->dropped_msgs, memory_order_relaxed) -
                    session->dropped_at_close;
    if (msgs > 0)
        log_info("%s:%u - cid:%llu - Closed (%s) while %llu messages were on their way to it",
                 session->ip, session->port, (unsigned long long)session->cid,
                 close_reason_text(session->close_reason), (unsigned long long)msgs);
}
