/* publish: one payload, count times, or each line of stdin.
 *
 * "Done" means that the server has taken it: before exit everything is flushed, and a refusal
 * (permissions, size) is an error. Interrupted, it tells how many were sent and still flushes them.
 */
#include "client/connection.h"
#include "client/input.h"
#include "client/interrupt.h"
#include "client/payload.h"
#include "client/say.h"
#include "client/subject.h"
#include "client/verbs.h"

#include <inttypes.h>
#include <stdio.h>
#include <unistd.h>

struct publishing {
    const struct options *options;
    natsConnection *conn;
    struct payload payload;
    uint64_t sent, bytes;
};

static int publish_check(const struct options *options)
{
    if (subject_check_literal("subject", options->arguments.items[0]) != 0 ||
        (options->reply && subject_check_literal("--reply", options->reply) != 0) ||
        payload_check_headers(options) != 0)
        return -1;
    if (options->lines && (options->file || options->repeat != 1 || options->arguments.count > 1)) {
        say_line(
            "--lines reads the messages from stdin: leave out the payload, --file and --count");
        return -1;
    }
    return 0;
}

static int publish_one(struct publishing *p, const struct payload *payload)
{
    const char *subject = p->options->arguments.items[0];
    natsMsg *message = NULL;
    natsStatus status = payload_message(&message, payload, &p->options->header, subject,
                                        p->options->reply, p->sent + 1);
    size_t len = status == NATS_OK ? (size_t)natsMsg_GetDataLength(message) : 0;
    if (status == NATS_OK)
        status = natsConnection_PublishMsg(p->conn, message);
    natsMsg_Destroy(message);
    if (status == NATS_MAX_PAYLOAD) {
        say_line("the message of %zu bytes is larger than the server's max_payload of %" PRId64,
                 len, natsConnection_GetMaxPayload(p->conn));
        return -1;
    }
    if (status == NATS_NO_SERVER_SUPPORT) {
        say_line("the server does not support headers: leave out --header");
        return -1;
    }
    if (status != NATS_OK) {
        connection_say("publishing failed", status);
        return -1;
    }
    p->sent++;
    p->bytes += len;
    return 0;
}

static int publish_repeated(struct publishing *p)
{
    while (p->sent < p->options->repeat && !interrupt_stopped()) {
        if (publish_one(p, &p->payload) != 0)
            return -1;
        if (p->options->interval > 0 && p->sent < p->options->repeat)
            interrupt_wait(p->options->interval);
    }
    return 0;
}

static int publish_lines(struct publishing *p)
{
    struct input input;
    struct span line;
    input_init(&input, STDIN_FILENO, "stdin");
    int got;
    while ((got = input_line(&input, &line)) > 0) {
        struct payload payload = {.data = line};
        if (publish_one(p, &payload) != 0) {
            got = -1;
            break;
        }
        if (p->options->interval > 0)
            interrupt_wait(p->options->interval);
    }
    input_fini(&input);
    return got;
}

int publish_run(const struct options *options)
{
    struct publishing p = {.options = options};
    int status = EXIT_STATUS_FAILED;
    if (publish_check(options) != 0 || payload_load(&p.payload, options) != 0)
        goto cleanup;
    if (connection_open(&p.conn, options, options->server, 0) != 0)
        goto cleanup;
    int sending = options->lines ? publish_lines(&p) : publish_repeated(&p);
    if (connection_settle(p.conn, options) != 0 || sending != 0)
        goto cleanup;
    printf("published %" PRIu64 " %s, %" PRIu64 " bytes, to %s\n", p.sent,
           p.sent == 1 ? "message" : "messages", p.bytes, options->arguments.items[0]);
    status = EXIT_STATUS_DONE;
cleanup:
    connection_close(&p.conn);
    connection_fini();
    payload_fini(&p.payload);
    return status;
}
