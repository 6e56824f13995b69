/* A session's life, its output and its clock; what comes in is session_input.c's.
 *
 * States: no CONNECT yet -> connected -> close_reason set. From then on input is ignored, the owner writes what is queued and
 * calls session_close; the session is garbage and freed once nobody can hold one of its subscriptions. An -ERR goes out in
 * front of the close, after everything that was queued before it.
 */
#include "broker/core/session.h"

#include <stdio.h>

#include "broker/base/clock.h"
#include "broker/base/err.h"
#include "broker/base/log.h"
#include "broker/base/mem.h"
#include "broker/core/auth.h"
#include "broker/core/delivery.h"
#include "broker/core/drops.h"

enum { QUOTED_SUBJECT_MAX = 5000 };

/* The first PING after CONNECT comes early, to measure the round trip; nats-server's figures. */
#define FIRST_PING_NS       (2 * NS_PER_SEC)
#define RTT_MEASURE_EACH_NS (3600 * NS_PER_SEC)

/* ---- output ---- */

void session_touch(struct session *session)
{
    if (session->touched)
        return;
    session->touched = true;
    session->next_touched = session->delivery->touched;
    session->delivery->touched = session;
}

void session_count_out(struct session *session)
{
    struct delivery *delivery = session->delivery;
    uint64_t msgs =
        session->out.msgs - atomic_load_explicit(&session->out_msgs, memory_order_relaxed);
    uint64_t bytes =
        session->out.bytes - atomic_load_explicit(&session->out_bytes, memory_order_relaxed);
    if (msgs == 0)
        return;
    struct account_worker *part = delivery_account(delivery, session->account);
    counter_add(&session->out_msgs, msgs);
    counter_add(&session->out_bytes, bytes);
    counter_add(&part->out_msgs, msgs);
    counter_add(&part->out_bytes, bytes);
    metrics_add(&delivery->cells, METRIC_out_msgs, msgs);
    metrics_add(&delivery->cells, METRIC_out_bytes, bytes);
    atomic_store_explicit(&session->last_activity_wall_ns, delivery->now_wall_ns,
                          memory_order_relaxed);
}

struct session *session_take_touched(struct delivery *delivery)
{
    struct session *session = delivery->touched;
    if (!session)
        return NULL;
    delivery->touched = session->next_touched;
    session->touched = false;
    session_count_out(session);
    return session;
}

void session_send(struct session *session, struct span text)
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
        session_send(session, SPAN_LITERAL("+OK\r\n"));
}

void session_send_error(struct session *session, const char *text)
{
    char line[QUOTED_SUBJECT_MAX + 128];
    int len = snprintf(line, sizeof line, "-ERR '%s'\r\n", text);
    session_send(session, (struct span){line, min_size((size_t)len, sizeof line - 1)});
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
    if (reason == CLOSE_SLOW_PENDING || reason == CLOSE_SLOW_DEADLINE) {
        metrics_add(&delivery->cells, METRIC_slow_consumers, 1);
        counter_add(&delivery_account(delivery, session->account)->slow_consumers, 1);
    }
    session_touch(session);
}

static COLD void fail_slow(struct session *session)
{
    log_info("%s:%u - cid:%llu - Slow Consumer Detected: MaxPending of %lld Exceeded", session->ip,
             session->port, (unsigned long long)session->cid,
             (long long)session->delivery->broker->options->max_pending);
    session_fail(session, CLOSE_SLOW_PENDING);
}

/* A turn may queue more than the limit for one that reads well, before its end writes. So the socket is asked when the gate is
 * passed, at every eighth of the limit from there on, and before anybody is cut off. */
static uint64_t relieve(struct session *session, uint64_t pending, uint64_t max)
{
    const struct mail_carrier *carrier = &session->delivery->carrier;
    if (!carrier->relieve || (pending <= max && pending < session->relieve_at_bytes))
        return pending;
    carrier->relieve(carrier->context, session);
    pending = outq_pending_bytes(&session->out);
    session->relieve_at_bytes = pending + max / 8;
    return pending;
}

void session_over_gate(struct session *session)
{
    struct delivery *delivery = session->delivery;
    uint64_t pending = outq_pending_bytes(&session->out);
    uint64_t max = (uint64_t)delivery->broker->options->max_pending;
    if (session->close_reason == CLOSE_NONE)
        pending = relieve(session, pending, max);
    if (pending <= delivery->gate_bytes)
        return;
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
    if (!session->authorized)
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

static int queue_info(struct session *session, bool lame_duck)
{
    char tail[160];
    int len =
        snprintf(tail, sizeof tail, ",\"client_id\":%llu,\"client_ip\":\"%s\"%s} \r\n",
                 (unsigned long long)session->cid, session->ip, lame_duck ? ",\"ldm\":true" : "");
    struct outq_pool *pool = &session->delivery->pool;
    int error = outq_append(&session->out, pool, span_of(session->delivery->broker->info_head));
    if (!error)
        error = outq_append(&session->out, pool, (struct span){tail, (size_t)len});
    session_touch(session);
    return error;
}

void session_announce_lame_duck(struct session *session)
{
    bool ready = session->connected && session->async_info && session->last_ping_in_ns > 0;
    if (session->close_reason == CLOSE_NONE && ready && queue_info(session, true) != 0)
        session_fail(session, CLOSE_OUT_OF_MEMORY);
}

void session_enter_account(struct session *session, struct account *account)
{
    struct delivery *delivery = session->delivery;
    struct account *before = session->account;
    if (account == before)
        return;
    session_drop_subs(session);
    session_count_out(session);
    counter_add(&delivery_account(delivery, before)->connections, (uint64_t)-1);
    counter_add(&delivery_account(delivery, account)->connections, 1);
    atomic_store_explicit(&session->account, account, memory_order_relaxed);
}

/* With no_auth_user it is that user from the start, and need not even say CONNECT. */
static int begin_as_nobody(struct session *session)
{
    const struct broker *broker = session->delivery->broker;
    const struct span none = {.ptr = ""};
    struct auth_identity identity;
    if (!auth_without(broker->options, &identity))
        return 0;
    session->authorized = true;
    session_enter_account(session, broker_account_of(broker, &identity));
    return session_set_info(session, none, none, none, span_of(identity.user));
}

int session_init(struct session *session, struct delivery *delivery, uint64_t cid, const char *ip,
                 uint16_t port)
{
    session->cid = cid;
    session->delivery = delivery;
    atomic_init(&session->account, delivery->broker->global_account);
    snprintf(session->ip, sizeof session->ip, "%s", ip);
    session->port = port;
    session->verbose = session->pedantic = session->echo = true;
    session->authorized = !delivery->broker->auth_required;
    delivery_set_time(delivery);
    session->start_mono_ns = session->last_input_ns = delivery->now_mono_ns;
    session->start_wall_ns = delivery->now_wall_ns;
    atomic_init(&session->last_activity_wall_ns, delivery->now_wall_ns);

    session->slot = ROSTER_NOWHERE;
    int error = roster_add(&delivery->sessions, session, &session->slot);
    metrics_add(&delivery->cells, METRIC_connections, 1);
    metrics_add(&delivery->cells, METRIC_total_connections, 1);
    counter_add(&delivery_account(delivery, session->account)->connections, 1);
    if (error || begin_as_nobody(session) != 0)
        return ERR_MEMORY;
    schedule_first_tick(session);
    return queue_info(session, false);
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

void session_free_info(struct garbage *garbage)
{
    mem_free(container_of(garbage, struct client_info, garbage));
}

/* For /connz?state=closed. */
static void remember(const struct session *session, enum close_reason reason)
{
    static const struct client_info nobody = {.name = "", .lang = "", .version = "", .user = ""};
    struct delivery *delivery = session->delivery;
    const struct client_info *info = atomic_load_explicit(&session->info, memory_order_relaxed);
    if (!info)
        info = &nobody;
    struct closed_connection closed = {
        .cid = session->cid,
        .port = session->port,
        .reason = reason,
        .start_wall_ns = session->start_wall_ns,
        .stop_wall_ns = delivery->now_wall_ns,
        .last_activity_wall_ns = session->last_activity_wall_ns,
        .rtt_ns = session->rtt_ns,
        .counts = {[CLOSED_IN_MSGS] = session->in_msgs,
                   [CLOSED_OUT_MSGS] = session->out_msgs,
                   [CLOSED_IN_BYTES] = session->in_bytes,
                   [CLOSED_OUT_BYTES] = session->out_bytes,
                   [CLOSED_PENDING_BYTES] = outq_pending_bytes(&session->out),
                   [CLOSED_STALLS] = session->stalls,
                   [CLOSED_STALLED] = session->stalled,
                   [CLOSED_STALLED_NS] = session->stalled_ns,
                   [CLOSED_STALLED_BY] = session->stalled_by,
                   [CLOSED_DROPPED_MSGS] = session->dropped_msgs,
                   [CLOSED_SUBSCRIPTIONS] = session->sub_count},
        .texts = {[CLOSED_IP] = session->ip,
                  [CLOSED_ACCOUNT] = session->account->name,
                  [CLOSED_NAME] = info->name,
                  [CLOSED_LANG] = info->lang,
                  [CLOSED_VERSION] = info->version,
                  [CLOSED_USER] = info->user},
    };
    closed_ring_add(&delivery->broker->closed, &closed,
                    atomic_load_explicit(&session->subs, memory_order_relaxed), &delivery->garbage);
}

void session_close(struct session *session, enum close_reason reason)
{
    struct delivery *delivery = session->delivery;
    session->close_reason = reason;
    session_count_out(session);
    delivery_set_time(delivery);
    drops_queue(delivery, session);
    remember(session, reason);
    counter_add(&delivery->closed[reason], 1);
    metrics_add(&delivery->cells, METRIC_connections, (uint64_t)-1);
    counter_add(&delivery_account(delivery, session->account)->connections, (uint64_t)-1);
    session_drop_subs(session);
    system_tell_closed(session);
    outq_clear(&session->out, &delivery->pool);
    if (atomic_load_explicit(&session->gated, memory_order_relaxed))
        atomic_fetch_sub_explicit(&delivery->gated, 1, memory_order_relaxed);
    untouch(session);
    if (session->slot != ROSTER_NOWHERE)
        roster_remove(&delivery->sessions, session->slot);
    log_debug("%s:%u - cid:%llu - Client connection closed: %s", session->ip, session->port,
              (unsigned long long)session->cid, close_reason_text(reason));
}

void session_fini(struct session *session)
{
    drops_after_close(session);
    session_drop_input(session);
    mem_free(session->sid_table);
    if (session->info)
        session_free_info(&session->info->garbage);
}

COLD void session_send_violation(struct session *session, const char *what, struct span subject)
{
    char quoted[QUOTED_SUBJECT_MAX], text[QUOTED_SUBJECT_MAX + 64];
    snprintf(text, sizeof text, "Permissions Violation for %s %s", what,
             log_quote(subject, quoted, sizeof quoted));
    session_send_error(session, text);
}

/* ---- time ---- */

static void send_ping(struct session *session)
{
    session->ping_sent_ns = session->delivery->now_mono_ns;
    session->pings_out++;
    session_send(session, SPAN_LITERAL("PING\r\n"));
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
