/* The broker's own subscriptions and publications.
 *
 * Each account has one own client: a session without a socket that is on no worker's list. Its subscriptions stand in the
 * interest like any other, owned by SUB_WORKER_ANY, so that a message for one is handled where it was published, with its
 * publisher at hand. The sid of such a subscription is its place among the patterns. What the own client is constant from
 * system_start on, so every worker may look at it.
 *
 * Most patterns are of the system account. The others stand in every account: what they ask is about the asker, whatever the
 * request says. A subject that fits a pattern but names no service is refused here, and then nobody was reached.
 */
#include "broker/core/system.h"

#include <stdio.h>
#include <stdlib.h>

#include "broker/base/clock.h"
#include "broker/base/err.h"
#include "broker/base/hash.h"
#include "broker/base/mem.h"
#include "broker/core/delivery.h"
#include "broker/core/subject.h"

/* ---- the patterns ---- */

enum asked { SERVERS, SERVER, ACCOUNT, ALONE };

static const struct service {
    const char *name;
    enum asked asked;
} services[SYSTEM_WHATS] = {
#define SERVICE(id, name, asked) [SYSTEM_##id] = {name, asked},
#define EVENT(id)
#include "broker/system_services.def"
#undef SERVICE
#undef EVENT
};

enum pattern_kind {
    KIND_PING_SERVERS, /* the service is the last token */
    KIND_THIS_SERVER,  /* the same; before it stands the server's id */
    KIND_ACCOUNT,      /* account and service are the last two */
    KIND_USER,         /* the account is the last but one */
    KIND_FIXED,        /* the service is the pattern's */
    KIND_OWN           /* the same, about the asker's account */
};

static const struct pattern {
    const char *subject;
    bool everywhere; /* in all other accounts, rather than in the system account */
    enum pattern_kind kind;
    enum system_what what;
} patterns[] = {
    {"$SYS.REQ.SERVER.PING", false, KIND_FIXED, SYSTEM_STATSZ},
    {"$SYS.REQ.SERVER.PING.*", false, KIND_PING_SERVERS, 0},
    {"$SYS.REQ.SERVER.", false, KIND_THIS_SERVER, 0},
    {"$SYS.REQ.ACCOUNT.PING.STATZ", false, KIND_FIXED, SYSTEM_ACCOUNTS_STATZ},
    {"$SYS.REQ.ACCOUNT.*.*", false, KIND_ACCOUNT, 0},
    {"$SYS.REQ.ACCOUNT.NSUBS", false, KIND_FIXED, SYSTEM_ACCOUNT_NSUBS},
    {"$SYS.REQ.USER.*.INFO", false, KIND_USER, SYSTEM_USER_INFO},
    {"$SYS.REQ.USER.INFO", false, KIND_OWN, SYSTEM_USER_INFO},
    {"$SYS.DEBUG.SUBSCRIBERS", false, KIND_FIXED, SYSTEM_DEBUG_SUBSCRIBERS},
    {"$SYS.REQ.SERVER.PING.CONNZ", true, KIND_OWN, SYSTEM_ACCOUNT_CONNZ},
    {"$SYS.REQ.ACCOUNT.PING.CONNZ", true, KIND_OWN, SYSTEM_ACCOUNT_CONNZ},
    {"$SYS.REQ.ACCOUNT.PING.STATZ", true, KIND_OWN, SYSTEM_ACCOUNT_STATZ},
    {"$SYS.REQ.USER.INFO", true, KIND_OWN, SYSTEM_USER_INFO},
};

/* ---- subscriptions ---- */

static int subscribe(struct session *client, const struct broker *broker, size_t pattern)
{
    char subject[128], sid[12];
    struct garbage_list garbage = {.head = NULL};
    bool this_server = patterns[pattern].kind == KIND_THIS_SERVER;
    snprintf(subject, sizeof subject, "%s%s%s", patterns[pattern].subject,
             this_server ? broker->server_id : "", this_server ? ".*" : "");
    snprintf(sid, sizeof sid, "%zu", pattern);
    struct sub *sub =
        sub_new(client, SUB_WORKER_ANY, span_of(subject), (struct span){.ptr = NULL}, span_of(sid));
    if (!sub)
        return ERR_MEMORY;
    if (sublist_insert(client->account->interest, sub, &garbage) != 0) {
        mem_free(sub);
        return ERR_MEMORY;
    }
    garbage_free_all(&garbage);
    atomic_init(&sub->next, atomic_load_explicit(&client->subs, memory_order_relaxed));
    atomic_store_explicit(&client->subs, sub, memory_order_relaxed);
    client->account->own_subscriptions++;
    return 0;
}

static int start_in(struct broker *broker, struct account *account)
{
    account->own_client = mem_zalloc(sizeof *account->own_client);
    if (!account->own_client)
        return ERR_MEMORY;
    account->own_client->account = account;
    for (size_t i = 0; i < array_length(patterns); i++)
        if (patterns[i].everywhere != account->is_system &&
            subscribe(account->own_client, broker, i) != 0)
            return ERR_MEMORY;
    return 0;
}

int system_start(struct broker *broker)
{
    for (unsigned i = 0; i < broker->account_count; i++)
        if (start_in(broker, broker->accounts[i]) != 0)
            return ERR_MEMORY; /* broker_fini frees what there is */
    return 0;
}

void system_stop(struct session **client)
{
    if (!*client)
        return;
    struct sub *sub = atomic_load_explicit(&(*client)->subs, memory_order_relaxed);
    while (sub) {
        struct sub *next = atomic_load_explicit(&sub->next, memory_order_relaxed);
        mem_free(sub);
        sub = next;
    }
    mem_free(*client);
    *client = NULL;
}

bool system_import(size_t n, const char *account, struct system_import *out)
{
    for (size_t i = 0; i < array_length(patterns); i++) {
        const struct pattern *pattern = &patterns[i];
        if (!pattern->everywhere || n-- > 0)
            continue;
        bool user = pattern->what == SYSTEM_USER_INFO;
        out->subject = pattern->subject;
        out->shares_client = user;
        snprintf(out->to, sizeof out->to, "$SYS.REQ.%s.%s.%s", user ? "USER" : "ACCOUNT", account,
                 user ? "INFO" : services[pattern->what].name);
        return true;
    }
    return false;
}

/* ---- tasks ---- */

static const struct client_info nobody = {.name = "", .lang = "", .version = "", .user = ""};

/* Where a task's texts go: NULL on the first of two passes, which only adds up. */
struct texts {
    char *at;
    size_t len;
};

static const char *put(struct texts *texts, struct span text)
{
    char *place = texts->at ? texts->at + texts->len : NULL;
    if (place) {
        append_bytes(place, text);
        place[text.len] = '\0';
    }
    texts->len += text.len + 1;
    return place;
}

struct draft {
    enum system_what what;
    bool everyone;
    struct span about;
    const struct publish *message; /* NULL: an event */
    const struct session *client;  /* NULL: nobody's */
    struct account *account;       /* where it is told to be */
    const char *reason;
};

static void describe_client(struct system_client *out, const struct session *session,
                            const struct account *account, struct texts *texts, const char *reason)
{
    const struct client_info *info = atomic_load_explicit(&session->info, memory_order_acquire);
    info = info ? info : &nobody;
    bool closed = *reason != '\0';
    *out = (struct system_client){
        .cid = session->cid,
        .ip = put(texts, span_of(session->ip)),
        .account = put(texts, span_of(account->name)),
        .user = put(texts, span_of(info->user)),
        .name = put(texts, span_of(info->name)),
        .lang = put(texts, span_of(info->lang)),
        .version = put(texts, span_of(info->version)),
        .reason = reason,
        .start_wall_ns = session->start_wall_ns,
        .stop_wall_ns = closed ? session->delivery->now_wall_ns : 0,
        .rtt_ns = atomic_load_explicit(&session->rtt_ns, memory_order_relaxed),
        .in_msgs = atomic_load_explicit(&session->in_msgs, memory_order_relaxed),
        .in_bytes = atomic_load_explicit(&session->in_bytes, memory_order_relaxed),
        .out_msgs = atomic_load_explicit(&session->out_msgs, memory_order_relaxed),
        .out_bytes = atomic_load_explicit(&session->out_bytes, memory_order_relaxed),
    };
}

/* Fills a task from a draft, and its texts; with texts->at NULL only what they take is found out. */
static void fill(struct system_task *task, const struct draft *draft, struct texts *texts)
{
    static const struct system_client none = {
        .ip = "", .account = "", .user = "", .name = "", .lang = "", .version = "", .reason = ""};
    *task = (struct system_task){
        .what = draft->what,
        .everyone = draft->everyone,
        .about = put(texts, draft->about),
        .reply = "",
        .client = none,
    };
    if (draft->client) {
        describe_client(&task->client, draft->client, draft->account, texts, draft->reason);
        task->account = draft->account;
        task->worker = draft->client->delivery->index;
    }
    if (!draft->message)
        return;
    const struct publish *message = draft->message;
    struct span headers = {message->payload.ptr, message->header_size};
    struct span body = {message->payload.ptr + message->header_size,
                        message->payload.len - message->header_size - 2};
    task->reply = put(texts, message->reply);
    task->headers = (struct span){put(texts, headers), headers.len};
    task->body = (struct span){put(texts, body), body.len};
}

static bool queue_task(const struct broker *broker, const struct draft *draft)
{
    struct system_task needed;
    struct texts texts = {.at = NULL};
    fill(&needed, draft, &texts);
    struct system_task *task = mem_alloc(sizeof *task + texts.len);
    if (!task)
        return false;
    size_t bytes = sizeof *task + texts.len;
    texts = (struct texts){.at = (char *)(task + 1)};
    fill(task, draft, &texts);
    task->bytes = bytes;
    if (broker->system.put(task))
        return true;
    mem_free(task);
    return false;
}

/* ---- requests ---- */

static bool find_service(struct span name, bool this_server, bool account, enum system_what *out)
{
    for (int i = 0; i < SYSTEM_WHATS; i++) {
        if (!services[i].name || !span_equal(span_of(services[i].name), name))
            continue;
        enum asked asked = services[i].asked;
        if (account ? asked == ACCOUNT : asked == SERVERS || (asked == SERVER && this_server)) {
            *out = (enum system_what)i;
            return true;
        }
    }
    return false;
}

/* The n-th token. */
static struct span token_at(struct span subject, int n)
{
    struct subject_tokens rest = subject_tokens(subject);
    struct span token = {.ptr = NULL};
    for (int i = 0; i <= n; i++)
        if (!subject_next_token(&rest, &token))
            return (struct span){.ptr = NULL};
    return token;
}

bool system_take(struct delivery *delivery, const struct session *from, const struct sub *sub,
                 const struct publish *message)
{
    const struct pattern *pattern = &patterns[strtoul(sub_sid(sub).ptr, NULL, 10)];
    struct draft draft = {.what = pattern->what,
                          .message = message,
                          .client = from,
                          .account = from->account,
                          .reason = ""};
    struct span subject = message->subject;
    switch (pattern->kind) {
    case KIND_PING_SERVERS:
        draft.everyone = true;
        if (!find_service(token_at(subject, 4), false, false, &draft.what))
            return false;
        break;
    case KIND_THIS_SERVER:
        if (!find_service(token_at(subject, 4), true, false, &draft.what))
            return false;
        break;
    case KIND_ACCOUNT:
        draft.about = token_at(subject, 3);
        if (!find_service(token_at(subject, 4), false, true, &draft.what))
            return false;
        break;
    case KIND_USER: draft.about = token_at(subject, 3); break;
    case KIND_FIXED: draft.everyone = true; break;
    case KIND_OWN: draft.about = span_of(from->account->name); break;
    }
    return queue_task(delivery->broker, &draft);
}

/* ---- events ---- */

/* Whether anyone but the broker subscribes to it. Cheap while the account has no subscriptions of others. */
static bool listened(struct delivery *delivery, const struct account *account, const char *subject)
{
    if (sublist_counts(account->interest).subscriptions <= account->own_subscriptions)
        return false;
    struct match_cache *cache = &delivery_account(delivery, account)->cache;
    struct span span = span_of(subject);
    const struct match *match = match_cache_find(cache, span, hash_bytes(span.ptr, span.len));
    return match && match->sub_count > 0;
}

static void tell_of(struct session *session, struct account *account, enum system_what what,
                    const char *reason)
{
    struct draft draft = {.what = what,
                          .about = span_of(account->name),
                          .client = session,
                          .account = account,
                          .reason = reason};
    /* One that finds no room is not told: the reader of the queue is behind, and counters hold what happened. */
    bool told = queue_task(session->delivery->broker, &draft);
    (void)told;
}

static void tell(struct session *session, enum system_what what, const char *reason)
{
    tell_of(session, session->account, what, reason);
}

static void tell_if_listened(struct session *session, enum system_what what, const char *reason,
                             const char *verb)
{
    struct delivery *delivery = session->delivery;
    const struct account *account = delivery->broker->system_account;
    char subject[SYSTEM_SUBJECT_MAX];
    snprintf(subject, sizeof subject, "$SYS.ACCOUNT.%s.%s", session->account->name, verb);
    if (listened(delivery, account, subject))
        tell(session, what, reason);
}

static void tell_connections(struct session *session)
{
    struct delivery *delivery = session->delivery;
    const struct account *account = delivery->broker->system_account;
    char subject[SYSTEM_SUBJECT_MAX], legacy[SYSTEM_SUBJECT_MAX];
    snprintf(subject, sizeof subject, "$SYS.ACCOUNT.%s.SERVER.CONNS", session->account->name);
    snprintf(legacy, sizeof legacy, "$SYS.SERVER.ACCOUNT.%s.CONNS", session->account->name);
    if (listened(delivery, account, subject) || listened(delivery, account, legacy))
        tell(session, SYSTEM_EVENT_ACCOUNT_CONNECTIONS, "");
}

static bool nobody_listens(const struct session *session)
{
    const struct account *account = session->delivery->broker->system_account;
    return !session->delivery->broker->system.put ||
           sublist_counts(account->interest).subscriptions <= account->own_subscriptions;
}

void system_tell_connected(struct session *session)
{
    if (nobody_listens(session))
        return;
    tell_connections(session);
    tell_if_listened(session, SYSTEM_EVENT_CONNECT, "", "CONNECT");
}

/* Whoever was not let in is of the global account, whoever is let in without credentials. Later releases of nats-server tell
 * that account too, on $SYS.ACCOUNT.CLIENT.AUTH.ERR, and so everybody who subscribes to everything; not the one this is. */
static void tell_refused(struct session *session)
{
    struct delivery *delivery = session->delivery;
    const struct broker *broker = delivery->broker;
    char subject[SYSTEM_SUBJECT_MAX];
    snprintf(subject, sizeof subject, "$SYS.SERVER.%s.CLIENT.AUTH.ERR", broker->server_id);
    if (listened(delivery, broker->system_account, subject))
        tell_of(session, broker->global_account, SYSTEM_EVENT_AUTH_ERROR,
                close_reason_text(session->close_reason));
}

void system_tell_closed(struct session *session)
{
    if (session->close_reason == CLOSE_AUTH_FAILURE) {
        if (!nobody_listens(session))
            tell_refused(session);
        return;
    }
    if (!session->connected || nobody_listens(session))
        return;
    tell_connections(session);
    tell_if_listened(session, SYSTEM_EVENT_DISCONNECT, close_reason_text(session->close_reason),
                     "DISCONNECT");
}

/* ---- publications ---- */

struct publication {
    struct mail mail;
    struct account *account;
    void (*opened)(void *context);
    void *context;
    struct publish message;
    char bytes[];
};

/* The publisher is this worker itself: never held back, never told anything. */
static void open_publication(struct mail *mail, struct delivery *receiver)
{
    struct publication *self = container_of(mail, struct publication, mail);
    struct session *own = &receiver->own;
    own->account = self->account;
    self->message.subject_hash = hash_bytes(self->message.subject.ptr, self->message.subject.len);
    delivery_publish(receiver, own, &self->message);
    delivery_send_parcels(receiver, own);
    if (self->opened)
        self->opened(self->context);
    mem_free(self);
}

struct mail *system_publication(struct account *account, const char *subject, const char *reply,
                                struct span headers, struct span body,
                                void (*opened)(void *context), void *context)
{
    char sizes[32];
    size_t total = headers.len + body.len;
    int sizes_len = headers.len > 0
                        ? snprintf(sizes, sizeof sizes, "%zu %zu\r\n", headers.len, total)
                        : snprintf(sizes, sizeof sizes, "%zu\r\n", total);
    size_t subject_len = strlen(subject), reply_len = strlen(reply);
    struct publication *self =
        mem_alloc(sizeof *self + subject_len + reply_len + 1 + (size_t)sizes_len + total + 2);
    if (!self)
        return NULL;
    *self = (struct publication){.mail = {.open = open_publication},
                                 .account = account,
                                 .opened = opened,
                                 .context = context};
    char *rest = append_bytes(self->bytes, span_of(subject));
    char *at = append_bytes(rest, span_of(reply));
    if (reply_len > 0)
        *at++ = ' ';
    at = append_bytes(at, (struct span){sizes, (size_t)sizes_len});
    char *payload = at;
    at = append_bytes(at, headers);
    at = append_bytes(at, body);
    append_bytes(at, SPAN_LITERAL("\r\n"));
    self->message = (struct publish){
        .subject = {self->bytes, subject_len},
        .reply = {rest, reply_len},
        .rest = {rest, (size_t)(payload - rest)},
        .header_size = (uint32_t)headers.len,
        .payload = {payload, total + 2},
    };
    return &self->mail;
}
