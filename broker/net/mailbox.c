/* liburcu's wait-free queue and a libuv wake-up. The sender that finds the box empty wakes its owner, at the end of its own
 * turn; mail put in meanwhile rides along, so a burst costs one wake-up. */
#include "broker/net/mailbox.h"

#include "broker/base/rcu.h"

int mailbox_init(struct mailbox *box, uv_loop_t *loop, uv_async_cb on_wake)
{
    cds_wfcq_init(&box->head, &box->tail);
    atomic_init(&box->bytes, 0);
    return uv_async_init(loop, &box->wake, on_wake);
}

bool mailbox_put(struct mailbox *box, struct mail *mail)
{
    atomic_fetch_add_explicit(&box->bytes, mail->bytes, memory_order_relaxed);
    cds_wfcq_node_init(&mail->node);
    RCU_RELEASE(mail);
    return !cds_wfcq_enqueue(&box->head, &box->tail, &mail->node);
}

void mailbox_wake(struct mailbox *box)
{
    uv_async_send(&box->wake);
}

bool mailbox_is_empty(struct mailbox *box)
{
    return cds_wfcq_empty(cds_wfcq_head_cast(&box->head), &box->tail);
}

void mailbox_drain(struct mailbox *box, struct delivery *receiver)
{
    struct cds_wfcq_head head;
    struct cds_wfcq_tail tail;
    cds_wfcq_init(&head, &tail);
    __cds_wfcq_splice_blocking(cds_wfcq_head_cast(&head), &tail, cds_wfcq_head_cast(&box->head),
                               &box->tail);
    uint64_t bytes = 0;
    struct cds_wfcq_node *node;
    while ((node = __cds_wfcq_dequeue_blocking(cds_wfcq_head_cast(&head), &tail)) != NULL) {
        struct mail *mail = container_of(node, struct mail, node);
        RCU_ACQUIRE(mail);
        bytes += mail->bytes;
        mail->open(mail, receiver);
    }
    if (bytes > 0)
        atomic_fetch_sub_explicit(&box->bytes, bytes, memory_order_relaxed);
}
