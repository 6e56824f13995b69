/* The cases of the C client about messages. Each is one function that checks as it goes; what runs
 * on libnats' threads only counts into atomics or, in the order checks, into memory that one
 * subscription's thread alone writes. */
#include "client.h"
#include "connection.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void publish_subscribe(const struct task *task)
{
    natsConnection *publisher = client_connect(task, NULL);
    natsConnection *subscriber = client_connect(task, NULL);
    natsSubscription *subscription = client_subscribe(subscriber, "orders.new", NULL);
    client_flush(subscriber);
    client_publish_numbers(publisher, "orders.new", 0, 1000);
    client_must(natsConnection_PublishString(publisher, "orders.old", "other"), "publish");
    client_must(natsConnection_PublishString(publisher, "orders.new", ""), "publish");
    client_expect_numbers(subscription, 0, 1000, "payloads in order");
    client_expect_text(subscription, "", "the empty payload");
    client_expect_none(subscription, "nothing else");
    natsSubscription_Destroy(subscription);
    client_close(publisher);
    client_close(subscriber);
}

static void wildcards(const struct task *task)
{
    static const char *const sent[] = {"a", "a.b", "a.c",   "a.b.c", "a.b.c.d",
                                       "b", "b.b", "x.b.c", NULL};
    static const struct {
        const char *pattern;
        const char *subjects[9];
    } expected[] = {
        {"a.*", {"a.b", "a.c"}},
        {"a.>", {"a.b", "a.c", "a.b.c", "a.b.c.d"}},
        {"*", {"a", "b"}},
        {"*.b.*", {"a.b.c", "x.b.c"}},
        {"a.*.c", {"a.b.c"}},
        {">", {"a", "a.b", "a.c", "a.b.c", "a.b.c.d", "b", "b.b", "x.b.c"}},
    };
    enum { PATTERNS = sizeof(expected) / sizeof(expected[0]) };
    natsConnection *client = client_connect(task, NULL);
    natsSubscription *subscriptions[PATTERNS];
    for (int index = 0; index < PATTERNS; index++)
        subscriptions[index] = client_subscribe(client, expected[index].pattern, NULL);
    client_flush(client);
    for (int index = 0; sent[index]; index++)
        client_must(natsConnection_PublishString(client, sent[index], sent[index]), "publish");
    for (int index = 0; index < PATTERNS; index++) {
        for (int next = 0; expected[index].subjects[next]; next++) {
            natsMsg *message = client_receive(subscriptions[index]);
            client_check(strcmp(natsMsg_GetSubject(message), expected[index].subjects[next]) == 0,
                         "on %s: got %s, expected %s", expected[index].pattern,
                         natsMsg_GetSubject(message), expected[index].subjects[next]);
            natsMsg_Destroy(message);
        }
        client_expect_none(subscriptions[index], expected[index].pattern);
        natsSubscription_Destroy(subscriptions[index]);
    }
    client_close(client);
}

struct member {
    natsConnection *connection;
    natsSubscription *subscription;
    int numbers[2000];
    int count;
};

static _Atomic int group_count;

static void keep_number(natsConnection *connection, natsSubscription *subscription,
                        natsMsg *message, void *closure)
{
    struct member *member = closure;
    (void)connection;
    (void)subscription;
    if (member->count < 2000)
        member->numbers[member->count++] = atoi(natsMsg_GetData(message));
    natsMsg_Destroy(message);
    group_count++;
}

static void queue_groups(const struct task *task)
{
    static struct member members[4];
    static int times[2000];
    for (int index = 0; index < 4; index++) {
        struct member *one = &members[index];
        one->connection = client_connect(task, NULL);
        client_must(natsConnection_QueueSubscribe(&one->subscription, one->connection, "work.*",
                                                  "workers", keep_number, one),
                    "queue subscribe");
        client_flush(one->connection);
    }
    natsConnection *plain = client_connect(task, NULL);
    natsConnection *publisher = client_connect(task, NULL);
    natsSubscription *everything = client_subscribe(plain, "work.>", NULL);
    natsSubscription *other = client_subscribe(plain, "work.item", "auditors");
    client_flush(plain);
    client_publish_numbers(publisher, "work.item", 0, 2000);
    client_expect_numbers(everything, 0, 2000, "the plain subscriber");
    client_expect_numbers(other, 0, 2000, "the other group's only member");
    int got = client_wait_for(&group_count, 2000, 10);
    client_check(got == 2000, "the group got %d of 2000", got);
    for (int index = 0; index < 4; index++) {
        struct member *one = &members[index];
        client_check(one->count > 250, "member %d got only %d of 2000", index, one->count);
        for (int next = 0; next < one->count; next++) {
            times[one->numbers[next]]++;
            client_check(next == 0 || one->numbers[next - 1] < one->numbers[next],
                         "order at member %d: %d after %d", index, one->numbers[next],
                         next ? one->numbers[next - 1] : 0);
        }
        natsSubscription_Destroy(one->subscription);
        client_close(one->connection);
    }
    for (int number = 0; number < 2000; number++)
        client_check(times[number] == 1, "message %d came %d times", number, times[number]);
    natsSubscription_Destroy(everything);
    natsSubscription_Destroy(other);
    client_close(plain);
    client_close(publisher);
}

static void answer_echo(natsConnection *connection, natsSubscription *subscription,
                        natsMsg *message, void *closure)
{
    char text[64];
    (void)subscription;
    (void)closure;
    snprintf(text, sizeof(text), "re:%s", natsMsg_GetData(message));
    natsConnection_PublishString(connection, natsMsg_GetReply(message), text);
    natsMsg_Destroy(message);
}

static void request_reply(const struct task *task)
{
    natsConnection *service = client_connect(task, NULL);
    natsConnection *asker = client_connect(task, NULL);
    natsOptions *old_style = client_options(task);
    client_must(natsOptions_UseOldRequestStyle(old_style, true), "old style");
    natsConnection *old = client_connect(task, old_style);
    natsSubscription *subscription = NULL;
    client_must(natsConnection_Subscribe(&subscription, service, "service.echo", answer_echo, NULL),
                "subscribe");
    client_flush(service);
    for (int number = 0; number < 200; number++) {
        char text[32], expected[40];
        natsMsg *reply = NULL;
        snprintf(text, sizeof(text), "%d", number);
        snprintf(expected, sizeof(expected), "re:%s", text);
        natsConnection *from = number % 10 == 9 ? old : asker;
        client_must(natsConnection_RequestString(&reply, from, "service.echo", text, 10000),
                    "request");
        client_check(strcmp(natsMsg_GetData(reply), expected) == 0, "got %s, expected %s",
                     natsMsg_GetData(reply), expected);
        natsMsg_Destroy(reply);
    }
    natsSubscription_Destroy(subscription);
    client_close(old);
    client_close(asker);
    client_close(service);
}

static void no_responders(const struct task *task)
{
    natsConnection *client = client_connect(task, NULL);
    natsMsg *reply = NULL;
    natsStatus status = natsConnection_RequestString(&reply, client, "nobody.home", "hello", 5000);
    client_check(status == NATS_NO_RESPONDERS, "no responders: %s", natsStatus_GetText(status));
    natsSubscription *listener = client_subscribe(client, "nobody.home", NULL);
    client_flush(client);
    status = natsConnection_RequestString(&reply, client, "nobody.home", "hello", 300);
    client_check(status == NATS_TIMEOUT, "silence: %s", natsStatus_GetText(status));
    client_expect_text(listener, "hello", "the silent service heard it");
    natsSubscription_Destroy(listener);
    client_close(client);
}

static void answer_headers(natsConnection *connection, natsSubscription *subscription,
                           natsMsg *message, void *closure)
{
    const char **keys = NULL;
    int key_count = 0;
    natsMsg *reply = NULL;
    (void)subscription;
    (void)closure;
    client_must(natsMsg_Create(&reply, natsMsg_GetReply(message), NULL, "body", 4), "reply");
    client_must(natsMsgHeader_Keys(message, &keys, &key_count), "header names");
    for (int index = 0; index < key_count; index++) {
        char name[64];
        const char **values = NULL;
        int value_count = 0;
        snprintf(name, sizeof(name), "Seen-%s", keys[index]);
        client_must(natsMsgHeader_Values(message, keys[index], &values, &value_count), "values");
        for (int value = 0; value < value_count; value++)
            client_must(natsMsgHeader_Add(reply, name, values[value]), "add");
        free((void *)values);
    }
    free((void *)keys);
    client_must(natsConnection_PublishMsg(connection, reply), "publish the reply");
    natsMsg_Destroy(reply);
    natsMsg_Destroy(message);
}

static void expect_header(natsMsg *message, const char *name, int index, const char *expected)
{
    const char **values = NULL;
    int count = 0;
    client_must(natsMsgHeader_Values(message, name, &values, &count), name);
    client_check(count > index && strcmp(values[index], expected) == 0,
                 "header %s, value %d of %d: expected '%s'", name, index, count, expected);
    free((void *)values);
}

static void headers(const struct task *task)
{
    natsConnection *service = client_connect(task, NULL);
    natsConnection *asker = client_connect(task, NULL);
    natsSubscription *subscription = NULL;
    client_must(
        natsConnection_Subscribe(&subscription, service, "with.headers", answer_headers, NULL),
        "subscribe");
    client_flush(service);
    natsMsg *request = NULL, *reply = NULL;
    client_must(natsMsg_Create(&request, "with.headers", NULL, "", 0), "message");
    client_must(natsMsgHeader_Add(request, "Trace-Id", "abc:def ghi"), "add");
    client_must(natsMsgHeader_Add(request, "Trace-Id", "second"), "add");
    client_must(natsMsgHeader_Set(request, "lower-case", "1"), "set");
    client_must(natsConnection_RequestMsg(&reply, asker, request, 10000), "request");
    expect_header(reply, "Seen-Trace-Id", 0, "abc:def ghi");
    expect_header(reply, "Seen-Trace-Id", 1, "second");
    expect_header(reply, "Seen-lower-case", 0, "1");
    client_check(natsMsg_GetDataLength(reply) == 4 && !memcmp(natsMsg_GetData(reply), "body", 4),
                 "payload beside headers");
    natsSubscription *plain = client_subscribe(asker, "plain", NULL);
    client_must(natsConnection_PublishString(asker, "plain", "none"), "publish");
    natsMsg *message = client_receive(plain);
    const char *value = NULL;
    client_check(natsMsgHeader_Get(message, "Trace-Id", &value) == NATS_NOT_FOUND,
                 "no headers where none were sent");
    natsMsg_Destroy(message);
    natsMsg_Destroy(request);
    natsMsg_Destroy(reply);
    natsSubscription_Destroy(plain);
    natsSubscription_Destroy(subscription);
    client_close(asker);
    client_close(service);
}

static _Atomic int drain_count, drain_wrong, drain_closed;

static void count_drained(natsConnection *connection, natsSubscription *subscription,
                          natsMsg *message, void *closure)
{
    (void)connection;
    (void)subscription;
    (void)closure;
    nats_Sleep(1);
    if (atoi(natsMsg_GetData(message)) != drain_count)
        drain_wrong++;
    drain_count++;
    natsMsg_Destroy(message);
}

static void note_closed(natsConnection *connection, void *closure)
{
    (void)connection;
    (void)closure;
    drain_closed++;
}

static void drain_one(const struct task *task, natsConnection *publisher, bool whole)
{
    natsOptions *options = client_options(task);
    client_must(natsOptions_SetClosedCB(options, note_closed, NULL), "closed callback");
    natsConnection *client = client_connect(task, options);
    natsSubscription *subscription = NULL;
    drain_count = 0;
    drain_closed = 0;
    client_must(natsConnection_Subscribe(&subscription, client, "drain.it", count_drained, NULL),
                "subscribe");
    natsSubscription *echo = client_subscribe(publisher, "drain.last", NULL);
    client_flush(client);
    client_flush(publisher);
    client_publish_numbers(publisher, "drain.it", 0, 200);
    client_flush(publisher);
    client_flush(client);
    client_must(natsConnection_PublishString(client, "drain.last", "bye"), "publish");
    if (whole) {
        client_must(natsConnection_Drain(client), "drain the connection");
        client_check(client_wait_for(&drain_closed, 1, 20) == 1, "the drained connection closes");
    } else {
        client_must(natsSubscription_Drain(subscription), "drain the subscription");
        client_must(natsSubscription_WaitForDrainCompletion(subscription, 20000), "drained");
    }
    client_expect_text(echo, "bye", "what was published before the drain");
    client_publish_numbers(publisher, "drain.it", 999, 1000);
    client_flush(publisher);
    client_check(drain_count == 200 && drain_wrong == 0, "got %d of 200, %d out of order",
                 drain_count, drain_wrong);
    client_check(natsConnection_IsClosed(client) == whole, "only a connection's drain closes it");
    natsSubscription_Destroy(echo);
    natsSubscription_Destroy(subscription);
    client_close(client);
    /* The callback comes from a thread of its own, and must not be counted in the next round. */
    client_check(client_wait_for(&drain_closed, 1, 20) == 1, "closed once");
}

static void drain(const struct task *task)
{
    natsConnection *publisher = client_connect(task, NULL);
    drain_one(task, publisher, false);
    drain_one(task, publisher, true);
    client_close(publisher);
}

static void auto_unsubscribe(const struct task *task)
{
    natsConnection *client = client_connect(task, NULL);
    natsSubscription *early = client_subscribe(client, "limited", NULL);
    client_must(natsSubscription_AutoUnsubscribe(early, 5), "limit");
    natsSubscription *late = client_subscribe(client, "limited", NULL);
    natsSubscription *control = client_subscribe(client, "limited", NULL);
    client_flush(client);
    client_publish_numbers(client, "limited", 0, 3);
    client_expect_numbers(late, 0, 3, "before the limit is set");
    client_must(natsSubscription_AutoUnsubscribe(late, 5), "limit");
    client_publish_numbers(client, "limited", 3, 20);
    client_expect_numbers(control, 0, 20, "the unlimited one");
    client_expect_numbers(early, 0, 5, "five messages");
    client_expect_numbers(late, 3, 5, "two more, five in all");
    client_step("subscriptions", ", \"expected\": 1");
    natsSubscription_Destroy(early);
    natsSubscription_Destroy(late);
    natsSubscription_Destroy(control);
    client_close(client);
}

static void large_payload(const struct task *task)
{
    static const int sizes[] = {1048576, 65536, 1048576, 1};
    static char payload[1048576];
    natsConnection *client = client_connect(task, NULL);
    client_check(natsConnection_GetMaxPayload(client) == 1048576, "max_payload in INFO");
    natsSubscription *subscription = client_subscribe(client, "large", NULL);
    client_flush(client);
    uint32_t state = 2463534242u;
    for (size_t index = 0; index < sizeof(sizes) / sizeof(sizes[0]); index++) {
        for (int byte = 0; byte < sizes[index]; byte++) {
            state = state * 1664525u + 1013904223u;
            payload[byte] = (char)(state >> 24);
        }
        client_must(natsConnection_Publish(client, "large", payload, sizes[index]), "publish");
        natsMsg *message = client_receive(subscription);
        client_check(natsMsg_GetDataLength(message) == sizes[index] &&
                         memcmp(natsMsg_GetData(message), payload, (size_t)sizes[index]) == 0,
                     "%d bytes came back changed", sizes[index]);
        natsMsg_Destroy(message);
    }
    natsSubscription_Destroy(subscription);
    client_close(client);
}

static void max_payload_error(const struct task *task)
{
    static char payload[1048577];
    natsConnection *client = client_connect(task, NULL);
    natsStatus status = natsConnection_Publish(client, "large", payload, sizeof(payload));
    client_check(status == NATS_MAX_PAYLOAD, "refused: %s", natsStatus_GetText(status));
    natsSubscription *subscription = client_subscribe(client, "large", NULL);
    client_must(natsConnection_PublishString(client, "large", "small"), "publish");
    client_expect_text(subscription, "small", "the connection still works");
    natsSubscription_Destroy(subscription);
    client_close(client);
}

const struct interop_case interop_cases[] = {
    {"publish_subscribe", publish_subscribe},
    {"wildcards", wildcards},
    {"queue_groups", queue_groups},
    {"request_reply", request_reply},
    {"no_responders", no_responders},
    {"headers", headers},
    {"drain", drain},
    {"auto_unsubscribe", auto_unsubscribe},
    {"large_payload", large_payload},
    {"max_payload_error", max_payload_error},
    {"rtt_flush", connection_rtt_flush},
    {"connection_visible", connection_visible},
    {"reconnect", connection_reconnect},
    {"user_password", connection_accepted},
    {"wrong_password", connection_refused},
    {"missing_credentials", connection_refused},
    {"token", connection_accepted},
    {"wrong_token", connection_refused},
    {"permission_violation", connection_permission_violation},
    {"many_connections", connection_many},
    {NULL, NULL},
};
