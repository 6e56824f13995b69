/* A session's subscriptions: SUB, UNSUB, and the end of all of them.
 *
 * They stand in a list, which readers walk, and once there are more than a few also in a table by sid, which only the
 * owner uses. The order of the checks is nats-server's: permission, tokens, limit, duplicate sid, subject.
 */
#include <stdio.h>

#include "broker/base/err.h"
#include "broker/base/hash.h"
#include "broker/base/log.h"
#include "broker/base/mem.h"
#include "broker/core/delivery.h"
#include "broker/core/proto.h"
#include "broker/core/subject.h"

enum { TABLE_FROM = 8, QUOTED_MAX = 5000 };

/* ---- the table of sids ---- */

static struct sub **bucket(const struct session *session, struct span sid)
{
    return &session->sid_table[hash_bytes(sid.ptr, sid.len) & session->sid_mask];
}

static struct sub *find(const struct session *session, struct span sid)
{
    struct sub *sub = session->sid_table
                          ? *bucket(session, sid)
                          : atomic_load_explicit(&session->subs, memory_order_relaxed);
    while (sub && !span_equal(sub_sid(sub), sid))
        sub = session->sid_table ? sub->same_bucket
                                 : atomic_load_explicit(&sub->next, memory_order_relaxed);
    return sub;
}

static void table_put(struct session *session, struct sub *sub)
{
    struct sub **place = bucket(session, sub_sid(sub));
    sub->same_bucket = *place;
    *place = sub;
}

/* Makes or doubles the table when it is due; 0, or ERR_MEMORY with the old one as good as it was. */
static int table_grow(struct session *session)
{
    uint32_t count = session->sub_count;
    if (count < TABLE_FROM || (session->sid_table && count <= session->sid_mask))
        return 0;
    uint32_t size = session->sid_table ? (session->sid_mask + 1) * 2 : TABLE_FROM * 2;
    struct sub **table = mem_zalloc(size * sizeof *table);
    if (!table)
        return ERR_MEMORY;
    mem_free(session->sid_table);
    session->sid_table = table;
    session->sid_mask = size - 1;
    for (struct sub *sub = session->subs; sub; sub = sub->next)
        table_put(session, sub);
    return 0;
}

static void table_take(struct session *session, struct sub *sub)
{
    if (!session->sid_table)
        return;
    struct sub **place = bucket(session, sub_sid(sub));
    while (*place != sub)
        place = &(*place)->same_bucket;
    *place = sub->same_bucket;
}

/* ---- the list ---- */

static void list_put(struct session *session, struct sub *sub)
{
    struct sub *first = atomic_load_explicit(&session->subs, memory_order_relaxed);
    atomic_store_explicit(&sub->next, first, memory_order_relaxed);
    sub->previous = NULL;
    if (first)
        first->previous = sub;
    atomic_store_explicit(&session->subs, sub, memory_order_release);
    session->sub_count++;
}

static void list_take(struct session *session, struct sub *sub)
{
    struct sub *next = atomic_load_explicit(&sub->next, memory_order_relaxed);
    if (next)
        next->previous = sub->previous;
    if (sub->previous)
        atomic_store_explicit(&sub->previous->next, next, memory_order_release);
    else
        atomic_store_explicit(&session->subs, next, memory_order_release);
    session->sub_count--;
}

/* ---- operations ---- */

void session_remove_sub(struct session *session, struct sub *sub)
{
    struct delivery *delivery = session->delivery;
    atomic_store_explicit(&sub->gone, true, memory_order_release);
    list_take(session, sub);
    table_take(session, sub);
    sublist_remove(session->account->interest, sub, &delivery->garbage);
    garbage_put(&delivery->garbage, &sub->garbage, sub_free_garbage);
}

void session_drop_subs(struct session *session)
{
    struct sub *sub;
    while ((sub = atomic_load_explicit(&session->subs, memory_order_relaxed)) != NULL)
        session_remove_sub(session, sub);
}

static int add(struct session *session, const struct proto_command *command)
{
    struct delivery *delivery = session->delivery;
    struct sub *sub =
        sub_new(session, delivery->index, command->subject, command->queue, command->sid);
    if (!sub)
        return ERR_MEMORY;
    if (table_grow(session) != 0 ||
        sublist_insert(session->account->interest, sub, &delivery->garbage) != 0) {
        mem_free(sub);
        return ERR_MEMORY;
    }
    list_put(session, sub);
    if (session->sid_table)
        table_put(session, sub);
    return 0;
}

/* nats-server delivers between its own parts with this queue name. */
static bool queue_reserved(struct span queue)
{
    return span_equal(queue, SPAN_LITERAL("_sys_"));
}

static void refuse_queue(struct session *session, const struct proto_command *command)
{
    char subject[QUOTED_MAX], queue[QUOTED_MAX], text[2 * QUOTED_MAX + 64];
    snprintf(text, sizeof text, "Permissions Violation for Subscription to %s using queue %s",
             log_quote(command->subject, subject, sizeof subject),
             log_quote(command->queue, queue, sizeof queue));
    session_send_error(session, text);
}

static void refuse_tokens(struct session *session, const struct proto_command *command)
{
    char subject[QUOTED_MAX], text[QUOTED_MAX + 64];
    snprintf(text, sizeof text, "Permissions Violation for Subscription to %s, too many tokens",
             log_quote(command->subject, subject, sizeof subject));
    session_send_error(session, text);
}

static bool too_many_tokens(const struct session *session, struct span subject)
{
    int64_t max = session->delivery->broker->options->max_subscription_tokens;
    struct subject_tokens rest = subject_tokens(subject);
    struct span token;
    int64_t count = 0;
    while (max > 0 && subject_next_token(&rest, &token))
        count++;
    return count > max;
}

void session_subscribe(struct session *session, const struct proto_command *command)
{
    int64_t max = session->delivery->broker->options->max_subscriptions;
    if (queue_reserved(command->queue)) {
        refuse_queue(session, command);
        return;
    }
    if (too_many_tokens(session, command->subject)) {
        refuse_tokens(session, command);
        return;
    }
    if (max > 0 && session->sub_count >= (uint64_t)max) {
        session_send_error(session, "maximum subscriptions exceeded");
        return;
    }
    if (find(session, command->sid)) {
        session_acknowledge(session);
        return;
    }
    if (!subject_valid_subscription(command->subject)) {
        session_send_error(session, "Invalid Subject");
        return;
    }
    if (add(session, command) != 0)
        session_fail(session, CLOSE_OUT_OF_MEMORY);
    else
        session_acknowledge(session);
}

void session_unsubscribe(struct session *session, const struct proto_command *command)
{
    struct sub *sub = find(session, command->sid);
    if (sub) {
        uint64_t delivered = atomic_load_explicit(&sub->delivered, memory_order_relaxed);
        if (command->max > delivered) {
            atomic_store_explicit(&sub->claimed, delivered, memory_order_relaxed);
            atomic_store_explicit(&sub->max, command->max, memory_order_release);
        } else {
            session_remove_sub(session, sub);
        }
    }
    session_acknowledge(session);
}
