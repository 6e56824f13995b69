/* /subsz: statistics of all subscription lists, and on request a page of the subscriptions.
 *
 * `total` stands before the list, so they are counted first, and listed in a second walk, piece by
 * piece: what comes or goes in between shows up in the list or does not. (nats-server before 2.12 cut
 * a document that lists nothing down to the statistics.) */
#include "monitor/subsz.h"

#include "broker/base/err.h"
#include "broker/base/mem.h"
#include "monitor/request.h"
#include "monitor/subscription_json.h"

enum { ERROR_BYTES_MAX = 64 << 10 };

struct listing {
    struct json_writer *json;
    struct inspect_subscription_cursor cursor;
    unsigned base; /* depth outside of the document */
    size_t enough; /* the length of json's buffer at which a piece ends */
};

static const char *given(const char *text)
{
    return text && *text ? text : NULL;
}

static void write_envelope(struct listing *listing, bool list)
{
    struct inspect_subscription_cursor *cursor = &listing->cursor;
    struct json_writer *json = listing->json;
    struct inspect_server server;
    inspect_server(&server);
    struct inspect_subscriptions statistics;
    inspect_subscription_statistics(cursor->account, &statistics);
    uint64_t total = list ? inspect_subscriptions_count(cursor->account, cursor->test) : 0;
    json_write_object(json, NULL);
    request_json_identity(json, server.server_id, server.now_wall_ns);
    subscription_json_statistics(json, &statistics);
    json_write_unsigned(json, "total", total);
    json_write_unsigned(json, "offset", cursor->offset);
    json_write_unsigned(json, "limit", cursor->limit);
    if (total > cursor->offset)
        json_write_array(json, "subscriptions_list");
    else
        cursor->limit = 0;
}

static int begin(struct listing *listing, const struct subsz_options *options,
                 struct json_writer *json, struct text_buffer *error)
{
    const char *test = given(options->test);
    if (test && !inspect_subject_is_literal(test)) {
        text_buffer_printf(error, "invalid test subject, must be valid publish subject: %s", test);
        return ERR_INVALID;
    }
    *listing = (struct listing){.json = json, .base = json->depth};
    listing->cursor.account = given(options->account);
    listing->cursor.test = test;
    request_clamp_page(options->offset, options->limit, &listing->cursor.offset,
                       &listing->cursor.limit);
    write_envelope(listing, options->list);
    return 0;
}

static bool write_one(void *context, const struct inspect_subscription *subscription)
{
    struct listing *listing = context;
    subscription_json_write(listing->json, subscription, true);
    return listing->json->out->len < listing->enough;
}

/* Writes one piece, of about so many bytes. Returns whether there is more. */
static bool write_piece(struct listing *listing, size_t bytes)
{
    listing->enough = listing->json->out->len + bytes;
    if (inspect_subscriptions_next(&listing->cursor, write_one, listing))
        return true;
    while (listing->json->depth > listing->base)
        json_write_end(listing->json);
    return false;
}

int subsz_write(const struct subsz_options *options, struct json_writer *json,
                struct text_buffer *error)
{
    struct listing listing;
    int status = begin(&listing, options, json, error);
    while (status == 0 && write_piece(&listing, REQUEST_WHOLE_BYTES))
        ;
    return status;
}

/* ---- over HTTP ---- */

static bool write_next(struct request *request, void *context)
{
    bool more = write_piece(context, REQUEST_PIECE_BYTES);
    if (!more)
        request_json_end(request);
    return more;
}

/* Whole if it is short, else its first piece. */
static int answer(struct request *request, const struct subsz_options *options,
                  struct text_buffer *error)
{
    struct listing *listing = mem_alloc(sizeof *listing);
    if (!listing)
        return ERR_MEMORY;
    int status = begin(listing, options, request_json(request, 2), error);
    if (status == 0 && write_piece(listing, REQUEST_WHOLE_BYTES)) {
        request_stream(request, write_next, mem_free, listing, sizeof *listing);
        return 0;
    }
    if (status == 0)
        request_json_end(request);
    mem_free(listing);
    return status;
}

void subsz_answer(struct request *request)
{
    struct subsz_options options = {.account = request_text(request, "acc"),
                                    .test = request_text(request, "test")};
    if (!request_bool(request, "subs", &options.list) ||
        !request_int(request, "offset", &options.offset) ||
        !request_int(request, "limit", &options.limit))
        return;
    struct text_buffer error;
    text_buffer_init(&error, ERROR_BYTES_MAX);
    int status = answer(request, &options, &error);
    if (status != 0)
        request_refuse(request, status, &error);
    text_buffer_fini(&error);
}
