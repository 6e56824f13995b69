/* Each event is a document with a head (its type, an id of its own, the time), the server, and what it is about. Its ids are
 * random rather than counted, so that threads share nothing and nobody can guess the next.
 *
 * Statistics are told a quarter of a second after the start, then at doubling intervals up to ten seconds; the connections of
 * each account with every change (workers queue these) and at the first of those times that comes thirty seconds after the last.
 */
#include "monitor/service_events.h"

#include <stdio.h>
#include <sys/random.h>

#include "broker/base/clock.h"
#include "broker/inspect.h"
#include "broker/system_queue.h"
#include "monitor/accstatz.h"
#include "monitor/service_envelope.h"
#include "monitor/values.h"

enum { SUBJECT_MAX = 512, EVENT_ID_LEN = 22 };

#define STATSZ_FIRST_NS   (NS_PER_SEC / 4)
#define STATSZ_LONGEST_NS (10 * NS_PER_SEC)
#define CONNECTIONS_NS    (30 * NS_PER_SEC)

#define TYPE_CONNECT     "io.nats.server.advisory.v1.client_connect"
#define TYPE_DISCONNECT  "io.nats.server.advisory.v1.client_disconnect"
#define TYPE_CONNECTIONS "io.nats.server.advisory.v1.account_connections"

/* ---- a message ---- */

struct message {
    struct text_buffer body;
    struct json_writer json;
};

static void message_init(struct message *message)
{
    text_buffer_init(&message->body, SERVICE_ANSWER_BYTES_MAX);
    json_write_init(&message->json, &message->body, 0);
}

static void message_fini(struct message *message)
{
    text_buffer_fini(&message->body);
}

static void publish(const char *subject, const struct text_buffer *body)
{
    if (!body->failed && system_queue_listened(subject))
        system_queue_publish(subject, (struct span){body->bytes, body->len});
}

static void write_id(struct json_writer *json)
{
    static const char digits[] = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
    unsigned char random[EVENT_ID_LEN * 2];
    char id[EVENT_ID_LEN + 1];
    size_t used = 0, len = 0;
    /* Bytes past the last whole 62 would favour the first digits. */
    const unsigned char even = (unsigned char)(256 / (sizeof digits - 1) * (sizeof digits - 1));
    while (len < EVENT_ID_LEN) {
        if (used == 0 && getrandom(random, sizeof random, 0) != (ssize_t)sizeof random)
            continue; /* a signal came in between */
        if (random[used] < even)
            id[len++] = digits[random[used] % (sizeof digits - 1)];
        used = (used + 1) % sizeof random;
    }
    id[len] = '\0';
    json_write_text(json, "id", id);
}

/* Opens the event. */
static void write_head(struct json_writer *json, const char *type)
{
    json_write_object(json, NULL);
    json_write_text(json, "type", type);
    write_id(json);
    json_write_time(json, "timestamp", clock_wall_ns());
    service_envelope_server(json, "server");
}

static void write_traffic(struct json_writer *json, const char *key, uint64_t msgs, uint64_t bytes)
{
    json_write_object(json, key);
    json_write_unsigned(json, "msgs", msgs);
    json_write_unsigned(json, "bytes", bytes);
    json_write_end(json);
}

/* ---- clients ---- */

static void write_client(struct json_writer *json, const struct system_client *client)
{
    json_write_object(json, "client");
    json_write_time(json, "start", client->start_wall_ns);
    json_write_text_if(json, "host", client->ip);
    json_write_unsigned(json, "id", client->cid);
    json_write_text_if(json, "acc", client->account);
    json_write_text_if(json, "user", client->user);
    json_write_text_if(json, "name", client->name);
    json_write_text_if(json, "lang", client->lang);
    json_write_text_if(json, "ver", client->version);
    bool gone = client->stop_wall_ns > 0; /* nats-server tells neither of these of one that comes */
    if (gone && client->rtt_ns > 0)
        json_write_signed(json, "rtt", client->rtt_ns);
    if (gone)
        json_write_time(json, "stop", client->stop_wall_ns);
    json_write_text_if(json, "name_tag", client->account); /* as in /connz */
    json_write_text(json, "kind", "Client");
    json_write_text(json, "client_type", "nats");
    json_write_end(json);
}

static void tell_connect(const struct system_task *task)
{
    struct message message;
    char subject[SUBJECT_MAX];
    message_init(&message);
    write_head(&message.json, TYPE_CONNECT);
    write_client(&message.json, &task->client);
    json_write_end(&message.json);
    snprintf(subject, sizeof subject, "$SYS.ACCOUNT.%s.CONNECT", task->about);
    publish(subject, &message.body);
    message_fini(&message);
}

/* `sent` is what the client sent: the reverse of all other documents. */
static void write_disconnect(struct message *message, const struct system_client *client)
{
    message_init(message);
    write_head(&message->json, TYPE_DISCONNECT);
    write_client(&message->json, client);
    write_traffic(&message->json, "sent", client->in_msgs, client->in_bytes);
    write_traffic(&message->json, "received", client->out_msgs, client->out_bytes);
    json_write_text(&message->json, "reason", client->reason);
    json_write_end(&message->json);
}

static void tell_disconnect(const struct system_task *task)
{
    struct message message;
    char subject[SUBJECT_MAX];
    write_disconnect(&message, &task->client);
    snprintf(subject, sizeof subject, "$SYS.ACCOUNT.%s.DISCONNECT", task->about);
    publish(subject, &message.body);
    message_fini(&message);
}

/* To the system account, and to the account where it was not let in. */
static void tell_auth_error(const struct system_task *task)
{
    struct inspect_identity server;
    struct message message;
    char subject[SUBJECT_MAX];
    inspect_identity(&server);
    write_disconnect(&message, &task->client);
    snprintf(subject, sizeof subject, "$SYS.SERVER.%s.CLIENT.AUTH.ERR", server.server_id);
    publish(subject, &message.body);
    message_fini(&message);
}

/* ---- connections of an account ---- */

static void write_connections(struct message *message, const struct inspect_account *account)
{
    message_init(message);
    write_head(&message->json, TYPE_CONNECTIONS);
    accstatz_write_fields(account, &message->json);
    json_write_end(&message->json);
}

static void publish_connections(const struct inspect_account *account)
{
    char subject[SUBJECT_MAX], legacy[SUBJECT_MAX];
    struct message message;
    snprintf(subject, sizeof subject, "$SYS.ACCOUNT.%s.SERVER.CONNS", account->name);
    snprintf(legacy, sizeof legacy, "$SYS.SERVER.ACCOUNT.%s.CONNS", account->name);
    if (!system_queue_listened(subject) && !system_queue_listened(legacy))
        return;
    write_connections(&message, account);
    publish(legacy, &message.body);
    publish(subject, &message.body);
    message_fini(&message);
}

static void tell_one(void *unused, const struct inspect_account *account)
{
    (void)unused;
    publish_connections(account);
}

static void tell_if_connected(void *unused, const struct inspect_account *account)
{
    (void)unused;
    if (account->connections > 0)
        publish_connections(account);
}

static void answer_if_connected(void *context, const struct inspect_account *account)
{
    const struct span no_headers = {.ptr = NULL};
    const struct system_task *task = context;
    struct message message;
    if (account->connections == 0)
        return;
    write_connections(&message, account);
    if (!message.body.failed)
        system_queue_answer(task, no_headers, (struct span){message.body.bytes, message.body.len});
    message_fini(&message);
}

void service_events_answer_connections(const struct system_task *task)
{
    struct system_task copy = *task;
    inspect_accounts(task->about, answer_if_connected, &copy);
}

/* ---- statistics ---- */

static void count_active(void *context, const struct inspect_account *account)
{
    unsigned *active = context;
    *active += account->connections > 0;
}

/* Only when something was slow, or went stale. */
static void write_family(struct json_writer *json, const struct inspect_server *server,
                         enum metric_id id)
{
    struct value_series series;
    uint64_t sum = 0;
    for (size_t n = 0; values_family(server, NULL, id, n, &series); n++)
        sum += series.value;
    if (sum == 0)
        return;
    json_write_object(json, metric_descriptors[id].key);
    for (size_t n = 0; values_family(server, NULL, id, n, &series); n++)
        json_write_unsigned(json, series.key, series.value);
    json_write_end(json);
}

void service_events_write_statsz(struct json_writer *json)
{
    struct inspect_server server;
    unsigned active = 0;
    inspect_server(&server);
    inspect_accounts(NULL, count_active, &active);
    const uint64_t *cells = server.cells;
    json_write_object(json, NULL);
    json_write_time(json, "start", server.start_wall_ns);
    json_write_unsigned(json, "mem", server.resident_bytes);
    json_write_unsigned(json, "cores", server.cores);
    json_write_real(json, "cpu", server.cpu_percent);
    json_write_unsigned(json, "connections", cells[METRIC_connections]);
    json_write_unsigned(json, "total_connections", cells[METRIC_total_connections]);
    json_write_unsigned(json, "active_accounts", active);
    json_write_unsigned(json, "subscriptions", server.subscriptions);
    write_traffic(json, "sent", cells[METRIC_out_msgs], cells[METRIC_out_bytes]);
    write_traffic(json, "sent_to_clients", cells[METRIC_out_msgs], cells[METRIC_out_bytes]);
    write_traffic(json, "received", cells[METRIC_in_msgs], cells[METRIC_in_bytes]);
    write_traffic(json, "received_from_clients", cells[METRIC_in_msgs], cells[METRIC_in_bytes]);
    json_write_unsigned(json, "slow_consumers", cells[METRIC_slow_consumers]);
    write_family(json, &server, METRIC_slow_consumers_by_kind);
    if (cells[METRIC_stale_connections] > 0)
        json_write_unsigned(json, "stale_connections", cells[METRIC_stale_connections]);
    write_family(json, &server, METRIC_stale_connections_by_kind);
    if (cells[METRIC_stalled_clients] > 0)
        json_write_unsigned(json, "stalled_clients", cells[METRIC_stalled_clients]);
    json_write_unsigned(json, "active_servers", 1);
    json_write_unsigned(json, "gomaxprocs", server.workers);
    json_write_end(json);
}

static void statsz_subject(char *out)
{
    struct inspect_identity server;
    inspect_identity(&server);
    snprintf(out, SUBJECT_MAX, "$SYS.SERVER.%s.STATSZ", server.server_id);
}

void service_events_publish_statsz(const struct text_buffer *message)
{
    char subject[SUBJECT_MAX];
    statsz_subject(subject);
    publish(subject, message);
}

static void tell_statsz(void)
{
    char subject[SUBJECT_MAX];
    statsz_subject(subject);
    if (!system_queue_listened(subject))
        return;
    struct service_envelope envelope;
    service_envelope_init(&envelope);
    struct json_writer json = service_envelope_data(&envelope, "statsz");
    service_events_write_statsz(&json);
    service_envelope_end(&envelope);
    publish(subject, &envelope.body);
    service_envelope_fini(&envelope);
}

/* ---- tasks ---- */

void service_events_tell(const struct system_task *task)
{
    switch (task->what) {
    case SYSTEM_EVENT_CONNECT: tell_connect(task); break;
    case SYSTEM_EVENT_DISCONNECT: tell_disconnect(task); break;
    case SYSTEM_EVENT_AUTH_ERROR: tell_auth_error(task); break;
    case SYSTEM_EVENT_ACCOUNT_CONNECTIONS: inspect_accounts(task->about, tell_one, NULL); break;
    default: check(false);
    }
}

/* ---- main's ---- */

int64_t service_events_tick(int64_t now_mono_ns)
{
    static int64_t interval_ns, statsz_ns, connections_ns; /* when each was told last */
    if (interval_ns == 0) {
        interval_ns = STATSZ_FIRST_NS;
        statsz_ns = connections_ns = now_mono_ns;
    } else if (now_mono_ns - statsz_ns >= interval_ns) {
        tell_statsz();
        statsz_ns = now_mono_ns;
        interval_ns = interval_ns * 2 < STATSZ_LONGEST_NS ? interval_ns * 2 : STATSZ_LONGEST_NS;
    }
    if (now_mono_ns - connections_ns >= CONNECTIONS_NS) {
        inspect_accounts(NULL, tell_if_connected, NULL);
        connections_ns = now_mono_ns;
    }
    return statsz_ns + interval_ns - now_mono_ns;
}

void service_events_tell_server(const char *what)
{
    struct inspect_identity server;
    char subject[SUBJECT_MAX];
    inspect_identity(&server);
    snprintf(subject, sizeof subject, "$SYS.SERVER.%s.%s", server.server_id, what);
    if (!system_queue_listened(subject))
        return;
    struct message message;
    message_init(&message);
    service_envelope_server(&message.json, NULL);
    if (!message.body.failed)
        system_queue_publish_and_wait(subject, (struct span){message.body.bytes, message.body.len});
    message_fini(&message);
}
