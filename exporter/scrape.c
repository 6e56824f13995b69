/* One fetch of one target runs at a time:
 *
 *     idle --scrape_fetch--> fetching --all documents in--> idle, with `last` replaced
 *
 * Whoever wants a target that is being fetched waits for that result, until its own deadline. The
 * fetcher starts a thread per document and joins them; every request has the time that is left to
 * the deadline, so that the join is bounded by it. What the target remembers between scrapes is
 * written by the fetcher only, under the lock at the end.
 *
 * Invariants. 1. `last` is complete and never changed once it is published. 2. The remembered
 * counters never fall, except the connection sums when the server restarted. */
#include "exporter/scrape.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "broker/base/clock.h"
#include "broker/base/mem.h"
#include "monitor/http_get.h"
#include "monitor/json_read.h"

enum {
    PAGE = 10000, /* entries asked for at once; the servers set no maximum */
    PAGES_MAX = 20,
    CLOSED_PAGE = 1024,
    CLOSED_PAGES_MAX = 10,    /* the servers remember 10,000 */
    CLOSED_REASONS_MAX = 100, /* the servers know about 40 */
    ACCOUNTS_MAX = 2000,
    THREAD_STACK_BYTES = 512 * 1024,
    PATH_BYTES = 2048
};

const char *const scrape_conn_sum_keys[SCRAPE_CONN_SUMS] = {"in_msgs", "out_msgs", "in_bytes",
                                                            "out_bytes"};

static const struct {
    const char *name;
    const char *path;
} endpoints[SCRAPE_ENDPOINTS] = {
    [SCRAPE_VARZ] = {"varz", "/varz"},
    [SCRAPE_CONNZ] = {"connz", "/connz?auth=1"},
    [SCRAPE_CLOSED] = {"connz_closed", "/connz?state=closed&sort=stop&auth=1"},
    [SCRAPE_SUBSZ] = {"subsz", "/subsz"},
    [SCRAPE_ROUTEZ] = {"routez", "/routez"},
    [SCRAPE_GATEWAYZ] = {"gatewayz", "/gatewayz"},
    [SCRAPE_LEAFZ] = {"leafz", "/leafz"},
    [SCRAPE_ACCSTATZ] = {"accstatz", "/accstatz?unused=1"},
    [SCRAPE_ACCOUNTZ] = {"accountz", "/accountz"},
    [SCRAPE_HEALTHZ] = {"healthz", "/healthz"},
    [SCRAPE_HEALTHZ_JS_ENABLED] = {"healthz_js_enabled_only", "/healthz?js-enabled-only=true"},
    [SCRAPE_HEALTHZ_JS_SERVER] = {"healthz_js_server_only", "/healthz?js-server-only=true"},
    [SCRAPE_JSZ] = {"jsz", "/jsz"},
};

struct shared_result {
    struct scrape_result result; /* first, so that the two share an address */
    _Atomic int references;
};

struct scrape_target {
    const struct options *options;
    const char *base; /* URL without a final "/" */
    size_t base_len;
    char *label;
    char *address;

    pthread_mutex_t lock;
    pthread_cond_t changed;
    bool fetching;
    struct shared_result *last;
    unsigned last_wanted;
    int64_t last_mono_ns;

    char *server, *cluster, *server_id;
    uint64_t errors[SCRAPE_ENDPOINTS][SCRAPE_REASONS];
    json_t *closed_by_reason;
    uint64_t *seen; /* cids of the closed connections of the last scrape, sorted */
    size_t seen_count;
    bool seen_any;
    uint64_t closed_sums[SCRAPE_CONN_SUMS];
    uint64_t reported_sums[SCRAPE_CONN_SUMS];
};

const char *scrape_endpoint_name(enum scrape_endpoint endpoint)
{
    return endpoints[endpoint].name;
}

const char *scrape_reason_name(enum scrape_reason reason)
{
    static const char *const names[] = {"none",        "connect", "timeout",
                                        "http_status", "decode",  "too_large"};
    return names[reason];
}

unsigned scrape_wanted(const struct options *options, unsigned collect)
{
    static const struct {
        unsigned collect, compat, documents;
    } needs[] = {
        {0, OPTIONS_VARZ, 1u << SCRAPE_VARZ},
        {OPTIONS_SERVER, 0,
         1u << SCRAPE_HEALTHZ | 1u << SCRAPE_HEALTHZ_JS_ENABLED | 1u << SCRAPE_HEALTHZ_JS_SERVER},
        {OPTIONS_CONNECTIONS, OPTIONS_CONNZ | OPTIONS_CONNZ_DETAILED,
         1u << SCRAPE_CONNZ | 1u << SCRAPE_CLOSED},
        {OPTIONS_SUBSCRIPTIONS, OPTIONS_SUBZ, 1u << SCRAPE_SUBSZ},
        {OPTIONS_ROUTES, OPTIONS_ROUTEZ, 1u << SCRAPE_ROUTEZ},
        {OPTIONS_GATEWAYS, OPTIONS_GATEWAYZ, 1u << SCRAPE_GATEWAYZ},
        {OPTIONS_LEAFS, OPTIONS_LEAFZ, 1u << SCRAPE_LEAFZ},
        {OPTIONS_ACCOUNTS, OPTIONS_ACCSTATZ, 1u << SCRAPE_ACCSTATZ},
        {OPTIONS_ACCOUNTS, OPTIONS_ACCOUNTZ, 1u << SCRAPE_ACCOUNTZ},
        {0, OPTIONS_HEALTHZ, 1u << SCRAPE_HEALTHZ},
        {0, OPTIONS_HEALTHZ_JS_ENABLED, 1u << SCRAPE_HEALTHZ_JS_ENABLED},
        {0, OPTIONS_HEALTHZ_JS_SERVER, 1u << SCRAPE_HEALTHZ_JS_SERVER},
        {OPTIONS_JETSTREAM, OPTIONS_JSZ, 1u << SCRAPE_JSZ},
    };
    unsigned wanted = 1u << SCRAPE_VARZ;
    for (size_t i = 0; i < array_length(needs); i++) {
        bool native = (options->names & OPTIONS_NATIVE) && (collect & needs[i].collect);
        bool legacy = (options->names & OPTIONS_LEGACY) && (options->compat & needs[i].compat);
        if (native || legacy)
            wanted |= needs[i].documents;
    }
    return wanted;
}

/* ---- targets ---- */

/* The part of a URL that may be shown: the password is not. */
static struct span url_authority(const char *url)
{
    const char *host = strstr(url, "://") + 3;
    struct span authority = {host, strcspn(host, "/?#")};
    const char *at = memrchr(authority.ptr, '@', authority.len);
    if (at) {
        authority.len -= (size_t)(at + 1 - authority.ptr);
        authority.ptr = at + 1;
    }
    return authority;
}

struct scrape_target *scrape_target_new(const struct options *options, const char *text)
{
    struct scrape_target *target = mem_zalloc(sizeof *target);
    if (!target)
        return NULL;
    const char *comma = strrchr(text, ',');
    target->options = options;
    target->base = comma ? comma + 1 : text;
    target->base_len = strlen(target->base);
    while (target->base_len > 0 && target->base[target->base_len - 1] == '/')
        target->base_len--;
    struct span authority = url_authority(target->base);
    char label[512];
    snprintf(label, sizeof label, "%.*s%.*s", (int)(strstr(target->base, "://") + 3 - target->base),
             target->base, (int)authority.len, authority.ptr);
    target->address = mem_copy_string(authority);
    target->label = comma ? mem_copy_string((struct span){text, (size_t)(comma - text)})
                          : mem_copy_string(span_of(label));
    target->closed_by_reason = json_object();
    pthread_condattr_t attributes;
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_mutex_init(&target->lock, NULL);
    pthread_cond_init(&target->changed, &attributes);
    pthread_condattr_destroy(&attributes);
    if (!target->address || !target->label || !target->closed_by_reason)
        scrape_target_free(&target);
    return target;
}

void scrape_target_free(struct scrape_target **pointer)
{
    struct scrape_target *target = *pointer;
    if (!target)
        return;
    if (target->last)
        scrape_result_unref(&target->last->result);
    json_decref(target->closed_by_reason);
    mem_free(target->seen);
    mem_free(target->server);
    mem_free(target->cluster);
    mem_free(target->server_id);
    mem_free(target->address);
    mem_free(target->label);
    pthread_cond_destroy(&target->changed);
    pthread_mutex_destroy(&target->lock);
    mem_free(target);
    *pointer = NULL;
}

static struct shared_result *result_new(const struct scrape_target *target, unsigned wanted)
{
    struct shared_result *shared = mem_zalloc(sizeof *shared);
    if (!shared)
        return NULL;
    atomic_init(&shared->references, 1);
    shared->result.label = target->label;
    shared->result.address = target->address;
    for (int i = 0; i < SCRAPE_ENDPOINTS; i++) {
        shared->result.documents[i].wanted = wanted & 1u << i;
        shared->result.documents[i].reason = SCRAPE_TIMEOUT;
    }
    return shared;
}

void scrape_result_unref(struct scrape_result *result)
{
    struct shared_result *shared = (struct shared_result *)(void *)result;
    if (!result || atomic_fetch_sub(&shared->references, 1) > 1)
        return;
    for (int i = 0; i < SCRAPE_ENDPOINTS; i++)
        json_decref(result->documents[i].root);
    json_decref(result->closed_by_reason);
    mem_free(result->server);
    mem_free(result->cluster);
    mem_free(shared);
}

/* ---- one document ---- */

struct fetch {
    const struct scrape_target *target;
    enum scrape_endpoint endpoint;
    int64_t deadline_ns;
    struct scrape_document *document;
    pthread_t thread;
    bool started;
};

static enum scrape_reason reason_of(const struct http_get_answer *answer, bool any_status)
{
    switch (answer->failure) {
    case HTTP_GET_CONNECT: return SCRAPE_CONNECT;
    case HTTP_GET_TIMEOUT: return SCRAPE_TIMEOUT;
    case HTTP_GET_TOO_LARGE: return SCRAPE_TOO_LARGE;
    case HTTP_GET_OTHER: return SCRAPE_DECODE;
    case HTTP_GET_OK: break;
    }
    return answer->status == 200 || any_status ? SCRAPE_OK : SCRAPE_STATUS;
}

/* GETs one path; *out is a new document on SCRAPE_OK. */
static enum scrape_reason document_get(const struct fetch *fetch, const char *path, json_t **out)
{
    const struct options *options = fetch->target->options;
    int64_t left_ms = (fetch->deadline_ns - clock_mono_ns()) / NS_PER_MS;
    char *error = fetch->document->error;
    size_t error_bytes = sizeof fetch->document->error;
    snprintf(error, error_bytes, "no answer in time");
    if (left_ms <= 0)
        return SCRAPE_TIMEOUT;
    char url[PATH_BYTES + 512];
    int len = snprintf(url, sizeof url, "%.*s%s", (int)fetch->target->base_len, fetch->target->base,
                       path);
    if (len >= (int)sizeof url)
        return SCRAPE_CONNECT;
    struct http_get_options get = {.url = url,
                                   .timeout_ms = (long)left_ms,
                                   .ca_file = options->nats_tls_ca,
                                   .cert_file = options->nats_tls_cert,
                                   .key_file = options->nats_tls_key,
                                   .insecure = options->nats_tls_insecure};
    struct http_get_answer answer;
    http_get(&get, &answer);
    bool health = fetch->endpoint >= SCRAPE_HEALTHZ && fetch->endpoint <= SCRAPE_HEALTHZ_JS_SERVER;
    enum scrape_reason reason = reason_of(&answer, health);
    snprintf(error, error_bytes, "%.150s", answer.error);
    if (reason == SCRAPE_STATUS)
        snprintf(error, error_bytes, "answered with status %d", answer.status);
    if (reason == SCRAPE_OK) {
        snprintf(error, error_bytes, "not an object");
        json_t *root = json_read_document(answer.body, answer.body_len, error, error_bytes);
        if (json_is_object(root))
            *out = root;
        else {
            json_decref(root);
            reason = SCRAPE_DECODE;
        }
    }
    http_get_fini(&answer);
    return reason;
}

/* Whether the page holds a closed connection that the last scrape saw, so that older pages hold
 * nothing new. */
static bool page_has_seen(const struct scrape_target *target, const json_t *page);

/* Fetches page after page and appends the later ones' `array` to the first's. */
static enum scrape_reason pages_get(struct fetch *fetch, const char *array, unsigned page,
                                    unsigned pages_max)
{
    const char *path = endpoints[fetch->endpoint].path;
    for (unsigned i = 0; i < pages_max; i++) {
        char query[PATH_BYTES];
        snprintf(query, sizeof query, "%s%slimit=%u&offset=%u%s", path,
                 strchr(path, '?') ? "&" : "?", page, page * i,
                 fetch->endpoint == SCRAPE_SUBSZ ? "&subs=1" : "");
        json_t *root = NULL;
        enum scrape_reason reason = document_get(fetch, query, &root);
        if (reason != SCRAPE_OK)
            return i == 0 ? reason : SCRAPE_OK;
        json_t *entries = json_object_get(root, array);
        size_t count = json_array_size(entries);
        bool last = count < page ||
                    (fetch->endpoint == SCRAPE_CLOSED && page_has_seen(fetch->target, entries));
        if (i == 0) {
            fetch->document->root = root;
        } else {
            json_array_extend(json_object_get(fetch->document->root, array), entries);
            json_decref(root);
        }
        if (last)
            break;
    }
    return SCRAPE_OK;
}

static bool path_append_escaped(char *path, size_t path_bytes, const char *text)
{
    size_t len = strlen(path);
    for (; *text; text++) {
        if (len + 4 > path_bytes)
            return false;
        bool plain = (*text >= '0' && *text <= '9') || (*text >= 'A' && *text <= 'Z') ||
                     (*text >= 'a' && *text <= 'z') || strchr("-_.~$", *text);
        len += (size_t)snprintf(path + len, path_bytes - len, plain ? "%c" : "%%%02X",
                                (unsigned char)*text);
    }
    return true;
}

/* /accountz, then each account's details under "details". An account that fails is left out. */
static enum scrape_reason accounts_get(struct fetch *fetch)
{
    enum scrape_reason reason = document_get(fetch, "/accountz", &fetch->document->root);
    if (reason != SCRAPE_OK)
        return reason;
    json_t *details = json_object(), *name;
    size_t i;
    json_array_foreach (json_object_get(fetch->document->root, "accounts"), i, name) {
        char path[PATH_BYTES] = "/accountz?acc=";
        json_t *one = NULL;
        if (i >= ACCOUNTS_MAX || !json_is_string(name) ||
            !path_append_escaped(path, sizeof path, json_string_value(name)) ||
            document_get(fetch, path, &one) != SCRAPE_OK)
            continue;
        json_object_set(details, json_string_value(name), json_object_get(one, "account_detail"));
        json_decref(one);
    }
    json_object_set_new(fetch->document->root, "details", details);
    return SCRAPE_OK;
}

static enum scrape_reason jetstream_get(struct fetch *fetch)
{
    static const char *const details[] = {"", "", "streams=true", "consumers=true"};
    const struct options *options = fetch->target->options;
    enum options_jetstream detail =
        options->names & OPTIONS_NATIVE ? options->jetstream : OPTIONS_JS_OFF;
    bool compat = (options->names & OPTIONS_LEGACY) && (options->compat & OPTIONS_JSZ);
    if (compat && options->compat_jetstream > detail)
        detail = options->compat_jetstream;
    char path[PATH_BYTES] = "/jsz";
    if (detail >= OPTIONS_JS_STREAMS)
        snprintf(path, sizeof path, "/jsz?%s&config=true&raft=true&limit=%d", details[detail],
                 PAGE);
    else if (compat)
        snprintf(path, sizeof path, "/jsz?accounts=true&limit=%d", PAGE);
    return document_get(fetch, path, &fetch->document->root);
}

static void *fetch_run(void *context)
{
    struct fetch *fetch = context;
    struct scrape_document *document = fetch->document;
    int64_t start = clock_mono_ns();
    switch (fetch->endpoint) {
    case SCRAPE_CONNZ: document->reason = pages_get(fetch, "connections", PAGE, PAGES_MAX); break;
    case SCRAPE_CLOSED:
        document->reason = pages_get(fetch, "connections", CLOSED_PAGE, CLOSED_PAGES_MAX);
        break;
    case SCRAPE_ACCOUNTZ: document->reason = accounts_get(fetch); break;
    case SCRAPE_JSZ: document->reason = jetstream_get(fetch); break;
    case SCRAPE_SUBSZ:
        if (fetch->target->options->subjects[0]) {
            document->reason = pages_get(fetch, "subscriptions_list", PAGE, PAGES_MAX);
            break;
        } /* fall through */
    default:
        document->reason = document_get(fetch, endpoints[fetch->endpoint].path, &document->root);
    }
    document->seconds = (double)(clock_mono_ns() - start) / (double)NS_PER_SEC;
    document->local_wall_ns = clock_wall_ns();
    return NULL;
}

/* ---- what is remembered ---- */

static int compare_cids(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

static bool was_seen(const struct scrape_target *target, uint64_t cid)
{
    return target->seen_count > 0 &&
           bsearch(&cid, target->seen, target->seen_count, sizeof cid, compare_cids) != NULL;
}

static bool page_has_seen(const struct scrape_target *target, const json_t *page)
{
    uint64_t cid;
    return json_read_unsigned(json_array_get(page, json_array_size(page) - 1), "cid", &cid) &&
           was_seen(target, cid);
}

/* Counts the closed connections that are new since the last scrape. */
static void remember_closed(struct scrape_target *target, const json_t *entries)
{
    size_t count = json_array_size(entries), i, used = 0;
    uint64_t *cids = mem_alloc((count + 1) * sizeof *cids);
    json_t *entry;
    if (!cids)
        return;
    json_array_foreach (entries, i, entry) {
        uint64_t value = 0;
        if (!json_read_unsigned(entry, "cid", &value))
            continue;
        cids[used++] = value;
        if (was_seen(target, value))
            continue;
        const char *reason = json_read_text(entry, "reason");
        if (json_object_size(target->closed_by_reason) >= CLOSED_REASONS_MAX &&
            !json_object_get(target->closed_by_reason, reason))
            reason = "other";
        json_int_t before = json_integer_value(json_object_get(target->closed_by_reason, reason));
        json_object_set_new(target->closed_by_reason, reason, json_integer(before + 1));
        for (int k = 0; target->seen_any && k < SCRAPE_CONN_SUMS; k++)
            if (json_read_unsigned(entry, scrape_conn_sum_keys[k], &value))
                target->closed_sums[k] += value;
    }
    qsort(cids, used, sizeof *cids, compare_cids);
    mem_free(target->seen);
    target->seen = cids;
    target->seen_count = used;
    target->seen_any = true;
}

static void remember_sums(struct scrape_target *target, const json_t *entries)
{
    for (int k = 0; k < SCRAPE_CONN_SUMS; k++) {
        uint64_t sum = target->closed_sums[k], value;
        size_t i;
        json_t *entry;
        json_array_foreach (entries, i, entry) {
            if (json_read_unsigned(entry, scrape_conn_sum_keys[k], &value))
                sum += value;
        }
        /* A connection that closed between the two documents is in both or in none, for this once.
         */
        if (sum > target->reported_sums[k])
            target->reported_sums[k] = sum;
    }
}

static void text_replace(char **text, const char *with)
{
    char *copy = mem_copy_string(span_of(with));
    if (!copy)
        return;
    mem_free(*text);
    *text = copy;
}

static void remember_identity(struct scrape_target *target, const json_t *varz)
{
    const char *id = json_read_text(varz, "server_id"), *name = json_read_text(varz, "server_name");
    if (target->server_id && strcmp(target->server_id, id) != 0) {
        target->seen_count = 0;
        memset(target->closed_sums, 0, sizeof target->closed_sums);
        memset(target->reported_sums, 0, sizeof target->reported_sums);
    }
    text_replace(&target->server_id, id);
    /* A server without a name of its own is called by its id, which changes with each start. */
    text_replace(&target->server, name[0] && strcmp(name, id) != 0 ? name : target->address);
    text_replace(&target->cluster, json_read_text(varz, "cluster.name"));
}

static const json_t *result_root(const struct scrape_result *result, enum scrape_endpoint endpoint)
{
    return result->documents[endpoint].root;
}

/* Under the lock. Counts failures and copies into the result what outlives it. */
static void result_complete(struct scrape_target *target, struct scrape_result *result)
{
    result->up = result_root(result, SCRAPE_VARZ) != NULL;
    if (result->up)
        remember_identity(target, result_root(result, SCRAPE_VARZ));
    if (result_root(result, SCRAPE_CLOSED))
        remember_closed(target, json_object_get(result_root(result, SCRAPE_CLOSED), "connections"));
    if (result_root(result, SCRAPE_CONNZ))
        remember_sums(target, json_object_get(result_root(result, SCRAPE_CONNZ), "connections"));
    for (int i = 0; i < SCRAPE_ENDPOINTS; i++)
        if (result->documents[i].wanted && result->documents[i].reason != SCRAPE_OK)
            target->errors[i][result->documents[i].reason]++;
}

static void result_copy_remembered(const struct scrape_target *target, struct scrape_result *result)
{
    memcpy(result->errors, target->errors, sizeof result->errors);
    memcpy(result->conn_sums, target->reported_sums, sizeof result->conn_sums);
    result->closed_by_reason = json_copy(target->closed_by_reason);
    text_replace(&result->server, target->server ? target->server : target->address);
    text_replace(&result->cluster, target->cluster ? target->cluster : "");
}

/* ---- one target ---- */

static void documents_fetch(const struct scrape_target *target, struct scrape_result *result,
                            int64_t deadline_ns)
{
    struct fetch fetches[SCRAPE_ENDPOINTS] = {0};
    pthread_attr_t attributes;
    pthread_attr_init(&attributes);
    pthread_attr_setstacksize(&attributes, THREAD_STACK_BYTES);
    for (int i = 0; i < SCRAPE_ENDPOINTS; i++) {
        if (!result->documents[i].wanted)
            continue;
        fetches[i] = (struct fetch){.target = target,
                                    .endpoint = (enum scrape_endpoint)i,
                                    .deadline_ns = deadline_ns,
                                    .document = &result->documents[i]};
        fetches[i].started =
            pthread_create(&fetches[i].thread, &attributes, fetch_run, &fetches[i]) == 0;
        if (!fetches[i].started)
            fetch_run(&fetches[i]);
    }
    for (int i = 0; i < SCRAPE_ENDPOINTS; i++)
        if (fetches[i].started)
            pthread_join(fetches[i].thread, NULL);
    pthread_attr_destroy(&attributes);
}

/* Under the lock: waits while another fetches; false when the deadline passed first. */
static bool wait_for_turn(struct scrape_target *target, int64_t deadline_ns)
{
    struct timespec until = {.tv_sec = deadline_ns / NS_PER_SEC,
                             .tv_nsec = deadline_ns % NS_PER_SEC};
    while (target->fetching)
        if (pthread_cond_timedwait(&target->changed, &target->lock, &until) != 0)
            return !target->fetching;
    return true;
}

static void log_transition(const struct scrape_target *target, const struct scrape_result *result)
{
    bool first = !target->last, before = target->last && target->last->result.up;
    const struct scrape_document *varz = &result->documents[SCRAPE_VARZ];
    if (result->up && !before)
        fprintf(stderr, "clearwing-exporter: %s is up\n", target->label);
    else if (!result->up && (first || before))
        fprintf(stderr, "clearwing-exporter: %s is down: %s\n", target->label, varz->error);
}

static struct shared_result *target_fetch(struct scrape_target *target, unsigned wanted,
                                          int64_t deadline_ns)
{
    pthread_mutex_lock(&target->lock);
    bool turn = wait_for_turn(target, deadline_ns);
    struct shared_result *result = target->last;
    bool fresh = turn && result && (target->last_wanted & wanted) == wanted &&
                 clock_mono_ns() - target->last_mono_ns < SCRAPE_SHARED_NS;
    if (fresh) {
        atomic_fetch_add(&result->references, 1);
    } else {
        result = result_new(target, wanted);
        if (result && !turn)
            result_copy_remembered(target, &result->result);
    }
    if (!result || fresh || !turn) {
        pthread_mutex_unlock(&target->lock);
        return result;
    }
    target->fetching = true;
    pthread_mutex_unlock(&target->lock);

    documents_fetch(target, &result->result, deadline_ns);

    pthread_mutex_lock(&target->lock);
    result_complete(target, &result->result);
    result_copy_remembered(target, &result->result);
    log_transition(target, &result->result);
    struct shared_result *before = target->last;
    atomic_fetch_add(&result->references, 1);
    target->last = result;
    target->last_wanted = wanted;
    target->last_mono_ns = clock_mono_ns();
    target->fetching = false;
    pthread_cond_broadcast(&target->changed);
    pthread_mutex_unlock(&target->lock);
    if (before)
        scrape_result_unref(&before->result);
    return result;
}

/* ---- several targets ---- */

struct target_job {
    struct scrape_target *target;
    unsigned wanted;
    int64_t deadline_ns;
    struct scrape_result **out;
    pthread_t thread;
    bool started;
};

static void *target_job_run(void *context)
{
    struct target_job *job = context;
    struct shared_result *shared = target_fetch(job->target, job->wanted, job->deadline_ns);
    *job->out = shared ? &shared->result : NULL;
    return NULL;
}

void scrape_fetch(struct scrape_target *const *targets, size_t count, unsigned wanted,
                  int64_t timeout_ms, struct scrape_result **results)
{
    struct target_job jobs[OPTIONS_TARGETS_MAX];
    int64_t deadline_ns = clock_mono_ns() + timeout_ms * NS_PER_MS;
    check(count <= OPTIONS_TARGETS_MAX);
    for (size_t i = 0; i < count; i++) {
        jobs[i] = (struct target_job){targets[i], wanted, deadline_ns, &results[i], 0, false};
        if (i + 1 < count)
            jobs[i].started = pthread_create(&jobs[i].thread, NULL, target_job_run, &jobs[i]) == 0;
        if (!jobs[i].started)
            target_job_run(&jobs[i]);
    }
    for (size_t i = 0; i < count; i++)
        if (jobs[i].started)
            pthread_join(jobs[i].thread, NULL);
}
