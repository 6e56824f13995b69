/* /connz: a page of the open connections, of the ring of closed ones, or of both.
 *
 * The inspector chooses, sorts and cuts the page; each connection of it is written as it comes, in
 * pieces. A listing keeps nothing between two pieces but the inspector's keys and the JSON writer's
 * depth, which tells what is open: `rows` deep, the next connection may begin; deeper, one is being
 * written whose subscriptions are not all listed yet. A page of up to WHOLE_ROWS connections is one
 * piece if its text is not too long: such an answer has a length, and its num_connections is exact.
 * Values are read through the metric table's CONN rows, so that a row added there appears
 * here, after nats-server's fields. */
#include "monitor/connz.h"

#include <strings.h>

#include "broker/base/clock.h"
#include "broker/base/err.h"
#include "broker/base/mem.h"
#include "monitor/request.h"
#include "monitor/subscription_json.h"
#include "monitor/value_json.h"

/* A connection nobody has: what asking for an MQTT client's name finds, as there are no MQTT
 * clients. */
#define NO_CID UINT64_MAX

enum { ERROR_BYTES_MAX = 64 << 10 };

/* Pages of more connections are streamed from the start. */
enum { WHOLE_ROWS = 1024 };

struct listing {
    struct json_writer *json;
    struct connz_options options; /* its texts are used at the start only */
    struct inspect_query query;
    struct inspect_server server;
    struct inspect_connections *connections;
    unsigned base, rows; /* depths: outside of the document, between connections */
    size_t enough;       /* the length of json's buffer at which a piece ends */
    bool with_account;   /* the subscriptions of the connection being written */
};

static const char *const sort_names[] = {
    [INSPECT_SORT_CID] = "cid",           [INSPECT_SORT_START] = "start",
    [INSPECT_SORT_SUBS] = "subs",         [INSPECT_SORT_PENDING] = "pending",
    [INSPECT_SORT_MSGS_TO] = "msgs_to",   [INSPECT_SORT_MSGS_FROM] = "msgs_from",
    [INSPECT_SORT_BYTES_TO] = "bytes_to", [INSPECT_SORT_BYTES_FROM] = "bytes_from",
    [INSPECT_SORT_LAST] = "last",         [INSPECT_SORT_IDLE] = "idle",
    [INSPECT_SORT_UPTIME] = "uptime",     [INSPECT_SORT_STOP] = "stop",
    [INSPECT_SORT_REASON] = "reason",     [INSPECT_SORT_RTT] = "rtt",
};

/* "" or NULL: not asked for. */
static const char *given(const char *text)
{
    return text && *text ? text : NULL;
}

static int read_sort(const struct connz_options *options, enum inspect_sort *sort,
                     struct text_buffer *error)
{
    const char *name = given(options->sort) ? options->sort : "cid";
    size_t i = 0;
    while (i < array_length(sort_names) && strcmp(sort_names[i], name) != 0)
        i++;
    if (i == array_length(sort_names)) {
        text_buffer_printf(error, "invalid sorting option: %s", name);
        return ERR_INVALID;
    }
    *sort = (enum inspect_sort)i;
    bool needs_closed = *sort == INSPECT_SORT_STOP || *sort == INSPECT_SORT_REASON;
    if (needs_closed && options->state != INSPECT_CLOSED) {
        text_buffer_printf(error, "sort by %s only valid on closed connections", name);
        return ERR_INVALID;
    }
    return 0;
}

/* In nats-server's order of complaints. */
static int read_options(const struct connz_options *options, struct inspect_query *query,
                        struct text_buffer *error)
{
    int status = read_sort(options, &query->sort, error);
    if (status != 0)
        return status;
    query->state = options->state;
    query->user = given(options->user);
    query->account = given(options->account);
    query->subject = given(options->filter_subject);
    if (query->subject && strcmp(query->subject, ">") == 0)
        query->subject = NULL;
    if (query->subject && !query->account) {
        text_buffer_text(error, "filter by subject only valid with account filtering");
        return ERR_INVALID;
    }
    request_clamp_page(options->offset, options->limit, &query->offset, &query->limit);
    query->cid = given(options->mqtt_client) ? NO_CID : options->cid;
    if (options->cid)
        query->limit = 1;
    return 0;
}

static bool write_subscription(void *context, const struct inspect_subscription *subscription)
{
    struct listing *listing = context;
    struct json_writer *json = listing->json;
    bool detail = listing->options.detail;
    if (json->depth == listing->rows + 1)
        json_write_array(json, detail ? "subscriptions_list_detail" : "subscriptions_list");
    if (detail)
        subscription_json_write(json, subscription, listing->with_account);
    else
        json_write_span(json, NULL, subscription->subject);
    return json->out->len < listing->enough;
}

static void close_down_to(struct json_writer *json, unsigned depth)
{
    while (json->depth > depth)
        json_write_end(json);
}

static void write_duration(struct json_writer *json, const char *key, int64_t duration_ns)
{
    char text[CLOCK_TEXT_MAX];
    json_write_text(json, key, clock_uptime(duration_ns, text));
}

/* The table's rows that have a place among nats-server's fields; the others follow. */
static const enum metric_id placed[] = {
    METRIC_conn_start,         METRIC_conn_last_activity, /* then stop and reason */
    METRIC_conn_rtt,                                      /* then uptime and idle */
    METRIC_conn_pending_bytes, METRIC_conn_in_msgs,       METRIC_conn_out_msgs,
    METRIC_conn_in_bytes,      METRIC_conn_out_bytes,     METRIC_conn_stalls,
    METRIC_conn_subscriptions,
};
enum { PLACED_TIMES = 2, PLACED_RTT = 3 };

static bool is_placed(enum metric_id id)
{
    for (size_t i = 0; i < array_length(placed); i++)
        if (placed[i] == id)
            return true;
    return false;
}

static void write_row(struct json_writer *json, const struct inspect_connection *connection,
                      enum metric_id id)
{
    value_json_write(json, id, values_connection(connection, id));
}

/* Times, durations and numbers. */
static void write_values(struct json_writer *json, const struct inspect_connection *connection)
{
    size_t i = 0;
    while (i < PLACED_TIMES)
        write_row(json, connection, placed[i++]);
    if (connection->stop_wall_ns) {
        json_write_time(json, "stop", connection->stop_wall_ns);
        json_write_text_if(json, "reason", close_reason_text(connection->reason));
    }
    while (i < PLACED_RTT)
        write_row(json, connection, placed[i++]);
    write_duration(json, "uptime", connection->uptime_ns);
    write_duration(json, "idle", connection->idle_ns);
    while (i < array_length(placed))
        write_row(json, connection, placed[i++]);
    for (enum metric_id id = 0; id < METRIC_COUNT; id++)
        if (metric_descriptors[id].source == METRIC_SOURCE_CONN && !is_placed(id))
            write_row(json, connection, id);
    if (connection->stalled_by)
        json_write_unsigned(json, "stalled_by", connection->stalled_by);
}

static void write_head(const struct listing *listing, const struct inspect_connection *connection)
{
    struct json_writer *json = listing->json;
    json_write_object(json, NULL);
    json_write_unsigned(json, "cid", connection->cid);
    json_write_text(json, "kind", "Client");
    json_write_text(json, "type", "nats");
    json_write_text(json, "ip", connection->ip);
    json_write_signed(json, "port", connection->port);
    write_values(json, connection);
    json_write_text_if(json, "name", connection->name);
    json_write_text_if(json, "lang", connection->lang);
    json_write_text_if(json, "version", connection->version);
    if (listing->options.auth) {
        json_write_text_if(json, "authorized_user", connection->user);
        if (connection->account && strcmp(connection->account, "$G") != 0)
            json_write_text_if(json, "account", connection->account);
    }
}

static enum inspect_verdict write_connection(void *context,
                                             const struct inspect_connection *connection)
{
    struct listing *listing = context;
    if (!connection->continued) {
        close_down_to(listing->json, listing->rows); /* who was to come again may be gone */
        write_head(listing, connection);
    }
    listing->with_account = connection->stop_wall_ns != 0;
    bool subs = listing->options.subs || listing->options.detail;
    if (subs && !inspect_connections_subscriptions(connection, write_subscription, listing))
        return INSPECT_AGAIN;
    close_down_to(listing->json, listing->rows + 1);
    if (listing->options.auth) /* tags are there for accounts by JWT only */
        json_write_text_if(listing->json, "name_tag", connection->account);
    json_write_end(listing->json);
    return listing->json->out->len < listing->enough ? INSPECT_NEXT : INSPECT_PAUSE;
}

static void write_envelope(void *context, const struct inspect_page *page)
{
    struct listing *listing = context;
    struct json_writer *json = listing->json;
    json_write_object(json, NULL);
    request_json_identity(json, page->account_known ? listing->server.server_id : "",
                          listing->server.now_wall_ns);
    json_write_unsigned(json, "num_connections", page->listed);
    json_write_unsigned(json, "total", page->matching);
    json_write_unsigned(json, "offset", listing->query.offset);
    json_write_unsigned(json, "limit", listing->query.limit);
    if (page->account_known)
        json_write_array(json, "connections");
    else
        json_write_null(json, "connections");
    listing->rows = json->depth;
    if (page->listed > WHOLE_ROWS)
        listing->enough = 0;
}

/* ---- the document ---- */

static int begin(struct listing *listing, const struct connz_options *options,
                 struct json_writer *json, struct text_buffer *error)
{
    *listing = (struct listing){.json = json, .options = *options, .base = json->depth};
    int status = read_options(options, &listing->query, error);
    if (status != 0)
        return status;
    inspect_server(&listing->server);
    status = inspect_connections_open(&listing->query, &listing->connections);
    if (status != 0)
        text_buffer_text(error, "out of memory: ask for fewer connections with limit");
    return status;
}

/* Writes one piece, of about so many bytes. Returns whether there is more. */
static bool write_piece(struct listing *listing, size_t bytes)
{
    const struct inspect_reader reader = {write_envelope, write_connection, listing};
    listing->enough = listing->json->out->len + bytes;
    if (inspect_connections_next(listing->connections, &reader))
        return true;
    close_down_to(listing->json, listing->base);
    return false;
}

int connz_write(const struct connz_options *options, struct json_writer *json,
                struct text_buffer *error)
{
    struct listing listing;
    int status = begin(&listing, options, json, error);
    if (status != 0)
        return status;
    while (write_piece(&listing, REQUEST_WHOLE_BYTES))
        ;
    inspect_connections_close(&listing.connections);
    return 0;
}

/* ---- over HTTP ---- */

static bool read_state(struct request *request, enum inspect_state *state)
{
    static const struct {
        const char *name;
        enum inspect_state state;
    } states[] = {{"", INSPECT_OPEN},
                  {"open", INSPECT_OPEN},
                  {"closed", INSPECT_CLOSED},
                  {"any", INSPECT_ALL},
                  {"all", INSPECT_ALL}};
    const char *name = request_text(request, "state");
    for (size_t i = 0; i < array_length(states); i++) {
        if (strcasecmp(states[i].name, name) == 0) {
            *state = states[i].state;
            return true;
        }
    }
    request_error(request, 400, "Error decoding state for %s", name);
    return false;
}

/* In nats-server's order of complaints. */
static bool read_arguments(struct request *request, struct connz_options *options)
{
    if (!request_bool(request, "auth", &options->auth))
        return false;
    options->detail = strcasecmp(request_text(request, "subs"), "detail") == 0;
    if (!options->detail && !request_bool(request, "subs", &options->subs))
        return false;
    if (!request_int(request, "offset", &options->offset) ||
        !request_int(request, "limit", &options->limit) ||
        !request_unsigned(request, "cid", &options->cid) || !read_state(request, &options->state))
        return false;
    options->sort = request_text(request, "sort");
    options->user = request_text(request, "user");
    options->account = request_text(request, "acc");
    options->mqtt_client = request_text(request, "mqtt_client");
    return true;
}

static bool write_next(struct request *request, void *context)
{
    bool more = write_piece(context, REQUEST_PIECE_BYTES);
    if (!more)
        request_json_end(request);
    return more;
}

static void free_listing(void *context)
{
    struct listing *listing = context;
    inspect_connections_close(&listing->connections);
    mem_free(listing);
}

/* Whole if it is short, else its first piece. */
static int answer(struct request *request, const struct connz_options *options,
                  struct text_buffer *error)
{
    struct listing *listing = mem_alloc(sizeof *listing);
    if (!listing)
        return ERR_MEMORY;
    int status = begin(listing, options, request_json(request, 2), error);
    if (status == 0 && write_piece(listing, REQUEST_WHOLE_BYTES)) {
        request_stream(request, write_next, free_listing, listing,
                       inspect_connections_bytes(listing->connections));
        return 0;
    }
    if (status == 0)
        request_json_end(request);
    free_listing(listing);
    return status;
}

void connz_answer(struct request *request)
{
    struct connz_options options = {0};
    if (!read_arguments(request, &options))
        return;
    request_count(request);
    struct text_buffer error;
    text_buffer_init(&error, ERROR_BYTES_MAX);
    int status = answer(request, &options, &error);
    if (status != 0)
        request_refuse(request, status, &error);
    text_buffer_fini(&error);
}
