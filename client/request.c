/* request: sends, waits, prints. Several requests go one after the other, like ping.
 *
 * The three ways in which no answer comes are told apart, in the text and in the exit status:
 * nobody is subscribed (the server says so at once), nobody answered in time, or the request could
 * not be made. A failed request does not keep the next from being tried; the exit status is that of
 * the first failure. */
#include "client/connection.h"
#include "client/interrupt.h"
#include "client/output.h"
#include "client/payload.h"
#include "client/say.h"
#include "client/subject.h"
#include "client/verbs.h"

#include <inttypes.h>

struct requesting {
    const struct options *options;
    natsConnection *conn;
    struct payload payload;
    uint64_t sent, replies;
    int64_t least_ns, most_ns, sum_ns;
};

static void add_time(struct requesting *r, int64_t took_ns)
{
    if (r->replies == 0 || took_ns < r->least_ns)
        r->least_ns = took_ns;
    if (took_ns > r->most_ns)
        r->most_ns = took_ns;
    r->sum_ns += took_ns;
    r->replies++;
}

static COLD int say_no_reply(const struct requesting *r, natsStatus status)
{
    const char *subject = r->options->arguments.items[0];
    char time[CLOCK_TEXT_MAX];
    switch (status) {
    case NATS_NO_RESPONDERS:
        say_line("no responders: nobody is subscribed to %s", subject);
        return EXIT_STATUS_NO_RESPONDERS;
    case NATS_TIMEOUT:
        say_line("timeout: no reply to %s within %s; allow more with --timeout", subject,
                 clock_go_duration(r->options->timeout, time));
        return EXIT_STATUS_TIMEOUT;
    case NATS_MAX_PAYLOAD:
        say_line("the request is larger than the server's max_payload of %" PRId64,
                 natsConnection_GetMaxPayload(r->conn));
        return EXIT_STATUS_FAILED;
    case NATS_NO_SERVER_SUPPORT:
        say_line("the server does not support headers: leave out --header");
        return EXIT_STATUS_FAILED;
    default: connection_say("the request failed", status); return EXIT_STATUS_FAILED;
    }
}

static int request_one(struct requesting *r)
{
    const struct options *options = r->options;
    natsMsg *message = NULL, *reply = NULL;
    natsStatus status = payload_message(&message, &r->payload, &options->header,
                                        options->arguments.items[0], NULL, r->sent + 1);
    int64_t started_ns = clock_mono_ns();
    if (status == NATS_OK)
        status =
            natsConnection_RequestMsg(&reply, r->conn, message, connection_ms(options->timeout));
    int64_t took_ns = clock_mono_ns() - started_ns;
    natsMsg_Destroy(message);
    r->sent++;
    if (status != NATS_OK)
        return interrupt_exit_status() ? interrupt_exit_status() : say_no_reply(r, status);
    add_time(r, took_ns);
    output_message(options, reply, r->sent, took_ns);
    natsMsg_Destroy(reply);
    return EXIT_STATUS_DONE;
}

static void say_summary(const struct requesting *r)
{
    char least[CLOCK_TEXT_MAX], mean[CLOCK_TEXT_MAX], most[CLOCK_TEXT_MAX];
    if (r->replies == 0) {
        say_line("%" PRIu64 " requests, no replies", r->sent);
        return;
    }
    say_line("%" PRIu64 " requests, %" PRIu64 " replies, min %s mean %s max %s", r->sent,
             r->replies, clock_rtt(r->least_ns, least),
             clock_rtt(r->sum_ns / (int64_t)r->replies, mean), clock_rtt(r->most_ns, most));
}

static int request_repeated(struct requesting *r)
{
    int status = EXIT_STATUS_DONE;
    while (r->sent < r->options->repeat && !interrupt_stopped()) {
        int one = request_one(r);
        if (status == EXIT_STATUS_DONE)
            status = one;
        if (one == EXIT_STATUS_FAILED)
            break;
        if (r->options->interval > 0 && r->sent < r->options->repeat)
            interrupt_wait(r->options->interval);
    }
    if (r->options->repeat > 1)
        say_summary(r);
    return status ? status : interrupt_exit_status();
}

int request_run(const struct options *options)
{
    struct requesting r = {.options = options};
    int status = EXIT_STATUS_FAILED;
    if (options->raw && options->json) {
        say_line("--raw and --json exclude each other: give one");
        goto cleanup;
    }
    if (subject_check_literal("subject", options->arguments.items[0]) != 0 ||
        payload_check_headers(options) != 0 || payload_load(&r.payload, options) != 0 ||
        connection_open(&r.conn, options, options->server, 0) != 0)
        goto cleanup;
    status = request_repeated(&r);
cleanup:
    connection_close(&r.conn);
    connection_fini();
    payload_fini(&r.payload);
    return status;
}
