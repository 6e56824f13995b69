/* Two samples make a rate: difference of the counter over difference of the server's `now` in the
 * same documents, so neither our scheduling nor a slow network bends it.
 *
 * 1. Figures of two different servers, or of one before and after a restart, are never subtracted:
 * server_id or start changed means that everything is unknown for one sample.
 * 2. A single counter that shrank, or appeared, is unknown for that sample; its neighbours are not
 * affected.
 * 3. A connection is (server, cid, start). Lists are matched by a hash of cids built anew with each
 * list.
 * 4. Averages are exponential with the weight 1 - e^(-dt/tau), so an irregular or missed poll does
 * not distort them.
 * 5. A failed poll changes nothing but the failure fields: the last good figures stay, and their
 * age tells. */
#include "top/model.h"

#include <math.h>
#include <stdio.h>

#include "broker/base/mem.h"

static const double unknown = NAN;
static const struct model_rate rate_unknown = {NAN, NAN, NAN, NAN};

static bool is_counter(size_t id)
{
    return metric_descriptors[id].kind == METRIC_KIND_COUNTER;
}

void model_init(struct model *model)
{
    *model = (struct model){0};
    for (size_t i = 0; i < METRIC_COUNT; i++)
        model->rates[i] = rate_unknown;
}

static void conns_free(struct model_conn *conns, size_t count)
{
    for (size_t i = 0; i < count; i++)
        mem_free(conns[i].history);
    mem_free(conns);
}

void model_fini(struct model *model)
{
    conns_free(model->conns, model->conn_count);
    for (size_t i = 0; i < METRIC_COUNT; i++)
        mem_free(model->rings[i].values);
    mem_free(model->index);
    sample_connz_free(&model->connz);
    sample_detail_free(&model->detail);
    sample_detail_free(&model->detail_before);
    sample_free(&model->last);
    *model = (struct model){0};
}

void model_reset_averages(struct model *model)
{
    for (size_t i = 0; i < METRIC_COUNT; i++) {
        double now = model->rates[i].now;
        model->rates[i] = (struct model_rate){now, now, now, now};
    }
    for (size_t i = 0; i < model->conn_count; i++)
        for (int m = 0; m < SAMPLE_CONN_METRICS; m++) {
            double now = model->conns[i].rates[m].now;
            model->conns[i].rates[m] = (struct model_rate){now, now, now, now};
        }
}

static double average(double old, double now, int64_t elapsed_ns, int64_t constant_ns)
{
    if (isnan(old))
        return now;
    return old + (1 - exp(-(double)elapsed_ns / (double)constant_ns)) * (now - old);
}

static void rate_update(struct model_rate *rate, const struct sample_value *before,
                        const struct sample_value *after, int64_t elapsed_ns)
{
    bool known =
        before->present && after->present && after->count >= before->count && elapsed_ns > 0;
    if (!known) {
        rate->now = unknown;
        return;
    }
    rate->now = (double)(after->count - before->count) * 1e9 / (double)elapsed_ns;
    rate->fast = average(rate->fast, rate->now, elapsed_ns, MODEL_FAST_NS);
    rate->slow = average(rate->slow, rate->now, elapsed_ns, MODEL_SLOW_NS);
    rate->peak = fmax(rate->peak, rate->now);
}

static void ring_put(struct model_ring *ring, double value)
{
    if (!ring->values) {
        ring->values = mem_alloc(MODEL_HISTORY * sizeof *ring->values);
        if (!ring->values)
            return;
        ring->length = MODEL_HISTORY;
    }
    ring->values[ring->next] = (float)value;
    ring->next = (ring->next + 1) % ring->length;
    if (ring->filled < ring->length)
        ring->filled++;
}

double model_past(const struct model *model, enum metric_id id, unsigned back)
{
    const struct model_ring *ring = &model->rings[id];
    if (back >= ring->filled)
        return unknown;
    return (double)ring->values[(ring->next + ring->length - 1 - back) % ring->length];
}

double model_conn_past(const struct model_conn *conn, unsigned metric, unsigned back)
{
    if (!conn->history || back >= conn->history_filled)
        return unknown;
    unsigned at = (conn->history_next + MODEL_CONN_HISTORY - 1 - back) % MODEL_CONN_HISTORY;
    return (double)conn->history[metric * MODEL_CONN_HISTORY + at];
}

bool model_stale(const struct model *model)
{
    return model->last && model->failures > 0;
}

static void notice(struct model *model, const struct sample *sample, const char *text)
{
    snprintf(model->notice, sizeof model->notice, "%s", text);
    model->notice_ns = sample->mono_ns;
}

/* Rule 1. An address behind which several servers take turns shows itself by an id coming back. */
static bool same_life(struct model *model, const struct sample *sample)
{
    const struct sample *last = model->last;
    if (!last)
        return true;
    bool same_id = strcmp(last->server_id, sample->server_id) == 0;
    if (same_id && last->start_ns == sample->start_ns) {
        if (model->polls > 10)
            model->alternating = false;
        return true;
    }
    model->alternating = !same_id && strcmp(model->id_before, sample->server_id) == 0;
    snprintf(model->id_before, sizeof model->id_before, "%s", last->server_id);
    model->restarts++;
    if (model->alternating)
        notice(model, sample, "this address answers from several servers: no rates");
    else
        notice(model, sample, "server restarted: rates and averages start again");
    return false;
}

static void server_update(struct model *model, const struct sample *sample, bool continues)
{
    int64_t elapsed_ns = continues && model->last ? sample->now_ns - model->last->now_ns : 0;
    model->interval_ns = elapsed_ns > 0 ? elapsed_ns : 0;
    for (size_t i = 0; i < METRIC_COUNT; i++) {
        const struct sample_value *value = &sample->values[i];
        if (!continues)
            model->rates[i] = rate_unknown;
        else if (is_counter(i) && model->last)
            rate_update(&model->rates[i], &model->last->values[i], value, elapsed_ns);
        if (value->present || model->rings[i].values)
            ring_put(&model->rings[i], is_counter(i)    ? model->rates[i].now
                                       : value->present ? value->number
                                                        : unknown);
    }
}

static size_t hash_of(uint64_t cid, size_t size)
{
    return (size_t)((cid * 0x9e3779b97f4a7c15u) >> 20) & (size - 1);
}

const struct model_conn *model_find(const struct model *model, uint64_t cid)
{
    if (model->index_size == 0)
        return NULL;
    for (size_t at = hash_of(cid, model->index_size); model->index[at] != 0;
         at = (at + 1) & (model->index_size - 1)) {
        const struct model_conn *conn = &model->conns[model->index[at] - 1];
        if (conn->sample->cid == cid)
            return conn;
    }
    return NULL;
}

static size_t *index_build(const struct sample_connz *connz, size_t *size)
{
    *size = 16;
    while (*size < connz->count * 2)
        *size *= 2;
    size_t *index = mem_zalloc(*size * sizeof *index);
    if (!index)
        return NULL;
    for (size_t i = 0; i < connz->count; i++) {
        size_t at = hash_of(connz->conns[i].cid, *size);
        while (index[at] != 0)
            at = (at + 1) & (*size - 1);
        index[at] = i + 1;
    }
    return index;
}

static void history_put(struct model *model, struct model_conn *conn)
{
    if (!conn->history) {
        if (model->histories >= MODEL_CONN_HISTORIES)
            return;
        size_t cells = (size_t)SAMPLE_CONN_METRICS * MODEL_CONN_HISTORY;
        conn->history = mem_alloc(cells * sizeof *conn->history);
        if (!conn->history)
            return;
    }
    model->histories++;
    for (unsigned m = 0; m < SAMPLE_CONN_METRICS; m++) {
        const struct sample_value *value = &conn->sample->values[m];
        double shown = is_counter(SAMPLE_CONN_FIRST + m) ? conn->rates[m].now
                       : value->present                  ? value->number
                                                         : unknown;
        conn->history[m * MODEL_CONN_HISTORY + conn->history_next] = (float)shown;
    }
    conn->history_next = (conn->history_next + 1) % MODEL_CONN_HISTORY;
    if (conn->history_filled < MODEL_CONN_HISTORY)
        conn->history_filled++;
}

/* The same connection in the list before, or NULL. Its history moves to the new entry. */
static void conn_update(struct model *model, struct model_conn *conn, struct model_conn *old,
                        int64_t elapsed_ns)
{
    size_t start = METRIC_conn_start - SAMPLE_CONN_FIRST;
    if (old && old->sample->values[start].count == conn->sample->values[start].count) {
        memcpy(conn->rates, old->rates, sizeof conn->rates);
        conn->first_seen_ns = old->first_seen_ns;
        conn->history = old->history;
        conn->history_next = old->history_next;
        conn->history_filled = old->history_filled;
        old->history = NULL;
        for (size_t m = 0; m < SAMPLE_CONN_METRICS; m++)
            if (is_counter(SAMPLE_CONN_FIRST + m))
                rate_update(&conn->rates[m], &old->sample->values[m], &conn->sample->values[m],
                            elapsed_ns);
    }
    history_put(model, conn);
}

static bool conns_update(struct model *model, struct sample *sample, bool continues)
{
    struct sample_connz *connz = sample->connz;
    struct model_conn *conns = mem_zalloc((connz->count + 1) * sizeof *conns);
    size_t index_size;
    size_t *index = index_build(connz, &index_size);
    if (!conns || !index) {
        mem_free(conns);
        mem_free(index);
        return false;
    }
    bool same = continues && model->connz && strcmp(model->connz->server_id, connz->server_id) == 0;
    int64_t elapsed_ns = same ? connz->now_ns - model->connz->now_ns : 0;
    model->histories = 0;
    for (size_t i = 0; i < connz->count; i++) {
        conns[i].sample = &connz->conns[i];
        conns[i].first_seen_ns = model->connz ? sample->mono_ns : 0;
        for (size_t m = 0; m < SAMPLE_CONN_METRICS; m++)
            conns[i].rates[m] = rate_unknown;
        const struct model_conn *old = same ? model_find(model, connz->conns[i].cid) : NULL;
        conn_update(model, &conns[i], old ? &model->conns[old - model->conns] : NULL, elapsed_ns);
    }
    conns_free(model->conns, model->conn_count);
    mem_free(model->index);
    sample_connz_free(&model->connz);
    model->conns = conns;
    model->conn_count = connz->count;
    model->index = index;
    model->index_size = index_size;
    model->connz = connz;
    sample->connz = NULL;
    return true;
}

static void detail_update(struct model *model, struct sample *sample, bool continues)
{
    sample_detail_free(&model->detail_before);
    if (continues && model->detail && model->detail->cid == sample->detail->cid)
        model->detail_before = model->detail;
    else
        sample_detail_free(&model->detail);
    model->detail = sample->detail;
    sample->detail = NULL;
}

double model_subscription_rate(const struct model *model, size_t at)
{
    const struct sample_detail *detail = model->detail, *before = model->detail_before;
    if (!before || detail->now_ns <= before->now_ns)
        return unknown;
    const struct sample_subscription *now = &detail->subscriptions[at];
    for (size_t i = 0; i < before->count; i++) {
        const struct sample_subscription *old = &before->subscriptions[i];
        if (strcmp(old->sid, now->sid) != 0 || strcmp(old->subject, now->subject) != 0)
            continue;
        if (now->msgs < old->msgs)
            return unknown;
        return (double)(now->msgs - old->msgs) * 1e9 / (double)(detail->now_ns - before->now_ns);
    }
    return unknown;
}

static void fail(struct model *model, const struct sample *sample)
{
    if (model->failures++ == 0) {
        for (size_t i = 0; i < METRIC_COUNT; i++)
            if (model->rings[i].values)
                ring_put(&model->rings[i], unknown);
    }
    snprintf(model->error, sizeof model->error, "%s", sample->error);
}

bool model_ingest(struct model *model, struct sample *sample)
{
    if (sample->partial) {
        if (sample->detail)
            detail_update(model, sample, true);
        sample_free(&sample);
        return true;
    }
    if (!sample->ok) {
        fail(model, sample);
        sample_free(&sample);
        return true;
    }
    bool continues = same_life(model, sample);
    if (sample->connz && !conns_update(model, sample, continues)) {
        sample_free(&sample);
        return false;
    }
    if (!continues)
        model->polls = 0;
    server_update(model, sample, continues);
    if (sample->detail)
        detail_update(model, sample, continues);
    if (model->failures > 0 && continues)
        notice(model, sample, "the server answers again");
    model->failures = 0;
    snprintf(model->error, sizeof model->error, "%s", sample->error);
    model->good_ns = sample->mono_ns;
    model->polls++;
    sample_free(&model->last);
    model->last = sample;
    return true;
}
