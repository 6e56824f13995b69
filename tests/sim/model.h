/* What a broker must do, said the slow and obvious way: a list of clients, each with a list of
 * subscriptions, and for each subscription the messages it is still owed.
 *
 * The simulator lets the broker act, appends what it queued to each client's text, and then has the
 * model act: every function below takes from the texts what it causes, and reports a failure when
 * that is not what stands there. What is left over in any text at the end of a step should not have
 * been sent. The model allocates with malloc; single thread. */
#ifndef TESTS_SIM_MODEL_H
#define TESTS_SIM_MODEL_H

#include "broker/close_reasons.h"
#include "broker/options.h"
#include "tests/sim/message.h"

enum { MODEL_WORKERS_MAX = 4, MODEL_SID_MAX = 16, MODEL_QUEUE_MAX = 8 };

struct session;
struct op;

/* A message on its way from another worker. */
struct model_owed {
    struct model_owed *next;
    const struct message *message;
    uint64_t due; /* it has come when the receiver has opened so many mails of the sender's */
};

struct model_sub {
    struct model_sub *next;
    struct model_client *client;
    uint64_t number;
    char subject[MESSAGE_NAME_MAX], queue[MODEL_QUEUE_MAX], sid[MODEL_SID_MAX];
    uint64_t delivered, max;
    uint64_t claimed;  /* places taken for certain, while max is set */
    uint64_t possible; /* places that messages to a queue group may have taken besides */
    uint64_t epoch;    /* raised when places are counted anew */
    bool wanted;       /* the message being published must come here */
    struct model_owed *owed, **owed_last;
};

struct model_client {
    struct model_client *next;
    uint64_t number;
    unsigned worker;
    struct session *session; /* NULL once closed */

    bool connected, verbose, pedantic, echo, headers, no_responders;
    enum close_reason failed; /* to be closed for this, once its output was tried */
    bool gated;
    unsigned pings_out;
    uint64_t in_msgs, in_bytes, out_msgs, out_bytes;
    struct model_sub *subs;
    uint32_t sub_count;

    char *text; /* queued and not yet written */
    size_t text_len, text_capacity;
    size_t taken;          /* so much of it the model has accounted for */
    uint64_t written;      /* of all texts */
    uint64_t *message_end; /* in the same count, of each MSG and HMSG that is not wholly written */
    size_t message_count, message_capacity;

    struct op *ops, **ops_last; /* sent and not yet executed: script.h */
    char *input;                /* of which the broker has yet to get */
    size_t input_len, input_capacity;
    uint64_t fed;
    bool script_headers; /* headers will be on when what is in `input` was executed */
    bool script_ended;   /* something fatal was sent */
};

/* One message to a queue group, at most one of whose members on other workers may get it. */
struct model_group {
    struct model_group *next;
    const struct message *message;
    char queue[MODEL_QUEUE_MAX];
    bool sure;    /* somebody must get it ... */
    bool changed; /* ... unless a member went away or was given another maximum meanwhile */
    bool taken;
    uint32_t count;
    struct model_candidate {
        uint64_t sub, epoch;
        unsigned worker;
        uint64_t due;
        bool counted; /* it had a maximum */
    } * candidates;
};

/* Counters that the broker keeps for each worker. unmatched is a range: it depends on which member
 * of a group was chosen. */
struct model_worker {
    uint64_t in_msgs, in_bytes, out_msgs, out_bytes, unmatched_min, unmatched_max, no_responders;
    uint64_t refused_min, refused_max; /* for want of room; a range for the same reason */
    uint64_t connections, total_connections, slow_consumers, stale, protocol_errors, gated;
    uint64_t closed[CLOSE_REASON_COUNT];
};

struct model {
    const struct options *options;
    unsigned worker_count;
    struct model_worker workers[MODEL_WORKERS_MAX];
    uint64_t sent[MODEL_WORKERS_MAX][MODEL_WORKERS_MAX]; /* mails, from and to */
    uint64_t opened[MODEL_WORKERS_MAX][MODEL_WORKERS_MAX];
    struct model_client *clients; /* closed ones too */
    struct model_group *groups;
    uint64_t last_sub;
    struct message **messages;
    size_t message_count, message_capacity;
    uint64_t delivered, answered; /* over all: messages, 503 */
};

void model_init(struct model *model, const struct options *options, unsigned workers);
void model_fini(struct model *model);

struct model_client *model_add_client(struct model *model, unsigned worker);
struct message *model_add_message(struct model *model);
void model_connect(struct model *model, struct model_client *client, const struct op *op);
void model_subscribe(struct model *model, struct model_client *client, const struct op *op);
void model_unsubscribe(struct model *model, struct model_client *client, const struct op *op);
void model_ping(struct model *model, struct model_client *client);
/* A fatal command: takes the error, if it has a text. */
void model_fail(struct model *model, struct model_client *client, enum close_reason reason);
/* Time went by: the server may ask for a sign of life, or give the client up. */
void model_tick(struct model *model, struct model_client *client);
void model_close(struct model *model, struct model_client *client, enum close_reason reason);

/* Its messages of which not every byte was written. */
uint64_t model_unsent(const struct model_client *client);
void model_written(struct model_client *client, size_t len);

/* model_publish.c */
void model_publish(struct model *model, struct model_client *client, const struct message *message);
/* One worker opened mail: takes all that its clients got. */
void model_receive(struct model *model, unsigned worker);
/* Nothing is owed any more that should have come by now. */
void model_check_due(struct model *model);
/* Fewer promises about the groups that this subscription is in. */
void model_group_changed(struct model *model, uint64_t sub);

/* ---- parts that both files use ---- */

/* The next bytes of the client's text must be these; then the limit on pending bytes is applied. */
void model_take(struct model *model, struct model_client *client, struct span expected);
/* The same, for a message. */
void model_take_frame(struct model *model, struct model_client *client, struct span expected);
/* Reads the next frame; false when there is none. A failure when it is not a whole one. */
bool model_peek(const struct model_client *client, struct frame *out);
struct model_sub *model_find_sub(struct model_client *client, struct span sid);
void model_remove_sub(struct model *model, struct model_sub *sub);
/* Takes the frame of this message to this subscription, counts it, ends the subscription if it was
 * the last. */
void model_take_message(struct model *model, struct model_sub *sub, const struct message *message);
bool model_matches(const char *pattern, const char *subject);

#endif
