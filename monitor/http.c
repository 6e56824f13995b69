/* libmicrohttpd does the protocol on a small pool of threads; this file decides who answers what.
 *
 * A request's way: `begin` sees the raw target before libmicrohttpd decodes it, because its
 * decoding is not Go's, and makes the exchange; `access` drains the body, then routes once;
 * `finish` frees the exchange. The answer's bytes go to libmicrohttpd without a copy and are freed
 * by `release` when the last of them is sent. A streamed answer stays with its exchange: whenever
 * the reader has taken a piece, `read_stream` has the endpoint make the next one.
 *
 * Bounds: connections_max connections (the kernel's backlog holds the rest; past half of them
 * answers close their connection, so that idle keep-alive connections cannot lock others out),
 * idle_timeout_s without progress, deadlines.c's times for whole requests and answers,
 * HTTP_MEMORY_MAX for request line and headers, HTTP_UPLOAD_MAX for a body nobody reads, and
 * HTTP_ANSWERS_MAX for all answers waiting for their readers together.
 *
 * It polls rather than using epoll: with epoll, libmicrohttpd (0.9.75) sleeps on when exactly 128
 * sockets of a thread are ready at once, until one of them times out. For a few hundred sockets
 * poll costs nothing that matters.
 *
 * Threads: each pool thread becomes an RCU reader at its first request, and stops being one at its
 * end, through the destructor of a thread-specific key. Shared between them are only atomics. */
#include "monitor/http.h"

#include <microhttpd.h>
#include <pthread.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#include "broker/base/clock.h"
#include "broker/base/err.h"
#include "broker/base/listen.h"
#include "broker/base/mem.h"
#include "broker/inspect.h"
#include "monitor/certificate.h"
#include "monitor/credentials.h"
#include "monitor/deadlines.h"
#include "monitor/first_words.h"
#include "monitor/gzip.h"
#include "monitor/request.h"

enum {
    HTTP_CONNECTIONS_DEFAULT = 1024,
    HTTP_THREADS_DEFAULT = 2,
    HTTP_IDLE_TIMEOUT_DEFAULT_S = 75, /* more than the usual time between two scrapes */
    HTTP_MEMORY_MAX = 32 << 10,
    HTTP_STREAM_BLOCK = 16 << 10,
    HTTP_UPLOAD_MAX = 1 << 20
};
#define HTTP_ANSWERS_MAX ((size_t)256 << 20)
/* 1.2 is the oldest that is not broken. */
#define HTTP_TLS_VERSIONS "NORMAL:-VERS-ALL:+VERS-TLS1.3:+VERS-TLS1.2"

struct monitor {
    struct MHD_Daemon *daemon;
    int port;
    unsigned connections_max;
    bool https;
    char *base_path;                 /* effective: "" or "/like/this" */
    struct credentials *credentials; /* NULL: anyone may read */
    bool has_key;
    pthread_key_t reader_key;
    struct endpoint_counts counts;
    _Atomic size_t answers_bytes;
    struct deadlines deadlines;
};

struct exchange {
    struct monitor *monitor;
    struct deadline *deadline; /* of its connection */
    struct request request;
    char *location;            /* of a redirection, or NULL */
    const char *authorization; /* the header's value, or NULL */
    bool accepts_gzip, packed; /* the reader, the answer */
    bool varies;               /* the answer depends on what the reader accepts */
    bool bodyless;             /* HEAD */
    bool challenge;            /* the answer asks for credentials */
    size_t uploaded;
    int fault;         /* of the target: 0, or an ERR_* */
    bool whole_server; /* the target is *, which is no document */
    bool started;
    /* Of a streamed answer: of the piece in the request's body; was it the last; in answers_bytes. */
    size_t sent;
    bool ended;
    size_t counted;
    struct gzip_stream *gzip; /* NULL: it goes out as it is */
};

struct outgoing {
    struct monitor *monitor;
    char *bytes;
    size_t len;
};

static void leave_reader(void *registered)
{
    (void)registered;
    inspect_thread_leave();
}

static void enter_reader(struct monitor *monitor)
{
    if (pthread_getspecific(monitor->reader_key))
        return;
    inspect_thread_enter();
    pthread_setspecific(monitor->reader_key, monitor);
}

static struct deadline *deadline_of(struct MHD_Connection *connection)
{
    return MHD_get_connection_info(connection, MHD_CONNECTION_INFO_SOCKET_CONTEXT)->socket_context;
}

static void *begin(void *context, const char *target, struct MHD_Connection *connection)
{
    struct monitor *monitor = context;
    struct deadline *deadline = deadline_of(connection);
    struct exchange *exchange = deadline ? mem_zalloc(sizeof *exchange) : NULL;
    if (!exchange)
        return NULL;
    request_init(&exchange->request);
    exchange->monitor = monitor;
    exchange->deadline = deadline;
    exchange->request.base_path = monitor->base_path;
    exchange->request.counts = &monitor->counts;
    exchange->request.no_jsonp = monitor->credentials != NULL;
    exchange->whole_server = strcmp(target, "*") == 0;
    exchange->fault = query_parse(&exchange->request.query, target);
    return exchange;
}

static void finish(void *context, struct MHD_Connection *connection, void **slot,
                   enum MHD_RequestTerminationCode code)
{
    struct monitor *monitor = context;
    struct exchange *exchange = *slot;
    (void)connection;
    (void)code;
    if (!exchange)
        return;
    deadlines_idle(&monitor->deadlines, exchange->deadline);
    atomic_fetch_sub_explicit(&monitor->answers_bytes, exchange->counted, memory_order_relaxed);
    gzip_stream_free(&exchange->gzip);
    request_fini(&exchange->request);
    mem_free(exchange->location);
    mem_free(exchange);
    *slot = NULL;
}

/* libmicrohttpd closes the descriptor after the second notice. */
static void notice_connection(void *context, struct MHD_Connection *connection, void **slot,
                              enum MHD_ConnectionNotificationCode code)
{
    struct monitor *monitor = context;
    if (code == MHD_CONNECTION_NOTIFY_CLOSED) {
        if (*slot)
            deadlines_close(&monitor->deadlines, *slot);
        return;
    }
    int fd = MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD)->connect_fd;
    *slot = deadlines_open(&monitor->deadlines, fd);
    bool refused = first_words_refused(fd, monitor->https);
    if (refused)
        endpoints_turn_away(&monitor->counts, ENDPOINT_NOT_HTTP);
    if (!*slot || refused)
        shutdown(fd, SHUT_RDWR);
}

static void release(void *context)
{
    struct outgoing *outgoing = context;
    atomic_fetch_sub_explicit(&outgoing->monitor->answers_bytes, outgoing->len,
                              memory_order_relaxed);
    mem_free(outgoing->bytes);
    mem_free(outgoing);
}

/* The endpoint of a decoded path, or NULL. */
static const struct endpoint *find(const struct monitor *monitor, const char *path)
{
    size_t len = strlen(monitor->base_path);
    if (strncmp(path, monitor->base_path, len) != 0)
        return NULL;
    const char *rest = path + len;
    if (len > 0 && *rest == '\0')
        rest = "/";
    else if (len > 0 && strcmp(rest, "/") == 0)
        return NULL;
    return endpoints_find(rest);
}

/* The target of a redirection to path: what Go's URL.String makes of it. NULL when out of memory.
 */
static char *encode_target(const char *path, const char *query)
{
    static const char plain[] = "$&+,/:;=@-._~";
    struct text_buffer target;
    text_buffer_init(&target, HTTP_MEMORY_MAX * 4);
    for (; *path; path++) {
        unsigned char byte = (unsigned char)*path;
        bool letter = (byte | 0x20) >= 'a' && (byte | 0x20) <= 'z';
        if (letter || (byte >= '0' && byte <= '9') || strchr(plain, byte))
            text_buffer_append(&target, path, 1);
        else
            text_buffer_printf(&target, "%%%02X", byte);
    }
    if (*query) {
        text_buffer_text(&target, "?");
        text_buffer_text(&target, query);
    }
    text_buffer_append(&target, "", 1);
    size_t len;
    bool failed = target.failed;
    char *text = text_buffer_take(&target, &len);
    if (failed) {
        mem_free(text);
        return NULL;
    }
    return text;
}

/* true when the path is not clean and the answer points to where it is. */
static bool redirect(struct exchange *exchange, const char *method)
{
    struct request *request = &exchange->request;
    const char *path = request->query.path;
    if (*path && !strstr(path, "//") && !strstr(path, "/."))
        return false;
    char *clean = mem_alloc(strlen(path) + 2);
    if (!clean) {
        request_error(request, 503, "out of memory");
        return true;
    }
    query_clean_path(path, clean);
    bool different = strcmp(path, clean) != 0;
    if (different) {
        request->status = 301;
        bool reads = strcmp(method, "GET") == 0 || exchange->bodyless;
        request->content_type = reads ? "text/html; charset=utf-8" : NULL;
        exchange->location = encode_target(clean, request->query.raw);
        if (strcmp(method, "GET") == 0 && exchange->location) {
            text_buffer_text(&request->body, "<a href=\"");
            text_buffer_html(&request->body, exchange->location);
            text_buffer_text(&request->body, "\">Moved Permanently</a>.\n\n");
        }
    }
    mem_free(clean);
    return different;
}

/* true when the reader has not shown that it may read, and the answer says so. */
static bool refuse(struct monitor *monitor, struct exchange *exchange)
{
    struct request *request = &exchange->request;
    if (request->endpoint && request->endpoint->for_anyone)
        return false;
    switch (credentials_check(monitor->credentials, exchange->authorization)) {
    case CREDENTIALS_RIGHT: return false;
    case CREDENTIALS_LATER:
        endpoints_turn_away(&monitor->counts, ENDPOINT_GUESSING);
        request_error(request, 429,
                      "429 Too Many Requests: too many wrong credentials, try again "
                      "in a second");
        return true;
    case CREDENTIALS_WRONG:
        request_error(request, 401, "401 Unauthorized: wrong credentials");
        break;
    case CREDENTIALS_MISSING:
        request_error(request, 401, "401 Unauthorized: this server's monitoring needs %s",
                      !credentials_has_token(monitor->credentials)  ? "a user and password"
                      : !credentials_has_user(monitor->credentials) ? "a bearer token"
                                                                    : "a user and password, or a "
                                                                      "bearer token");
    }
    endpoints_turn_away(&monitor->counts, ENDPOINT_CREDENTIALS);
    exchange->challenge = true;
    return true;
}

static void answer(struct monitor *monitor, struct exchange *exchange, const char *method)
{
    struct request *request = &exchange->request;
    if (exchange->whole_server) {
        request->status = strcmp(method, "OPTIONS") == 0 ? 200 : 400;
        request->content_type = NULL;
        return;
    }
    if (exchange->fault) {
        bool ours = exchange->fault == ERR_MEMORY;
        request_error(request, ours ? 503 : 400, "%s", ours ? "out of memory" : "400 Bad Request");
        return;
    }
    if (redirect(exchange, method))
        return;
    request->endpoint = find(monitor, request->query.path);
    if (refuse(monitor, exchange)) {
        request->endpoint = NULL; /* nothing is counted as its */
        return;
    }
    if (!request->endpoint) {
        request_error(request, 404, "404 page not found");
        request->no_sniff = true;
        return;
    }
    if (atomic_load_explicit(&monitor->answers_bytes, memory_order_relaxed) > HTTP_ANSWERS_MAX) {
        endpoints_turn_away(&monitor->counts, ENDPOINT_BUSY);
        request_error(request, 503,
                      "too many large answers are waiting for their readers: try again later");
        return;
    }
    if (request->endpoint->counted_first)
        request_count(request);
    enter_reader(monitor);
    int64_t begun_ns = clock_mono_ns();
    request->endpoint->answer(request);
    endpoints_spend(&monitor->counts, request->endpoint, (uint64_t)(clock_mono_ns() - begun_ns), 0);
    if (request->body.failed)
        request_error(request, 503, "the answer is too large: use limit and offset");
}

/* Packs the answer, or begins to, if it is worth it and the reader takes it; without memory it goes out as it is. */
static void pack(struct monitor *monitor, struct exchange *exchange)
{
    struct request *request = &exchange->request;
    exchange->varies = request->body.len >= GZIP_FROM_BYTES;
    if (!exchange->varies || !exchange->accepts_gzip)
        return;
    if (request->stream.next) {
        exchange->gzip = exchange->bodyless ? NULL : gzip_stream_new();
        exchange->packed = exchange->gzip || exchange->bodyless;
        return;
    }
    int64_t begun_ns = clock_mono_ns();
    size_t packed_len;
    char *packed = gzip_pack((struct span){request->body.bytes, request->body.len}, &packed_len);
    if (packed)
        text_buffer_adopt(&request->body, packed, packed_len);
    exchange->packed = packed != NULL;
    if (request->endpoint)
        endpoints_spend(&monitor->counts, request->endpoint, (uint64_t)(clock_mono_ns() - begun_ns),
                        0);
}

/* ---- streamed answers ---- */

static bool next_piece(struct exchange *exchange)
{
    struct monitor *monitor = exchange->monitor;
    struct request *request = &exchange->request;
    int64_t begun_ns = clock_mono_ns();
    if (request->body.len > 2 * REQUEST_PIECE_BYTES)
        text_buffer_fini(&request->body);
    request->body.len = exchange->sent = 0;
    exchange->ended = !request->stream.next(request, request->stream.context);
    deadlines_allow(&monitor->deadlines, exchange->deadline, request->body.len);
    endpoints_spend(&monitor->counts, request->endpoint, (uint64_t)(clock_mono_ns() - begun_ns), 0);
    return !request->body.failed;
}

/* Takes from the front of the piece into out; returns the bytes written, which may be none when it is packed. */
static size_t take_piece(struct exchange *exchange, char *out, size_t room)
{
    const struct text_buffer *body = &exchange->request.body;
    struct span rest = {body->bytes + exchange->sent, body->len - exchange->sent};
    if (!exchange->gzip) {
        size_t count = min_size(room, rest.len);
        if (count > 0)
            memcpy(out, rest.ptr, count);
        exchange->sent += count;
        return count;
    }
    int64_t begun_ns = clock_mono_ns();
    size_t count = gzip_stream_pack(exchange->gzip, &rest, exchange->ended, out, room);
    exchange->sent = body->len - rest.len;
    endpoints_spend(&exchange->monitor->counts, exchange->request.endpoint,
                    (uint64_t)(clock_mono_ns() - begun_ns), 0);
    return count;
}

static ssize_t read_stream(void *context, uint64_t position, char *out, size_t room)
{
    struct exchange *exchange = context;
    size_t count;
    (void)position;
    while ((count = take_piece(exchange, out, room)) == 0) {
        if (exchange->ended)
            return MHD_CONTENT_READER_END_OF_STREAM;
        if (!next_piece(exchange))
            return MHD_CONTENT_READER_END_WITH_ERROR;
    }
    endpoints_spend(&exchange->monitor->counts, exchange->request.endpoint, 0, count);
    return (ssize_t)count;
}

static struct MHD_Response *make_stream(struct monitor *monitor, struct exchange *exchange)
{
    const struct request *request = &exchange->request;
    exchange->counted = request->stream.held_bytes + request->body.len + REQUEST_PIECE_BYTES +
                        (exchange->gzip ? GZIP_STREAM_BYTES : 0);
    atomic_fetch_add_explicit(&monitor->answers_bytes, exchange->counted, memory_order_relaxed);
    deadlines_allow(&monitor->deadlines, exchange->deadline, request->body.len);
    struct MHD_Response *response = MHD_create_response_from_callback(
        MHD_SIZE_UNKNOWN, HTTP_STREAM_BLOCK, read_stream, exchange, NULL);
    /* libmicrohttpd would send the last chunk even where there is no body to end. */
    if (response && exchange->bodyless)
        MHD_set_response_options(response, MHD_RF_HTTP_1_0_COMPATIBLE_STRICT, MHD_RO_END);
    return response;
}

/* ---- sending ---- */

static struct MHD_Response *make_response(struct monitor *monitor, struct exchange *exchange)
{
    struct outgoing *outgoing = mem_zalloc(sizeof *outgoing);
    if (!outgoing)
        return NULL;
    outgoing->monitor = monitor;
    outgoing->bytes = text_buffer_take(&exchange->request.body, &outgoing->len);
    atomic_fetch_add_explicit(&monitor->answers_bytes, outgoing->len, memory_order_relaxed);
    deadlines_allow(&monitor->deadlines, exchange->deadline, outgoing->len);
    if (exchange->request.endpoint && !exchange->bodyless)
        endpoints_spend(&monitor->counts, exchange->request.endpoint, 0, outgoing->len);
    struct MHD_Response *response = MHD_create_response_from_buffer_with_free_callback_cls(
        outgoing->len, outgoing->bytes, release, outgoing);
    if (!response)
        release(outgoing);
    return response;
}

static bool add_challenge(const struct monitor *monitor, struct MHD_Response *response)
{
    bool ok = true;
    if (credentials_has_user(monitor->credentials))
        ok &= MHD_add_response_header(response, "WWW-Authenticate",
                                      "Basic realm=\"monitoring\", charset=\"UTF-8\"") == MHD_YES;
    if (credentials_has_token(monitor->credentials))
        ok &= MHD_add_response_header(response, "WWW-Authenticate",
                                      "Bearer realm=\"monitoring\"") == MHD_YES;
    return ok;
}

static enum MHD_Result send_answer(struct monitor *monitor, struct exchange *exchange,
                                   struct MHD_Connection *connection)
{
    struct request *request = &exchange->request;
    struct MHD_Response *response =
        request->stream.next ? make_stream(monitor, exchange) : make_response(monitor, exchange);
    if (!response)
        return MHD_NO;
    unsigned open = atomic_load_explicit(&monitor->deadlines.open, memory_order_relaxed);
    bool ok = true;
    if (request->content_type)
        ok &= MHD_add_response_header(response, "Content-Type", request->content_type) == MHD_YES;
    if (request->any_origin)
        ok &= MHD_add_response_header(response, "Access-Control-Allow-Origin", "*") == MHD_YES;
    if (request->no_sniff)
        ok &= MHD_add_response_header(response, "X-Content-Type-Options", "nosniff") == MHD_YES;
    if (exchange->location)
        ok &= MHD_add_response_header(response, "Location", exchange->location) == MHD_YES;
    if (exchange->varies)
        ok &= MHD_add_response_header(response, "Vary", "Accept-Encoding") == MHD_YES;
    if (exchange->packed)
        ok &= MHD_add_response_header(response, "Content-Encoding", "gzip") == MHD_YES;
    if (exchange->challenge)
        ok &= add_challenge(monitor, response);
    if (request->status == 429)
        ok &= MHD_add_response_header(response, "Retry-After", "1") == MHD_YES;
    if (exchange->fault || open > monitor->connections_max / 2)
        ok &= MHD_add_response_header(response, "Connection", "close") == MHD_YES;
    enum MHD_Result result =
        ok ? MHD_queue_response(connection, request->status, response) : MHD_NO;
    MHD_destroy_response(response);
    return result;
}

static enum MHD_Result access_request(void *context, struct MHD_Connection *connection,
                                      const char *url, const char *method, const char *version,
                                      const char *upload, size_t *upload_size, void **slot)
{
    struct monitor *monitor = context;
    struct exchange *exchange = *slot;
    (void)url;
    (void)version;
    (void)upload;
    if (!exchange)
        return MHD_NO;
    if (!exchange->started) {
        deadlines_answer(&monitor->deadlines, exchange->deadline);
        exchange->started = true;
        return MHD_YES;
    }
    if (*upload_size > 0) {
        exchange->uploaded += *upload_size;
        *upload_size = 0;
        return exchange->uploaded <= HTTP_UPLOAD_MAX ? MHD_YES : MHD_NO;
    }
    exchange->request.accept = MHD_lookup_connection_value(connection, MHD_HEADER_KIND, "Accept");
    exchange->authorization =
        MHD_lookup_connection_value(connection, MHD_HEADER_KIND, "Authorization");
    exchange->bodyless = strcmp(method, "HEAD") == 0;
    exchange->accepts_gzip =
        gzip_accepted(MHD_lookup_connection_value(connection, MHD_HEADER_KIND, "Accept-Encoding"));
    answer(monitor, exchange, method);
    pack(monitor, exchange);
    return send_answer(monitor, exchange, connection);
}

/* "" for none, else a clean path with a slash at the front and none at the end. NULL when out of
 * memory. */
static char *effective_base_path(const char *configured)
{
    size_t len = configured ? strlen(configured) : 0;
    char *joined = mem_alloc(len + 2), *clean = mem_alloc(len + 3);
    if (joined && clean) {
        joined[0] = '/';
        memcpy(joined + 1, configured ? configured : "", len);
        joined[len + 1] = '\0';
        query_clean_path(joined, clean);
        size_t end = strlen(clean);
        if (end > 0 && clean[end - 1] == '/')
            clean[end - 1] = '\0';
    } else {
        mem_free(clean);
        clean = NULL;
    }
    mem_free(joined);
    return clean;
}

/* certificate is NULL for plain HTTP. */
static struct MHD_Daemon *start_daemon(struct monitor *monitor,
                                       const struct monitor_options *options, int fd,
                                       const struct certificate *certificate)
{
    unsigned threads = options->threads ? options->threads : HTTP_THREADS_DEFAULT;
    unsigned timeout_s =
        options->idle_timeout_s ? options->idle_timeout_s : HTTP_IDLE_TIMEOUT_DEFAULT_S;
    struct MHD_OptionItem tls[] = {
        {MHD_OPTION_HTTPS_MEM_CERT, 0, certificate ? certificate->chain : NULL},
        {MHD_OPTION_HTTPS_MEM_KEY, 0, certificate ? certificate->key : NULL},
        {MHD_OPTION_HTTPS_PRIORITIES, 0, (void *)(uintptr_t)HTTP_TLS_VERSIONS},
        {MHD_OPTION_END, 0, NULL}};
    return MHD_start_daemon(
        MHD_USE_POLL_INTERNAL_THREAD | (certificate ? MHD_USE_TLS : 0), 0, NULL, NULL,
        access_request, monitor, MHD_OPTION_LISTEN_SOCKET, fd, MHD_OPTION_THREAD_POOL_SIZE, threads,
        MHD_OPTION_CONNECTION_LIMIT, monitor->connections_max, MHD_OPTION_CONNECTION_TIMEOUT,
        timeout_s, MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)HTTP_MEMORY_MAX,
        MHD_OPTION_URI_LOG_CALLBACK, begin, monitor, MHD_OPTION_NOTIFY_COMPLETED, finish, monitor,
        MHD_OPTION_NOTIFY_CONNECTION, notice_connection, monitor, MHD_OPTION_ARRAY,
        certificate ? tls : tls + array_length(tls) - 1, MHD_OPTION_END);
}

int monitor_start(const struct monitor_options *options, struct monitor **out, char *error,
                  size_t error_size)
{
    int fd = -1, status = ERR_MEMORY;
    struct certificate certificate = {0};
    snprintf(error, error_size, "out of memory");
    struct monitor *monitor = mem_zalloc(sizeof *monitor);
    if (!monitor)
        return ERR_MEMORY;
    unsigned threads = options->threads ? options->threads : HTTP_THREADS_DEFAULT;
    unsigned wanted =
        options->connections_max ? options->connections_max : HTTP_CONNECTIONS_DEFAULT;
    monitor->connections_max = wanted > threads ? wanted : threads;
    monitor->https = options->cert_file != NULL;
    deadlines_init(&monitor->deadlines, monitor->connections_max / 4 * 3, &monitor->counts);
    monitor->base_path = effective_base_path(options->base_path);
    monitor->has_key = pthread_key_create(&monitor->reader_key, leave_reader) == 0;
    if (!monitor->base_path || !monitor->has_key ||
        credentials_new(options->user, options->password, options->token, &monitor->credentials))
        goto cleanup;
    status = options->cert_file ? certificate_read(options->cert_file, options->key_file,
                                                   &certificate, error, error_size)
                                : 0;
    if (status == 0)
        status = listen_tcp(options->host ? options->host : "", options->port, &fd, &monitor->port,
                            error, error_size);
    if (status != 0)
        goto cleanup;
    first_words_wait(fd);
    monitor->daemon = start_daemon(monitor, options, fd, certificate.key ? &certificate : NULL);
    certificate_fini(&certificate);
    if (!monitor->daemon) {
        snprintf(error, error_size, "the threads of the monitoring port could not be started");
        close(fd);
        status = ERR_SYSTEM;
        goto cleanup;
    }
    error[0] = '\0';
    *out = monitor;
    return 0;

cleanup:
    certificate_fini(&certificate);
    monitor_stop(&monitor);
    return status;
}

const struct endpoint_counts *monitor_counts(const struct monitor *monitor)
{
    return &monitor->counts;
}

int monitor_port(const struct monitor *monitor)
{
    return monitor->port;
}

void monitor_sweep(struct monitor *monitor)
{
    deadlines_sweep(&monitor->deadlines, clock_mono_ns());
}

void monitor_stop(struct monitor **monitor)
{
    struct monitor *stopped = *monitor;
    if (!stopped)
        return;
    *monitor = NULL;
    if (stopped->daemon)
        MHD_stop_daemon(stopped->daemon);
    deadlines_fini(&stopped->deadlines);
    if (stopped->has_key)
        pthread_key_delete(stopped->reader_key);
    mem_free(stopped->base_path);
    credentials_free(&stopped->credentials);
    mem_free(stopped);
}
