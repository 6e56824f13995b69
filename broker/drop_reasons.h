/* Why a message did not reach a subscriber that it was meant for: the reason why the connection was closed, which has the same
 * number as in enum close_reason, or one of drop_reasons.def. Constants: any thread. */
#ifndef BROKER_DROP_REASONS_H
#define BROKER_DROP_REASONS_H

#include "broker/close_reasons.h"

enum drop_reason {
    DROP_LAST_CLOSE_REASON = CLOSE_REASON_COUNT - 1,
#define DROP(id, label) DROP_##id,
#include "broker/drop_reasons.def"
#undef DROP
    DROP_REASON_COUNT
};

static inline enum drop_reason drop_reasons_of_close(enum close_reason reason)
{
    return (enum drop_reason)reason;
}

const char *drop_reasons_label(enum drop_reason reason); /* in metrics: lower case, underscores */

#endif
