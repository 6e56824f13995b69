/* Few words, few sids and few queue names, so that subjects overlap, sids come back and groups have
 * many members. Sizes lie thick around the limits at which the broker changes its ways. */
#include "tests/sim/script.h"

#include <stdio.h>
#include <stdlib.h>

static const char *const words[] = {"a", "b", "orders", "eu", "x1", "news", "deep", "z"};
static const char *const queues[] = {"q", "q", "workers", "r"};

struct script_taste script_choose_taste(struct random *random)
{
    struct script_taste taste = {
        .words = 1 + (unsigned)random_below(random, array_length(words)),
        .depth = 1 + (unsigned)random_below(random, 4),
        .sids = 3 + (unsigned)random_below(random, 20),
        .wild = 2 + (unsigned)random_below(random, 4),
        .large = 3 + (unsigned)random_below(random, 40),
        .fatal = 100 + (unsigned)random_below(random, 900),
        .ends = random_one_in(random, 2),
        .collects = random_one_in(random, 4),
    };
    if (taste.collects) { /* dozens of patterns that match one subject */
        taste.words = 1 + (unsigned)random_below(random, 2);
        taste.depth = 4;
        taste.sids = 22;
        taste.wild = 2;
    }
    return taste;
}

/* ---- names ---- */

static void add_token(char *subject, const char *token)
{
    size_t len = strlen(subject);
    snprintf(subject + len, MESSAGE_NAME_MAX - len, "%s%s", len ? "." : "", token);
}

static size_t choose_depth(const struct script_taste *taste, struct random *random)
{
    if (taste->collects && random_one_in(random, 2))
        return taste->depth;
    return 1 + random_below(random, taste->depth);
}

static void make_subject(const struct script_taste *taste, struct random *random, char *out)
{
    out[0] = '\0';
    for (size_t depth = choose_depth(taste, random); depth > 0; depth--)
        add_token(out, words[random_below(random, taste->words)]);
    if (random_one_in(random, 100))
        snprintf(out, MESSAGE_NAME_MAX, "%s", random_one_in(random, 2) ? "a..b" : "a.*");
}

static void make_pattern(const struct script_taste *taste, struct random *random, char *out)
{
    static const char *const odd[] = {"a..b", ".a", "a.", "a.>.b", "a*.b", ">", "*", "r.>"};
    out[0] = '\0';
    for (size_t depth = choose_depth(taste, random); depth > 0; depth--) {
        bool wild = random_one_in(random, taste->wild);
        if (wild && random_one_in(random, 3)) {
            add_token(out, ">");
            break;
        }
        add_token(out, wild ? "*" : words[random_below(random, taste->words)]);
    }
    if (random_one_in(random, 20))
        snprintf(out, MESSAGE_NAME_MAX, "%s", odd[random_below(random, array_length(odd))]);
}

static void make_sid(const struct script_taste *taste, struct random *random, char *out)
{
    unsigned number = (unsigned)random_below(random, taste->sids);
    snprintf(out, MODEL_SID_MAX, number % 5 == 4 ? "sid-%u" : "%u", number);
}

/* ---- commands ---- */

static void append(struct model_client *client, const char *bytes, size_t len)
{
    if (client->input_len + len > client->input_capacity) {
        client->input_capacity = (client->input_len + len) * 2;
        client->input = realloc(client->input, client->input_capacity);
    }
    memcpy(client->input + client->input_len, bytes, len);
    client->input_len += len;
}

static void append_text(struct model_client *client, const char *text)
{
    append(client, text, strlen(text));
}

static void more_connect(struct model_client *client, struct op *op, struct random *random)
{
    op->verbose = random_one_in(random, 4);
    op->pedantic = random_one_in(random, 4);
    op->echo = !random_one_in(random, 3);
    op->headers = !random_one_in(random, 4);
    op->no_responders = op->headers && !random_one_in(random, 3);
    client->script_headers = op->headers;
    char text[256];
    snprintf(text, sizeof text,
             "CONNECT "
             "{\"verbose\":%d,\"pedantic\":%d,\"echo\":%d,\"headers\":%d,\"no_responders\":%d}\r\n",
             op->verbose, op->pedantic, op->echo, op->headers, op->no_responders);
    char spelt[320], *to = spelt; /* 0 and 1 as JSON has them */
    for (const char *at = text; *at; at++) {
        const char *word = *at == '0' ? "false" : *at == '1' ? "true" : NULL;
        size_t len = word ? strlen(word) : 1;
        memcpy(to, word ? word : at, len);
        to += len;
    }
    append(client, spelt, (size_t)(to - spelt));
}

static void more_sub(struct model_client *client, struct op *op, const struct script_taste *taste,
                     struct random *random)
{
    make_pattern(taste, random, op->subject);
    make_sid(taste, random, op->sid);
    if (random_one_in(random, 3))
        snprintf(op->queue, sizeof op->queue, "%s",
                 queues[random_below(random, array_length(queues))]);
    if (random_one_in(random, 5)) { /* where its own requests' answers go */
        snprintf(op->subject, sizeof op->subject, "r.%llu.*", (unsigned long long)client->number);
        op->queue[0] = '\0';
    }
    char text[128];
    snprintf(text, sizeof text, "SUB %s %s%s%s\r\n", op->subject, op->queue,
             op->queue[0] ? " " : "", op->sid);
    append_text(client, text);
}

static void more_unsub(struct model_client *client, struct op *op, const struct script_taste *taste,
                       struct random *random)
{
    make_sid(taste, random, op->sid);
    if (random_one_in(random, 2))
        op->max = 1 + random_below(random, 12);
    char text[64];
    if (op->max > 0)
        snprintf(text, sizeof text, "UNSUB %s %llu\r\n", op->sid, (unsigned long long)op->max);
    else
        snprintf(text, sizeof text, "UNSUB %s\r\n", op->sid);
    append_text(client, text);
}

/* Around the limits between copied and shared payloads, and of parcels, counting CR LF or not. */
static uint32_t choose_size(const struct script_taste *taste, struct random *random)
{
    static const uint32_t edges[] = {1024, 8192, 65536 - 64, 65536};
    if (!random_one_in(random, taste->large))
        return (uint32_t)random_below(random, random_one_in(random, 3) ? 600 : 40);
    if (random_one_in(random, 2))
        return edges[random_up_to(random, array_length(edges) - 1)] - 8 +
               (uint32_t)random_below(random, 16);
    return (uint32_t)random_up_to(random, MESSAGE_SIZE_MAX);
}

static void more_publish(struct model *model, struct model_client *client, struct op *op,
                         uint32_t size, const struct script_taste *taste, struct random *random)
{
    static char text[MESSAGE_TEXT_MAX];
    struct message *message = model_add_message(model);
    const struct message *earlier = model->messages[random_below(random, model->message_count)];
    message->publisher = client->number;
    message->worker = client->worker;
    if (random_one_in(random, 8) && earlier->reply[0])
        memcpy(message->subject, earlier->reply, MESSAGE_NAME_MAX);
    else
        make_subject(taste, random, message->subject);
    message->total_size = size;
    message->with_headers = client->script_headers && random_one_in(random, 3);
    if (message->with_headers && !random_one_in(random, 10))
        message->header_size = (uint32_t)random_up_to(random, message->total_size);
    if (message->total_size - message->header_size < MESSAGE_ID_BYTES || random_one_in(random, 3))
        snprintf(message->reply, MESSAGE_NAME_MAX, "r.%llu.%u", (unsigned long long)client->number,
                 message->id);
    op->message = message;
    append(client, text, message_command(message, text));
}

/* What ends a connection, with the reason the broker must give. */
static void more_fatal(struct model_client *client, struct op *op, struct random *random)
{
    static char long_line[5100];
    static const struct {
        const char *text;
        enum close_reason reason;
    } fatal[] = {
        {"NONSENSE\r\n", CLOSE_UNKNOWN_OPERATION},
        {"PUB a 2\r\nabcd\r\n", CLOSE_UNKNOWN_OPERATION},
        {"PUB a\r\n", CLOSE_PROTOCOL_VIOLATION},
        {"SUB a\r\n", CLOSE_PROTOCOL_VIOLATION},
        {"CONNECT {\"verbose\":1}\r\n", CLOSE_PROTOCOL_VIOLATION},
        {"CONNECT {\"protocol\":7}\r\n", CLOSE_BAD_PROTOCOL_VERSION},
        {"CONNECT {\"account\":\"other\"}\r\n", CLOSE_AUTH_FAILURE},
        {"-ERR 'x'\r\n", CLOSE_PARSE_ERROR},
        {"PUB a 999999999\r\n", CLOSE_MAX_PAYLOAD},
        {long_line, CLOSE_MAX_CONTROL_LINE},
    };
    if (!long_line[0])
        snprintf(long_line, sizeof long_line, "SUB %05000d 1\r\n", 0);
    size_t which = random_below(random, array_length(fatal));
    op->reason = fatal[which].reason;
    append_text(client, fatal[which].text);
    client->script_ended = true;
}

static enum op_kind choose_kind(const struct model_client *client, const struct script_taste *taste,
                                struct random *random)
{
    if (client->fed == 0 && client->input_len == 0)
        return random_one_in(random, 8) ? OP_PUBLISH : OP_CONNECT;
    if (random_one_in(random, taste->fatal))
        return OP_FATAL;
    if (client->pings_out > 0 && random_one_in(random, 3))
        return OP_PONG;
    switch (random_below(random, 20)) {
    case 0:
    case 1: return OP_SUB;
    case 2: return taste->collects || client->sub_count < 6 ? OP_SUB : OP_UNSUB;
    case 3: return taste->ends ? OP_UNSUB : OP_SUB;
    case 4: return random_one_in(random, 4) ? OP_NOTHING : OP_PING;
    case 5:
        return random_one_in(random, 10)  ? OP_CONNECT
               : random_one_in(random, 3) ? OP_UNSUB
                                          : OP_PUBLISH;
    default: return OP_PUBLISH;
    }
}

/* What the broker reads and does nothing about. */
static void more_nothing(struct model_client *client, struct random *random)
{
    static const char *const texts[] = {"+OK\r\n", "info {}\r\n", "INFO {\"x\":1}\n",
                                        "+ok anything\n"};
    append_text(client, texts[random_below(random, array_length(texts))]);
}

static struct op *begin(const struct model_client *client, enum op_kind kind)
{
    struct op *op = calloc(1, sizeof *op);
    op->kind = kind;
    op->begin = client->fed + client->input_len;
    return op;
}

static void end(struct model_client *client, struct op *op)
{
    op->end = client->fed + client->input_len;
    *client->ops_last = op;
    client->ops_last = &op->next;
}

void script_more(struct model *model, struct model_client *client, const struct script_taste *taste,
                 struct random *random)
{
    if (client->script_ended)
        return;
    struct op *op = begin(client, choose_kind(client, taste, random));
    switch (op->kind) {
    case OP_CONNECT: more_connect(client, op, random); break;
    case OP_SUB: more_sub(client, op, taste, random); break;
    case OP_UNSUB: more_unsub(client, op, taste, random); break;
    case OP_PUBLISH:
        more_publish(model, client, op, choose_size(taste, random), taste, random);
        break;
    case OP_PING: append_text(client, "PING\r\n"); break;
    case OP_PONG: append_text(client, random_one_in(random, 2) ? "PONG\r\n" : "Pong  \n"); break;
    case OP_NOTHING: more_nothing(client, random); break;
    case OP_FATAL: more_fatal(client, op, random); break;
    }
    end(client, op);
}

void script_burst(struct model *model, struct model_client *client,
                  const struct script_taste *taste, struct random *random)
{
    for (size_t count = 80 + random_below(random, 80); count > 0 && !client->script_ended;
         count--) {
        struct op *op = begin(client, OP_PUBLISH);
        more_publish(model, client, op, 500 + (uint32_t)random_below(random, 600), taste, random);
        end(client, op);
    }
}
