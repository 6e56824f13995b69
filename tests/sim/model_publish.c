/* Who must get a message.
 *
 * Plain subscriptions: each that matches, exactly once; those of the publisher's worker at once,
 * the others as soon as the mails that were sent are opened. Which ones follow from the model
 * alone.
 *
 * Queue groups: any one member. Which one is the broker's choice, so it is told by what was sent,
 * or, while no member of the publisher's worker has it, a struct model_group waits for it to turn
 * up elsewhere. It may fail to only if a member went away meanwhile, was given another maximum, or
 * if every member that could take it may have been full.
 *
 * A maximum is a count of places. Publishers of other workers take them as they send, so a
 * subscription whose places are taken wants nothing more although some of it is still on its way.
 */
#include <stdio.h>
#include <stdlib.h>

#include "tests/sim/model.h"
#include "tests/sim/report.h"

enum place { PLACE_NONE, PLACE_PERHAPS, PLACE_SURE };

static enum place place_of(const struct model_sub *sub)
{
    if (sub->max == 0 || sub->claimed + sub->possible < sub->max)
        return PLACE_SURE;
    return sub->claimed < sub->max ? PLACE_PERHAPS : PLACE_NONE;
}

/* Whether the receiver is passed over for want of room. */
static bool without_room(const struct model *model, const struct model_client *client)
{
    return client->gated && model->options->no_fast_producer_stall;
}

static bool in_reach(const struct model *model, const struct model_client *from,
                     const struct model_sub *sub)
{
    const struct model_client *to = sub->client;
    if (to == from && !from->echo)
        return false;
    return (to->worker != from->worker || to->failed == CLOSE_NONE) && !without_room(model, to);
}

/* ---- plain subscriptions ---- */

static void owe(struct model *model, struct model_sub *sub, const struct message *message)
{
    struct model_owed *owed = calloc(1, sizeof *owed);
    report_trace("  message %u is owed to client %llu sid %s on %s, maximum %llu, claimed %llu",
                 message->id, (unsigned long long)sub->client->number, sub->sid, sub->subject,
                 (unsigned long long)sub->max, (unsigned long long)sub->claimed);
    owed->message = message;
    owed->due = model->sent[message->worker][sub->client->worker];
    *sub->owed_last = owed;
    sub->owed_last = &owed->next;
}

/* Marks those of the publisher's worker, notes what the others are owed; whether there is any of
 * these. */
static bool want_plain(struct model *model, struct model_client *from,
                       const struct message *message)
{
    bool sent = false;
    for (struct model_client *to = model->clients; to; to = to->next) {
        for (struct model_sub *sub = to->subs; sub; sub = sub->next) {
            sub->wanted = !sub->queue[0] && in_reach(model, from, sub) &&
                          place_of(sub) == PLACE_SURE &&
                          model_matches(sub->subject, message->subject);
            if (!sub->wanted)
                continue;
            sub->claimed += sub->max > 0;
            if (to->worker == from->worker)
                continue;
            sub->wanted = false;
            owe(model, sub, message);
            sent = true;
        }
    }
    return sent;
}

/* ---- for want of room ---- */

static bool refused(const struct model *model, const struct model_client *from,
                    const struct model_sub *sub, const struct message *message)
{
    const struct model_client *to = sub->client;
    return without_room(model, to) && (to != from || from->echo) &&
           (to->worker != from->worker || to->failed == CLOSE_NONE) &&
           place_of(sub) != PLACE_NONE && model_matches(sub->subject, message->subject);
}

/* Counts the plain subscriptions that have no room when the message is published; those of queue groups may count, one for each
 * group. */
static void count_refused(struct model *model, const struct model_client *from,
                          const struct message *message)
{
    struct model_worker *worker = &model->workers[from->worker];
    for (const struct model_client *to = model->clients; to; to = to->next) {
        for (const struct model_sub *sub = to->subs; sub; sub = sub->next) {
            if (!refused(model, from, sub, message))
                continue;
            worker->refused_min += !sub->queue[0] && place_of(sub) == PLACE_SURE;
            worker->refused_max++;
        }
    }
}

/* ---- queue groups ---- */

static struct model_group *add_candidate(struct model *model, struct model_group *groups,
                                         const struct model_sub *sub, const struct message *message)
{
    struct model_group *group = groups;
    while (group && strcmp(group->queue, sub->queue) != 0)
        group = group->next;
    if (!group) {
        group = calloc(1, sizeof *group);
        group->message = message;
        memcpy(group->queue, sub->queue, sizeof group->queue);
        group->next = groups;
        groups = group;
    }
    group->candidates =
        realloc(group->candidates, (group->count + 1) * sizeof group->candidates[0]);
    group->candidates[group->count++] =
        (struct model_candidate){.sub = sub->number,
                                 .epoch = sub->epoch,
                                 .worker = sub->client->worker,
                                 .due = model->sent[message->worker][sub->client->worker],
                                 .counted = sub->max > 0};
    return groups;
}

/* The groups that match, with every member that is not the publisher's own without echo. */
static struct model_group *find_groups(struct model *model, struct model_client *from,
                                       const struct message *message)
{
    struct model_group *groups = NULL;
    for (struct model_client *to = model->clients; to; to = to->next)
        for (struct model_sub *sub = to->subs; sub; sub = sub->next)
            if (sub->queue[0] && in_reach(model, from, sub) && place_of(sub) != PLACE_NONE &&
                model_matches(sub->subject, message->subject))
                groups = add_candidate(model, groups, sub, message);
    return groups;
}

static struct model_sub *sub_of(const struct model *model, const struct model_candidate *candidate)
{
    for (struct model_client *client = model->clients; client; client = client->next)
        for (struct model_sub *sub = client->subs; sub; sub = sub->next)
            if (sub->number == candidate->sub)
                return sub;
    return NULL;
}

static void free_group(struct model_group *group)
{
    free(group->candidates);
    free(group);
}

/* A message that no member of the publisher's worker took: the members elsewhere that may get it
 * stay. False: nobody can. */
static bool leave_to_others(struct model *model, struct model_client *from,
                            struct model_group *group)
{
    uint32_t kept = 0;
    for (uint32_t i = 0; i < group->count; i++) {
        struct model_candidate *candidate = &group->candidates[i];
        struct model_sub *sub = sub_of(model, candidate);
        if (!sub || !in_reach(model, from, sub) || place_of(sub) == PLACE_NONE)
            continue;
        group->sure |= place_of(sub) == PLACE_SURE;
        if (candidate->worker == from->worker)
            continue;
        sub->possible += candidate->counted;
        report_trace("  message %u may go to client %llu sid %s of group %s, maximum %llu, claimed "
                     "%llu to %llu",
                     group->message->id, (unsigned long long)sub->client->number, sub->sid,
                     sub->queue, (unsigned long long)sub->max, (unsigned long long)sub->claimed,
                     (unsigned long long)(sub->claimed + sub->possible));
        group->candidates[kept++] = *candidate;
    }
    if (kept == 0 && group->sure)
        report_failure("message %u reached no member of queue group %s", group->message->id,
                       group->queue);
    group->count = kept;
    return kept > 0;
}

void model_group_changed(struct model *model, uint64_t sub)
{
    for (struct model_group *group = model->groups; group; group = group->next)
        for (uint32_t i = 0; i < group->count; i++)
            group->changed |= group->candidates[i].sub == sub;
}

/* It is known who took the message: gives back the places that were only possibly taken for it. (Of
 * a message that was lost nobody knows which place it took, and that one stays taken.) */
static void settle_group(struct model *model, const struct model_group *group,
                         const struct model_sub *taker)
{
    for (uint32_t i = 0; i < group->count; i++) {
        struct model_sub *sub = sub_of(model, &group->candidates[i]);
        if (!sub || !group->candidates[i].counted || sub->epoch != group->candidates[i].epoch)
            continue;
        sub->possible--;
        sub->claimed += sub == taker;
    }
}

/* ---- what was sent at once ---- */

static void take_for_group(struct model *model, struct model_group *groups, struct model_sub *sub,
                           const struct message *message)
{
    struct model_group *group = groups;
    while (group && strcmp(group->queue, sub->queue) != 0)
        group = group->next;
    bool member = false;
    for (uint32_t i = 0; group && i < group->count; i++)
        member |= group->candidates[i].sub == sub->number;
    if (!member || group->taken)
        report_failure("message %u comes to client %llu sid %s, %s its queue group %s", message->id,
                       (unsigned long long)sub->client->number, sub->sid,
                       member ? "a second member of" : "which is not one of", sub->queue);
    group->taken = true;
    sub->claimed += sub->max > 0;
    model_take_message(model, sub, message);
}

/* All that this client was sent of the message; returns how many times. */
static unsigned take_here(struct model *model, struct model_client *to, struct model_group *groups,
                          const struct message *message)
{
    struct frame frame;
    unsigned count = 0;
    while (model_peek(to, &frame) && frame.kind == FRAME_MESSAGE && frame.id == message->id) {
        struct model_sub *sub = model_find_sub(to, frame.sid);
        if (!sub)
            report_failure("message %u comes to client %llu for sid %s, which it has not",
                           message->id, (unsigned long long)to->number, report_quote(frame.sid));
        if (!sub->queue[0] && !sub->wanted)
            report_failure(
                "message %u comes to client %llu sid %s, which does not want it (any more)",
                message->id, (unsigned long long)to->number, sub->sid);
        bool plain = sub->wanted;
        sub->wanted = false;
        if (plain)
            model_take_message(model, sub, message);
        else
            take_for_group(model, groups, sub, message);
        count++;
    }
    return count;
}

/* Nothing that was wanted is missing, unless its receiver was cut off by what came before it. */
static void check_wanted(struct model *model, struct model_client *to,
                         const struct message *message)
{
    for (struct model_sub *sub = to->subs; sub; sub = sub->next) {
        if (!sub->wanted)
            continue;
        if (to->failed == CLOSE_NONE && !without_room(model, to))
            report_failure("message %u on %s does not come to client %llu sid %s on %s",
                           message->id, message->subject, (unsigned long long)to->number, sub->sid,
                           sub->subject);
        sub->wanted = false;
        sub->claimed -= sub->max > 0;
        if (to->failed == CLOSE_NONE) { /* it filled up with what it got of this very message */
            model->workers[to->worker].refused_min++;
            model->workers[to->worker].refused_max++;
        }
    }
}

static unsigned take_all_here(struct model *model, struct model_client *from,
                              struct model_group *groups, const struct message *message)
{
    unsigned count = 0;
    for (struct model_client *to = model->clients; to; to = to->next) {
        if (to->worker != from->worker || !to->session)
            continue;
        count += take_here(model, to, groups, message);
        check_wanted(model, to, message);
    }
    return count;
}

/* ---- publish ---- */

static bool valid_literal(const char *subject)
{
    size_t len = strlen(subject);
    if (subject[0] == '.' || subject[len - 1] == '.' || strstr(subject, ".."))
        return false;
    return !strchr(subject, '*') && !strchr(subject, '>');
}

static void take_answers(struct model *model, struct model_client *from,
                         const struct message *message)
{
    if (from->pedantic && !valid_literal(message->subject) && from->failed == CLOSE_NONE)
        model_take(model, from, SPAN_LITERAL("-ERR 'Invalid Publish Subject'\r\n"));
    if (from->verbose && from->failed == CLOSE_NONE)
        model_take(model, from, SPAN_LITERAL("+OK\r\n"));
}

/* One answer, through any plain subscription of the requester that gets replies; certain: there
 * must be one if there can. */
static void take_no_responders(struct model *model, struct model_client *from,
                               const struct message *message, bool certain)
{
    struct frame frame;
    bool given = model_peek(from, &frame) && frame.kind == FRAME_NO_RESPONDERS &&
                 span_equal(frame.subject, span_of(message->reply));
    bool possible = false, right = false;
    for (struct model_sub *sub = from->subs; sub; sub = sub->next) {
        if (sub->queue[0] || !model_matches(sub->subject, message->reply))
            continue;
        possible = true;
        right |= given && span_equal(span_of(sub->sid), frame.sid);
    }
    if (given ? !right : certain && possible)
        report_failure("message %u on %s reached nobody; its publisher, client %llu, is %s",
                       message->id, message->subject, (unsigned long long)from->number,
                       given ? "told so for the wrong sid" : "not told so");
    if (!given)
        return;
    char sid[MODEL_SID_MAX], text[256];
    snprintf(sid, sizeof sid, "%.*s", (int)frame.sid.len, frame.sid.ptr);
    model_take_frame(model, from, (struct span){text, message_no_responders(message, sid, text)});
    model->workers[from->worker].no_responders++;
    model->answered++;
}

void model_publish(struct model *model, struct model_client *from, const struct message *message)
{
    struct model_worker *worker = &model->workers[from->worker];
    from->in_msgs++;
    from->in_bytes += message->total_size;
    worker->in_msgs++;
    worker->in_bytes += message->total_size;
    take_answers(model, from, message);
    count_refused(model, from, message);

    bool reached = want_plain(model, from, message), perhaps = false;
    struct model_group *groups = find_groups(model, from, message);
    reached |= take_all_here(model, from, groups, message) > 0;
    while (groups) {
        struct model_group *group = groups;
        groups = group->next;
        worker->refused_max += !group->taken; /* its members may have filled up with this message */
        if (group->taken || !leave_to_others(model, from, group)) {
            free_group(group);
            continue;
        }
        reached |= group->sure;
        perhaps = true;
        group->next = model->groups;
        model->groups = group;
    }
    if (reached)
        return;
    worker->unmatched_min += !perhaps;
    worker->unmatched_max++;
    if (from->no_responders && message->reply[0])
        take_no_responders(model, from, message, !perhaps);
}

/* ---- mail ---- */

static struct model_group *group_of(struct model *model, const struct model_sub *sub,
                                    const struct message *message)
{
    struct model_group *group = model->groups;
    while (group && (group->message != message || strcmp(group->queue, sub->queue) != 0))
        group = group->next;
    for (uint32_t i = 0; group && i < group->count; i++)
        if (group->candidates[i].sub == sub->number)
            return group;
    return NULL;
}

static void receive_plain(struct model_sub *sub, const struct message *message)
{
    struct model_owed **place = &sub->owed;
    while (*place && (*place)->message->publisher != message->publisher)
        place = &(*place)->next;
    struct model_owed *owed = *place;
    if (!owed || owed->message != message)
        report_failure(
            "message %u comes to client %llu sid %s, which is owed %s of this publisher, number %u",
            message->id, (unsigned long long)sub->client->number, sub->sid,
            owed ? "another" : "nothing", owed ? owed->message->id : 0);
    *place = owed->next;
    if (!owed->next)
        sub->owed_last = place;
    free(owed);
}

static void receive(struct model *model, struct model_client *client, const struct frame *frame)
{
    struct model_sub *sub = model_find_sub(client, frame->sid);
    if (frame->kind != FRAME_MESSAGE || !sub || frame->id >= model->message_count)
        report_failure("mail brings client %llu a frame of kind %d for sid %s, which it %s",
                       (unsigned long long)client->number, (int)frame->kind,
                       report_quote(frame->sid), sub ? "has" : "has not (any more)");
    const struct message *message = model->messages[frame->id];
    if (!sub->queue[0]) {
        receive_plain(sub, message);
    } else {
        struct model_group *group = group_of(model, sub, message);
        if (!group || group->taken)
            report_failure("message %u comes to client %llu sid %s, which is %s member of %s",
                           message->id, (unsigned long long)client->number, sub->sid,
                           group ? "a second" : "no", sub->queue);
        group->taken = true;
        settle_group(model, group, sub);
    }
    model_take_message(model, sub, message);
}

void model_receive(struct model *model, unsigned worker)
{
    struct frame frame;
    for (struct model_client *client = model->clients; client; client = client->next)
        while (client->worker == worker && client->session && model_peek(client, &frame))
            receive(model, client, &frame);
}

static bool group_due(const struct model *model, const struct model_group *group)
{
    for (uint32_t i = 0; i < group->count; i++) {
        unsigned worker = group->candidates[i].worker;
        if (model->opened[group->message->worker][worker] < group->candidates[i].due)
            return false;
    }
    return true;
}

static void check_groups(struct model *model)
{
    struct model_group **place = &model->groups;
    while (*place) {
        struct model_group *group = *place;
        if (!group_due(model, group)) {
            place = &group->next;
            continue;
        }
        for (uint32_t i = 0; i < group->count; i++) {
            const struct model_sub *sub = sub_of(model, &group->candidates[i]);
            group->changed |= !sub || sub->client->failed != CLOSE_NONE;
        }
        if (!group->taken && group->sure && !group->changed)
            report_failure("message %u on %s came to no member of queue group %s",
                           group->message->id, group->message->subject, group->queue);
        *place = group->next;
        free_group(group);
    }
}

void model_check_due(struct model *model)
{
    for (struct model_client *client = model->clients; client; client = client->next) {
        if (client->failed != CLOSE_NONE)
            continue;
        for (struct model_sub *sub = client->subs; sub; sub = sub->next)
            for (const struct model_owed *owed = sub->owed; owed; owed = owed->next)
                if (owed->due <= model->opened[owed->message->worker][client->worker])
                    report_failure("message %u on %s has not come to client %llu sid %s on %s",
                                   owed->message->id, owed->message->subject,
                                   (unsigned long long)client->number, sub->sid, sub->subject);
    }
    check_groups(model);
}
