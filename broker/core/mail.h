/* What one worker hands to another. The core makes mail and opens it; how it travels is not its business: net/worker.c
 * or the simulator fill in struct mail_carrier. Mail from one worker to another arrives in order. */
#ifndef BROKER_CORE_MAIL_H
#define BROKER_CORE_MAIL_H

#include <urcu/wfcqueue.h>

#include "broker/base/base.h"

struct delivery;
struct session;

struct mail {
    struct cds_wfcq_node node;
    uint32_t bytes; /* what it holds in memory, for the limit on a mailbox */
    /* Called once, on the receiving worker; frees the mail. */
    void (*open)(struct mail *self, struct delivery *receiver);
};

struct mail_carrier {
    /* Takes the mail. True when the receiver's mailbox is over its limit: the sender should slow its producer down. */
    bool (*send)(void *context, unsigned to, struct mail *mail);
    void *context;
    /* Writes at once what the session's socket takes of its queue, which is large; may find that it failed, but closes
     * nothing. NULL: nothing is written before the end of a turn. */
    void (*relieve)(void *context, struct session *session);
};

#endif
