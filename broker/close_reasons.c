/* The three texts of each close reason, from the table. */
#include "broker/close_reasons.h"

#include "broker/base/base.h"

static const struct {
    const char *label, *text, *wire;
} reasons[CLOSE_REASON_COUNT] = {
    [CLOSE_NONE] = {"none", "", NULL},
#define CLOSE(id, label, text, wire) [CLOSE_##id] = {label, text, wire},
#include "broker/close_reasons.def"
#undef CLOSE
};

const char *close_reason_label(enum close_reason reason)
{
    check(reason < CLOSE_REASON_COUNT);
    return reasons[reason].label;
}

const char *close_reason_text(enum close_reason reason)
{
    check(reason < CLOSE_REASON_COUNT);
    return reasons[reason].text;
}

const char *close_reason_wire(enum close_reason reason)
{
    check(reason < CLOSE_REASON_COUNT);
    return reasons[reason].wire;
}
