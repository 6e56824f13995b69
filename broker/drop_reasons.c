/* The labels that are not those of close reasons, from the table. */
#include "broker/drop_reasons.h"

#include "broker/base/base.h"

static const char *const labels[DROP_REASON_COUNT] = {
#define DROP(id, label) [DROP_##id] = (label),
#include "broker/drop_reasons.def"
#undef DROP
};

const char *drop_reasons_label(enum drop_reason reason)
{
    check(reason < DROP_REASON_COUNT);
    return reason < (enum drop_reason)CLOSE_REASON_COUNT
               ? close_reason_label((enum close_reason)reason)
               : labels[reason];
}
