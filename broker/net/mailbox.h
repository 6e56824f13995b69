/* A worker's mailbox: any thread puts mail in, the owner takes it out. Wait-free for senders. */
#ifndef BROKER_NET_MAILBOX_H
#define BROKER_NET_MAILBOX_H

#include <stdatomic.h>
#include <urcu/wfcqueue.h>
#include <uv.h>

#include "broker/core/mail.h"

struct mailbox {
    struct cds_wfcq_head head; /* the owner's end */
    _Alignas(64) struct cds_wfcq_tail tail;
    _Atomic uint64_t bytes; /* of the mail in it */
    uv_async_t wake;
};

/* on_wake runs on the loop's thread. 0 or a libuv error. */
MUST_CHECK int mailbox_init(struct mailbox *box, uv_loop_t *loop, uv_async_cb on_wake);
/* Any thread. Returns whether the box was empty: then somebody has to call mailbox_wake, now or at the end of a turn. */
bool mailbox_put(struct mailbox *box, struct mail *mail);
void mailbox_wake(struct mailbox *box);
/* Owner: opens all mail that is there. */
void mailbox_drain(struct mailbox *box, struct delivery *receiver);
/* Owner: cheap enough to ask before each batch of input. */
bool mailbox_is_empty(struct mailbox *box);

#endif
