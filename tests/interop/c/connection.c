/* The cases of the C client about connections: credentials, reconnecting, permissions, many at a
 * time. Callbacks run on libnats' threads and only count; the order checks write memory that one
 * subscription's thread alone owns. */
#include "connection.h"

#include "client.h"

#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

enum { PUBLISHERS = 10, SUBSCRIBERS = 5, EACH = 10000, TOTAL = PUBLISHERS * EACH };

void connection_rtt_flush(const struct task *task)
{
    natsConnection *client = client_connect(task, NULL);
    for (int turn = 0; turn < 20; turn++) {
        int64_t rtt = 0;
        client_must(natsConnection_GetRTT(client, &rtt), "rtt");
        client_check(rtt > 0 && rtt < 5000000000, "round trip of %lld ns", (long long)rtt);
        client_flush(client);
    }
    client_close(client);
}

void connection_visible(const struct task *task)
{
    char facts[128];
    natsOptions *options = client_options(task);
    client_must(natsOptions_SetName(options, "interop c"), "name");
    natsConnection *client = client_connect(task, options);
    client_flush(client);
    snprintf(facts, sizeof(facts),
             ", \"name\": \"interop c\", \"lang\": \"C\", \"version\": \"%s\"", nats_GetVersion());
    client_step("connz", facts);
    client_close(client);
}

static void count_event(natsConnection *connection, void *closure)
{
    _Atomic int *counter = closure;
    (void)connection;
    (*counter)++;
}

void connection_reconnect(const struct task *task)
{
    static _Atomic int lost, back;
    natsOptions *options = client_options(task);
    client_must(natsOptions_SetReconnectWait(options, 100), "reconnect wait");
    client_must(natsOptions_SetMaxReconnect(options, 1000), "reconnect tries");
    client_must(natsOptions_SetDisconnectedCB(options, count_event, (void *)&lost), "callback");
    client_must(natsOptions_SetReconnectedCB(options, count_event, (void *)&back), "callback");
    natsConnection *client = client_connect(task, options);
    natsSubscription *plain = client_subscribe(client, "again.*", NULL);
    natsSubscription *queue = client_subscribe(client, "again.>", "group");
    client_flush(client);
    client_step("restart", "");
    client_check(client_wait_for(&lost, 1, 20) == 1, "no disconnect was reported");
    client_check(client_wait_for(&back, 1, 20) == 1, "no reconnect was reported");
    client_flush(client);
    natsConnection *other = client_connect(task, NULL);
    client_publish_numbers(other, "again.x", 0, 10);
    client_flush(other);
    client_expect_numbers(plain, 0, 10, "after the reconnect");
    client_expect_numbers(queue, 0, 10, "after the reconnect, in the group");
    natsSubscription_Destroy(plain);
    natsSubscription_Destroy(queue);
    client_close(other);
    client_close(client);
}

static natsOptions *with_credentials(const struct task *task)
{
    natsOptions *options = client_options(task);
    client_must(natsOptions_SetAllowReconnect(options, false), "no reconnect");
    if (task->password)
        client_must(natsOptions_SetUserInfo(options, task->user, task->password), "user");
    else if (task->user)
        client_must(natsOptions_SetToken(options, task->user), "token");
    return options;
}

void connection_accepted(const struct task *task)
{
    natsConnection *client = client_connect(task, with_credentials(task));
    natsSubscription *subscription = client_subscribe(client, "with.credentials", NULL);
    client_must(natsConnection_PublishString(client, "with.credentials", "in"), "publish");
    client_expect_text(subscription, "in", "a message with credentials");
    natsSubscription_Destroy(subscription);
    client_close(client);
}

void connection_refused(const struct task *task)
{
    natsConnection *client = NULL;
    natsOptions *options = with_credentials(task);
    natsStatus status = natsConnection_Connect(&client, options);
    client_check(status == NATS_CONNECTION_AUTH_FAILED, "the error's type: %s",
                 natsStatus_GetText(status));
    natsOptions_Destroy(options);
}

static _Atomic int permission_publish, permission_subscribe, permission_other;

static void note_error(natsConnection *connection, natsSubscription *subscription,
                       natsStatus status, void *closure)
{
    const char *text = NULL;
    (void)subscription;
    (void)closure;
    natsConnection_GetLastError(connection, &text);
    if (status == NATS_NOT_PERMITTED && text && strstr(text, "Publish to \"closed.subject\""))
        permission_publish++;
    else if (status == NATS_NOT_PERMITTED && text &&
             strstr(text, "Subscription to \"closed.listen\""))
        permission_subscribe++;
    else
        permission_other++;
}

void connection_permission_violation(const struct task *task)
{
    natsOptions *options = with_credentials(task);
    client_must(natsOptions_SetErrorHandler(options, note_error, NULL), "error callback");
    natsConnection *client = client_connect(task, options);
    client_must(natsConnection_PublishString(client, "closed.subject", "no"), "publish");
    client_check(client_wait_for(&permission_publish, 1, 10) == 1, "no error for the publish");
    natsSubscription *closed = client_subscribe(client, "closed.listen", NULL);
    client_check(client_wait_for(&permission_subscribe, 1, 10) == 1, "no error for the SUB");
    client_check(permission_other == 0, "%d unexpected errors", permission_other);
    natsSubscription *subscription = client_subscribe(client, "open.subject", NULL);
    client_must(natsConnection_PublishString(client, "open.subject", "yes"), "publish");
    client_expect_text(subscription, "yes", "what is allowed still works");
    natsSubscription_Destroy(closed);
    natsSubscription_Destroy(subscription);
    client_close(client);
}

struct listener {
    natsConnection *connection;
    natsSubscription *subscription;
    int nexts[PUBLISHERS];
    _Atomic int count;
    _Atomic int wrong;
};

static void keep_order(natsConnection *connection, natsSubscription *subscription, natsMsg *message,
                       void *closure)
{
    struct listener *listener = closure;
    int publisher = 0, number = 0;
    (void)connection;
    (void)subscription;
    if (sscanf(natsMsg_GetData(message), "%d:%d", &publisher, &number) != 2 || publisher < 0 ||
        publisher >= PUBLISHERS || listener->nexts[publisher] != number)
        listener->wrong++;
    else
        listener->nexts[publisher] = number + 1;
    natsMsg_Destroy(message);
    listener->count++;
}

void connection_many(const struct task *task)
{
    static struct listener listeners[SUBSCRIBERS];
    natsConnection *senders[PUBLISHERS];
    long long size = 0;
    char text[128];
    for (int index = 0; index < SUBSCRIBERS; index++) {
        struct listener *one = &listeners[index];
        one->connection = client_connect(task, NULL);
        client_must(natsConnection_Subscribe(&one->subscription, one->connection, "load.*",
                                             keep_order, one),
                    "subscribe");
        client_must(natsSubscription_SetPendingLimits(one->subscription, -1, -1), "limits");
        client_flush(one->connection);
    }
    for (int index = 0; index < PUBLISHERS; index++)
        senders[index] = client_connect(task, NULL);
    for (int number = 0; number < EACH; number++) {
        for (int index = 0; index < PUBLISHERS; index++) {
            char subject[16];
            snprintf(subject, sizeof(subject), "load.%d", index);
            size += snprintf(text, sizeof(text), "%d:%d", index, number);
            client_must(natsConnection_PublishString(senders[index], subject, text), "publish");
        }
    }
    for (int index = 0; index < PUBLISHERS; index++)
        client_flush(senders[index]);
    for (int index = 0; index < SUBSCRIBERS; index++) {
        int got = client_wait_for(&listeners[index].count, TOTAL, 180);
        client_check(got == TOTAL, "subscriber %d got %d of %d", index, got, TOTAL);
        client_check(listeners[index].wrong == 0, "subscriber %d: %d out of order", index,
                     listeners[index].wrong);
    }
    snprintf(text, sizeof(text),
             ", \"in_msgs\": %d, \"out_msgs\": %d, \"in_bytes\": %lld, \"out_bytes\": %lld, "
             "\"connections\": %d",
             TOTAL, TOTAL * SUBSCRIBERS, size, size * SUBSCRIBERS, PUBLISHERS + SUBSCRIBERS);
    client_step("counts", text);
    for (int index = 0; index < SUBSCRIBERS; index++) {
        natsSubscription_Destroy(listeners[index].subscription);
        client_close(listeners[index].connection);
    }
    for (int index = 0; index < PUBLISHERS; index++)
        client_close(senders[index]);
}
