/* The harness mirrors what net/ does around the core, in the same order: feed, mail, flush, close, garbage. */
#include "tests/unit/core_harness.h"

#include <stdio.h>
#include <stdlib.h>

#include "broker/base/clock.h"
#include "broker/base/mem.h"
#include "broker/core/session.h"

struct harness_conn {
    struct session session;
    struct harness_client *client;
};

static int64_t now_ns;

/* ---- life ---- */

static bool put_mail(void *context, unsigned to, struct mail *mail)
{
    struct harness *harness = context;
    struct harness_box *box = &harness->boxes[to];
    if (box->count == box->capacity) {
        box->capacity = box->capacity ? box->capacity * 2 : 16;
        box->mails = realloc(box->mails, box->capacity * sizeof(struct mail *));
    }
    box->mails[box->count++] = mail;
    harness->mails_sent++;
    return box->full;
}

struct options harness_options(void)
{
    static char host[] = "127.0.0.1";
    return (struct options){
        .host = host,
        .max_connections = 65536,
        .max_control_line = 4096,
        .max_payload = 1 << 20,
        .max_pending = 64 << 20,
        .max_closed_clients = 100,
        .ping_interval_ns = 120 * NS_PER_SEC,
        .ping_max = 2,
        .write_deadline_ns = 10 * NS_PER_SEC,
        .auth_timeout_s = 2,
    };
}

int harness_open(struct harness *harness, const struct options *options, unsigned workers)
{
    *harness = (struct harness){.options = *options};
    now_ns = 3600 * NS_PER_SEC;
    clock_set_fake(now_ns);
    int error = broker_init(&harness->broker, &harness->options, workers);
    if (error)
        return error;
    for (unsigned i = 0; i < workers; i++) {
        harness->boxes[i].harness = harness;
        harness->broker.deliveries[i]->carrier = (struct mail_carrier){.send = put_mail, .context = harness};
        harness->broker.deliveries[i]->random = i + 1; /* the same choices each time */
    }
    error = broker_compose_info(&harness->broker);
    if (error)
        broker_fini(&harness->broker);
    return error;
}

void harness_close(struct harness *harness)
{
    for (struct harness_client *client = harness->clients; client; client = client->next)
        harness_hang_up(client);
    harness_settle(harness);
    for (unsigned i = 0; i < harness->broker.worker_count; i++)
        free(harness->boxes[i].mails);
    while (harness->clients) {
        struct harness_client *client = harness->clients;
        harness->clients = client->next;
        free(client->output);
        free(client);
    }
    broker_fini(&harness->broker);
    clock_set_fake(-1);
}

void harness_advance(struct harness *harness, int64_t ns)
{
    now_ns += ns;
    clock_set_fake(now_ns);
    for (unsigned i = 0; i < harness->broker.worker_count; i++)
        delivery_set_time(harness->broker.deliveries[i]);
    for (struct harness_client *client = harness->clients; client; client = client->next)
        if (client->session)
            session_tick(client->session);
    harness_settle(harness);
}

/* ---- connections ---- */

static void free_conn(struct garbage *garbage)
{
    struct harness_conn *conn =
        container_of(container_of(garbage, struct session, garbage), struct harness_conn, session);
    session_fini(&conn->session);
    mem_free(conn);
}

static void close_client(struct harness_client *client, enum close_reason reason)
{
    struct session *session = client->session;
    struct delivery *delivery = session->delivery;
    client->session = NULL;
    client->reason = reason;
    session_close(session, reason);
    garbage_put(&delivery->garbage, &session->garbage, free_conn);
}

struct harness_client *harness_connect(struct harness *harness, unsigned worker)
{
    struct harness_client *client = calloc(1, sizeof *client);
    client->harness = harness;
    client->next = harness->clients;
    harness->clients = client;
    struct harness_conn *conn = mem_zalloc(sizeof *conn);
    if (!conn) {
        client->reason = CLOSE_OUT_OF_MEMORY;
        return client;
    }
    conn->client = client;
    client->session = &conn->session;
    if (session_init(&conn->session, harness->broker.deliveries[worker], ++harness->last_cid,
                     "127.0.0.1", 1234) != 0)
        session_fail(&conn->session, CLOSE_OUT_OF_MEMORY);
    client->info_len = outq_pending_bytes(&conn->session.out);
    return client;
}

void harness_hang_up(struct harness_client *client)
{
    if (client->session)
        close_client(client, CLOSE_CLIENT_CLOSED);
}

static void after_feed(struct harness_client *client)
{
    client->stalled_ns += client->session->stall_ns;
    client->session->stall_ns = 0;
}

void harness_feed(struct harness_client *client, const char *bytes, size_t len)
{
    if (!client->session || client->session->close_reason != CLOSE_NONE)
        return;
    /* A block of exactly this size: reading behind it is seen by sanitizers. */
    char *copy = malloc(len ? len : 1);
    memcpy(copy, bytes, len);
    session_feed(client->session, copy, len);
    free(copy);
    after_feed(client);
}

void harness_feed_room(struct harness_client *client, const char *bytes, size_t len)
{
    if (!client->session || client->session->close_reason != CLOSE_NONE)
        return;
    char *place;
    size_t room = min_size(session_payload_room(client->session, &place), len);
    if (room > 0) {
        memcpy(place, bytes, room);
        session_payload_filled(client->session, room);
        after_feed(client);
    }
    if (len > room)
        harness_feed(client, bytes + room, len - room);
}

/* ---- turns ---- */

static void receive(struct harness_client *client, const char *bytes, size_t len)
{
    size_t skip = min_size(client->info_len, len);
    client->info_len -= skip;
    bytes += skip;
    len -= skip;
    if (client->output_len + len + 1 > client->output_capacity) {
        client->output_capacity = (client->output_len + len + 1) * 2;
        client->output = realloc(client->output, client->output_capacity);
    }
    memcpy(client->output + client->output_len, bytes, len);
    client->output_len += len;
    client->output[client->output_len] = '\0';
}

static void write_out(struct harness_client *client)
{
    struct session *session = client->session;
    while (!outq_is_empty(&session->out)) {
        struct iovec pieces[3];
        int count = outq_peek(&session->out, pieces, 3, 100000);
        size_t total = 0;
        for (int i = 0; i < count; i++) {
            check(pieces[i].iov_len > 0);
            receive(client, pieces[i].iov_base, pieces[i].iov_len);
            total += pieces[i].iov_len;
        }
        outq_written(&session->out, &session->delivery->pool, total);
    }
    uint64_t max = (uint64_t)client->harness->options.max_pending;
    if (session->gated && outq_pending_bytes(&session->out) <= max / 4 * 3) {
        session->gated = false;
        session->delivery->gated--;
    }
}

static void flush_client(struct harness_client *client)
{
    struct session *session = client->session;
    bool skip = session->close_reason == CLOSE_SLOW_PENDING || client->blocked;
    outq_verify(&session->out);
    if (!skip)
        write_out(client);
    if (session->close_reason != CLOSE_NONE)
        close_client(client, session->close_reason);
}

void harness_turn(struct harness *harness, unsigned worker)
{
    struct harness_box *box = &harness->boxes[worker];
    struct delivery *delivery = harness->broker.deliveries[worker];
    for (size_t i = 0; i < box->count; i++)
        box->mails[i]->open(box->mails[i], delivery);
    box->count = 0;
    struct session *session;
    while ((session = session_take_touched(delivery)) != NULL)
        flush_client(container_of(session, struct harness_conn, session)->client);
}

static bool anything_to_do(const struct harness *harness)
{
    for (unsigned i = 0; i < harness->broker.worker_count; i++)
        if (harness->boxes[i].count > 0 || harness->broker.deliveries[i]->touched)
            return true;
    return false;
}

static void verify(struct harness *harness)
{
    sublist_verify(harness->broker.global_account->interest);
    for (unsigned i = 0; i < harness->broker.worker_count; i++)
        roster_verify(&harness->broker.deliveries[i]->sessions);
    uint64_t subs = 0;
    for (struct harness_client *client = harness->clients; client; client = client->next) {
        if (!client->session)
            continue;
        outq_verify(&client->session->out);
        uint64_t listed = 0;
        for (struct sub *sub = client->session->subs; sub; sub = sub->next)
            listed++;
        check(listed == client->session->sub_count);
        subs += listed;
    }
    check(subs == sublist_counts(harness->broker.global_account->interest).subscriptions);
}

void harness_settle(struct harness *harness)
{
    while (anything_to_do(harness))
        for (unsigned i = 0; i < harness->broker.worker_count; i++)
            harness_turn(harness, i);
    for (unsigned i = 0; i < harness->broker.worker_count; i++)
        garbage_free_all(&harness->broker.deliveries[i]->garbage);
    verify(harness);
}

void harness_send(struct harness_client *client, const char *text)
{
    harness_feed(client, text, strlen(text));
    harness_settle(client->harness);
}

char *harness_take(struct harness_client *client)
{
    char *taken = client->output ? client->output : calloc(1, 1);
    client->output = NULL;
    client->output_len = client->output_capacity = 0;
    return taken;
}
