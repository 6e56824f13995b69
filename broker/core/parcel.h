/* Messages on their way to another worker: packed one behind the other into one mail per turn and receiver.
 *
 * The sending worker adds and sends; the receiving worker opens. Targets are subscriptions of the receiver. */
#ifndef BROKER_CORE_PARCEL_H
#define BROKER_CORE_PARCEL_H

#include "broker/base/block.h"
#include "broker/core/mail.h"
#include "broker/core/sub.h"

struct publish;
struct parcel;

/* Payloads up to this many bytes travel in the parcel itself, larger ones as a block. */
enum { PARCEL_INLINE_MAX = 1024 };

/* Adds a message for `count` targets. block: what the payload lies in, needed if it is larger than PARCEL_INLINE_MAX; the
 * parcel takes a reference of its own. An opened parcel comes back to *home. False: it is full, or there is no memory; send
 * it and try once more with NULL there. */
bool parcel_add(struct parcel **parcel, struct parcel *_Atomic *home, const struct publish *message,
                struct block *block, struct sub *const *targets, uint32_t count);
/* Its mail, complete: opening it delivers. */
struct mail *parcel_mail(struct parcel *parcel);
void parcel_free(struct parcel *parcel);
/* Tests: how many deliveries the mail of a parcel stands for, the targets of all its messages. */
uint64_t parcel_deliveries(const struct mail *mail);

#endif
