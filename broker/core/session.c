/* The socket path's first half: bytes to operations to effects.
 *
 *     session_feed -> a line at a time -> PUB: payload -> session_publish -> delivery_publish
 *                                      \-> SUB, UNSUB, CONNECT, PING, ...
 *
 * A line or payload that lies whole in the input is used where it lies. What is cut off by the end of the input waits
 * in `partial` (the start of a line) or in `publish` (a block of the payload's full size, filled by later reads), and only
 * then costs memory. States: no CONNECT yet -> connected -> close_reason set; from then on input is ignored and the owner
 * writes what is queued and calls session_close.
 *
 *  1. At most one of partial and publish is in use.
 *  2. Whatever the peer sends, at most one control line and one payload within the limits is held for it.
 *  3. Commands behind a fatal one are not executed.
 */
#include "broker/core/session.h"

#include <stdio.h>

#include "broker/base/clock.h"
#include "broker/base/err.h"
#include "broker/base/log.h"
#include "broker/base/mem.h"
#include "broker/core/delivery.h"
#include "broker/core/proto.h"
#include "broker/core/subject.h"

/* The longest operation name and the blanks in front of the arguments that a partial line may hold besides them. */
enum { PARTIAL_SLACK = 256, QUOTED_SUBJECT_MAX = 5000 };

/* The first PING after CONNECT comes early, to measure the round trip; nats-server's figures. */
#define FIRST_PING_NS       (2 * NS_PER_SEC)
#define RTT_MEASURE_EACH_NS (3600 * NS_PER_SEC)

struct publish_in_progress {
    struct publish message; /* spans into names and block */
    uint32_t filled;
    struct block *block;
    char names[];
};

/* ---- output ---- */

void session_touch(struct session *session)
{
    if (session->touched)
        return;
    session->touched = true;
    session->next_touched = session->delivery->touched;
    session->delivery->touched = session;
}

static void send_text(struct session *session, struct span text)
{
    if (session->close_reason != CLOSE_NONE)
        return;
    if (outq_append(&session->out, &session->delivery->pool, text) != 0) {
        session_fail(session, CLOSE_OUT_OF_MEMORY);
        return;
    }
    session_touch(session);
    session_check_pending(session);
}

void session_acknowledge(struct session *session)
{
    if (session->verbose)
        send_text(session, SPAN_LITERAL("+OK\r\n"));
}

void session_send_error(struct session *session, const char *text)
{
    char line[QUOTED_SUBJECT_MAX + 128];
    int len = snprintf(line, sizeof line, "-ERR '%s'\r\n", text);
    send_text(session, (struct span){line, min_size((size_t)len, sizeof line - 1)});
    log_debug("%s:%u - cid:%llu - %s", session->ip, session->port, (unsigned long long)session->cid,
              text);
}

void session_fail(struct session *session, enum close_reason reason)
{
    if (session->close_reason != CLOSE_NONE)
        return;
    if (close_reason_wire(reason))
        session_send_error(session, close_reason_wire(reason));
    if (session->close_reason != CLOSE_NONE) /* the error itself did not fit */
        return;
    session->close_reason = reason;
    struct delivery *delivery = session->delivery;
    if (reason == CLOSE_AUTH_FAILURE || reason == CLOSE_AUTH_TIMEOUT)
        metrics_add(&delivery->cells, METRIC_auth_failures, 1);
    if (reason == CLOSE_UNKNOWN_OPERATION || reason == CLOSE_PROTOCOL_VIOLATION ||
        reason == CLOSE_PARSE_ERROR || reason == CLOSE_MAX_CONTROL_LINE)
        metrics_add(&delivery->cells, METRIC_protocol_errors, 1);
    if (reason == CLOSE_STALE)
        metrics_add(&delivery->cells, METRIC_stale_connections, 1);
    session_touch(session);
}

static COLD void fail_slow(struct session *session)
{
    struct delivery *delivery = session->delivery;
    metrics_add(&delivery->cells, METRIC_slow_consumers, 1);
    account_count(&delivery_account(delivery, session->account)->slow_consumers, 1);
    log_info("%s:%u - cid:%llu - Slow Consumer Detected: MaxPending of %lld Exceeded", session->ip,
             session->port, (unsigned long long)session->cid,
             (long long)delivery->broker->options->max_pending);
    session->close_reason = CLOSE_SLOW_PENDING;
    session_touch(session);
}

void session_over_gate(struct session *session)
{
    uint64_t pending = outq_pending_bytes(&session->out);
    uint64_t max = (uint64_t)session->delivery->broker->options->max_pending;
    if (pending > max && session->close_reason == CLOSE_NONE) {
        fail_slow(session);
    } else if (!atomic_load_explicit(&session->gated, memory_order_relaxed)) {
        atomic_store_explicit(&session->gated, true, memory_order_relaxed);
        atomic_fetch_add_explicit(&session->delivery->gated, 1, memory_order_relaxed);
    }
}

/* ---- life ---- */

static void schedule_first_tick(struct session *session)
{
    const struct options *options = session->delivery->broker->options;
    session->next_timer_ns = session->start_mono_ns + options->ping_interval_ns;
    if (session->delivery->broker->auth_required)
        session->next_timer_ns =
            session->start_mono_ns + (int64_t)(options->auth_timeout_s * (double)NS_PER_SEC);
}

/* A fifth of jitter, so that clients that came together are not asked together. */
void session_schedule_first_ping(struct session *session)
{
    int64_t ping = session->delivery->broker->options->ping_interval_ns;
    ping = ping < FIRST_PING_NS ? ping : FIRST_PING_NS;
    uint64_t jitter = delivery_random(session->delivery) % (uint64_t)(ping / 5 + 1);
    session->next_timer_ns = session->delivery->now_mono_ns + ping + (int64_t)jitter;
    session_touch(session);
}

static int queue_info(struct session *session)
{
    char tail[128];
    int len = snprintf(tail, sizeof tail, ",\"client_id\":%llu,\"client_ip\":\"%s\"} \r\n",
                       (unsigned long long)session->cid, session->ip);
    struct outq_pool *pool = &session->delivery->pool;
    int error = outq_append(&session->out, pool, span_of(session->delivery->broker->info_head));
    if (!error)
        error = outq_append(&session->out, pool, (struct span){tail, (size_t)len});
    session_touch(session);
    return error;
}

int session_init(struct session *session, struct delivery *delivery, uint64_t cid, const char *ip,
                 uint16_t port)
{
    session->cid = cid;
    session->delivery = delivery;
    session->account = delivery->broker->global_account;
    snprintf(session->ip, sizeof session->ip, "%s", ip);
    session->port = port;
    session->verbose = session->pedantic = session->echo = true;
    session->authorized = !delivery->broker->auth_required;
    delivery_set_time(delivery);
    session->start_mono_ns = session->last_input_ns = delivery->now_mono_ns;
    session->start_wall_ns = delivery->now_wall_ns;
    atomic_init(&session->last_activity_wall_ns, delivery->now_wall_ns);
    schedule_first_tick(session);

    struct session *first = atomic_load_explicit(&delivery->sessions, memory_order_relaxed);
    atomic_init(&session->next, first);
    if (first)
        first->previous = session;
    atomic_store_explicit(&delivery->sessions, session, memory_order_release);
    metrics_add(&delivery->cells, METRIC_connections, 1);
    metrics_add(&delivery->cells, METRIC_total_connections, 1);
    account_count(&delivery_account(delivery, session->account)->connections, 1);
    return queue_info(session);
}

static void unlink_session(struct session *session)
{
    struct session *next = atomic_load_explicit(&session->next, memory_order_relaxed);
    if (next)
        next->previous = session->previous;
    if (session->previous)
        atomic_store_explicit(&session->previous->next, next, memory_order_release);
    else
        atomic_store_explicit(&session->delivery->sessions, next, memory_order_release);
}

static void untouch(struct session *session)
{
    struct session **place = &session->delivery->touched;
    while (session->touched && *place != session)
        place = &(*place)->next_touched;
    if (session->touched)
        *place = session->next_touched;
    session->touched = false;
}

static void free_client_info(struct garbage *garbage)
{
    mem_free(container_of(garbage, struct client_info, garbage));
}

static char *copy_into(char **at, struct span text)
{
    char *start = *at;
    if (text.len > 0)
        memcpy(start, text.ptr, text.len);
    start[text.len] = '\0';
    *at += text.len + 1;
    return start;
}

/* A snapshot for /connz?state=closed; without memory for it the connection is simply not remembered. */
static struct closed_connection *snapshot(const struct session *session, enum close_reason reason)
{
    static const struct client_info nobody = {.name = "", .lang = "", .version = "", .user = ""};
    const struct client_info *info = atomic_load_explicit(&session->info, memory_order_relaxed);
    if (!info)
        info = &nobody;
    uint32_t count = session->sub_count;
    size_t texts = strlen(info->name) + strlen(info->lang) + strlen(info->version) + strlen(info->user) + 4;
    const struct sub *sub;
    for (sub = session->subs; sub; sub = sub->next)
        texts += sub->subject_len + sub->queue_len + sub->sid_len;
    struct closed_connection *closed =
        mem_zalloc(sizeof *closed + count * sizeof(struct closed_subscription) + texts);
    if (!closed)
        return NULL;
    closed->cid = session->cid;
    closed->port = session->port;
    closed->reason = reason;
    closed->start_wall_ns = session->start_wall_ns;
    closed->stop_wall_ns = session->delivery->now_wall_ns;
    closed->last_activity_wall_ns = session->last_activity_wall_ns;
    closed->rtt_ns = session->rtt_ns;
    closed->in_msgs = session->in_msgs;
    closed->out_msgs = session->out_msgs;
    closed->in_bytes = session->in_bytes;
    closed->out_bytes = session->out_bytes;
    closed->pending_bytes = outq_pending_bytes(&session->out);
    closed->stalls = session->stalls;
    closed->account = session->account->name;
    memcpy(closed->ip, session->ip, sizeof closed->ip);
    closed->subscriptions = (struct closed_subscription *)(void *)(closed + 1);
    char *at = (char *)(closed->subscriptions + count);
    closed->name = copy_into(&at, span_of(info->name));
    closed->lang = copy_into(&at, span_of(info->lang));
    closed->version = copy_into(&at, span_of(info->version));
    closed->user = copy_into(&at, span_of(info->user));
    for (sub = session->subs; sub; sub = sub->next) {
        size_t len = sub->subject_len + sub->queue_len + sub->sid_len;
        closed->subscriptions[closed->subscription_count++] = (struct closed_subscription){
            sub->subject_len, sub->queue_len, sub->sid_len, sub->delivered, sub->max, at};
        memcpy(at, sub->text, len);
        at += len;
    }
    return closed;
}

void session_close(struct session *session, enum close_reason reason)
{
    struct delivery *delivery = session->delivery;
    session->close_reason = reason;
    delivery_set_time(delivery);
    struct closed_connection *closed = snapshot(session, reason);
    if (closed)
        closed_ring_add(&delivery->broker->closed, closed, &delivery->garbage);
    session_add(&delivery->closed[reason], 1);
    metrics_add(&delivery->cells, METRIC_dropped_msgs, session->out.pending_msgs);
    metrics_add(&delivery->cells, METRIC_connections, (uint64_t)-1);
    account_count(&delivery_account(delivery, session->account)->connections, (uint64_t)-1);
    session_drop_subs(session);
    outq_clear(&session->out, &delivery->pool);
    if (atomic_load_explicit(&session->gated, memory_order_relaxed))
        atomic_fetch_sub_explicit(&delivery->gated, 1, memory_order_relaxed);
    untouch(session);
    unlink_session(session);
    log_debug("%s:%u - cid:%llu - Client connection closed: %s", session->ip, session->port,
              (unsigned long long)session->cid, close_reason_text(reason));
}

/* The line may be a CONNECT and hold secrets. */
static void free_partial(char *line, size_t len)
{
    if (line)
        explicit_bzero(line, len);
    mem_free(line);
}

static void drop_input(struct session *session)
{
    free_partial(session->partial, session->partial_len);
    session->partial = NULL;
    session->partial_len = session->partial_capacity = 0;
    if (session->publish) {
        block_unref(session->publish->block);
        mem_free(session->publish);
        session->publish = NULL;
    }
}

void session_fini(struct session *session)
{
    drop_input(session);
    mem_free(session->sid_table);
    if (session->info)
        free_client_info(&session->info->garbage);
}

/* ---- publish ---- */

/* Subjects that clients may not publish to, and replies they may not name: nats-server keeps them for itself. */
static bool subject_reserved(struct span subject)
{
    return subject.len >= 5 && memcmp(subject.ptr, "_GR_.", 5) == 0;
}

static bool reply_reserved(struct span reply)
{
    return (reply.len >= 4 && memcmp(reply.ptr, "_R_.", 4) == 0) ||
           (reply.len >= 8 && memcmp(reply.ptr, "$JS.ACK.", 8) == 0) || subject_reserved(reply);
}

COLD void session_send_violation(struct session *session, const char *what, struct span subject)
{
    char quoted[QUOTED_SUBJECT_MAX], text[QUOTED_SUBJECT_MAX + 64];
    snprintf(text, sizeof text, "Permissions Violation for %s %s", what,
             log_quote(subject, quoted, sizeof quoted));
    session_send_error(session, text);
}

static COLD void trace_publish(const struct session *session, const struct publish *message)
{
    char payload[2048];
    size_t shown = message->payload.len - 2;
    int64_t max = session->delivery->broker->options->max_traced_msg_len;
    if (max > 0 && shown > (size_t)max)
        shown = (size_t)max;
    log_trace("%s:%u - cid:%llu - <<- MSG_PAYLOAD: [%s]", session->ip, session->port,
              (unsigned long long)session->cid,
              log_quote((struct span){message->payload.ptr, shown}, payload, sizeof payload));
}

/* Counters of the batch being fed are kept here and added once at its end. */
struct batch {
    uint64_t msgs, bytes, unmatched;
};

static void session_publish(struct session *session, const struct publish *message,
                            struct batch *batch)
{
    struct delivery *delivery = session->delivery;
    batch->msgs++;
    batch->bytes += message->payload.len - 2;
    if (log_settings.trace)
        trace_publish(session, message);
    if (session->pedantic && !subject_valid_literal(message->subject))
        session_send_error(session, "Invalid Publish Subject");
    if (subject_reserved(message->subject)) {
        session_send_violation(session, "Publish to", message->subject);
        return;
    }
    if (message->reply.len > 0 && reply_reserved(message->reply)) {
        session_send_violation(session, "Publish with Reply of", message->reply);
        return;
    }
    session_acknowledge(session);
    if (delivery_publish(delivery, session, message) > 0)
        return;
    batch->unmatched++;
    if (session->no_responders && message->reply.len > 0)
        delivery_no_responders(delivery, session, message);
}

/* The payload is cut off by the end of the input: makes room for all of it and keeps what is here. */
static void begin_publish(struct session *session, const struct proto_command *command,
                          struct span start)
{
    struct publish_in_progress *publish =
        mem_alloc(sizeof *publish + command->subject.len + command->reply.len);
    struct block *block = publish ? block_new((size_t)command->total_size + 2) : NULL;
    if (!block) {
        mem_free(publish);
        session_fail(session, CLOSE_OUT_OF_MEMORY);
        return;
    }
    char *names = publish->names;
    memcpy(names, command->subject.ptr, command->subject.len);
    if (command->reply.len > 0)
        memcpy(names + command->subject.len, command->reply.ptr, command->reply.len);
    memcpy(block->bytes, start.ptr, start.len);
    publish->filled = (uint32_t)start.len;
    publish->block = block;
    publish->message = (struct publish){
        .subject = {names, command->subject.len},
        .reply = {names + command->subject.len, command->reply.len},
        .header_size = command->header_size,
        .payload = {block->bytes, (size_t)command->total_size + 2},
        .block = block,
    };
    session->publish = publish;
}

static bool ends_in_crlf(struct span payload)
{
    return payload.ptr[payload.len - 2] == '\r' && payload.ptr[payload.len - 1] == '\n';
}

static void end_publish(struct session *session, struct batch *batch)
{
    struct publish_in_progress *publish = session->publish;
    if (publish->filled < publish->message.payload.len) {
        if (publish->filled + 1 == publish->message.payload.len &&
            publish->block->bytes[publish->filled - 1] != '\r')
            session_fail(session, CLOSE_UNKNOWN_OPERATION);
        return;
    }
    session->publish = NULL;
    if (ends_in_crlf(publish->message.payload))
        session_publish(session, &publish->message, batch);
    else
        session_fail(session, CLOSE_UNKNOWN_OPERATION);
    block_unref(publish->block);
    mem_free(publish);
}

size_t session_payload_room(struct session *session, char **room)
{
    struct publish_in_progress *publish = session->publish;
    if (!publish)
        return 0;
    *room = publish->block->bytes + publish->filled;
    return publish->message.payload.len - publish->filled;
}

/* Takes from the input what the payload lacks; returns what is left of the input. */
static const char *continue_publish(struct session *session, const char *at, const char *end,
                                    struct batch *batch)
{
    char *room;
    size_t len = min_size(session_payload_room(session, &room), (size_t)(end - at));
    memcpy(room, at, len);
    session->publish->filled += (uint32_t)len;
    end_publish(session, batch);
    return at + len;
}

/* ---- operations ---- */

static COLD void do_ping(struct session *session)
{
    session->last_ping_in_ns = session->delivery->now_mono_ns;
    send_text(session, SPAN_LITERAL("PONG\r\n"));
}

static COLD void do_pong(struct session *session)
{
    if (session->pings_out > 0 && session->ping_sent_ns > 0) {
        delivery_set_time(session->delivery);
        atomic_store_explicit(&session->rtt_ns, session->delivery->now_mono_ns - session->ping_sent_ns,
                              memory_order_relaxed);
    }
    session->pings_out = 0;
}

static bool fits_limits(struct session *session, const struct proto_command *command)
{
    int64_t max = session->delivery->broker->options->max_payload;
    if (command->op == PROTO_HPUB && !session->headers)
        session_fail(session, CLOSE_PROTOCOL_VIOLATION);
    else if (max >= 0 && command->total_size > (uint64_t)max)
        session_fail(session, CLOSE_MAX_PAYLOAD);
    else
        return true;
    return false;
}

/* `at` is behind the line; returns what is behind the payload, or end when it is cut off. */
static const char *do_publish(struct session *session, const struct proto_command *command,
                              const char *at, const char *end, struct batch *batch)
{
    if (!fits_limits(session, command))
        return end;
    size_t len = (size_t)command->total_size + 2, here = (size_t)(end - at);
    if (here < len) {
        if (here + 1 == len && at[here - 1] != '\r')
            session_fail(session, CLOSE_UNKNOWN_OPERATION);
        else
            begin_publish(session, command, (struct span){at, here});
        return end;
    }
    struct publish message = {command->subject, command->reply, command->header_size, {at, len}, NULL};
    if (!ends_in_crlf(message.payload)) {
        session_fail(session, CLOSE_UNKNOWN_OPERATION);
        return end;
    }
    session_publish(session, &message, batch);
    return at + len;
}

static COLD void trace_line(const struct session *session, const struct proto_command *command,
                            struct span line)
{
    if (command->op == PROTO_CONNECT) /* may hold secrets */
        line = (struct span){line.ptr, min_size(line.len, 7)};
    log_trace("%s:%u - cid:%llu - <<- [%.*s]", session->ip, session->port,
              (unsigned long long)session->cid, (int)line.len, line.ptr);
}

/* One whole line, without its end. `at` is behind the line; returns where to go on. */
static const char *do_line(struct session *session, struct span line, const char *at,
                           const char *end, struct batch *batch)
{
    struct proto_command command;
    proto_parse(line, &command);
    if (log_settings.trace)
        trace_line(session, &command, line);
    if (command.op != PROTO_UNKNOWN && command.args.len >
        (size_t)session->delivery->broker->options->max_control_line) {
        session_fail(session, CLOSE_MAX_CONTROL_LINE);
        return end;
    }
    switch (command.op) {
    case PROTO_PUB:
    case PROTO_HPUB: return do_publish(session, &command, at, end, batch);
    case PROTO_SUB: session_subscribe(session, &command); break;
    case PROTO_UNSUB: session_unsubscribe(session, &command); break;
    case PROTO_PING: do_ping(session); break;
    case PROTO_PONG: do_pong(session); break;
    case PROTO_CONNECT: session_connect(session, command.args); break;
    case PROTO_INFO:
        if (!session_info_valid(command.args))
            session_fail(session, CLOSE_PROTOCOL_VIOLATION);
        break;
    case PROTO_OK: break;
    case PROTO_ERR: session_fail(session, CLOSE_PARSE_ERROR); break;
    case PROTO_UNKNOWN: session_fail(session, CLOSE_UNKNOWN_OPERATION); break;
    case PROTO_MALFORMED: session_fail(session, CLOSE_PROTOCOL_VIOLATION); break;
    }
    if (command.op == PROTO_SUB || command.op == PROTO_UNSUB)
        atomic_store_explicit(&session->last_activity_wall_ns, session->delivery->now_wall_ns,
                              memory_order_relaxed);
    return at;
}

/* ---- input ---- */

/* Until it is authorized a client may only CONNECT: told by the first byte, as nats-server does. */
static bool may_begin(struct session *session, char first)
{
    if (session->authorized || first == 'C' || first == 'c')
        return true;
    session_fail(session, CLOSE_AUTH_FAILURE);
    return false;
}

static struct span without_cr(struct span line)
{
    if (line.len > 0 && line.ptr[line.len - 1] == '\r')
        line.len--;
    return line;
}

/* Whether a line without its end is still within bounds and could become an operation. */
static bool partial_good(struct session *session, struct span line)
{
    struct span args;
    size_t max = (size_t)session->delivery->broker->options->max_control_line;
    enum proto_op op = proto_operation(line, false, &args);
    if (op == PROTO_UNKNOWN)
        session_fail(session, CLOSE_UNKNOWN_OPERATION);
    else if (without_cr(args).len > max || line.len > max + PARTIAL_SLACK)
        session_fail(session, CLOSE_MAX_CONTROL_LINE);
    else
        return true;
    return false;
}

/* Whether the rest of this line may be thrown away as it comes. */
static bool rest_is_ignored(struct span line)
{
    struct span args;
    enum proto_op op = proto_operation(line, false, &args);
    return (op == PROTO_PING || op == PROTO_PONG || op == PROTO_OK) && line.len > 4;
}

static void keep_partial(struct session *session, struct span bytes)
{
    size_t len = session->partial_len + bytes.len;
    if (len > session->partial_capacity) {
        size_t capacity = max_size(len, 2 * (size_t)session->partial_capacity);
        char *larger = mem_realloc(session->partial, capacity);
        if (!larger) {
            session_fail(session, CLOSE_OUT_OF_MEMORY);
            return;
        }
        session->partial = larger;
        session->partial_capacity = (uint32_t)capacity;
    }
    memcpy(session->partial + session->partial_len, bytes.ptr, bytes.len);
    session->partial_len = (uint32_t)len;
    struct span line = {session->partial, len};
    if (partial_good(session, line) && rest_is_ignored(line))
        session->partial_len = 5; /* PING and a byte: enough to know it by */
}

/* A line that began in earlier input: completes it with what lies before its LF, or keeps more of it. */
static const char *continue_line(struct session *session, const char *at, const char *end,
                                 struct batch *batch)
{
    const char *lf = memchr(at, '\n', (size_t)(end - at));
    size_t limit = (size_t)session->delivery->broker->options->max_control_line + PARTIAL_SLACK;
    struct span more = {at, min_size((size_t)((lf ? lf : end) - at), limit)};
    keep_partial(session, more);
    if (!lf || session->close_reason != CLOSE_NONE)
        return end;
    char *line = session->partial;
    size_t len = session->partial_len;
    struct span whole = without_cr((struct span){line, len});
    session->partial = NULL;
    session->partial_len = session->partial_capacity = 0;
    at = do_line(session, whole, lf + 1, end, batch);
    free_partial(line, len);
    return at;
}

static const char *feed_line(struct session *session, const char *at, const char *end,
                             struct batch *batch)
{
    if (!may_begin(session, *at))
        return end;
    struct proto_command command;
    const char *behind = log_settings.trace ? NULL : proto_scan_pub(at, end, &command);
    if (behind && command.args.len <= (size_t)session->delivery->broker->options->max_control_line)
        return do_publish(session, &command, behind, end, batch);
    const char *lf = memchr(at, '\n', (size_t)(end - at));
    if (lf)
        return do_line(session, without_cr((struct span){at, (size_t)(lf - at)}), lf + 1, end, batch);
    size_t limit = (size_t)session->delivery->broker->options->max_control_line + PARTIAL_SLACK;
    struct span start = {at, min_size((size_t)(end - at), limit + 1)};
    if (partial_good(session, start))
        keep_partial(session, start);
    return end;
}

static void batch_end(struct session *session, const struct batch *batch)
{
    struct delivery *delivery = session->delivery;
    session->last_input_ns = delivery->now_mono_ns;
    if (batch->msgs > 0) {
        session_add(&session->in_msgs, batch->msgs);
        session_add(&session->in_bytes, batch->bytes);
        struct account_worker *part = delivery_account(delivery, session->account);
        account_count(&part->in_msgs, batch->msgs);
        account_count(&part->in_bytes, batch->bytes);
        metrics_add(&delivery->cells, METRIC_in_msgs, batch->msgs);
        metrics_add(&delivery->cells, METRIC_in_bytes, batch->bytes);
        metrics_add(&delivery->cells, METRIC_unmatched_msgs, batch->unmatched);
        atomic_store_explicit(&session->last_activity_wall_ns, delivery->now_wall_ns,
                              memory_order_relaxed);
    }
    delivery_count(delivery, session->account);
    if (delivery->addressed_count > 0)
        delivery_send_parcels(delivery, session);
}

void session_payload_filled(struct session *session, size_t len)
{
    struct batch batch = {0};
    check(session->publish);
    session->publish->filled += (uint32_t)len;
    end_publish(session, &batch);
    batch_end(session, &batch);
}

void session_feed(struct session *session, const char *bytes, size_t len)
{
    struct batch batch = {0};
    const char *at = bytes, *end = bytes + len;
    while (at < end && session->close_reason == CLOSE_NONE) {
        if (session->publish)
            at = continue_publish(session, at, end, &batch);
        else if (session->partial_len > 0)
            at = continue_line(session, at, end, &batch);
        else
            at = feed_line(session, at, end, &batch);
    }
    batch_end(session, &batch);
}

/* ---- time ---- */

static void send_ping(struct session *session)
{
    session->ping_sent_ns = session->delivery->now_mono_ns;
    session->pings_out++;
    send_text(session, SPAN_LITERAL("PING\r\n"));
}

void session_tick(struct session *session)
{
    struct delivery *delivery = session->delivery;
    const struct options *options = delivery->broker->options;
    int64_t now = delivery->now_mono_ns;
    if (session->next_timer_ns == 0 || now < session->next_timer_ns ||
        session->close_reason != CLOSE_NONE)
        return;
    if (!session->authorized) {
        session_fail(session, CLOSE_AUTH_TIMEOUT);
        return;
    }
    session->next_timer_ns = now + options->ping_interval_ns;
    bool measure = session->ping_sent_ns == 0 || now - session->ping_sent_ns > RTT_MEASURE_EACH_NS;
    bool silent = now - session->last_input_ns >= options->ping_interval_ns &&
                  now - session->last_ping_in_ns >= options->ping_interval_ns;
    if (!silent && !measure)
        return;
    if (session->pings_out + 1 > (unsigned)options->ping_max)
        session_fail(session, CLOSE_STALE);
    else
        send_ping(session);
}
