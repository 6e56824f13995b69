/* Each value is compared where it is kept, so that a sum cannot hide two wrongs. */
#include "tests/sim/verify.h"

#include <stdlib.h>

#include "broker/base/mem.h"
#include "tests/sim/report.h"

static void equal(const char *owner, uint64_t number, const char *what, uint64_t is,
                  uint64_t should)
{
    if (is != should)
        report_failure("%s %llu: %s is %llu, should be %llu", owner, (unsigned long long)number,
                       what, (unsigned long long)is, (unsigned long long)should);
}

/* ---- counters ---- */

static void verify_client(const struct model_client *client)
{
    struct session *session = client->session;
    if (client->taken != client->text_len)
        report_failure("client %llu was sent what nothing called for: %s",
                       (unsigned long long)client->number,
                       report_quote((struct span){client->text + client->taken,
                                                  client->text_len - client->taken}));
    equal("client", client->number, "its close reason", session->close_reason, client->failed);
    equal("client", client->number, "in_msgs", session->in_msgs, client->in_msgs);
    equal("client", client->number, "in_bytes", session->in_bytes, client->in_bytes);
    equal("client", client->number, "out_msgs", session->out_msgs, client->out_msgs);
    equal("client", client->number, "out_bytes", session->out_bytes, client->out_bytes);
    equal("client", client->number, "pending bytes", outq_pending_bytes(&session->out),
          client->text_len);
    equal("client", client->number, "subscriptions", session->sub_count, client->sub_count);
    equal("client", client->number, "gated", session->gated, client->gated);
    equal("client", client->number, "messages that wait to be written",
          outq_unsent_messages(&session->out), client->message_count);
}

static void verify_worker(const struct network *network, unsigned index)
{
    const struct model_worker *model = &network->model->workers[index];
    const struct delivery *delivery = network->broker.deliveries[index];
    const struct account_worker *account = network->broker.global_account->workers[index];
    const struct {
        const char *name;
        uint64_t is, should;
    } rows[] = {
#define CELL(name) {#name, metrics_get(&delivery->cells, METRIC_##name), model->name}
        CELL(in_msgs),
        CELL(in_bytes),
        CELL(out_msgs),
        CELL(out_bytes),
        CELL(connections),
        CELL(total_connections),
        CELL(slow_consumers),
        CELL(no_responders),
        CELL(protocol_errors),
#undef CELL
        {"stale connections", metrics_get(&delivery->cells, METRIC_stale_connections),
         model->stale},
        {"gated", delivery->gated, model->gated},
        {"account in_msgs", account->in_msgs, model->in_msgs},
        {"account in_bytes", account->in_bytes, model->in_bytes},
        {"account out_msgs", account->out_msgs, model->out_msgs},
        {"account out_bytes", account->out_bytes, model->out_bytes},
        {"account connections", account->connections, model->connections},
        {"account slow_consumers", account->slow_consumers, model->slow_consumers},
    };
    for (size_t i = 0; i < array_length(rows); i++)
        equal("worker", index, rows[i].name, rows[i].is, rows[i].should);
    for (int reason = 0; reason < CLOSE_REASON_COUNT; reason++)
        equal("worker", index, reason ? close_reason_label(reason) : "closed for no reason",
              delivery->closed[reason], model->closed[reason]);
    uint64_t refused = delivery->dropped[DROP_QUEUE_FULL];
    if (refused < model->refused_min || refused > model->refused_max)
        report_failure(
            "worker %u: %llu messages are dropped for want of room, should be %llu to %llu", index,
            (unsigned long long)refused, (unsigned long long)model->refused_min,
            (unsigned long long)model->refused_max);
    uint64_t dropped = 0;
    for (int reason = 0; reason < DROP_REASON_COUNT; reason++)
        dropped += delivery->dropped[reason];
    equal("worker", index, "dropped_msgs, of all reasons",
          metrics_get(&delivery->cells, METRIC_dropped_msgs), dropped);
    uint64_t unmatched = metrics_get(&delivery->cells, METRIC_unmatched_msgs);
    if (unmatched < model->unmatched_min || unmatched > model->unmatched_max)
        report_failure("worker %u: unmatched_msgs is %llu, should be %llu to %llu", index,
                       (unsigned long long)unmatched, (unsigned long long)model->unmatched_min,
                       (unsigned long long)model->unmatched_max);
}

void verify_step(const struct network *network)
{
    for (unsigned i = 0; i < network->broker.worker_count; i++)
        network_count(network->broker.deliveries[i]);
    for (const struct model_client *client = network->model->clients; client; client = client->next)
        if (client->session)
            verify_client(client);
    for (unsigned i = 0; i < network->broker.worker_count; i++)
        verify_worker(network, i);
}

/* ---- structures ---- */

static const struct model_client *client_of(const struct model *model,
                                            const struct session *session)
{
    const struct model_client *client = model->clients;
    while (client && client->session != session)
        client = client->next;
    return client;
}

static void verify_subs(const struct network *network, struct model_client *client)
{
    uint32_t count = 0;
    for (const struct sub *sub = client->session->subs; sub; sub = sub->next, count++) {
        const struct model_sub *model = model_find_sub(client, sub_sid(sub));
        if (!model || !span_equal(sub_subject(sub), span_of(model->subject)) ||
            !span_equal(sub_queue(sub), span_of(model->queue)))
            report_failure("client %llu has a subscription with sid %s, and should not",
                           (unsigned long long)client->number, report_quote(sub_sid(sub)));
        equal("client", client->number, "a subscription's count", sub->delivered, model->delivered);
        equal("client", client->number, "a subscription's maximum", sub->max, model->max);
        if (sub->worker != client->worker || sub->gone ||
            client_of(network->model, sub->session) != client)
            report_failure("client %llu sid %s: a listed subscription is gone or another's",
                           (unsigned long long)client->number, model->sid);
    }
    equal("client", client->number, "listed subscriptions", count, client->sub_count);
}

/* Whether the match holds this subscription as often as it should: once in its place, or not at
 * all. */
static void verify_matched(const struct match *match, const struct model_sub *model,
                           const char *subject)
{
    uint32_t plain = 0, grouped = 0;
    for (uint32_t i = 0; i < match->sub_count; i++) {
        const struct sub *sub = match->subs[i];
        if (sub->session != model->client->session ||
            !span_equal(sub_sid(sub), span_of(model->sid)))
            continue;
        plain += i < match->plain_count;
        grouped += i >= match->plain_count;
    }
    uint32_t wanted = model_matches(model->subject, subject);
    equal("client", model->client->number, "a subscription's place among plain matches", plain,
          model->queue[0] ? 0 : wanted);
    equal("client", model->client->number, "a subscription's place among groups", grouped,
          model->queue[0] ? wanted : 0);
}

static void verify_match(const struct network *network, const struct match *match,
                         const char *subject)
{
    uint32_t count = 0;
    check(match);
    for (const struct model_client *client = network->model->clients; client;
         client = client->next) {
        for (const struct model_sub *sub = client->subs; sub; sub = sub->next) {
            verify_matched(match, sub, subject);
            count += model_matches(sub->subject, subject);
        }
    }
    equal("match", match->sub_count, "its count", match->sub_count, count);
    for (uint32_t i = 0; i < match->group_count; i++)
        for (uint32_t j = 1; j < match->groups[i].count; j++)
            if (!span_equal(sub_queue(match->subs[match->groups[i].first]),
                            sub_queue(match->subs[match->groups[i].first + j])))
                report_failure("a match of %s mixes queue groups", subject);
}

/* Each worker's roster is the open clients that it has. */
static void verify_rosters(const struct network *network)
{
    for (unsigned i = 0; i < network->broker.worker_count; i++) {
        const struct roster *roster = &network->broker.deliveries[i]->sessions;
        uint64_t listed = 0, open = 0;
        const struct session *session;
        roster_verify(roster);
        for (uint32_t slot = 0; (session = roster_next(roster, &slot)) != NULL; listed++)
            if (!client_of(network->model, session))
                report_failure("worker %u: its roster has a session that nobody has", i);
        for (const struct model_client *client = network->model->clients; client;
             client = client->next) {
            if (!client->session || client->worker != i)
                continue;
            open++;
            if (roster_at(roster, client->session->slot) != client->session)
                report_failure("client %llu is not where the roster should have it",
                               (unsigned long long)client->number);
        }
        equal("worker", i, "sessions in the roster", listed, open);
    }
}

void verify_structures(const struct network *network, const char *const *subjects, size_t count)
{
    struct account *account = network->broker.global_account;
    uint64_t subs = 0;
    sublist_verify(account->interest);
    verify_rosters(network);
    for (struct model_client *client = network->model->clients; client; client = client->next) {
        if (client->session)
            verify_subs(network, client);
        subs += client->sub_count;
    }
    equal("interest", 0, "subscriptions", sublist_counts(account->interest).subscriptions, subs);
    struct match *fresh = NULL;
    size_t capacity = 0;
    for (size_t i = 0; i < count; i++) {
        check(sublist_match(account->interest, span_of(subjects[i]), &fresh, &capacity) == 0);
        verify_match(network, fresh, subjects[i]);
        for (unsigned worker = 0; worker < network->broker.worker_count; worker++)
            verify_match(network,
                         match_cache_find(&account->workers[worker]->cache, span_of(subjects[i]),
                                          hash_bytes(subjects[i], strlen(subjects[i]))),
                         subjects[i]);
    }
    mem_free(fresh);
}
