/* Clients and their subscriptions: all but publishing, which is in model_publish.c. What is checked
 * where:
 *
 *  - model_take compares every byte that a client is sent, in the order in which its commands and
 * mail cause them.
 *  - The limit on pending bytes is applied after each frame, so the model knows at which frame a
 * slow consumer is cut off and that nothing follows it.
 *  - A subscription that was removed is not found any more, so that a message for it is a failure.
 */
#include "tests/sim/model.h"

#include <stdio.h>
#include <stdlib.h>

#include "tests/sim/report.h"
#include "tests/sim/script.h"

/* ---- life ---- */

void model_init(struct model *model, const struct options *options, unsigned workers)
{
    *model = (struct model){.options = options, .worker_count = workers};
}

static void free_client(struct model_client *client)
{
    while (client->subs)
        model_remove_sub(NULL, client->subs);
    while (client->ops) {
        struct op *next = client->ops->next;
        free(client->ops);
        client->ops = next;
    }
    free(client->text);
    free(client->message_end);
    free(client->input);
    free(client);
}

void model_fini(struct model *model)
{
    while (model->clients) {
        struct model_client *next = model->clients->next;
        free_client(model->clients);
        model->clients = next;
    }
    while (model->groups) {
        struct model_group *next = model->groups->next;
        free(model->groups->candidates);
        free(model->groups);
        model->groups = next;
    }
    for (size_t i = 0; i < model->message_count; i++)
        free(model->messages[i]);
    free(model->messages);
}

struct model_client *model_add_client(struct model *model, unsigned worker)
{
    struct model_client *client = calloc(1, sizeof *client);
    client->next = model->clients;
    client->number = client->next ? client->next->number + 1 : 1;
    client->worker = worker;
    client->verbose = client->pedantic = client->echo = true; /* until CONNECT says otherwise */
    client->ops_last = &client->ops;
    model->clients = client;
    model->workers[worker].connections++;
    model->workers[worker].total_connections++;
    return client;
}

struct message *model_add_message(struct model *model)
{
    if (model->message_count == model->message_capacity) {
        model->message_capacity = model->message_capacity ? 2 * model->message_capacity : 1024;
        model->messages =
            realloc(model->messages, model->message_capacity * sizeof model->messages[0]);
    }
    struct message *message = calloc(1, sizeof *message);
    message->id = (uint32_t)model->message_count;
    model->messages[model->message_count++] = message;
    return message;
}

/* ---- what a client is sent ---- */

bool model_peek(const struct model_client *client, struct frame *out)
{
    struct span rest = {client->text + client->taken, client->text_len - client->taken};
    if (rest.len == 0)
        return false;
    if (!message_read_frame(rest, out))
        report_failure("client %llu was sent what is no whole frame: %s",
                       (unsigned long long)client->number, report_quote(rest));
    return true;
}

static size_t first_difference(struct span a, struct span b)
{
    size_t i = 0;
    while (i < a.len && i < b.len && a.ptr[i] == b.ptr[i])
        i++;
    return i;
}

/* The queue has grown to `taken` bytes. */
static void apply_limits(struct model *model, struct model_client *client)
{
    uint64_t max = (uint64_t)model->options->max_pending;
    struct model_worker *worker = &model->workers[client->worker];
    if (client->taken <= max / 4 * 3)
        return;
    if (client->taken > max && client->failed == CLOSE_NONE) {
        client->failed = CLOSE_SLOW_PENDING;
        worker->slow_consumers++;
    } else if (!client->gated) {
        client->gated = true;
        worker->gated++;
    }
}

void model_take(struct model *model, struct model_client *client, struct span expected)
{
    struct span rest = {client->text + client->taken, client->text_len - client->taken};
    struct span given = {rest.ptr, min_size(rest.len, expected.len)};
    if (!span_equal(given, expected))
        report_failure("client %llu should be sent %zu bytes, which are different from byte %zu "
                       "on: %s\nthey are: %s",
                       (unsigned long long)client->number, expected.len,
                       first_difference(given, expected), report_quote(expected),
                       report_quote(rest));
    client->taken += expected.len;
    apply_limits(model, client);
}

void model_take_frame(struct model *model, struct model_client *client, struct span expected)
{
    if (client->message_count == client->message_capacity) {
        client->message_capacity = client->message_capacity ? 2 * client->message_capacity : 64;
        client->message_end =
            realloc(client->message_end, client->message_capacity * sizeof(uint64_t));
    }
    client->message_end[client->message_count++] = client->written + client->taken + expected.len;
    model_take(model, client, expected);
}

uint64_t model_unsent(const struct model_client *client)
{
    return client->message_count;
}

void model_written(struct model_client *client, size_t len)
{
    size_t whole = 0;
    client->written += len;
    while (whole < client->message_count && client->message_end[whole] <= client->written)
        whole++;
    client->message_count -= whole;
    if (whole > 0)
        memmove(client->message_end, client->message_end + whole,
                client->message_count * sizeof(uint64_t));
}

static void take_text(struct model *model, struct model_client *client, const char *text)
{
    if (client->failed == CLOSE_NONE)
        model_take(model, client, span_of(text));
}

static void acknowledge(struct model *model, struct model_client *client)
{
    if (client->verbose)
        take_text(model, client, "+OK\r\n");
}

static void take_error(struct model *model, struct model_client *client, const char *text)
{
    char line[256];
    snprintf(line, sizeof line, "-ERR '%s'\r\n", text);
    take_text(model, client, line);
}

/* ---- commands ---- */

void model_connect(struct model *model, struct model_client *client, const struct op *op)
{
    client->connected = true;
    client->verbose = op->verbose;
    client->pedantic = op->pedantic;
    client->echo = op->echo;
    client->headers = op->headers;
    client->no_responders = op->no_responders;
    acknowledge(model, client);
}

static bool valid_pattern(const char *pattern)
{
    size_t len = strlen(pattern);
    if (len == 0 || pattern[0] == '.' || pattern[len - 1] == '.' || strstr(pattern, ".."))
        return false;
    return strncmp(pattern, ">.", 2) != 0 && !strstr(pattern, ".>.");
}

void model_subscribe(struct model *model, struct model_client *client, const struct op *op)
{
    int64_t most = model->options->max_subscriptions;
    if (most > 0 && client->sub_count >= (uint64_t)most) {
        take_error(model, client, "maximum subscriptions exceeded");
        return;
    }
    if (model_find_sub(client, span_of(op->sid))) {
        acknowledge(model, client);
        return;
    }
    if (!valid_pattern(op->subject)) {
        take_error(model, client, "Invalid Subject");
        return;
    }
    struct model_sub *sub = calloc(1, sizeof *sub);
    memcpy(sub->subject, op->subject, sizeof sub->subject);
    memcpy(sub->queue, op->queue, sizeof sub->queue);
    memcpy(sub->sid, op->sid, sizeof sub->sid);
    sub->client = client;
    sub->number = ++model->last_sub;
    sub->owed_last = &sub->owed;
    sub->next = client->subs;
    client->subs = sub;
    client->sub_count++;
    acknowledge(model, client);
}

void model_unsubscribe(struct model *model, struct model_client *client, const struct op *op)
{
    struct model_sub *sub = model_find_sub(client, span_of(op->sid));
    if (sub && op->max > sub->delivered) {
        sub->max = op->max;
        sub->claimed = sub->delivered;
        sub->possible = 0;
        sub->epoch++;
        model_group_changed(model, sub->number);
    } else if (sub) {
        model_remove_sub(model, sub);
    }
    acknowledge(model, client);
}

void model_ping(struct model *model, struct model_client *client)
{
    take_text(model, client, "PONG\r\n");
}

void model_fail(struct model *model, struct model_client *client, enum close_reason reason)
{
    struct model_worker *worker = &model->workers[client->worker];
    if (close_reason_wire(reason))
        take_error(model, client, close_reason_wire(reason));
    if (client->failed != CLOSE_NONE)
        return;
    client->failed = reason;
    worker->stale += reason == CLOSE_STALE;
    worker->protocol_errors += reason == CLOSE_UNKNOWN_OPERATION ||
                               reason == CLOSE_PROTOCOL_VIOLATION || reason == CLOSE_PARSE_ERROR ||
                               reason == CLOSE_MAX_CONTROL_LINE;
}

void model_tick(struct model *model, struct model_client *client)
{
    struct frame frame;
    if (!model_peek(client, &frame))
        return;
    if (frame.kind == FRAME_PING && client->pings_out < model->options->ping_max) {
        client->pings_out++;
        take_text(model, client, "PING\r\n");
    } else if (client->pings_out == model->options->ping_max) {
        model_fail(model, client, CLOSE_STALE);
    } else {
        report_failure("client %llu gets frame kind %d because time went by",
                       (unsigned long long)client->number, (int)frame.kind);
    }
}

void model_close(struct model *model, struct model_client *client, enum close_reason reason)
{
    struct model_worker *worker = &model->workers[client->worker];
    while (client->subs)
        model_remove_sub(model, client->subs);
    worker->connections--;
    worker->gated -= client->gated;
    worker->closed[reason]++;
    client->gated = false;
    client->session = NULL;
    client->failed = reason;
    client->script_ended = true;
}

/* ---- subscriptions ---- */

struct model_sub *model_find_sub(struct model_client *client, struct span sid)
{
    struct model_sub *sub = client->subs;
    while (sub && !span_equal(span_of(sub->sid), sid))
        sub = sub->next;
    return sub;
}

void model_remove_sub(struct model *model, struct model_sub *sub)
{
    struct model_sub **place = &sub->client->subs;
    while (*place != sub)
        place = &(*place)->next;
    *place = sub->next;
    sub->client->sub_count--;
    if (model)
        model_group_changed(model, sub->number);
    while (sub->owed) {
        struct model_owed *next = sub->owed->next;
        free(sub->owed);
        sub->owed = next;
    }
    free(sub);
}

void model_take_message(struct model *model, struct model_sub *sub, const struct message *message)
{
    static char text[MESSAGE_TEXT_MAX];
    struct model_client *client = sub->client;
    struct model_worker *worker = &model->workers[client->worker];
    size_t len = message_delivery(message, sub->sid, client->headers, text);
    uint64_t bytes = message->total_size - (client->headers ? 0 : message->header_size);
    report_trace("  message %u to client %llu sid %s", message->id,
                 (unsigned long long)client->number, sub->sid);
    if (client->failed != CLOSE_NONE)
        report_failure("client %llu is sent message %u after it failed",
                       (unsigned long long)client->number, message->id);
    client->out_msgs++;
    client->out_bytes += bytes;
    worker->out_msgs++;
    worker->out_bytes += bytes;
    model->delivered++;
    model_take_frame(model, client, (struct span){text, len});
    if (++sub->delivered == sub->max)
        model_remove_sub(model, sub);
}

/* Token by token; what is published is plain text even where it looks like a wildcard. */
bool model_matches(const char *pattern, const char *subject)
{
    for (;;) {
        size_t want = strcspn(pattern, "."), have = strcspn(subject, ".");
        if (have == 0)
            return false;
        if (strcmp(pattern, ">") == 0) {
            size_t len = strlen(subject);
            return subject[len - 1] != '.' && !strstr(subject, "..");
        }
        bool star = want == 1 && pattern[0] == '*';
        if (!star && (want != have || memcmp(pattern, subject, want) != 0))
            return false;
        pattern += want;
        subject += have;
        if (!*pattern || !*subject)
            return !*pattern && !*subject;
        pattern++;
        subject++;
    }
}
