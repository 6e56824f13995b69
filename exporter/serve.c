/* Requests.
 *
 * A scraper says how long it will wait (X-Prometheus-Scrape-Timeout-Seconds); 80 % of that is for
 * the servers, so that the answer, with nats_up 0 for those that did not, is still in time. /probe
 * asks servers that are named in the request, and only those that --probe-allow permits: an
 * exporter must not become a way into a network. Probe targets are kept, since their counters live
 * in them, and are at most PROBE_TARGETS_MAX. */
#include "exporter/serve.h"

#include <arpa/inet.h>
#include <crypt.h>
#include <errno.h>
#include <fnmatch.h>
#include <microhttpd.h>
#include <netdb.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#include "broker/base/clock.h"
#include "broker/base/mem.h"
#include "exporter/collect.h"
#include "monitor/gzip.h"

enum { PROBE_TARGETS_MAX = 1024, IDLE_TIMEOUT_SECONDS = 60, TIMEOUT_MS_MIN = 50 };
#define PEM_BYTES_MAX ((size_t)1 << 20)

struct serve {
    const struct options *options;
    struct MHD_Daemon *daemon;
    uint16_t port;
    char *tls_cert, *tls_key;
    struct scrape_target *targets[OPTIONS_TARGETS_MAX];
    pthread_mutex_t probe_lock;
    struct {
        char *url;
        struct scrape_target *target;
    } probes[PROBE_TARGETS_MAX];
    size_t probe_count;
};

/* ---- answers ---- */

/* Takes body, which mem_free frees. */
static enum MHD_Result answer_take(struct MHD_Connection *connection, unsigned status,
                                   const char *type, const char *encoding, char *body, size_t len)
{
    struct MHD_Response *response =
        MHD_create_response_from_buffer_with_free_callback(len, body, mem_free);
    if (!response) {
        mem_free(body);
        return MHD_NO;
    }
    MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE, type);
    if (encoding)
        MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_ENCODING, encoding);
    enum MHD_Result result = MHD_queue_response(connection, status, response);
    MHD_destroy_response(response);
    return result;
}

static enum MHD_Result answer_text(struct MHD_Connection *connection, unsigned status,
                                   const char *type, const char *text)
{
    char *copy = mem_copy_string(span_of(text));
    return copy ? answer_take(connection, status, type, NULL, copy, strlen(text)) : MHD_NO;
}

static enum MHD_Result answer_line(struct MHD_Connection *connection, unsigned status,
                                   const char *text)
{
    return answer_text(connection, status, "text/plain; charset=utf-8", text);
}

static const char *request_header(struct MHD_Connection *connection, const char *name)
{
    return MHD_lookup_connection_value(connection, MHD_HEADER_KIND, name);
}

/* ---- scrapes ---- */

static int64_t request_timeout_ms(struct MHD_Connection *connection, const struct options *options)
{
    const char *text = request_header(connection, "X-Prometheus-Scrape-Timeout-Seconds");
    double seconds = text ? strtod(text, NULL) : 0;
    if (!(seconds > 0 && seconds < 3600))
        return options->timeout_ms;
    int64_t ms = (int64_t)(seconds * 800);
    return ms < TIMEOUT_MS_MIN ? TIMEOUT_MS_MIN : ms;
}

static enum MHD_Result answer_scrape(struct serve *serve, struct MHD_Connection *connection,
                                     struct scrape_target *const *targets, size_t count,
                                     unsigned collect)
{
    const struct options *options = serve->options;
    /* The older names cannot all be said in OpenMetrics, and the older exporter did not speak it.
     */
    enum prom_text_format format = options->names & OPTIONS_LEGACY
                                       ? PROM_TEXT_PLAIN
                                       : prom_text_negotiate(request_header(connection, "Accept"));
    struct collect_request request = {targets, count, collect,
                                      request_timeout_ms(connection, options), format};
    size_t len = 0, packed_len;
    char *body = collect_text(options, &request, &len);
    if (!body)
        return answer_line(connection, 500, "out of memory\n");
    const char *accepted = request_header(connection, MHD_HTTP_HEADER_ACCEPT_ENCODING);
    char *packed =
        gzip_accepted(accepted) ? gzip_pack((struct span){body, len}, &packed_len) : NULL;
    if (packed) {
        mem_free(body);
        return answer_take(connection, 200, prom_text_content_type(format), "gzip", packed,
                           packed_len);
    }
    return answer_take(connection, 200, prom_text_content_type(format), NULL, body, len);
}

/* ---- probes ---- */

/* "http://host:port" from what the request says; false when it is more or less than that. */
static bool probe_url(const char *text, char *url, size_t url_bytes, const char **authority)
{
    const char *scheme = strncmp(text, "https://", 8) == 0 ? "https://" : "http://";
    const char *host = strstr(text, "://") ? text + strlen(scheme) : text;
    size_t len =
        strspn(host, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-:[]_");
    if (len == 0 || (host[len] != '\0' && strcmp(host + len, "/") != 0) ||
        (host != text && strncmp(text, scheme, strlen(scheme)) != 0))
        return false;
    const char *colon = memrchr(host, ':', len), *bracket = memrchr(host, ']', len);
    bool port = colon && (!bracket || colon > bracket);
    int written = snprintf(url, url_bytes, "%s%.*s%s", scheme, (int)len, host, port ? "" : ":8222");
    *authority = url + strlen(scheme);
    return written < (int)url_bytes;
}

static bool probe_allowed(const struct options *options, const char *authority)
{
    for (const char *const *pattern = options->probe_allow; *pattern; pattern++)
        if (fnmatch(*pattern, authority, FNM_NOESCAPE) == 0)
            return true;
    return false;
}

/* NULL when there are too many or memory ran out. */
static struct scrape_target *probe_target(struct serve *serve, const char *url)
{
    struct scrape_target *target = NULL;
    pthread_mutex_lock(&serve->probe_lock);
    for (size_t i = 0; i < serve->probe_count && !target; i++)
        if (strcmp(serve->probes[i].url, url) == 0)
            target = serve->probes[i].target;
    if (!target && serve->probe_count < PROBE_TARGETS_MAX) {
        char *copy = mem_copy_string(span_of(url));
        target = copy ? scrape_target_new(serve->options, copy) : NULL;
        if (target) {
            serve->probes[serve->probe_count].url = copy;
            serve->probes[serve->probe_count++].target = target;
        } else {
            mem_free(copy);
        }
    }
    pthread_mutex_unlock(&serve->probe_lock);
    return target;
}

static enum MHD_Result answer_probe(struct serve *serve, struct MHD_Connection *connection)
{
    const char *text = MHD_lookup_connection_value(connection, MHD_GET_ARGUMENT_KIND, "target");
    const char *list = MHD_lookup_connection_value(connection, MHD_GET_ARGUMENT_KIND, "collect");
    unsigned collect = serve->options->collect;
    char url[512];
    const char *authority, *bad = "";
    if (!text)
        return answer_line(connection, 400, "target is missing: /probe?target=http://HOST:8222\n");
    if (!probe_url(text, url, sizeof url, &authority))
        return answer_line(connection, 400,
                           "target is not http://HOST:PORT or https://HOST:PORT\n");
    if (!probe_allowed(serve->options, authority))
        return answer_line(connection, 403,
                           "this target is not allowed: start the exporter with --probe-allow "
                           "HOST:PORT\n");
    if (list) {
        char *words = mem_copy_string(span_of(list));
        bool known = words && options_collect_parse(words, &collect, &bad);
        mem_free(words);
        if (!known)
            return answer_line(connection, 400,
                               "collect knows server, connections, subscriptions, routes, "
                               "gateways, leafs, accounts, jetstream\n");
        collect &= serve->options->collect;
    }
    struct scrape_target *target = probe_target(serve, url);
    if (!target)
        return answer_line(connection, 503, "too many different targets were probed\n");
    return answer_scrape(serve, connection, &target, 1, collect);
}

/* ---- requests ---- */

static const char landing_page[] =
    "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">"
    "<title>Clearwing exporter</title></head>\n<body><h1>Clearwing exporter</h1>\n"
    "<p>Prometheus metrics of NATS servers, version " CLEARWING_VERSION ".</p>\n<ul>\n"
    "<li><a href=\"metrics\">metrics</a> of the servers given at the start</li>\n"
    "<li>probe?target=http://HOST:8222 of any allowed server</li>\n"
    "<li><a href=\"healthz\">healthz</a> of the exporter itself</li>\n</ul></body></html>\n";

/* Whether the request knows name and password, plain or bcrypt; compared in constant time. */
static bool authorized(const struct options *options, struct MHD_Connection *connection)
{
    if (!options->http_user)
        return true;
    char *password = NULL;
    char *user = MHD_basic_auth_get_username_password(connection, &password);
    const char *given = password ? password : "", *expected = options->http_pass;
    struct crypt_data *data = mem_zalloc(sizeof *data);
    if (data && strncmp(expected, "$2", 2) == 0)
        given = crypt_r(given, expected, data);
    size_t expected_len = strlen(expected), given_len = given ? strlen(given) : 0;
    unsigned char differs = !data || !user || !password || !given ||
                            strcmp(user, options->http_user) != 0 || given_len != expected_len;
    for (size_t i = 0; i < expected_len; i++)
        differs |= (unsigned char)(expected[i] ^ (given_len ? given[i % given_len] : 0));
    mem_free(data);
    MHD_free(user);
    MHD_free(password);
    return differs == 0;
}

static enum MHD_Result answer_unauthorized(struct MHD_Connection *connection)
{
    struct MHD_Response *response =
        MHD_create_response_from_buffer(0, NULL, MHD_RESPMEM_PERSISTENT);
    if (!response)
        return MHD_NO;
    enum MHD_Result result =
        MHD_queue_basic_auth_fail_response(connection, "clearwing-exporter", response);
    MHD_destroy_response(response);
    return result;
}

static enum MHD_Result request_route(struct serve *serve, struct MHD_Connection *connection,
                                     const char *path)
{
    const struct options *options = serve->options;
    bool metrics = strcmp(path, options->path) == 0 ||
                   (options->path[0] != '/' && strcmp(path + 1, options->path) == 0);
    if (!metrics && strcmp(path, "/healthz") == 0)
        return answer_text(connection, 200, "application/json", "{\"status\":\"ok\"}\n");
    if (!authorized(options, connection))
        return answer_unauthorized(connection);
    if (metrics)
        return answer_scrape(serve, connection, serve->targets, options->target_count,
                             options->collect);
    if (strcmp(path, "/probe") == 0)
        return answer_probe(serve, connection);
    if (strcmp(path, "/") == 0)
        return answer_text(connection, 200, "text/html; charset=utf-8", landing_page);
    return answer_line(connection, 404, "not found: /metrics, /probe, /healthz and / are here\n");
}

static enum MHD_Result request_handle(void *context, struct MHD_Connection *connection,
                                      const char *path, const char *method, const char *version,
                                      const char *upload, size_t *upload_len, void **state)
{
    static char headers_seen;
    (void)version;
    (void)upload;
    if (*state != &headers_seen) {
        *state = &headers_seen;
        return MHD_YES;
    }
    if (*upload_len > 0) {
        *upload_len = 0;
        return MHD_YES;
    }
    if (strcmp(method, "GET") != 0 && strcmp(method, "HEAD") != 0)
        return answer_line(connection, 405, "only GET is possible here\n");
    return request_route(context, connection, path);
}

/* ---- start and stop ---- */

static char *file_read(const char *path)
{
    FILE *file = fopen(path, "rb");
    char *text = file ? mem_zalloc(PEM_BYTES_MAX + 1) : NULL;
    if (text && (fread(text, 1, PEM_BYTES_MAX, file) == 0 || ferror(file))) {
        mem_free(text);
        text = NULL;
    }
    if (file)
        fclose(file);
    if (!text)
        fprintf(stderr, "clearwing-exporter: cannot read %s: %s\n", path, strerror(errno));
    return text;
}

static bool address_find(const struct options *options, struct sockaddr_storage *out)
{
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE}, *found = NULL;
    char port[8];
    snprintf(port, sizeof port, "%u", options->listen_port);
    int error = getaddrinfo(options->listen_host, port, &hints, &found);
    if (error) {
        fprintf(stderr, "clearwing-exporter: cannot listen on '%s': %s\n", options->listen_host,
                gai_strerror(error));
        return false;
    }
    memcpy(out, found->ai_addr, found->ai_addrlen);
    freeaddrinfo(found);
    return true;
}

static bool daemon_start(struct serve *serve, const struct sockaddr_storage *address)
{
    const struct options *options = serve->options;
    unsigned flags = MHD_USE_THREAD_PER_CONNECTION | MHD_USE_INTERNAL_POLLING_THREAD |
                     MHD_USE_POLL | MHD_USE_ITC;
    if (address->ss_family == AF_INET6)
        flags |= MHD_USE_DUAL_STACK; /* "::" serves both */
    struct MHD_OptionItem tls[] = {{MHD_OPTION_HTTPS_MEM_CERT, 0, serve->tls_cert},
                                   {MHD_OPTION_HTTPS_MEM_KEY, 0, serve->tls_key},
                                   {MHD_OPTION_END, 0, NULL}};
    if (options->tls_cert)
        flags |= MHD_USE_TLS;
    else
        tls[0].option = MHD_OPTION_END;
    serve->daemon = MHD_start_daemon(
        flags, 0, NULL, NULL, request_handle, serve, MHD_OPTION_SOCK_ADDR, address,
        MHD_OPTION_CONNECTION_LIMIT, (unsigned)SERVE_CONNECTIONS_MAX, MHD_OPTION_CONNECTION_TIMEOUT,
        (unsigned)IDLE_TIMEOUT_SECONDS, MHD_OPTION_ARRAY, tls, MHD_OPTION_END);
    if (!serve->daemon) {
        fprintf(
            stderr,
            "clearwing-exporter: cannot listen on %s:%u: the port is taken or not permitted%s\n",
            options->listen_host, options->listen_port,
            options->tls_cert ? ", or certificate and key do not fit" : "");
        return false;
    }
    const union MHD_DaemonInfo *info =
        MHD_get_daemon_info(serve->daemon, MHD_DAEMON_INFO_BIND_PORT);
    serve->port = info && info->port ? info->port : options->listen_port;
    return true;
}

struct serve *serve_start(const struct options *options)
{
    struct serve *serve = mem_zalloc_or_exit(sizeof *serve);
    struct sockaddr_storage address = {0};
    serve->options = options;
    pthread_mutex_init(&serve->probe_lock, NULL);
    bool ready = true;
    for (size_t i = 0; i < options->target_count && ready; i++) {
        serve->targets[i] = scrape_target_new(options, options->targets[i]);
        ready = serve->targets[i] != NULL;
    }
    if (ready && options->tls_cert) {
        serve->tls_cert = file_read(options->tls_cert);
        serve->tls_key = serve->tls_cert ? file_read(options->tls_key) : NULL;
        ready = serve->tls_cert && serve->tls_key;
    }
    if (!ready || !address_find(options, &address) || !daemon_start(serve, &address))
        serve_stop(&serve);
    return serve;
}

uint16_t serve_port(const struct serve *serve)
{
    return serve->port;
}

void serve_stop(struct serve **pointer)
{
    struct serve *serve = *pointer;
    if (serve->daemon)
        MHD_stop_daemon(serve->daemon);
    for (size_t i = 0; i < OPTIONS_TARGETS_MAX; i++)
        scrape_target_free(&serve->targets[i]);
    for (size_t i = 0; i < serve->probe_count; i++) {
        scrape_target_free(&serve->probes[i].target);
        mem_free(serve->probes[i].url);
    }
    mem_free(serve->tls_cert);
    mem_free(serve->tls_key);
    pthread_mutex_destroy(&serve->probe_lock);
    mem_free(serve);
    *pointer = NULL;
}
