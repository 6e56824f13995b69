/* Request and reply.
 *
 * Pairs of a requester and a responder, each on its own connection and the pair on its own subject.
 * A requester keeps `window` requests in flight, one per slot; the reply subject names the slot,
 * and payload and answer carry the request's sequence, so an answer that is lost, doubled or goes
 * to the wrong request is noticed: a slot accepts only the sequence that it waits for.
 *
 *     requester   PUB bench.service.<pair> _INBOX.<pair>.<slot> <size>       slot[i] = {sequence,
 * time sent} responder   PUB _INBOX.<pair>.<slot> <size>                            the same
 * payload
 *
 * Usually one wildcard subscription takes all answers, as the client libraries do. With `churn`
 * each request subscribes to an inbox of its own and limits it to one message, as older clients do:
 * then a request costs a SUB and an UNSUB.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "engines.h"
#include "link.h"

enum {
    EVENTS = 64,
};

static const uint64_t stuck_ns = 5000000000;

struct slot {
    uint64_t sequence;
    uint64_t sent_ns;
    bool waiting;
};

struct pair {
    struct link requester;
    struct link responder;
    uint64_t next; /* sequence of the next request, and number of its inbox */
    struct slot *slots;
};

struct request {
    const struct load_plan *plan;
    struct load_result *result;
    struct pair *pairs;
    char *body; /* payload and line end */
    int epoll;
    bool sending;
    bool measured;
    uint64_t sent;
    uint64_t answered;
    uint64_t limit;
    uint64_t now; /* when the present read was parsed */
};

static void issue(struct request *request, uint32_t pair_index, uint32_t slot_index)
{
    const struct load_plan *plan = request->plan;
    struct pair *pair = &request->pairs[pair_index];
    struct slot *slot = &pair->slots[slot_index];
    uint64_t sequence = pair->next++;
    uint64_t inbox = plan->churn ? sequence : slot_index;
    char head[256];
    int length = 0;
    if (plan->churn) {
        length = snprintf(head, sizeof head, "SUB _INBOX.%s.%u.%lu %lu\r\nUNSUB %lu 1\r\n",
                          plan->subject, pair_index, inbox, sequence + 1, sequence + 1);
    }
    length += snprintf(head + length, sizeof head - (size_t)length,
                       plan->relay ? "MSG %s.service.%u 1 _INBOX.%s.%u.%lu %u\r\n"
                                   : "PUB %s.service.%u _INBOX.%s.%u.%lu %u\r\n",
                       plan->subject, pair_index, plan->subject, pair_index, inbox, plan->size);
    struct link_stamp stamp = {sequence, pair_index, slot_index};
    link_append(&pair->requester, head, (size_t)length);
    char *at = link_reserve(&pair->requester, plan->size + 2);
    memcpy(at, request->body, plan->size + 2);
    memcpy(at, &stamp, sizeof stamp);
    *slot = (struct slot){sequence, request->now, true};
    request->sent++;
}

/* At a responder: sends the payload back to the reply subject, the third word of "subject sid reply
 * size". */
static void on_request(void *context, struct link *link, const struct link_message *message)
{
    struct request *request = context;
    const char *end = message->line + message->line_length;
    const char *sid = memchr(message->line, ' ', message->line_length);
    const char *reply = sid == NULL ? NULL : memchr(sid + 1, ' ', (size_t)(end - sid - 1));
    const char *size = reply == NULL ? NULL : memchr(reply + 1, ' ', (size_t)(end - reply - 1));
    if (size == NULL) {
        request->result->corrupted++;
        return;
    }
    link_append(link, request->plan->relay ? "MSG " : "PUB ", 4);
    link_append(link, reply + 1, (size_t)(size - reply - 1));
    if (request->plan->relay) {
        link_append(link, " 1", 2); /* behind the relay nobody else adds the requester's sid */
    }
    link_append(link, size, (size_t)(end - size));
    link_append(link, "\r\n", 2);
    link_append(link, message->payload, message->size + 2);
}

static void on_answer(void *context, struct link *link, const struct link_message *message)
{
    struct request *request = context;
    struct link_stamp stamp = {0};
    if (message->size == request->plan->size) {
        stamp = link_stamp_of(message);
    }
    if (message->size != request->plan->size || stamp.source >= request->plan->pairs ||
        link != &request->pairs[stamp.source].requester || stamp.mark >= request->plan->window) {
        request->result->corrupted++;
        return;
    }
    struct slot *slot = &request->pairs[stamp.source].slots[stamp.mark];
    if (!slot->waiting || slot->sequence != stamp.sequence) {
        request->result->misordered++;
        return;
    }
    slot->waiting = false;
    request->answered++;
    if (request->measured) {
        measure_add(&request->result->latency, request->now - slot->sent_ns);
    }
    if (request->sending && request->sent < request->limit) {
        issue(request, stamp.source, stamp.mark);
    }
}

static void turn(struct request *request, uint64_t ns)
{
    struct epoll_event events[EVENTS];
    int count = link_wait(request->epoll, events, EVENTS, ns);
    for (int i = 0; i < count; i++) {
        struct link *link = events[i].data.ptr;
        request->now = measure_now();
        if (events[i].events & ~(uint32_t)EPOLLOUT) {
            link_read(link, link->index % 2 == 0 ? on_answer : on_request, request);
        }
        link_flush(link);
        link_watch(link, request->epoll, false);
    }
}

/* Keeps the slots full until the time or the count is reached, then waits for the answers still
 * due. */
static void pump(struct request *request, double seconds, uint64_t limit)
{
    const struct load_plan *plan = request->plan;
    uint64_t until = measure_now() + (uint64_t)(seconds * (double)MEASURE_SECOND_NS);
    uint64_t progress = request->answered;
    request->now = measure_now();
    request->limit = limit > 0 ? request->sent + limit : UINT64_MAX;
    request->sending = seconds > 0 || limit > 0;
    for (uint32_t p = 0; p < plan->pairs && request->sending; p++) {
        for (uint32_t s = 0; s < plan->window && request->sent < request->limit; s++) {
            issue(request, p, s);
        }
        link_flush(&request->pairs[p].requester);
    }
    for (uint64_t progress_time = request->now; request->answered < request->sent;) {
        turn(request, MEASURE_SECOND_NS / 100);
        uint64_t now = measure_now();
        request->sending = limit > 0 || now < until;
        if (request->answered != progress) {
            progress = request->answered;
            progress_time = now;
        } else if (now > progress_time + stuck_ns) {
            return;
        }
    }
}

static void open_pair(struct request *request, uint32_t p)
{
    const struct load_plan *plan = request->plan;
    struct pair *pair = &request->pairs[p];
    pair->slots = load_alloc(plan->window, sizeof *pair->slots);
    link_open(&pair->requester, 2 * p, plan);
    link_open(&pair->responder, 2 * p + 1, plan);
    if (!plan->relay) {
        link_greet(&pair->requester);
        link_greet(&pair->responder);
        link_printf(&pair->responder, "SUB %s.service.%u 1\r\n", plan->subject, p);
        if (!plan->churn) {
            link_printf(&pair->requester, "SUB _INBOX.%s.%u.* 1\r\n", plan->subject, p);
        }
        link_settle(&pair->responder, on_request, request);
        link_settle(&pair->requester, on_answer, request);
    }
    link_watch(&pair->responder, request->epoll, true);
    link_watch(&pair->requester, request->epoll, true);
}

void request_run(const struct load_plan *plan, struct load_result *result)
{
    struct request request = {.plan = plan, .result = result};
    request.pairs = load_alloc(plan->pairs, sizeof *request.pairs);
    request.body = load_alloc(1, plan->size + 2);
    memset(request.body, 'x', plan->size);
    memcpy(request.body + plan->size, "\r\n", 2);
    request.epoll = epoll_create1(EPOLL_CLOEXEC);
    for (uint32_t p = 0; p < plan->pairs; p++) {
        open_pair(&request, p);
    }
    pump(&request, plan->messages_max > 0 ? 0 : plan->seconds / 5, 0);
    uint64_t sent = request.sent;
    uint64_t answered = request.answered;
    request.measured = true;
    load_begin(plan, result);
    pump(&request, plan->seconds, plan->messages_max);
    load_end(plan, result);
    result->unit = "requests answered";
    result->messages_sent = request.sent - sent;
    result->messages_total = 2 * request.sent; /* an answer is a message, too */
    result->messages_expected = result->messages_sent;
    result->units = result->messages_received = request.answered - answered;
    result->bytes_sent = result->messages_sent * plan->size;
    result->bytes_received = result->messages_received * plan->size;
    for (uint32_t p = 0; p < plan->pairs; p++) {
        if (!plan->relay) {
            link_settle(&request.pairs[p].requester, on_answer, &request);
        }
        link_close(&request.pairs[p].requester);
        link_close(&request.pairs[p].responder);
        free(request.pairs[p].slots);
    }
    free(request.pairs);
    free(request.body);
    close(request.epoll);
}
