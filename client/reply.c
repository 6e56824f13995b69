/* reply: answers requests on one subject, one after the other, on the library's delivery thread.
 *
 * A command that fails is answered too, with the headers by which NATS services tell errors
 * (Nats-Service-Error, Nats-Service-Error-Code), so that the requester does not wait for its
 * time-out. */
#include "client/command.h"
#include "client/connection.h"
#include "client/interrupt.h"
#include "client/output.h"
#include "client/payload.h"
#include "client/say.h"
#include "client/subject.h"
#include "client/verbs.h"

#include "broker/base/mem.h"

#include <inttypes.h>

struct replying {
    const struct options *options;
    struct payload payload;
    uint64_t seen;
};

/* The answer that the options ask for; *failure is set when it tells of a failed command. */
static natsStatus make_answer(struct replying *r, natsConnection *conn, natsMsg *request,
                              natsMsg **answer, const char **failure)
{
    const struct options *options = r->options;
    const char *to = natsMsg_GetReply(request);
    const char *bytes = natsMsg_GetData(request);
    struct span data = {bytes ? bytes : "", (size_t)natsMsg_GetDataLength(request)};
    struct payload payload = r->payload;
    struct command_result result = {0};
    if (options->echo) {
        payload = (struct payload){.data = data};
    } else if (options->command) {
        command_run(options->command, natsMsg_GetSubject(request), data,
                    (size_t)natsConnection_GetMaxPayload(conn), options->timeout, &result);
        payload = (struct payload){.data = {result.bytes, result.failure ? 0 : result.len}};
    }
    natsStatus status = payload_message(answer, &payload, &options->header, to, NULL, r->seen);
    if (status == NATS_OK && result.failure) {
        natsMsgHeader_Set(*answer, "Nats-Service-Error", result.failure);
        natsMsgHeader_Set(*answer, "Nats-Service-Error-Code", "500");
    }
    *failure = result.failure;
    mem_free(result.bytes);
    return status;
}

static void answer_request(struct replying *r, natsConnection *conn, natsMsg *request)
{
    natsMsg *answer = NULL;
    const char *failure = NULL;
    natsStatus status = make_answer(r, conn, request, &answer, &failure);
    if (status == NATS_OK)
        status = natsConnection_PublishMsg(conn, answer);
    if (status != NATS_OK)
        connection_say("a request could not be answered", status);
    else
        printf("#%" PRIu64 " %s, %d bytes, answered with %d bytes\n", r->seen,
               natsMsg_GetSubject(request), natsMsg_GetDataLength(request),
               natsMsg_GetDataLength(answer));
    if (failure)
        say_line("--command: %s; the requester got an error", failure);
    natsMsg_Destroy(answer);
    output_flush();
}

static void on_request(natsConnection *conn, natsSubscription *sub, natsMsg *request, void *closure)
{
    (void)sub;
    struct replying *r = closure;
    bool enough = r->options->count > 0 && r->seen >= r->options->count;
    if (!enough && !interrupt_stopped()) {
        r->seen++;
        if (natsMsg_GetReply(request))
            answer_request(r, conn, request);
        else
            say_line("a message on %s wants no reply", natsMsg_GetSubject(request));
        if (r->seen == r->options->count)
            interrupt_stop(EXIT_STATUS_DONE);
    }
    natsMsg_Destroy(request);
}

static int check_options(const struct options *options)
{
    int answers = (options->arguments.count > 1) + options->echo + (options->command != NULL);
    if (answers != 1) {
        say_line("%s: give one of PAYLOAD, --echo or --command",
                 answers == 0 ? "the answer is missing" : "there is more than one answer");
        return -1;
    }
    if (subject_check_pattern("subject", options->arguments.items[0]) != 0 ||
        (options->queue && subject_check_queue(options->queue) != 0))
        return -1;
    return payload_check_headers(options);
}

int reply_run(const struct options *options)
{
    struct replying r = {.options = options};
    const char *subject = options->arguments.items[0];
    natsConnection *conn = NULL;
    natsSubscription *sub = NULL;
    int status = EXIT_STATUS_FAILED;
    if (check_options(options) != 0 || payload_load(&r.payload, options) != 0 ||
        connection_open(&conn, options, options->server,
                        CONNECTION_RECONNECT | CONNECTION_SEND_NOW) != 0)
        goto cleanup;
    natsStatus made =
        options->queue
            ? natsConnection_QueueSubscribe(&sub, conn, subject, options->queue, on_request, &r)
            : natsConnection_Subscribe(&sub, conn, subject, on_request, &r);
    if (made != NATS_OK) {
        connection_say(subject, made);
        goto cleanup;
    }
    if (connection_settle(conn, options) != 0)
        goto cleanup;
    say_line("answering on %s", subject);
    interrupt_wait(-1);
    status = interrupt_exit_status();
    if (status == EXIT_STATUS_DONE && connection_settle(conn, options) != 0)
        status = EXIT_STATUS_FAILED;
cleanup:
    connection_drain(conn, options);
    connection_wait_drained(conn, options);
    natsSubscription_Destroy(sub);
    connection_close(&conn);
    connection_fini();
    if (status == EXIT_STATUS_DONE)
        say_line("answered %" PRIu64 " %s", r.seen, r.seen == 1 ? "request" : "requests");
    payload_fini(&r.payload);
    return status;
}
