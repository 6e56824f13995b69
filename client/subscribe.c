/* subscribe: prints messages until interrupted or until --count of them came.
 *
 * All subscriptions share one connection and one delivery thread, so that messages of different
 * subjects are printed in the order in which the server sent them. That thread alone touches `seen`
 * and `bytes` until connection_fini. */
#include "client/connection.h"
#include "client/interrupt.h"
#include "client/output.h"
#include "client/say.h"
#include "client/subject.h"
#include "client/verbs.h"

#include "broker/base/mem.h"

#include <inttypes.h>

struct subscribing {
    const struct options *options;
    uint64_t seen, bytes;
};

static void on_message(natsConnection *conn, natsSubscription *sub, natsMsg *message, void *closure)
{
    (void)conn;
    (void)sub;
    struct subscribing *s = closure;
    bool enough = s->options->count > 0 && s->seen >= s->options->count;
    if (!enough && !interrupt_stopped()) {
        s->seen++;
        s->bytes += (uint64_t)natsMsg_GetDataLength(message);
        output_message(s->options, message, s->seen, -1);
        if (s->seen == s->options->count)
            interrupt_stop(EXIT_STATUS_DONE);
    }
    natsMsg_Destroy(message);
}

static int check_options(const struct options *options)
{
    for (size_t i = 0; i < options->arguments.count; i++) {
        if (subject_check_pattern("subject", options->arguments.items[i]) != 0)
            return -1;
    }
    if (options->queue && subject_check_queue(options->queue) != 0)
        return -1;
    if (options->raw && options->json) {
        say_line("--raw and --json exclude each other: give one");
        return -1;
    }
    return 0;
}

static int subscribe_all(struct subscribing *s, natsConnection *conn, natsSubscription **subs)
{
    const struct options *options = s->options;
    for (size_t i = 0; i < options->arguments.count; i++) {
        const char *subject = options->arguments.items[i];
        natsStatus status = options->queue
                                ? natsConnection_QueueSubscribe(&subs[i], conn, subject,
                                                                options->queue, on_message, s)
                                : natsConnection_Subscribe(&subs[i], conn, subject, on_message, s);
        if (status != NATS_OK) {
            connection_say(subject, status);
            return -1;
        }
    }
    return connection_settle(conn, options);
}

/* Messages that the library threw away because printing was too slow. */
static int64_t count_dropped(natsSubscription **subs, size_t count)
{
    int64_t all = 0;
    for (size_t i = 0; i < count; i++) {
        int64_t dropped = 0;
        if (subs[i] && natsSubscription_GetDropped(subs[i], &dropped) == NATS_OK)
            all += dropped;
    }
    return all;
}

int subscribe_run(const struct options *options)
{
    struct subscribing s = {.options = options};
    natsConnection *conn = NULL;
    size_t count = options->arguments.count;
    natsSubscription **subs = NULL;
    int status = EXIT_STATUS_FAILED;
    bool listened = false;
    if (check_options(options) != 0)
        goto cleanup;
    subs = mem_zalloc_or_exit(count * sizeof *subs);
    if (connection_open(&conn, options, options->server,
                        CONNECTION_RECONNECT | CONNECTION_ONE_THREAD) != 0 ||
        subscribe_all(&s, conn, subs) != 0)
        goto cleanup;
    listened = true;
    say_line("listening on %s%s", options->arguments.items[0], count > 1 ? " and more" : "");
    interrupt_wait(-1);
    status = interrupt_exit_status();
    int64_t dropped = count_dropped(subs, count);
    if (dropped > 0) {
        say_line("%" PRId64
                 " messages were dropped here, because they came faster than they could be printed",
                 dropped);
        status = EXIT_STATUS_FAILED;
    }
cleanup:
    connection_drain(conn, options);
    connection_wait_drained(conn, options);
    for (size_t i = 0; subs && i < count; i++)
        natsSubscription_Destroy(subs[i]);
    connection_close(&conn);
    connection_fini();
    if (listened)
        say_line("received %" PRIu64 " %s, %" PRIu64 " bytes", s.seen,
                 s.seen == 1 ? "message" : "messages", s.bytes);
    mem_free(subs);
    return status;
}
