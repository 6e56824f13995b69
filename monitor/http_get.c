/* libcurl's easy interface behind one function.
 *
 * 1. A call has its own handle, so threads never share state; the library is initialised once, by
 * whoever is first.
 * 2. The body grows by doubling and never beyond body_bytes_max, counted after decompression, so
 * that neither a wrong URL nor a hostile answer can take the memory.
 * 3. A body is handed out only when all of it arrived: half a document is a failure, not a short
 * document. */
#include "monitor/http_get.h"

#include <curl/curl.h>
#include <pthread.h>
#include <stdio.h>

#include "broker/base/mem.h"

struct body {
    char *bytes;
    size_t len;
    size_t capacity;
    size_t max;
    bool too_large;
};

static pthread_once_t library_once = PTHREAD_ONCE_INIT;

static void library_init(void)
{
    curl_global_init(CURL_GLOBAL_DEFAULT);
}

static size_t body_append(char *bytes, size_t size, size_t count, void *context)
{
    struct body *body = context;
    size_t len = size * count;
    if (len > body->max - body->len) {
        body->too_large = true;
        return 0;
    }
    if (body->len + len + 1 > body->capacity) {
        size_t capacity = max_size(body->capacity * 2, body->len + len + 1);
        char *grown = mem_realloc(body->bytes, capacity);
        if (!grown)
            return 0;
        body->bytes = grown;
        body->capacity = capacity;
    }
    memcpy(body->bytes + body->len, bytes, len);
    body->len += len;
    return len;
}

static enum http_get_failure failure_of(CURLcode code, const struct body *body)
{
    switch (code) {
    case CURLE_OK: return HTTP_GET_OK;
    case CURLE_OPERATION_TIMEDOUT: return HTTP_GET_TIMEOUT;
    case CURLE_WRITE_ERROR: return body->too_large ? HTTP_GET_TOO_LARGE : HTTP_GET_OTHER;
    case CURLE_COULDNT_RESOLVE_HOST:
    case CURLE_COULDNT_CONNECT:
    case CURLE_SSL_CONNECT_ERROR:
    case CURLE_PEER_FAILED_VERIFICATION:
    case CURLE_SSL_CERTPROBLEM:
    case CURLE_SSL_CACERT_BADFILE: return HTTP_GET_CONNECT;
    default: return HTTP_GET_OTHER;
    }
}

/* False when out of memory; *list is then still to be freed. */
static bool headers_add(struct curl_slist **list, const char *line)
{
    struct curl_slist *longer = curl_slist_append(*list, line);
    if (longer)
        *list = longer;
    return longer != NULL;
}

static bool headers_collect(const struct http_get_options *options, struct curl_slist **list)
{
    char line[4096];
    if (options->bearer) {
        int len = snprintf(line, sizeof line, "Authorization: Bearer %s", options->bearer);
        if (len >= (int)sizeof line || !headers_add(list, line))
            return false;
    }
    for (const char *const *header = options->headers; header && *header; header++)
        if (!headers_add(list, *header))
            return false;
    return true;
}

static void handle_configure(CURL *curl, const struct http_get_options *options)
{
    long timeout_ms = options->timeout_ms > 0 ? options->timeout_ms : HTTP_GET_TIMEOUT_MS;
    long connect_ms = options->connect_timeout_ms > 0 ? options->connect_timeout_ms : timeout_ms;
    curl_easy_setopt(curl, CURLOPT_URL, options->url);
    curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(curl, CURLOPT_PROXY, "");
    curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS, timeout_ms);
    curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT_MS, connect_ms);
    curl_easy_setopt(curl, CURLOPT_ACCEPT_ENCODING, "");
    curl_easy_setopt(curl, CURLOPT_USERAGENT, "clearwing/" CLEARWING_VERSION);
    if (options->ca_file)
        curl_easy_setopt(curl, CURLOPT_CAINFO, options->ca_file);
    if (options->cert_file)
        curl_easy_setopt(curl, CURLOPT_SSLCERT, options->cert_file);
    if (options->key_file)
        curl_easy_setopt(curl, CURLOPT_SSLKEY, options->key_file);
    if (options->insecure) {
        curl_easy_setopt(curl, CURLOPT_SSL_VERIFYPEER, 0L);
        curl_easy_setopt(curl, CURLOPT_SSL_VERIFYHOST, 0L);
    }
}

static void perform(CURL *curl, struct body *body, struct http_get_answer *answer)
{
    char details[CURL_ERROR_SIZE] = "";
    curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, details);
    curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, body_append);
    curl_easy_setopt(curl, CURLOPT_WRITEDATA, body);
    CURLcode code = curl_easy_perform(curl);
    long status = 0;
    curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &status);
    answer->status = (int)status;
    answer->failure = failure_of(code, body);
    if (answer->failure == HTTP_GET_TOO_LARGE)
        snprintf(answer->error, sizeof answer->error, "answer is larger than %zu bytes", body->max);
    else if (code != CURLE_OK)
        snprintf(answer->error, sizeof answer->error, "%s",
                 details[0] ? details : curl_easy_strerror(code));
}

bool http_get(const struct http_get_options *options, struct http_get_answer *answer)
{
    pthread_once(&library_once, library_init);
    *answer = (struct http_get_answer){.failure = HTTP_GET_OTHER, .error = "out of memory"};
    struct body body = {.max = options->body_bytes_max ? options->body_bytes_max
                                                       : HTTP_GET_BODY_BYTES_MAX};
    struct curl_slist *headers = NULL;
    CURL *curl = curl_easy_init();
    if (!curl || !headers_collect(options, &headers))
        goto cleanup;
    handle_configure(curl, options);
    curl_easy_setopt(curl, CURLOPT_HTTPHEADER, headers);
    answer->error[0] = '\0';
    perform(curl, &body, answer);
    if (answer->failure != HTTP_GET_OK)
        goto cleanup;
    answer->body = body.bytes ? body.bytes : mem_zalloc(1);
    if (!answer->body) {
        answer->failure = HTTP_GET_OTHER;
        goto cleanup;
    }
    answer->body_len = body.len;
    answer->body[body.len] = '\0';
    body.bytes = NULL;
cleanup:
    mem_free(body.bytes);
    curl_slist_free_all(headers);
    curl_easy_cleanup(curl);
    return answer->failure == HTTP_GET_OK;
}

void http_get_fini(struct http_get_answer *answer)
{
    mem_free(answer->body);
    answer->body = NULL;
    answer->body_len = 0;
}

const char *http_get_failure_name(enum http_get_failure failure)
{
    switch (failure) {
    case HTTP_GET_OK: return "none";
    case HTTP_GET_CONNECT: return "connect";
    case HTTP_GET_TIMEOUT: return "timeout";
    case HTTP_GET_TOO_LARGE: return "too_large";
    case HTTP_GET_OTHER: break;
    }
    return "other";
}
