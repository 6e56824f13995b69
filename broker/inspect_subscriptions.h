/* Reading one session's subscriptions, for the files of the inspector. Monitor threads, inside an RCU section. */
#ifndef BROKER_INSPECT_SUBSCRIPTIONS_H
#define BROKER_INSPECT_SUBSCRIPTIONS_H

#include "broker/core/delivery.h"
#include "broker/inspect.h"

#define read_relaxed(field) atomic_load_explicit(&(field), memory_order_relaxed)

/* Readers look at about so many sessions in one RCU section. */
enum { INSPECT_SECTION = 1024 };

struct inspect_subscription inspect_subscriptions_describe(const struct sub *sub);
/* The first one that was not listed yet, by a place that inspect_subscriptions_listed keeps up to date, zeroed at the start. What
 * comes or goes meanwhile, between two sections, may be missed, or listed twice if what was listed last went. */
const struct sub *inspect_subscriptions_resume(const struct session *session,
                                               const struct inspect_place *place);
void inspect_subscriptions_listed(struct inspect_place *place, const struct sub *sub);

static inline const struct sub *inspect_subscriptions_after(const struct sub *sub)
{
    return atomic_load_explicit(&sub->next, memory_order_acquire);
}

#endif
