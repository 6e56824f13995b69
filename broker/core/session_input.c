/* The socket path's first half: bytes to operations to effects.
 *
 *     session_feed -> a line at a time -> PUB: payload -> session_publish -> delivery_publish
 *                                      \-> SUB, UNSUB, CONNECT, PING, ...
 *
 * A line or payload that lies whole in the input is used where it lies. What is cut off by the end of the input waits
 * in `partial` (the start of a line) or in `publish` (a block of the payload's full size, filled by later reads), and only
 * then costs memory.
 *
 *  1. At most one of partial and publish is in use.
 *  2. Whatever the peer sends, at most one control line and one payload within the limits is held for it.
 *  3. Commands behind a fatal one are not executed.
 */
#include "broker/core/session.h"

#include <stdio.h>

#include "broker/base/clock.h"
#include "broker/base/err.h"
#include "broker/base/hash.h"
#include "broker/base/log.h"
#include "broker/base/mem.h"
#include "broker/core/delivery.h"
#include "broker/core/proto_scan.h"
#include "broker/core/subject.h"

/* The longest operation name and the blanks in front of the arguments that a partial line may hold besides them. */
enum { PARTIAL_SLACK = 256 };

struct publish_in_progress {
    struct publish message; /* spans into names and block */
    uint32_t filled;
    struct block *block;
    char names[];
};

/* ---- publish ---- */

/* Subjects that clients may not publish to, and replies they may not name: nats-server keeps them for itself. */
static bool subject_reserved(struct span subject)
{
    return subject.len >= 5 && subject.ptr[0] == '_' && subject.ptr[1] == 'G' &&
           memcmp(subject.ptr, "_GR_.", 5) == 0;
}

static bool reply_reserved(struct span reply)
{
    if (reply.len < 4 || reply.ptr[1] == 'I') /* most are below _INBOX */
        return false;
    return memcmp(reply.ptr, "_R_.", 4) == 0 ||
           (reply.len >= 8 && memcmp(reply.ptr, "$JS.ACK.", 8) == 0) || subject_reserved(reply);
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

/* What a message has to pass that few have: traced, checked, answered, or refused. False: it is refused. */
static COLD bool session_inspect(struct session *session, const struct publish *message)
{
    if (log_settings.trace)
        trace_publish(session, message);
    if (session->pedantic && !subject_valid_literal(message->subject))
        session_send_error(session, "Invalid Publish Subject");
    if (subject_reserved(message->subject)) {
        session_send_violation(session, "Publish to", message->subject);
        return false;
    }
    if (reply_reserved(message->reply)) {
        session_send_violation(session, "Publish with Reply of", message->reply);
        return false;
    }
    session_acknowledge(session);
    return true;
}

static ALWAYS_INLINE void session_publish(struct session *session, const struct publish *message,
                                          struct batch *batch)
{
    if (CLEARWING_COUNTERS) {
        batch->msgs++;
        batch->bytes += message->payload.len - 2;
    }
    if ((session->verbose || session->pedantic || log_settings.trace ||
         subject_reserved(message->subject) || reply_reserved(message->reply)) &&
        !session_inspect(session, message))
        return;
    if (delivery_publish(session->delivery, session, message) > 0)
        return;
    batch->unmatched += CLEARWING_COUNTERS;
    if (session->no_responders && message->reply.len > 0)
        delivery_no_responders(session->delivery, session, message);
}

static char *append_field(char *at, struct span field)
{
    return field.len > 0 ? append_bytes(append_bytes(at, field), SPAN_LITERAL(" ")) : at;
}

/* A message that is not as feed_messages takes it: cut off by the end of the input, or written in a way of its own. Writes its
 * line's end as receivers get it, with the sizes as they were given, makes room for the payload, and keeps what is here. */
static void begin_publish(struct session *session, const struct proto_command *command,
                          struct span start)
{
    enum { BLANKS_AND_END = sizeof "  \r\n" - 1 };
    size_t most = command->subject.len + command->reply.len + command->header_text.len +
                  command->total_text.len + BLANKS_AND_END;
    struct publish_in_progress *publish = mem_alloc(sizeof *publish + most);
    struct block *block = publish ? block_new((size_t)command->total_size + 2) : NULL;
    if (!block) {
        mem_free(publish);
        session_fail(session, CLOSE_OUT_OF_MEMORY);
        return;
    }
    char *rest = append_bytes(publish->names, command->subject);
    char *at = append_field(rest, command->reply);
    if (command->header_size > 0)
        at = append_field(at, command->header_text);
    at = append_bytes(append_bytes(at, command->total_text), SPAN_LITERAL("\r\n"));
    memcpy(block->bytes, start.ptr, start.len);
    publish->filled = (uint32_t)start.len;
    publish->block = block;
    publish->message = (struct publish){
        .subject = {publish->names, command->subject.len},
        .reply = {rest, command->reply.len},
        .subject_hash = hash_bytes(command->subject.ptr, command->subject.len),
        .rest = {rest, (size_t)(at - rest)},
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
    session_send(session, SPAN_LITERAL("PONG\r\n"));
}

static COLD void do_pong(struct session *session)
{
    if (session->pings_out > 0 && session->ping_sent_ns > 0) {
        delivery_set_time(session->delivery);
        atomic_store_explicit(&session->rtt_ns,
                              session->delivery->now_mono_ns - session->ping_sent_ns,
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

/* `at` is behind the line; returns what is behind the payload, or end when it is cut off or refused. */
static const char *do_publish(struct session *session, const struct proto_command *command,
                              const char *at, const char *end, struct batch *batch)
{
    if (!fits_limits(session, command))
        return end;
    size_t here = min_size((size_t)command->total_size + 2, (size_t)(end - at));
    begin_publish(session, command, (struct span){at, here});
    if (session->publish)
        end_publish(session, batch);
    return at + here;
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
    if (command.op != PROTO_UNKNOWN &&
        command.args.len > (size_t)session->delivery->broker->options->max_control_line) {
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

/* The line may be a CONNECT and hold secrets. */
static void free_partial(char *line, size_t len)
{
    if (line)
        explicit_bzero(line, len);
    mem_free(line);
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

/* The next message, if it lies whole in the input, is written as all clients write it, and is to be taken. Returns what is behind
 * it, or NULL. */
static ALWAYS_INLINE const char *scan_message(const struct session *session, const char *at,
                                              const char *end, struct publish *message)
{
    const struct options *options = session->delivery->broker->options;
    struct proto_command command;
    const char *behind = log_settings.trace ? NULL : proto_scan_publish(at, end, &command);
    if (!behind)
        return NULL;
    size_t len = (size_t)command.total_size + 2;
    if ((size_t)(end - behind) < len || command.args.len > (size_t)options->max_control_line ||
        (options->max_payload >= 0 && command.total_size > (uint64_t)options->max_payload) ||
        command.header_size > command.total_size ||
        (command.op == PROTO_HPUB && (!session->headers || command.header_size == 0)))
        return NULL;
    const char *rest = command.subject.ptr + command.subject.len + 1;
    *message = (struct publish){
        .subject = command.subject,
        .reply = command.reply,
        .subject_hash = hash_bytes(command.subject.ptr, command.subject.len),
        .rest = {rest, (size_t)(behind - rest)},
        .header_size = command.header_size,
        .payload = {behind, len},
    };
    return ends_in_crlf(message->payload) ? behind + len : NULL;
}

/* The quick way through a run of such messages. Returns where something else begins, which may be a message that is cut off, or
 * is to be refused. */
static NOINLINE const char *feed_messages(struct session *session, const char *at, const char *end,
                                          struct batch *batch)
{
    struct batch run = {0}; /* kept in registers */
    while (session->close_reason == CLOSE_NONE) {
        struct publish message;
        const char *behind = scan_message(session, at, end, &message);
        if (!behind)
            break;
        session_publish(session, &message, &run);
        at = behind;
    }
    batch->msgs += run.msgs;
    batch->bytes += run.bytes;
    batch->unmatched += run.unmatched;
    return at;
}

/* The same, some messages at a time, so that their waits for memory overlap. */
static NOINLINE const char *feed_groups(struct session *session, const char *at, const char *end,
                                        struct batch *batch)
{
    struct publish group[DELIVERY_GROUP];
    int count = DELIVERY_GROUP;
    while (count == DELIVERY_GROUP && session->close_reason == CLOSE_NONE) {
        const char *behind;
        for (count = 0; count < DELIVERY_GROUP; count++, at = behind)
            if (!(behind = scan_message(session, at, end, &group[count])))
                break;
        delivery_fetch_ahead(session->delivery, session, group, count);
        for (int i = 0; i < count && session->close_reason == CLOSE_NONE; i++)
            session_publish(session, &group[i], batch);
    }
    return at;
}

static const char *feed_line(struct session *session, const char *at, const char *end,
                             struct batch *batch)
{
    const char *lf = memchr(at, '\n', (size_t)(end - at));
    if (lf)
        return do_line(session, without_cr((struct span){at, (size_t)(lf - at)}), lf + 1, end,
                       batch);
    size_t limit = (size_t)session->delivery->broker->options->max_control_line + PARTIAL_SLACK;
    struct span start = {at, min_size((size_t)(end - at), limit + 1)};
    if (partial_good(session, start))
        keep_partial(session, start);
    return end;
}

static const char *feed_lines(struct session *session, const char *at, const char *end,
                              struct batch *batch)
{
    if (delivery_subjects_are_many(session->delivery, session->account))
        at = feed_groups(session, at, end, batch);
    else
        at = feed_messages(session, at, end, batch);
    return at < end && session->close_reason == CLOSE_NONE ? feed_line(session, at, end, batch)
                                                           : at;
}

static void batch_end(struct session *session, const struct batch *batch)
{
    struct delivery *delivery = session->delivery;
    session->last_input_ns = delivery->now_mono_ns;
    if (batch->msgs > 0) {
        counter_add(&session->in_msgs, batch->msgs);
        counter_add(&session->in_bytes, batch->bytes);
        struct account_worker *part = delivery_account(delivery, session->account);
        counter_add(&part->in_msgs, batch->msgs);
        counter_add(&part->in_bytes, batch->bytes);
        metrics_add(&delivery->cells, METRIC_in_msgs, batch->msgs);
        metrics_add(&delivery->cells, METRIC_in_bytes, batch->bytes);
        metrics_add(&delivery->cells, METRIC_unmatched_msgs, batch->unmatched);
        match_cache_count(&part->cache);
        atomic_store_explicit(&session->last_activity_wall_ns, delivery->now_wall_ns,
                              memory_order_relaxed);
    }
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
        else if (may_begin(session, *at))
            at = feed_lines(session, at, end, &batch);
    }
    batch_end(session, &batch);
}

/* ---- the end ---- */

void session_drop_input(struct session *session)
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
