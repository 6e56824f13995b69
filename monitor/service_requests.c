/* Most services are a document of the monitoring port in an envelope: their row in `documents` has a function that writes it.
 * What comes back from one:
 *
 *     0            it is written
 *     ERR_INVALID  it cannot be, and the text says why: error 500
 *     ERR_MEMORY   the same
 *     SILENT       whoever asked is not to hear anything
 *
 * The rest answers in forms of its own. A request that says nothing of where the answer goes is not worked on, but for the
 * statistics: these go to everybody then.
 */
#include "monitor/service_requests.h"

#include <ctype.h>
#include <stdio.h>
#include <strings.h>

#include "broker/base/err.h"
#include "broker/inspect.h"
#include "broker/system_queue.h"
#include "monitor/absent.h"
#include "monitor/accountz.h"
#include "monitor/accstatz.h"
#include "monitor/debug_vars.h"
#include "monitor/service_envelope.h"
#include "monitor/service_events.h"
#include "monitor/service_options.h"
#include "monitor/varz.h"

enum { SILENT = 1 };

struct asked {
    const struct system_task *task;
    const struct endpoint_counts *counts;
    struct service_options options;
    struct text_buffer error;
};

/* ---- which servers are meant ---- */

static bool is_asked_for(const char *name)
{
    return name && *name;
}

static bool name_fits(const char *wanted, const char *name, bool exact)
{
    if (!is_asked_for(wanted))
        return true;
    return exact ? strcmp(name, wanted) == 0 : strstr(name, wanted) != NULL;
}

/* This server is in no cluster and no JetStream domain, and has no tags. */
static bool is_meant(const struct service_options *options)
{
    struct inspect_identity server;
    inspect_identity(&server);
    bool exact = options->filter.exact_match;
    return name_fits(options->filter.server_name, server.server_name, exact) &&
           name_fits(options->filter.host, server.host, exact) &&
           name_fits(options->filter.cluster, "", exact) && options->filter.tags.count == 0 &&
           !is_asked_for(options->filter.domain);
}

/* ---- documents ---- */

static int write_varz(struct asked *asked, struct json_writer *json)
{
    varz_write(asked->counts, json);
    return 0;
}

static int write_connz(struct asked *asked, struct json_writer *json)
{
    static const enum inspect_state states[] = {INSPECT_OPEN, INSPECT_CLOSED, INSPECT_ALL};
    struct service_options *options = &asked->options;
    bool known = options->state >= 0 && options->state < (int64_t)array_length(states);
    options->connz.state = known ? states[options->state] : INSPECT_NONE;
    if (asked->task->what == SYSTEM_ACCOUNT_CONNZ)
        options->connz.account = asked->task->about;
    return connz_write(&options->connz, json, &asked->error);
}

static int write_subsz(struct asked *asked, struct json_writer *json)
{
    if (asked->task->what == SYSTEM_ACCOUNT_SUBSZ) {
        asked->options.subsz.account = asked->task->about;
        asked->options.subsz.list = true;
    }
    return subsz_write(&asked->options.subsz, json, &asked->error);
}

static int write_routez(struct asked *asked, struct json_writer *json)
{
    (void)asked;
    absent_write_routez(json);
    return 0;
}

static int write_gatewayz(struct asked *asked, struct json_writer *json)
{
    (void)asked;
    absent_write_gatewayz(json);
    return 0;
}

static int write_leafz(struct asked *asked, struct json_writer *json)
{
    (void)asked;
    absent_write_leafz(json);
    return 0;
}

static int write_accountz(struct asked *asked, struct json_writer *json)
{
    return accountz_write(asked->options.account, json, &asked->error);
}

static int write_account_info(struct asked *asked, struct json_writer *json)
{
    return accountz_write_detail(asked->task->about, json, &asked->error);
}

static int write_accstatz(struct asked *asked, struct json_writer *json)
{
    const struct service_options *options = &asked->options;
    struct accstatz_options wanted = {options->accounts.all, options->accounts.count,
                                      options->include_unused};
    if (asked->task->what == SYSTEM_ACCOUNT_STATZ) {
        wanted.accounts = &asked->task->about;
        wanted.account_count = 1;
    }
    return accstatz_write(&wanted, json) > 0 || wanted.unused ? 0 : SILENT;
}

static int write_jsz(struct asked *asked, struct json_writer *json)
{
    if (asked->task->what == SYSTEM_ACCOUNT_JSZ) {
        text_buffer_text(&asked->error, "jetstream not enabled");
        return ERR_INVALID;
    }
    if (asked->options.leader_only)
        return SILENT;
    absent_write_jsz(json);
    return 0;
}

static int write_healthz(struct asked *asked, struct json_writer *json)
{
    asked->options.healthz.with_code = true;
    healthz_write(&asked->options.healthz, json);
    return 0;
}

static int write_expvarz(struct asked *asked, struct json_writer *json)
{
    (void)asked;
    json_write_object(json, NULL);
    debug_vars_write_fields(json);
    json_write_end(json);
    return 0;
}

static int write_nothing(struct asked *asked, struct json_writer *json)
{
    (void)asked;
    json_write_object(json, NULL);
    json_write_end(json);
    return 0;
}

static int (*const documents[SYSTEM_WHATS])(struct asked *asked, struct json_writer *json) = {
    [SYSTEM_VARZ] = write_varz,
    [SYSTEM_CONNZ] = write_connz,
    [SYSTEM_SUBSZ] = write_subsz,
    [SYSTEM_ROUTEZ] = write_routez,
    [SYSTEM_GATEWAYZ] = write_gatewayz,
    [SYSTEM_LEAFZ] = write_leafz,
    [SYSTEM_ACCOUNTZ] = write_accountz,
    [SYSTEM_JSZ] = write_jsz,
    [SYSTEM_HEALTHZ] = write_healthz,
    [SYSTEM_EXPVARZ] = write_expvarz,
    [SYSTEM_IPQUEUESZ] = write_nothing,
    [SYSTEM_RAFTZ] = write_nothing,
    [SYSTEM_ACCOUNT_CONNZ] = write_connz,
    [SYSTEM_ACCOUNT_SUBSZ] = write_subsz,
    [SYSTEM_ACCOUNT_LEAFZ] = write_leafz,
    [SYSTEM_ACCOUNT_JSZ] = write_jsz,
    [SYSTEM_ACCOUNT_INFO] = write_account_info,
    [SYSTEM_ACCOUNT_STATZ] = write_accstatz,
    [SYSTEM_ACCOUNTS_STATZ] = write_accstatz,
};

/* The text of an error, NUL at its end. */
static const char *error_text(struct asked *asked, int status)
{
    text_buffer_append(&asked->error, "", 1);
    if (status == ERR_MEMORY || asked->error.failed)
        return "out of memory";
    return asked->error.bytes;
}

static void answer_error(struct asked *asked, unsigned code, const char *text)
{
    struct service_envelope envelope;
    service_envelope_init(&envelope);
    service_envelope_error(&envelope, code, text, false);
    service_envelope_end(&envelope);
    service_envelope_answer(&envelope, asked->task, false);
    service_envelope_fini(&envelope);
}

static void answer_document(struct asked *asked)
{
    struct service_envelope envelope;
    service_envelope_init(&envelope);
    struct json_writer json = service_envelope_data(&envelope, "data");
    int status = documents[asked->task->what](asked, &json);
    if (status < 0)
        service_envelope_error(&envelope, 500, error_text(asked, status), true);
    service_envelope_end(&envelope);
    if (status != SILENT)
        service_envelope_answer(&envelope, asked->task, status == 0);
    service_envelope_fini(&envelope);
}

/* ---- statistics ---- */

/* status: of reading the options. */
static void answer_statsz(struct asked *asked, int status)
{
    struct service_envelope envelope;
    service_envelope_init(&envelope);
    if (status == 0) {
        struct json_writer json = service_envelope_data(&envelope, "statsz");
        service_events_write_statsz(&json);
    } else {
        service_envelope_error(&envelope, 400, error_text(asked, status), false);
    }
    service_envelope_end(&envelope);
    if (*asked->task->reply)
        service_envelope_answer(&envelope, asked->task, false);
    else
        service_events_publish_statsz(&envelope.body);
    service_envelope_fini(&envelope);
}

/* ---- orders ---- */

static void answer_done(struct asked *asked)
{
    struct service_envelope envelope;
    service_envelope_init(&envelope);
    service_envelope_end(&envelope);
    service_envelope_answer(&envelope, asked->task, false);
    service_envelope_fini(&envelope);
}

static void give_order(struct asked *asked)
{
    bool kick = asked->task->what == SYSTEM_KICK;
    if (asked->task->body.len == 0)
        return;
    int status =
        system_queue_order(kick ? SYSTEM_ORDER_KICK : SYSTEM_ORDER_LAME_DUCK, asked->options.cid);
    if (status == 0)
        answer_done(asked);
    else if (status == ERR_MEMORY)
        answer_error(asked, 500, "out of memory");
    else
        answer_error(asked, 500, kick ? "no such client or leafnode id" : "no such client id");
}

/* ---- forms of their own ---- */

static void answer_identity(struct asked *asked)
{
    const struct span no_headers = {.ptr = NULL};
    struct inspect_identity server;
    struct text_buffer body;
    struct json_writer json;
    inspect_identity(&server);
    text_buffer_init(&body, SERVICE_ANSWER_BYTES_MAX);
    json_write_init(&json, &body, 0);
    json_write_object(&json, NULL);
    json_write_text(&json, "name", server.server_name);
    json_write_text(&json, "host", server.host);
    json_write_text(&json, "id", server.server_id);
    json_write_end(&json);
    if (!body.failed)
        system_queue_answer(asked->task, no_headers, (struct span){body.bytes, body.len});
    text_buffer_fini(&body);
}

/* Who asks about another account than its own learns nothing. */
static void answer_user_info(struct asked *asked)
{
    const struct system_client *client = &asked->task->client;
    bool own = strcmp(asked->task->about, client->account) == 0;
    struct service_envelope envelope;
    service_envelope_init(&envelope);
    struct json_writer json = service_envelope_data(&envelope, "data");
    json_write_object(&json, NULL);
    json_write_text(&json, "user", own ? client->user : "");
    json_write_text(&json, "account", own ? client->account : "");
    json_write_text_if(&json, "account_name", own ? client->account : "");
    json_write_end(&json);
    service_envelope_end(&envelope);
    service_envelope_answer(&envelope, asked->task, false);
    service_envelope_fini(&envelope);
}

static void answer_count(struct asked *asked, uint64_t count)
{
    const struct span no_headers = {.ptr = NULL};
    char text[24];
    int len = snprintf(text, sizeof text, "%llu", (unsigned long long)count);
    system_queue_answer(asked->task, no_headers, (struct span){text, (size_t)len});
}

/* The body: a subject, and perhaps a queue's name. */
static void answer_subscribers(struct asked *asked)
{
    struct span words[3] = {{.ptr = ""}}, body = asked->task->body;
    size_t count = 0;
    for (size_t at = 0; at < body.len && count < array_length(words);) {
        while (at < body.len && isspace((unsigned char)body.ptr[at]))
            at++;
        size_t start = at;
        while (at < body.len && !isspace((unsigned char)body.ptr[at]))
            at++;
        if (at > start)
            words[count++] = (struct span){body.ptr + start, at - start};
    }
    if (count < array_length(words))
        answer_count(asked, inspect_subscribers(asked->task->client.account, words[0], words[1]));
}

/* Of an account that somebody is connected to. */
static void answer_account_subscribers(struct asked *asked)
{
    const struct service_options *options = &asked->options;
    const struct span any = {.ptr = ""};
    if (options->account && options->subject && inspect_account_is_used(options->account))
        answer_count(asked, inspect_subscribers(options->account, span_of(options->subject), any));
}

static void answer_connections(struct asked *asked)
{
    const char *named = asked->options.account;
    if (!named || strcmp(named, asked->task->about) == 0)
        service_events_answer_connections(asked->task);
}

/* ---- the request ---- */

/* What is said of a body that cannot be read: nothing where only servers ask, or where it is an order. */
static bool complains(enum system_what what)
{
    return what != SYSTEM_KICK && what != SYSTEM_LDM && what != SYSTEM_ACCOUNT_CONNS &&
           what != SYSTEM_ACCOUNT_NSUBS;
}

static void answer_read(struct asked *asked)
{
    switch (asked->task->what) {
    case SYSTEM_KICK:
    case SYSTEM_LDM: give_order(asked); break;
    case SYSTEM_RELOAD:
        answer_error(asked, 500, "this server does not reload its configuration: restart it");
        break;
    case SYSTEM_ACCOUNT_CONNS: answer_connections(asked); break;
    case SYSTEM_ACCOUNT_NSUBS: answer_account_subscribers(asked); break;
    default: answer_document(asked);
    }
}

/* $SYS.REQ.ACCOUNT.PING.STATZ is a service of its own, SYSTEM_ACCOUNTS_STATZ, which answers too. */
static bool is_taken_twice(const struct system_task *task)
{
    return task->what == SYSTEM_ACCOUNT_STATZ && strcmp(task->about, "PING") == 0;
}

static void answer_with_options(struct asked *asked)
{
    const struct system_task *task = asked->task;
    int status = service_options_read(task->what, task->body, &asked->options, &asked->error);
    if (task->what == SYSTEM_STATSZ && (status != 0 || is_meant(&asked->options)))
        answer_statsz(asked, status);
    else if (status != 0 && complains(task->what))
        answer_error(asked, status == ERR_MEMORY ? 500 : 400, error_text(asked, status));
    else if (status == 0 && task->what != SYSTEM_STATSZ && is_meant(&asked->options))
        answer_read(asked);
    service_options_fini(&asked->options);
}

void service_requests_answer(const struct system_task *task, const struct endpoint_counts *counts)
{
    struct asked asked = {.task = task, .counts = counts};
    bool for_nobody = !*task->reply && task->what != SYSTEM_STATSZ && complains(task->what);
    if (for_nobody || is_taken_twice(task))
        return;
    text_buffer_init(&asked.error, SERVICE_ANSWER_BYTES_MAX);
    switch (task->what) {
    case SYSTEM_IDZ: answer_identity(&asked); break;
    case SYSTEM_USER_INFO: answer_user_info(&asked); break;
    case SYSTEM_DEBUG_SUBSCRIBERS: answer_subscribers(&asked); break;
    default: answer_with_options(&asked);
    }
    text_buffer_fini(&asked.error);
}
