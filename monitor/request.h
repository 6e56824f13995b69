/* One request as an endpoint sees it: its arguments, and the answer in the making.
 *
 * Made and freed by http.c on a monitor thread, which is an RCU reader; an endpoint's function runs
 * once, fills the answer, or its first piece, and returns. Argument texts live as long as the request. */
#ifndef MONITOR_REQUEST_H
#define MONITOR_REQUEST_H

#include "broker/base/base.h"
#include "monitor/endpoints.h"
#include "monitor/json_write.h"
#include "monitor/query.h"
#include "monitor/text_buffer.h"

/* An answer larger than this is refused with a hint to use limit and offset. */
#define REQUEST_ANSWER_BYTES_MAX ((size_t)128 << 20)

/* An answer of a list is made in one go while it has at most so many bytes; a longer one is streamed, in pieces of about so
 * many. */
enum { REQUEST_WHOLE_BYTES = 1 << 20, REQUEST_PIECE_BYTES = 64 << 10 };

struct request;

/* Appends a piece to request->body. Returns whether there is more; false with body.failed ends the answer as a broken one. */
typedef bool request_next_fn(struct request *request, void *context);

struct request {
    /* Read-only for endpoints. */
    const struct endpoint *endpoint;
    struct query query;
    const char *accept;    /* the Accept header, or NULL */
    const char *base_path; /* effective: "" or "/like/this" */
    struct endpoint_counts *counts;
    bool no_jsonp; /* `callback` is ignored */

    /* The answer. */
    unsigned status;
    const char *content_type; /* NULL: no header */
    bool any_origin;          /* Access-Control-Allow-Origin: * */
    bool no_sniff;
    struct text_buffer body;

    /* Private. */
    struct json_writer json;
    bool jsonp;
    struct request_stream {
        request_next_fn *next; /* NULL: body is all there is */
        void (*free)(void *context);
        void *context;
        size_t held_bytes;
    } stream;
};

void request_init(struct request *request);
void request_fini(struct request *request);

/* Arguments. An empty text is the same as none. On text that cannot be read the answer is 400 and
 * they return false. */
const char *request_text(const struct request *request, const char *name);
MUST_CHECK bool request_bool(struct request *request, const char *name, bool *out);
MUST_CHECK bool request_int(struct request *request, const char *name, int64_t *out);
MUST_CHECK bool request_unsigned(struct request *request, const char *name, uint64_t *out);
/* A page as asked for, with nats-server's defaults: an offset below 0 is 0, a limit below 1 is 1024. */
void request_clamp_page(int64_t from, int64_t count, uint64_t *offset, uint64_t *limit);
/* The arguments offset and limit, clamped. */
MUST_CHECK bool request_page(struct request *request, uint64_t *offset, uint64_t *limit);

/* For endpoints that are counted once their arguments are understood. */
void request_count(struct request *request);

/* Starts a JSON answer of status 200 (with `callback`: JSONP); request_json_end finishes it. */
struct json_writer *request_json(struct request *request, unsigned indent);
void request_json_end(struct request *request);
/* The answer goes on behind what body holds now: once that is sent, and again once the piece is, next is called, on the same
 * thread. free is called when the answer is over or its reader left. held_bytes: what context holds, to be counted. */
void request_stream(struct request *request, request_next_fn *next, void (*free)(void *context),
                    void *context, size_t held_bytes);
/* The document's first two fields. */
void request_json_identity(struct json_writer *json, const char *server_id, int64_t now_wall_ns);
/* Replaces the answer by a plain text with a final line feed. */
void request_error(struct request *request, unsigned status, const char *format, ...) PRINTF(3, 4);
/* The same for a document's function that failed: 503 for ERR_MEMORY, else 400. */
void request_refuse(struct request *request, int status, const struct text_buffer *error);
/* text as Go's strconv.Quote writes it, for error texts. */
void request_quote(struct text_buffer *out, const char *text);

#endif
