/* {"server":{...},"data":...} or {"server":{...},"error":{...}}, compact. The data is written in place behind the server; what fails
 * is cut off again.
 *
 * Of the encodings that nats-server has, gzip is here; a reader who asked for another gets the plain text, which says so. */
#include "monitor/service_envelope.h"

#include <stdio.h>
#include <strings.h>

#include "broker/base/clock.h"
#include "broker/base/mem.h"
#include "broker/inspect.h"
#include "broker/system_queue.h"
#include "monitor/gzip.h"

void service_envelope_server(struct json_writer *json, const char *key)
{
    struct inspect_identity server;
    inspect_identity(&server);
    json_write_object(json, key);
    json_write_text(json, "name", server.server_name);
    json_write_text(json, "host", server.host);
    json_write_text(json, "id", server.server_id);
    json_write_text(json, "ver", CLEARWING_NATS_VERSION);
    json_write_bool(json, "jetstream", false);
    json_write_unsigned(json, "flags", 0);
    json_write_unsigned(json, "seq", system_queue_sequence());
    json_write_time(json, "time", clock_wall_ns());
    json_write_end(json);
}

void service_envelope_init(struct service_envelope *envelope)
{
    struct json_writer json;
    text_buffer_init(&envelope->body, SERVICE_ANSWER_BYTES_MAX);
    json_write_init(&json, &envelope->body, 0);
    json_write_object(&json, NULL);
    service_envelope_server(&json, "server"); /* left open: _end closes it */
    envelope->prefix = envelope->body.len;
}

void service_envelope_fini(struct service_envelope *envelope)
{
    text_buffer_fini(&envelope->body);
}

struct json_writer service_envelope_data(struct service_envelope *envelope, const char *key)
{
    struct json_writer json;
    text_buffer_printf(&envelope->body, ",\"%s\":", key);
    json_write_init(&json, &envelope->body, 0);
    return json;
}

void service_envelope_error(struct service_envelope *envelope, unsigned code, const char *text,
                            bool null_data)
{
    struct json_writer json;
    text_buffer_cut(&envelope->body, envelope->prefix);
    text_buffer_text(&envelope->body, null_data ? ",\"data\":null,\"error\":" : ",\"error\":");
    json_write_init(&json, &envelope->body, 0);
    json_write_object(&json, NULL);
    json_write_unsigned(&json, "code", code);
    json_write_text_if(&json, "description", text);
    json_write_end(&json);
}

void service_envelope_end(struct service_envelope *envelope)
{
    text_buffer_append(&envelope->body, "}", 1);
    if (!envelope->body.failed || envelope->prefix == 0)
        return;
    service_envelope_error(envelope, 500, "the answer is too large: ask for less with limit", true);
    text_buffer_append(&envelope->body, "}", 1);
}

/* ---- sending ---- */

/* The value of the first header of that name, as nats-server looks for it: "Name:" in this case, blanks before the value skipped. */
static struct span header_value(struct span headers, const char *name)
{
    const char *at = headers.len > 0 ? memmem(headers.ptr, headers.len, "\r\n", 2) : NULL;
    const char *end = headers.ptr + headers.len;
    size_t len = strlen(name);
    for (; at && end - at > (ptrdiff_t)len + 3; at = memmem(at, (size_t)(end - at), "\r\n", 2)) {
        at += 2;
        if ((size_t)(end - at) <= len || memcmp(at, name, len) != 0 || at[len] != ':')
            continue;
        at += len + 1;
        while (at < end && *at == ' ')
            at++;
        const char *stop = memmem(at, (size_t)(end - at), "\r\n", 2);
        return (struct span){at, (size_t)((stop ? stop : end) - at)};
    }
    return (struct span){.ptr = NULL};
}

static bool contains(struct span text, const char *word)
{
    size_t len = strlen(word);
    for (size_t i = 0; i + len <= text.len; i++)
        if (strncasecmp(text.ptr + i, word, len) == 0)
            return true;
    return false;
}

static void answer_packed(const struct service_envelope *envelope, const struct system_task *task,
                          struct span accepted)
{
    struct span body = {envelope->body.bytes, envelope->body.len};
    bool gzip =
        contains(accepted, "gzip") && !contains(accepted, "snappy") && !contains(accepted, "s2");
    size_t packed_len;
    char *packed = gzip ? gzip_pack(body, &packed_len) : NULL;
    char headers[64];
    int len = snprintf(headers, sizeof headers, "NATS/1.0\r\nContent-Encoding: %s\r\n\r\n",
                       packed ? "gzip" : "identity");
    system_queue_answer(task, (struct span){headers, (size_t)len},
                        packed ? (struct span){packed, packed_len} : body);
    mem_free(packed);
}

void service_envelope_answer(const struct service_envelope *envelope,
                             const struct system_task *task, bool packed)
{
    const struct span none = {.ptr = NULL};
    struct span accepted = header_value(task->headers, "Accept-Encoding");
    if (envelope->body.failed)
        return;
    if (packed && accepted.len > 0)
        answer_packed(envelope, task, accepted);
    else
        system_queue_answer(task, none, (struct span){envelope->body.bytes, envelope->body.len});
}
