/* What a simulated client sends: random commands as text, and beside it what they mean.
 *
 * An op belongs to its client's list from script_more on, until whoever executes it takes it off
 * and frees it. */
#ifndef TESTS_SIM_SCRIPT_H
#define TESTS_SIM_SCRIPT_H

#include "tests/sim/model.h"
#include "tests/sim/random.h"

enum op_kind { OP_CONNECT, OP_SUB, OP_UNSUB, OP_PUBLISH, OP_PING, OP_PONG, OP_NOTHING, OP_FATAL };

struct op {
    struct op *next;
    enum op_kind kind;
    uint64_t begin, end;                                  /* places in all that the client sends */
    bool verbose, pedantic, echo, headers, no_responders; /* OP_CONNECT */
    char subject[MESSAGE_NAME_MAX], queue[MODEL_QUEUE_MAX], sid[MODEL_SID_MAX];
    uint64_t max;
    const struct message *message;
    enum close_reason reason; /* OP_FATAL */
};

/* What the clients of a run are like. */
struct script_taste {
    unsigned words; /* different tokens */
    unsigned depth; /* tokens in a subject */
    unsigned sids;  /* different ones of a client */
    unsigned wild;  /* one token of a pattern in so many is a wildcard */
    unsigned large; /* one message in so many is large */
    unsigned fatal; /* one command in so many is */
    bool ends;      /* subscriptions are ended often */
    bool collects;  /* clients have many subscriptions */
};

struct script_taste script_choose_taste(struct random *random);
/* Appends one command to the client's input. */
void script_more(struct model *model, struct model_client *client, const struct script_taste *taste,
                 struct random *random);
/* Appends so many messages of some size that they do not fit into one mail. */
void script_burst(struct model *model, struct model_client *client,
                  const struct script_taste *taste, struct random *random);

#endif
