/* Error texts are nats-server's, which are Go's; each ends with a line feed, because a viewer in
 * the field cuts the body at the first one and fails when there is none. */
#include "monitor/request.h"

#include "broker/base/err.h"
#include "broker/base/utf8.h"

enum { REQUEST_LIMIT_DEFAULT = 1024, REQUEST_ERROR_BYTES_MAX = 64 << 10 };

void request_init(struct request *request)
{
    *request = (struct request){.status = 200, .content_type = "application/json"};
    text_buffer_init(&request->body, REQUEST_ANSWER_BYTES_MAX);
}

void request_fini(struct request *request)
{
    text_buffer_fini(&request->body);
    if (request->stream.free)
        request->stream.free(request->stream.context);
    query_fini(&request->query);
}

void request_stream(struct request *request, request_next_fn *next, void (*free)(void *context),
                    void *context, size_t held_bytes)
{
    request->stream = (struct request_stream){next, free, context, held_bytes};
}

const char *request_text(const struct request *request, const char *name)
{
    return query_value(&request->query, name);
}

void request_quote(struct text_buffer *out, const char *text)
{
    static const char letters[] = "\a\b\f\n\r\t\v\"\\", names[] = "abfnrtv\"\\";
    size_t len = strlen(text);
    text_buffer_append(out, "\"", 1);
    for (size_t at = 0; at < len;) {
        size_t width = utf8_sequence(text + at, len - at);
        const char *letter = strchr(letters, text[at]);
        unsigned char byte = (unsigned char)text[at];
        if (letter)
            text_buffer_printf(out, "\\%c", names[letter - letters]);
        else if (width == 0 || byte < 0x20 || byte == 0x7f)
            text_buffer_printf(out, "\\x%02x", byte);
        else
            text_buffer_append(out, text + at, width);
        at += max_size(width, 1);
    }
    text_buffer_append(out, "\"", 1);
}

void request_error(struct request *request, unsigned status, const char *format, ...)
{
    text_buffer_fini(&request->body);
    request->status = status;
    request->content_type = "text/plain; charset=utf-8";
    request->any_origin = false;
    va_list values;
    va_start(values, format);
    text_buffer_vprintf(&request->body, format, values);
    va_end(values);
    text_buffer_append(&request->body, "\n", 1);
}

void request_refuse(struct request *request, int status, const struct text_buffer *error)
{
    request_error(request, status == ERR_MEMORY ? 503 : 400, "%.*s", (int)error->len,
                  error->bytes ? error->bytes : "");
}

static void answer_fault(struct request *request, const char *type, const char *name,
                         const struct query_fault *fault)
{
    struct text_buffer quoted;
    text_buffer_init(&quoted, REQUEST_ERROR_BYTES_MAX);
    request_quote(&quoted, request_text(request, name));
    request_error(request, 400, "Error decoding %s for '%s': %s: parsing %.*s: %s", type, name,
                  fault->function, (int)quoted.len, quoted.bytes ? quoted.bytes : "",
                  fault->problem);
    text_buffer_fini(&quoted);
}

bool request_bool(struct request *request, const char *name, bool *out)
{
    struct query_fault fault;
    if (query_bool(request_text(request, name), out, &fault))
        return true;
    answer_fault(request, "boolean", name, &fault);
    return false;
}

bool request_int(struct request *request, const char *name, int64_t *out)
{
    struct query_fault fault;
    if (query_int(request_text(request, name), out, &fault))
        return true;
    answer_fault(request, "int", name, &fault);
    return false;
}

bool request_unsigned(struct request *request, const char *name, uint64_t *out)
{
    struct query_fault fault;
    if (query_unsigned(request_text(request, name), out, &fault))
        return true;
    answer_fault(request, "uint64", name, &fault);
    return false;
}

void request_clamp_page(int64_t from, int64_t count, uint64_t *offset, uint64_t *limit)
{
    *offset = from > 0 ? (uint64_t)from : 0;
    *limit = count > 0 ? (uint64_t)count : REQUEST_LIMIT_DEFAULT;
}

bool request_page(struct request *request, uint64_t *offset, uint64_t *limit)
{
    int64_t from, count;
    if (!request_int(request, "offset", &from) || !request_int(request, "limit", &count))
        return false;
    request_clamp_page(from, count, offset, limit);
    return true;
}

void request_count(struct request *request)
{
    endpoints_count(request->counts, request->endpoint);
}

struct json_writer *request_json(struct request *request, unsigned indent)
{
    const char *callback = request_text(request, "callback");
    request->jsonp = *callback != '\0' && !request->no_jsonp;
    request->any_origin = !request->jsonp;
    if (request->jsonp) {
        request->content_type = "application/javascript";
        text_buffer_text(&request->body, callback);
        text_buffer_append(&request->body, "(", 1);
    }
    json_write_init(&request->json, &request->body, indent);
    return &request->json;
}

void request_json_end(struct request *request)
{
    check(request->json.depth == 0);
    if (request->jsonp)
        text_buffer_append(&request->body, ")", 1);
}

void request_json_identity(struct json_writer *json, const char *server_id, int64_t now_wall_ns)
{
    json_write_text(json, "server_id", server_id);
    json_write_time(json, "now", now_wall_ns);
}
