/* The NATS client protocol: one control line to one operation. Pure functions, any thread; spans point into the line.
 * Grammar and limits as nats-server has them: operation names in any case, fields parted by any run of blanks and
 * tabs, lines ended by LF or CR LF. */
#ifndef BROKER_CORE_PROTO_H
#define BROKER_CORE_PROTO_H

#include "broker/base/base.h"

enum proto_op {
    PROTO_CONNECT,
    PROTO_PUB,
    PROTO_HPUB,
    PROTO_SUB,
    PROTO_UNSUB,
    PROTO_PING,
    PROTO_PONG,
    PROTO_INFO,
    PROTO_OK,
    PROTO_ERR,
    PROTO_UNKNOWN,   /* no operation starts like this: answered with -ERR */
    PROTO_MALFORMED, /* a known operation with wrong arguments: closed in silence */
};

struct proto_command {
    enum proto_op op;
    struct span args;     /* all behind the name, without leading blanks and the line end */
    struct span subject;  /* PUB HPUB SUB */
    struct span reply;    /* PUB HPUB; len 0: none */
    struct span queue;    /* SUB; len 0: none */
    struct span sid;      /* SUB UNSUB */
    uint32_t header_size; /* HPUB */
    uint32_t total_size;  /* PUB HPUB: bytes that follow the line, without their CR LF */
    struct span header_text,
        total_text; /* PUB HPUB: the sizes as they were written; proto_parse only */
    uint64_t max;   /* UNSUB; 0: none given */
};

/* Which operation a line is, and where its arguments start. The line is without its LF; it may be incomplete, then
 * *complete is false and PROTO_UNKNOWN means that no more bytes can make it an operation. */
enum proto_op proto_operation(struct span line, bool complete, struct span *args);

/* Parses a whole line, without its LF and the CR before it. */
void proto_parse(struct span line, struct proto_command *out);

#endif
