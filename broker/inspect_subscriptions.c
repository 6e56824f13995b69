/* Walks the subscriptions of all connections, roster by roster, session by session.
 *
 * A place in the walk is a worker, a slot of its roster, and how far the list of the session there has been read; the next
 * RCU section finds it again. In a session's list new subscriptions come in front, so what was listed last is looked for by
 * its address, and whether it is the same one is told by its sid; if it went, as many are passed over as were listed. */
#include "broker/inspect_subscriptions.h"

#include "broker/base/hash.h"
#include "broker/base/rcu.h"
#include "broker/core/subject.h"
#include "broker/inspect_set.h"

/* ---- one session's ---- */

struct inspect_subscription inspect_subscriptions_describe(const struct sub *sub)
{
    return (struct inspect_subscription){
        .account = sub->session->account->name,
        .subject = sub_subject(sub),
        .queue = sub_queue(sub),
        .sid = sub_sid(sub),
        .msgs = read_relaxed(sub->delivered),
        .max = read_relaxed(sub->max),
        .cid = sub->session->cid,
    };
}

static const struct sub *first_of(const struct session *session)
{
    return atomic_load_explicit(&session->subs, memory_order_acquire);
}

static uint64_t hash_of(const struct sub *sub)
{
    struct span sid = sub_sid(sub);
    return hash_bytes(sid.ptr, sid.len);
}

const struct sub *inspect_subscriptions_resume(const struct session *session,
                                               const struct inspect_place *place)
{
    const struct sub *sub = first_of(session), *by_count = NULL;
    if (place->listed == 0)
        return sub;
    for (uint64_t passed = 0; sub; passed++, sub = inspect_subscriptions_after(sub)) {
        if (passed == place->listed)
            by_count = sub;
        if (sub == place->last && hash_of(sub) == place->sid_hash)
            return inspect_subscriptions_after(sub);
    }
    return by_count;
}

void inspect_subscriptions_listed(struct inspect_place *place, const struct sub *sub)
{
    place->last = sub;
    place->sid_hash = hash_of(sub);
    place->listed++;
}

/* ---- everybody's ---- */

static bool wanted(const char *test, const struct sub *sub)
{
    return !test || subject_matches(sub_subject(sub), span_of(test));
}

static uint64_t count_of(const struct session *session, const char *account, const char *test)
{
    if (account && strcmp(account, session->account->name) != 0)
        return 0;
    if (!test)
        return read_relaxed(session->sub_count);
    uint64_t count = 0;
    for (const struct sub *sub = first_of(session); sub; sub = inspect_subscriptions_after(sub))
        count += wanted(test, sub);
    return count;
}

/* Of any worker; NULL: that was all. */
static const struct session *next_session(struct inspect_subscription_cursor *cursor)
{
    const struct broker *broker = inspect_broker();
    while (cursor->worker < broker->worker_count) {
        const struct session *session =
            roster_next(&broker->deliveries[cursor->worker]->sessions, &cursor->slot);
        if (session)
            return session;
        cursor->worker++;
        cursor->slot = 0;
    }
    return NULL;
}

static void breathe(uint64_t *seen)
{
    if (++*seen % INSPECT_SECTION != 0)
        return;
    rcu_leave();
    rcu_enter();
}

uint64_t inspect_subscriptions_count(const char *account, const char *test)
{
    struct inspect_subscription_cursor cursor = {.worker = 0};
    uint64_t matching = 0, seen = 0;
    const struct session *session;
    rcu_enter();
    while ((session = next_session(&cursor)) != NULL) {
        matching += count_of(session, account, test);
        breathe(&seen);
    }
    rcu_leave();
    return matching;
}

/* Of one session. false: the callback has enough. */
static bool list(struct inspect_subscription_cursor *cursor, const struct session *session,
                 inspect_subscription_fn *each, void *context)
{
    const struct sub *sub = inspect_subscriptions_resume(session, &cursor->place);
    for (; sub && cursor->limit > 0; sub = inspect_subscriptions_after(sub)) {
        inspect_subscriptions_listed(&cursor->place, sub);
        if (!wanted(cursor->test, sub))
            continue;
        if (cursor->offset > 0) {
            cursor->offset--;
            continue;
        }
        cursor->limit--;
        struct inspect_subscription subscription = inspect_subscriptions_describe(sub);
        if (!each(context, &subscription))
            return false;
    }
    return true;
}

/* Where the cursor stands: the session whose list was left off, if it is still there, or the next one. */
static const struct session *current(struct inspect_subscription_cursor *cursor)
{
    const struct broker *broker = inspect_broker();
    if (cursor->cid != 0) {
        const struct session *session =
            roster_at(&broker->deliveries[cursor->worker]->sessions, cursor->slot - 1);
        if (session && session->cid == cursor->cid)
            return session;
    }
    cursor->place = (struct inspect_place){.listed = 0};
    return next_session(cursor);
}

/* Whether nothing of the session's is to be listed. */
static bool passed_over(struct inspect_subscription_cursor *cursor, const struct session *session)
{
    if (cursor->account && strcmp(cursor->account, session->account->name) != 0)
        return true;
    if (cursor->offset == 0 || cursor->place.listed > 0)
        return false;
    uint64_t count = count_of(session, cursor->account, cursor->test);
    if (count > cursor->offset)
        return false;
    cursor->offset -= count;
    return true;
}

bool inspect_subscriptions_next(struct inspect_subscription_cursor *cursor,
                                inspect_subscription_fn *each, void *context)
{
    bool enough = false;
    uint64_t seen = 0;
    rcu_enter();
    while (!enough && cursor->limit > 0) {
        const struct session *session = current(cursor);
        if (!session)
            break;
        enough = !passed_over(cursor, session) && !list(cursor, session, each, context);
        cursor->cid = enough ? session->cid : 0;
        breathe(&seen);
    }
    rcu_leave();
    return enough && cursor->limit > 0;
}

/* ---- counting ---- */

/* A pattern with wildcards is asked what it covers: all that the subscription may get. */
static bool is_subscriber(struct span subscribed, struct span subject, bool literal)
{
    return literal ? subject_matches(subscribed, subject) : subject_covers(subject, subscribed);
}

static uint64_t count_subscribers(const struct session *session, struct span subject,
                                  struct span queue)
{
    bool literal = !subject_has_wildcard(subject);
    uint64_t count = 0;
    for (const struct sub *sub = first_of(session); sub; sub = inspect_subscriptions_after(sub))
        count += is_subscriber(sub_subject(sub), subject, literal) &&
                 (queue.len == 0 || span_equal(sub_queue(sub), queue));
    return count;
}

uint64_t inspect_subscribers(const char *account, struct span subject, struct span queue)
{
    const struct broker *broker = inspect_broker();
    uint64_t count = 0;
    for (unsigned worker = 0; worker < broker->worker_count; worker++) {
        const struct roster *roster = &broker->deliveries[worker]->sessions;
        const struct session *session;
        uint32_t next = 0;
        do {
            rcu_enter();
            for (int i = 0; i < INSPECT_SECTION && (session = roster_next(roster, &next)); i++)
                if (strcmp(account, session->account->name) == 0)
                    count += count_subscribers(session, subject, queue);
            rcu_leave();
        } while (session);
    }
    return count;
}
