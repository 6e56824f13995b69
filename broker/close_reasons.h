/* Why a connection ended, as an enum and as text. Constants: any thread. */
#ifndef BROKER_CLOSE_REASONS_H
#define BROKER_CLOSE_REASONS_H

enum close_reason {
    CLOSE_NONE,
#define CLOSE(id, label, text, wire) CLOSE_##id,
#include "broker/close_reasons.def"
#undef CLOSE
    CLOSE_REASON_COUNT
};

const char *close_reason_label(enum close_reason reason); /* in metrics: lower case, underscores */
const char *close_reason_text(enum close_reason reason);  /* in /connz, as nats-server writes it */
/* After -ERR, or NULL: closed in silence. */
const char *close_reason_wire(enum close_reason reason);

#endif
