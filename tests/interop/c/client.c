/* The official C client (libnats) through every case of tests/interop/cases.py: the frame that all
 * cases share.
 *
 * The program runs one case and prints JSON lines: steps for the driver, then the result. A failed
 * check ends the program at once from whichever thread saw it; `finished` makes sure that only one
 * result line is ever printed. */
#include "client.h"

#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *running = "";
static _Atomic int checks;
static atomic_flag finished = ATOMIC_FLAG_INIT;

static void print_escaped(const char *text)
{
    for (; *text; text++) {
        unsigned char byte = (unsigned char)*text;
        if (byte == '"' || byte == '\\')
            printf("\\%c", byte);
        else if (byte < 0x20)
            printf("\\u%04x", byte);
        else
            putchar(byte);
    }
}

static void finish(const char *error)
{
    if (atomic_flag_test_and_set(&finished))
        return;
    printf("{\"case\": \"%s\", \"ok\": %s, \"checks\": %d", running, error ? "false" : "true",
           checks);
    if (error) {
        printf(", \"error\": \"");
        print_escaped(error);
        printf("\"");
    }
    printf("}\n");
    fflush(stdout);
    if (error)
        _Exit(1);
}

void client_check(bool holds, const char *format, ...)
{
    checks++;
    if (holds)
        return;
    char text[1024];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof(text), format, arguments);
    va_end(arguments);
    finish(text);
}

void client_must(natsStatus status, const char *what)
{
    client_check(status == NATS_OK, "%s: %s: %s", what, natsStatus_GetText(status),
                 nats_GetLastError(NULL) ? nats_GetLastError(NULL) : "");
}

void client_step(const char *name, const char *facts)
{
    char line[64] = "";
    printf("{\"step\": \"%s\"%s}\n", name, facts);
    fflush(stdout);
    client_check(fgets(line, sizeof(line), stdin) && strcmp(line, "go\n") == 0,
                 "the driver said '%s'", line);
}

natsOptions *client_options(const struct task *task)
{
    natsOptions *options = NULL;
    client_must(natsOptions_Create(&options), "options");
    client_must(natsOptions_SetURL(options, task->url), "url");
    client_must(natsOptions_SetTimeout(options, 10000), "timeout");
    client_must(natsOptions_SetMaxPendingMsgs(options, 1000000), "pending messages");
    return options;
}

natsConnection *client_connect(const struct task *task, natsOptions *options)
{
    natsConnection *connection = NULL;
    if (!options)
        options = client_options(task);
    client_must(natsConnection_Connect(&connection, options), "connect");
    natsOptions_Destroy(options);
    return connection;
}

void client_close(natsConnection *connection)
{
    natsConnection_Close(connection);
    natsConnection_Destroy(connection);
}

natsSubscription *client_subscribe(natsConnection *connection, const char *subject,
                                   const char *queue)
{
    natsSubscription *subscription = NULL;
    if (queue)
        client_must(natsConnection_QueueSubscribeSync(&subscription, connection, subject, queue),
                    subject);
    else
        client_must(natsConnection_SubscribeSync(&subscription, connection, subject), subject);
    return subscription;
}

void client_flush(natsConnection *connection)
{
    client_must(natsConnection_FlushTimeout(connection, 10000), "flush");
}

void client_publish_numbers(natsConnection *connection, const char *subject, int from, int to)
{
    for (int number = from; number < to; number++) {
        char text[16];
        snprintf(text, sizeof(text), "%d", number);
        client_must(natsConnection_PublishString(connection, subject, text), "publish");
    }
}

natsMsg *client_receive(natsSubscription *subscription)
{
    natsMsg *message = NULL;
    client_must(natsSubscription_NextMsg(&message, subscription, 20000), "the next message");
    return message;
}

void client_expect_text(natsSubscription *subscription, const char *text, const char *what)
{
    natsMsg *message = client_receive(subscription);
    client_check(strcmp(natsMsg_GetData(message), text) == 0, "%s: got '%s', expected '%s'", what,
                 natsMsg_GetData(message), text);
    client_check((size_t)natsMsg_GetDataLength(message) == strlen(text), "%s: length", what);
    natsMsg_Destroy(message);
}

void client_expect_numbers(natsSubscription *subscription, int from, int to, const char *what)
{
    for (int number = from; number < to; number++) {
        char text[16];
        snprintf(text, sizeof(text), "%d", number);
        client_expect_text(subscription, text, what);
    }
}

void client_expect_none(natsSubscription *subscription, const char *what)
{
    natsMsg *message = NULL;
    natsStatus status = natsSubscription_NextMsg(&message, subscription, 300);
    client_check(status == NATS_TIMEOUT, "%s: one message too many: %s", what,
                 natsStatus_GetText(status));
}

int client_wait_for(const _Atomic int *counter, int wanted, int seconds)
{
    for (int turn = 0; turn < seconds * 50 && *counter < wanted; turn++)
        nats_Sleep(20);
    return *counter;
}

int main(int count, char **words)
{
    if (count == 2 && strcmp(words[1], "--list") == 0) {
        for (const struct interop_case *one = interop_cases; one->name; one++)
            printf("%s\n", one->name);
        return 0;
    }
    struct task task = {count > 2 ? words[2] : NULL, count > 3 ? words[3] : NULL,
                        count > 4 ? words[4] : NULL, count > 5 ? words[5] : NULL};
    for (const struct interop_case *one = interop_cases; count > 2 && one->name; one++) {
        if (strcmp(one->name, words[1]) != 0)
            continue;
        running = one->name;
        one->run(&task);
        finish(NULL);
        nats_Close();
        return 0;
    }
    fprintf(stderr, "usage: %s CASE URL MONITOR [USER [PASSWORD]]; --list prints the cases\n",
            words[0]);
    return 2;
}
