/* The same order of calls as in net/conn.c and net/worker.c, with chance in place of the kernel.
 * Everything the core is given lies in a block of its own size, so that a sanitizer sees a read
 * behind it. */
#include "tests/sim/network.h"

#include <stdlib.h>

#include "broker/base/clock.h"
#include "broker/base/hash.h"
#include "broker/base/mem.h"
#include "tests/sim/report.h"

enum { PIECES_MAX = 1 << 15, STALL_MAX_MS = 15 };

struct connection {
    struct session session;
    struct model_client *client;
    bool waiting; /* for its socket to take more */
    bool end_of_input;
    int64_t stalled_until_ns;
};

static struct connection *connection_of(struct session *session)
{
    return container_of(session, struct connection, session);
}

/* ---- mail ---- */

static bool send_mail(void *context, unsigned to, struct mail *mail)
{
    struct network_box *box = context;
    struct model *model = box->network->model;
    size_t count = network_mail_waiting(box->network, box->from, to);
    if (count == box->capacity[to]) {
        box->capacity[to] = 2 * count + 16;
        box->mails[to] = realloc(box->mails[to], box->capacity[to] * sizeof(struct mail *));
    }
    box->mails[to][count] = mail;
    model->sent[box->from][to]++;
    return random_one_in(box->network->random, 50);
}

size_t network_mail_waiting(const struct network *network, unsigned from, unsigned to)
{
    return (size_t)(network->model->sent[from][to] - network->model->opened[from][to]);
}

void network_count(const struct delivery *delivery)
{
    for (struct session *session = delivery->touched; session; session = session->next_touched)
        session_count_out(session);
}

static uint64_t deliveries_and_drops(const struct delivery *delivery)
{
    network_count(delivery);
    return metrics_get(&delivery->cells, METRIC_out_msgs) +
           metrics_get(&delivery->cells, METRIC_dropped_msgs);
}

void network_open_mail(struct network *network, unsigned from, unsigned to)
{
    struct network_box *box = &network->boxes[from];
    struct mail *mail = box->mails[to][0];
    size_t left = network_mail_waiting(network, from, to) - 1;
    memmove(box->mails[to], box->mails[to] + 1, left * sizeof(struct mail *));
    network->model->opened[from][to]++;
    struct delivery *delivery = network->broker.deliveries[to];
    uint64_t meant = parcel_deliveries(mail);
    uint64_t before = deliveries_and_drops(delivery);
    mail->open(mail, delivery);
    uint64_t told = deliveries_and_drops(delivery) - before;
    if (told != meant)
        report_failure("mail from worker %u to %u was meant for %llu, and %llu are counted as "
                       "reached or dropped",
                       from, to, (unsigned long long)meant, (unsigned long long)told);
}

/* ---- life ---- */

void network_init(struct network *network, struct model *model, const struct options *options,
                  unsigned workers, struct random *random)
{
    *network = (struct network){
        .model = model, .random = random, .options = *options, .now_ns = 3600 * NS_PER_SEC};
    clock_set_fake(network->now_ns);
    check(broker_init(&network->broker, &network->options, workers) == 0);
    check(broker_compose_info(&network->broker) == 0);
    hash_seed = random_next(random);
    for (unsigned i = 0; i < workers; i++) {
        network->boxes[i].network = network;
        network->boxes[i].from = i;
        network->broker.deliveries[i]->carrier =
            (struct mail_carrier){.send = send_mail, .context = &network->boxes[i]};
        network->broker.deliveries[i]->random = random_next(random) | 1;
    }
}

void network_fini(struct network *network)
{
    for (unsigned i = 0; i < network->broker.worker_count; i++) {
        network_collect(network, i);
        network_collect(network, i);
        check(!network->garbage[i]);
        for (unsigned to = 0; to < network->broker.worker_count; to++)
            free(network->boxes[i].mails[to]);
    }
    broker_fini(&network->broker);
    clock_set_fake(-1);
}

/* ---- connections ---- */

struct model_client *network_connect(struct network *network, unsigned worker)
{
    struct connection *connection = mem_zalloc(sizeof *connection);
    struct model_client *client = model_add_client(network->model, worker);
    check(connection);
    connection->client = client;
    client->session = &connection->session;
    check(session_init(client->session, network->broker.deliveries[worker], client->number,
                       "127.0.0.1", 4000) == 0);
    network_observe(network);
    struct frame frame;
    if (!model_peek(client, &frame) || frame.kind != FRAME_INFO)
        report_failure("client %llu is not greeted with INFO", (unsigned long long)client->number);
    client->taken += frame.len; /* the limit on pending bytes begins behind it */
    return client;
}

static void free_connection(struct garbage *garbage)
{
    struct connection *connection = connection_of(container_of(garbage, struct session, garbage));
    session_fini(&connection->session);
    mem_free(connection);
}

static void close_client(struct network *network, struct model_client *client,
                         enum close_reason reason)
{
    struct session *session = client->session;
    struct delivery *delivery = session->delivery;
    report_trace("  client %llu closed: %s", (unsigned long long)client->number,
                 close_reason_text(reason));
    uint64_t dropped = delivery->dropped[reason], unsent = model_unsent(client);
    session_close(session, reason);
    dropped = delivery->dropped[reason] - dropped;
    if (dropped != unsent)
        report_failure("client %llu is closed with %llu messages not written, %llu are dropped",
                       (unsigned long long)client->number, (unsigned long long)unsent,
                       (unsigned long long)dropped);
    garbage_put(&delivery->garbage, &session->garbage, free_connection);
    model_close(network->model, client, reason);
}

void network_reset(struct network *network, struct model_client *client)
{
    enum close_reason reason = client->failed != CLOSE_NONE ? client->failed : CLOSE_READ_ERROR;
    close_client(network, client, reason);
}

void network_hang_up(struct model_client *client)
{
    connection_of(client->session)->end_of_input = true;
    client->script_ended = true;
    session_touch(client->session);
}

/* ---- input ---- */

bool network_waits(const struct model_client *client, int64_t now_ns)
{
    const struct connection *connection = connection_of(client->session);
    return now_ns < connection->stalled_until_ns || connection->end_of_input;
}

void network_feed(struct network *network, struct model_client *client, size_t len)
{
    struct session *session = client->session;
    delivery_set_time(session->delivery);
    char *place = NULL;
    size_t room = random_one_in(network->random, 4)
                      ? 0
                      : min_size(session_payload_room(session, &place), len);
    if (room > 0) {
        memcpy(place, client->input, room);
        session_payload_filled(session, room);
    }
    if (len > room) {
        char *copy = malloc(len - room);
        memcpy(copy, client->input + room, len - room);
        session_feed(session, copy, len - room);
        free(copy);
    }
    client->fed += len;
    client->input_len -= len;
    memmove(client->input, client->input + len, client->input_len);
    if (session->stall_ns < 0 || session->stall_ns > STALL_MAX_MS * NS_PER_MS)
        report_failure("client %llu should wait for %lld ns", (unsigned long long)client->number,
                       (long long)session->stall_ns);
    connection_of(session)->stalled_until_ns = network->now_ns + session->stall_ns;
    session->stall_ns = 0;
    for (unsigned i = 0; i < network->broker.worker_count; i++)
        if (session->delivery->outgoing[i].parcel)
            report_failure("messages for worker %u were not sent at the end of the input", i);
}

void network_tick(struct network *network, struct model_client *client)
{
    (void)network;
    struct session *session = client->session;
    delivery_set_time(session->delivery);
    session_tick(session);
    session_touch(session);
}

/* ---- output ---- */

static void observe_client(struct model_client *client)
{
    static struct iovec pieces[PIECES_MAX];
    struct session *session = client->session;
    struct outq *queue = &session->out;
    size_t pending = outq_pending_bytes(queue), at = 0;
    outq_verify(queue);
    if (pending < client->text_len)
        report_failure("client %llu: %zu bytes pending, %zu were",
                       (unsigned long long)client->number, pending, client->text_len);
    if (pending == client->text_len)
        return;
    if (pending > client->text_capacity) {
        client->text_capacity = 2 * pending;
        client->text = realloc(client->text, client->text_capacity);
    }
    int count = outq_peek(queue, pieces, PIECES_MAX, SIZE_MAX);
    for (int i = 0; i < count; i++) {
        size_t skip =
            at < client->text_len ? min_size(client->text_len - at, pieces[i].iov_len) : 0;
        at += pieces[i].iov_len;
        memcpy(client->text + at - (pieces[i].iov_len - skip), (char *)pieces[i].iov_base + skip,
               pieces[i].iov_len - skip);
    }
    if (at != pending || count == PIECES_MAX)
        report_failure("client %llu: %zu bytes pending, %zu in the queue",
                       (unsigned long long)client->number, pending, at);
    client->text_len = pending;
}

void network_observe(struct network *network)
{
    for (struct model_client *client = network->model->clients; client; client = client->next) {
        if (!client->session)
            continue;
        observe_client(client);
        if (client->text_len > 0 && !client->session->touched &&
            !connection_of(client->session)->waiting)
            report_failure("client %llu has %zu bytes pending and nobody is to write them",
                           (unsigned long long)client->number, client->text_len);
    }
}

/* What goes out is what was seen in the queue when it was put there. */
static void write_out(struct network *network, struct model_client *client, size_t most)
{
    struct session *session = client->session;
    while (most > 0 && !outq_is_empty(&session->out)) {
        struct iovec pieces[3];
        int count = outq_peek(&session->out, pieces, 3, most);
        size_t total = 0;
        for (int i = 0; i < count && total < most; i++) {
            size_t len = min_size(pieces[i].iov_len, most - total);
            if (total + len > client->text_len ||
                memcmp(client->text + total, pieces[i].iov_base, len) != 0)
                report_failure("client %llu: what is written is not what was queued",
                               (unsigned long long)client->number);
            total += len;
        }
        outq_written(&session->out, &session->delivery->pool, total);
        model_written(client, total);
        client->text_len -= total;
        client->taken -= total;
        most -= total;
        memmove(client->text, client->text + total, client->text_len);
    }
    if (session->gated && client->text_len <= (size_t)network->options.max_pending / 4 * 3) {
        session->gated = client->gated = false;
        session->delivery->gated--;
        network->model->workers[client->worker].gated--;
    }
}

static void flush_client(struct network *network, struct model_client *client, size_t most)
{
    struct session *session = client->session;
    struct connection *connection = connection_of(session);
    if (session->close_reason != client->failed)
        report_failure("client %llu: to be closed for reason %d, should be %d",
                       (unsigned long long)client->number, (int)session->close_reason,
                       (int)client->failed);
    if (session->close_reason != CLOSE_SLOW_PENDING)
        write_out(network, client, most);
    connection->waiting = !outq_is_empty(&session->out);
    if (session->close_reason != CLOSE_NONE)
        close_client(network, client, session->close_reason);
    else if (connection->end_of_input && !connection->waiting)
        close_client(network, client, CLOSE_CLIENT_CLOSED);
}

void network_flush(struct network *network, unsigned worker, size_t most)
{
    struct delivery *delivery = network->broker.deliveries[worker];
    struct session *session;
    delivery_set_time(delivery);
    while ((session = session_take_touched(delivery)) != NULL)
        flush_client(network, connection_of(session)->client, most);
    if (!delivery->garbage.head)
        return;
    struct network_garbage *batch = calloc(1, sizeof *batch);
    batch->list = delivery->garbage;
    delivery->garbage.head = NULL;
    struct network_garbage **place = &network->garbage[worker];
    while (*place)
        place = &(*place)->next;
    *place = batch;
}

void network_writable(struct model_client *client)
{
    session_touch(client->session);
}

/* ---- garbage ---- */

static bool mail_was_opened(const struct network *network, const struct network_garbage *batch,
                            unsigned worker)
{
    for (unsigned from = 0; from < network->broker.worker_count; from++)
        if (network->model->opened[from][worker] < batch->sent[from])
            return false;
    return true;
}

void network_collect(struct network *network, unsigned worker)
{
    struct network_garbage *batch;
    while ((batch = network->garbage[worker]) != NULL && batch->grace_over &&
           mail_was_opened(network, batch, worker)) {
        garbage_free_all(&batch->list);
        network->garbage[worker] = batch->next;
        free(batch);
    }
    for (; batch; batch = batch->next) {
        if (batch->grace_over)
            continue;
        batch->grace_over = true;
        for (unsigned from = 0; from < network->broker.worker_count; from++)
            batch->sent[from] = network->model->sent[from][worker];
    }
}
