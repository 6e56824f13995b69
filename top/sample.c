/* Documents are read by walking the metric table: each row knows its document and its JSON key, so
 * a metric added to the table arrives here without a line of code.
 *
 * 1. A row's unit says how its JSON is written: TIME is RFC 3339 text, DURATION is Go's text, the
 * rest are numbers.
 * 2. Text is copied into blocks that the sample owns, cut at TEXT_BYTES_MAX, so the document can go
 * at once.
 * 3. A connz of 50,000 connections is one array and a few hundred blocks, not 50,000 allocations.
 */
#include "top/sample.h"

#include <stdio.h>

#include "broker/base/mem.h"
#include "monitor/json_read.h"

enum { TEXT_BYTES_MAX = 1024, BLOCK_BYTES = 16384 };

struct sample_block {
    struct sample_block *next;
    size_t used;
    char bytes[BLOCK_BYTES];
};

static const char *const text_keys[SAMPLE_TEXTS] = {
    [SAMPLE_NAME] = "name",
    [SAMPLE_IP] = "ip",
    [SAMPLE_ACCOUNT] = "account",
    [SAMPLE_USER] = "authorized_user",
    [SAMPLE_KIND] = "kind",
    [SAMPLE_TYPE] = "type",
    [SAMPLE_LANG] = "lang",
    [SAMPLE_VERSION] = "version",
    [SAMPLE_TLS_VERSION] = "tls_version",
    [SAMPLE_TLS_CIPHER] = "tls_cipher_suite",
};

const char *sample_text_key(enum sample_text text)
{
    return text_keys[text];
}

struct sample *sample_new(void)
{
    return mem_zalloc(sizeof(struct sample));
}

static void blocks_free(struct sample_block *block)
{
    while (block) {
        struct sample_block *next = block->next;
        mem_free(block);
        block = next;
    }
}

void sample_connz_free(struct sample_connz **connz)
{
    if (!*connz)
        return;
    blocks_free((*connz)->texts);
    mem_free((*connz)->conns);
    mem_free(*connz);
    *connz = NULL;
}

void sample_detail_free(struct sample_detail **detail)
{
    if (!*detail)
        return;
    blocks_free((*detail)->texts);
    mem_free((*detail)->subscriptions);
    mem_free(*detail);
    *detail = NULL;
}

void sample_free(struct sample **sample)
{
    if (!*sample)
        return;
    sample_connz_free(&(*sample)->connz);
    sample_detail_free(&(*sample)->detail);
    mem_free(*sample);
    *sample = NULL;
}

/* A copy that lives as long as the blocks; "" when there is no text or no memory. */
static const char *text_keep(struct sample_block **blocks, const char *text)
{
    size_t len = strlen(text);
    if (len == 0)
        return "";
    if (len > TEXT_BYTES_MAX) {
        len = TEXT_BYTES_MAX;
        while (len > 0 && ((unsigned char)text[len] & 0xc0) == 0x80)
            len--;
    }
    if (!*blocks || (*blocks)->used + len + 1 > BLOCK_BYTES) {
        struct sample_block *block = mem_alloc(sizeof *block);
        if (!block)
            return "";
        block->next = *blocks;
        block->used = 0;
        *blocks = block;
    }
    char *copy = (*blocks)->bytes + (*blocks)->used;
    memcpy(copy, text, len);
    copy[len] = '\0';
    (*blocks)->used += len + 1;
    return copy;
}

static void value_read(const json_t *object, const struct metric_descriptor *row,
                       struct sample_value *out)
{
    int64_t ns;
    switch (row->unit) {
    case METRIC_UNIT_TIME: out->present = json_read_time(object, row->key, &ns); break;
    case METRIC_UNIT_DURATION: out->present = json_read_go_duration(object, row->key, &ns); break;
    default:
        out->present = json_read_double(object, row->key, &out->number);
        if (!json_read_unsigned(object, row->key, &out->count) && out->number > 0 &&
            out->number < 0x1p64)
            out->count = (uint64_t)out->number;
        return;
    }
    if (out->present) {
        out->number = (double)ns;
        out->count = ns > 0 ? (uint64_t)ns : 0;
    }
}

static void values_read(struct sample *sample, const json_t *object, bool subsz)
{
    for (size_t i = 0; i < METRIC_COUNT; i++) {
        const struct metric_descriptor *row = &metric_descriptors[i];
        bool mine = subsz
                        ? row->source == METRIC_SOURCE_SUBS
                        : row->source == METRIC_SOURCE_WORKER || row->source == METRIC_SOURCE_READ;
        if (mine && row->key)
            value_read(object, row, &sample->values[i]);
    }
}

static void text_copy(char *out, size_t out_bytes, const json_t *object, const char *key)
{
    const char *text = json_read_text(object, key);
    size_t len = strlen(text);
    if (len >= out_bytes) {
        len = out_bytes - 1;
        while (len > 0 && ((unsigned char)text[len] & 0xc0) == 0x80)
            len--;
    }
    memcpy(out, text, len);
    out[len] = '\0';
}

static json_t *document_read(struct sample *sample, const char *endpoint, const char *body,
                             size_t len)
{
    char reason[200];
    json_t *document = json_read_document(body, len, reason, sizeof reason);
    if (document && json_is_object(document))
        return document;
    snprintf(sample->error, sizeof sample->error, "%s is not a JSON object%s%s", endpoint,
             document ? "" : ": ", document ? "" : reason);
    json_decref(document);
    return NULL;
}

bool sample_read_varz(struct sample *sample, const char *body, size_t len)
{
    json_t *varz = document_read(sample, "/varz", body, len);
    if (!varz)
        return false;
    text_copy(sample->server_id, sizeof sample->server_id, varz, "server_id");
    text_copy(sample->server_name, sizeof sample->server_name, varz, "server_name");
    text_copy(sample->version, sizeof sample->version, varz, "version");
    text_copy(sample->product, sizeof sample->product, varz, "clearwing_version");
    text_copy(sample->cluster, sizeof sample->cluster, varz, "cluster.name");
    bool times = json_read_time(varz, "now", &sample->now_ns) &&
                 json_read_time(varz, "start", &sample->start_ns);
    values_read(sample, varz, false);
    json_decref(varz);
    sample->ok = times && sample->server_id[0];
    if (!sample->ok)
        snprintf(sample->error, sizeof sample->error,
                 "/varz has no server_id, start and now: not a NATS monitoring port");
    return sample->ok;
}

bool sample_read_subsz(struct sample *sample, const char *body, size_t len)
{
    json_t *subsz = document_read(sample, "/subsz", body, len);
    if (!subsz)
        return false;
    values_read(sample, subsz, true);
    json_decref(subsz);
    return true;
}

static void conn_read(const json_t *object, struct sample_conn *conn, struct sample_block **texts)
{
    int64_t port = 0;
    json_read_unsigned(object, "cid", &conn->cid);
    if (json_read_integer(object, "port", &port) && port > 0 && port < 65536)
        conn->port = (int)port;
    for (int i = 0; i < SAMPLE_TEXTS; i++)
        conn->text[i] = text_keep(texts, json_read_text(object, text_keys[i]));
    /* nats-server leaves the account out for the global one. */
    if (!conn->text[SAMPLE_ACCOUNT][0])
        conn->text[SAMPLE_ACCOUNT] = "$G";
    for (int i = 0; i < SAMPLE_CONN_METRICS; i++)
        value_read(object, &metric_descriptors[SAMPLE_CONN_FIRST + i], &conn->values[i]);
}

bool sample_read_connz(struct sample *sample, const char *body, size_t len)
{
    json_t *document = document_read(sample, "/connz", body, len);
    if (!document)
        return false;
    const json_t *list = json_read_at(document, "connections");
    struct sample_connz *connz = mem_zalloc(sizeof *connz);
    if (!connz || !json_read_time(document, "now", &connz->now_ns))
        goto cleanup;
    text_copy(connz->server_id, sizeof connz->server_id, document, "server_id");
    size_t count = json_array_size(list);
    connz->conns = mem_zalloc((count + 1) * sizeof *connz->conns);
    if (!connz->conns)
        goto cleanup;
    for (size_t i = 0; i < count; i++)
        conn_read(json_array_get(list, i), &connz->conns[i], &connz->texts);
    connz->count = count;
    connz->total = count;
    json_read_unsigned(document, "total", &connz->total);
    sample->connz = connz;
    connz = NULL;
cleanup:
    if (!sample->connz)
        snprintf(sample->error, sizeof sample->error, "/connz has no time in it, or memory is out");
    sample_connz_free(&connz);
    json_decref(document);
    return sample->connz != NULL;
}

static void subscription_read(const json_t *object, struct sample_subscription *out,
                              struct sample_block **texts)
{
    out->subject = text_keep(texts, json_read_text(object, "subject"));
    out->queue = text_keep(texts, json_read_text(object, "qgroup"));
    out->sid = text_keep(texts, json_read_text(object, "sid"));
    json_read_unsigned(object, "msgs", &out->msgs);
    json_read_unsigned(object, "max", &out->max);
}

bool sample_read_detail(struct sample *sample, uint64_t cid, const char *body, size_t len)
{
    json_t *document = document_read(sample, "/connz", body, len);
    if (!document)
        return false;
    const json_t *conn = json_array_get(json_read_at(document, "connections"), 0);
    const json_t *list = conn ? json_read_at(conn, "subscriptions_list_detail") : NULL;
    struct sample_detail *detail = mem_zalloc(sizeof *detail);
    if (!detail)
        goto cleanup;
    detail->cid = cid;
    json_read_time(document, "now", &detail->now_ns);
    size_t count = json_array_size(list);
    detail->subscriptions = mem_zalloc((count + 1) * sizeof *detail->subscriptions);
    if (!detail->subscriptions)
        goto cleanup;
    for (size_t i = 0; i < count; i++)
        subscription_read(json_array_get(list, i), &detail->subscriptions[i], &detail->texts);
    detail->count = count;
    sample->detail = detail;
    detail = NULL;
cleanup:
    if (!sample->detail)
        snprintf(sample->error, sizeof sample->error, "out of memory");
    sample_detail_free(&detail);
    json_decref(document);
    return sample->detail != NULL;
}
