/* The thread sleeps until the next poll is due or something changes, polls, and appends the sample
 * to a queue.
 *
 * 1. Polls are due at fixed distances from the start of the one before; one that took longer than
 * the interval is followed at once by the next, never by two.
 * 2. /varz decides whether a sample is good. /connz and /subsz that fail leave their part absent; a
 * failed /connz is told in the sample's error, a server without /subsz simply has none of its
 * figures.
 * 3. A list that takes more than a quarter of the interval is asked for every second time only.
 * 4. Signals are blocked in the thread: they belong to the screen. */
#include "top/fetch.h"

#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <unistd.h>

#include "broker/base/clock.h"
#include "broker/base/mem.h"
#include "monitor/http_get.h"

enum { QUEUE_MAX = 3600 };

struct fetch {
    const char *url;
    const struct options *options;
    int wake_fd;
    pthread_t thread;
    pthread_mutex_t lock; /* all below */
    pthread_cond_t changed;
    struct fetch_wish wish;
    struct sample *queue[QUEUE_MAX];
    size_t first, count;
    int64_t next_ns;
    bool now, detail, stop, slow, polling;
};

char *fetch_shown_url(const char *url, char *out, size_t out_bytes)
{
    const char *scheme = strstr(url, "://");
    const char *host = scheme ? scheme + 3 : url;
    const char *path = strchr(host, '/');
    const char *at = memrchr(host, '@', path ? (size_t)(path - host) : strlen(host));
    snprintf(out, out_bytes, "%.*s%s", (int)(host - url), url, at ? at + 1 : host);
    return out;
}

static bool get(const char *url, const struct options *options, const struct fetch_wish *wish,
                const char *path, struct http_get_answer *answer)
{
    char full[OPTIONS_URL_BYTES + 160];
    snprintf(full, sizeof full, "%s%s", url, path);
    struct http_get_options request = {.url = full,
                                       .timeout_ms = options_timeout_ms(options, wish->interval_ns),
                                       .ca_file = options->ca_file,
                                       .cert_file = options->cert_file,
                                       .key_file = options->key_file,
                                       .insecure = options->insecure,
                                       .headers = options->headers};
    return http_get(&request, answer);
}

/* "/connz: 400 invalid sorting option: x" */
static void error_set(struct sample *sample, const char *path, const struct http_get_answer *answer)
{
    int name = (int)strcspn(path, "?");
    if (answer->failure != HTTP_GET_OK)
        snprintf(sample->error, sizeof sample->error, "%.*s: %s", name, path, answer->error);
    else
        snprintf(sample->error, sizeof sample->error, "%.*s: HTTP status %d %.*s", name, path,
                 answer->status,
                 (int)strcspn(answer->body, "\r\n") < 80 ? (int)strcspn(answer->body, "\r\n") : 80,
                 answer->body);
}

typedef bool reader(struct sample *sample, const char *body, size_t len);

/* False: the sample's error says why, and *status is the HTTP status if there was one. */
static bool part_read(struct sample *sample, const char *url, const struct options *options,
                      const struct fetch_wish *wish, const char *path, reader *read, int *status)
{
    struct http_get_answer answer;
    bool good = get(url, options, wish, path, &answer) && answer.status == 200;
    *status = answer.status;
    if (good)
        good = read(sample, answer.body, answer.body_len);
    else
        error_set(sample, path, &answer);
    http_get_fini(&answer);
    return good;
}

static void connz_read(struct sample *sample, const char *url, const struct options *options,
                       const struct fetch_wish *wish, bool *sort_refused)
{
    char path[128];
    int status;
    for (const char *sort = *sort_refused ? "cid" : wish->sort;; sort = "cid") {
        snprintf(path, sizeof path, "/connz?auth=1&limit=%u&sort=%s", wish->limit, sort);
        if (part_read(sample, url, options, wish, path, sample_read_connz, &status)) {
            sample->error[0] = '\0';
            return;
        }
        if (status != 400 || strcmp(sort, "cid") == 0)
            return;
        *sort_refused = true;
    }
}

static void detail_read(struct sample *sample, const char *url, const struct options *options,
                        const struct fetch_wish *wish)
{
    char path[128];
    struct http_get_answer answer;
    snprintf(path, sizeof path, "/connz?subs=detail&cid=%llu",
             (unsigned long long)wish->detail_cid);
    bool good = get(url, options, wish, path, &answer) && answer.status == 200;
    if (!good)
        error_set(sample, path, &answer);
    else if (!sample_read_detail(sample, wish->detail_cid, answer.body, answer.body_len))
        sample_detail_free(&sample->detail);
    http_get_fini(&answer);
}

struct sample *fetch_poll(const char *url, const struct options *options,
                          const struct fetch_wish *wish, bool *sort_refused)
{
    struct sample *sample = sample_new();
    if (!sample)
        return NULL;
    int64_t begin_ns = clock_mono_ns();
    int status;
    if (part_read(sample, url, options, wish, "/varz", sample_read_varz, &status)) {
        if (!part_read(sample, url, options, wish, "/subsz", sample_read_subsz, &status))
            sample->error[0] = '\0';
        if (wish->connections)
            connz_read(sample, url, options, wish, sort_refused);
        if (wish->detail_cid)
            detail_read(sample, url, options, wish);
    }
    sample->mono_ns = clock_mono_ns();
    sample->wall_ns = clock_wall_ns();
    sample->poll_ns = sample->mono_ns - begin_ns;
    return sample;
}

static void queue_put(struct fetch *fetch, struct sample *sample)
{
    if (fetch->count > 0) {
        struct sample *newest = fetch->queue[(fetch->first + fetch->count - 1) % QUEUE_MAX];
        if (sample->connz)
            sample_connz_free(&newest->connz);
        if (sample->detail)
            sample_detail_free(&newest->detail);
    }
    if (fetch->count == QUEUE_MAX) {
        sample_free(&fetch->queue[fetch->first]);
        fetch->first = (fetch->first + 1) % QUEUE_MAX;
        fetch->count--;
    }
    fetch->queue[(fetch->first + fetch->count++) % QUEUE_MAX] = sample;
}

static void announce(struct fetch *fetch)
{
    uint64_t one = 1;
    if (write(fetch->wake_fd, &one, sizeof one) < 0)
        fetch->stop = true; /* an eventfd takes 2^64 - 2 wake-ups: nobody is left to read it */
}

/* A connection newly looked into is asked for alone: a poll between the polls would bend the
 * curves. */
static void detail_poll(struct fetch *fetch)
{
    struct fetch_wish wish = fetch->wish;
    fetch->detail = false;
    pthread_mutex_unlock(&fetch->lock);
    struct sample *sample = sample_new();
    if (sample) {
        sample->partial = true;
        detail_read(sample, fetch->url, fetch->options, &wish);
    }
    pthread_mutex_lock(&fetch->lock);
    if (sample)
        queue_put(fetch, sample);
    announce(fetch);
}

static void wait_until_due(struct fetch *fetch)
{
    while (!fetch->stop && !fetch->now && clock_mono_ns() < fetch->next_ns) {
        if (fetch->detail) {
            detail_poll(fetch);
            continue;
        }
        struct timespec until = {fetch->next_ns / NS_PER_SEC, fetch->next_ns % NS_PER_SEC};
        pthread_cond_timedwait(&fetch->changed, &fetch->lock, &until);
    }
}

static void *fetch_run(void *context)
{
    struct fetch *fetch = context;
    bool sort_refused = false, skip = false;
    const char *refused = NULL;
    pthread_mutex_lock(&fetch->lock);
    while (!fetch->stop) {
        struct fetch_wish wish = fetch->wish;
        int64_t begin_ns = clock_mono_ns();
        fetch->now = fetch->detail = false;
        fetch->polling = true;
        pthread_mutex_unlock(&fetch->lock);
        sort_refused = sort_refused && refused == wish.sort;
        refused = wish.sort;
        wish.connections = wish.connections && !skip;
        struct sample *sample = fetch_poll(fetch->url, fetch->options, &wish, &sort_refused);
        pthread_mutex_lock(&fetch->lock);
        fetch->polling = false;
        fetch->next_ns = begin_ns + fetch->wish.interval_ns;
        if (sample && sample->ok && wish.connections)
            fetch->slow = sample->poll_ns > wish.interval_ns / 4;
        skip = fetch->slow && wish.connections;
        if (sample)
            queue_put(fetch, sample);
        announce(fetch);
        wait_until_due(fetch);
    }
    pthread_mutex_unlock(&fetch->lock);
    return NULL;
}

struct fetch *fetch_start(const char *url, const struct options *options,
                          const struct fetch_wish *wish, int wake_fd)
{
    struct fetch *fetch = mem_zalloc(sizeof *fetch);
    if (!fetch)
        return NULL;
    fetch->url = url;
    fetch->options = options;
    fetch->wish = *wish;
    fetch->wake_fd = wake_fd;
    pthread_mutex_init(&fetch->lock, NULL);
    pthread_condattr_t monotonic;
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(&fetch->changed, &monotonic);
    pthread_condattr_destroy(&monotonic);
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int failed = pthread_create(&fetch->thread, NULL, fetch_run, fetch);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (failed) {
        mem_free(fetch);
        return NULL;
    }
    return fetch;
}

void fetch_stop(struct fetch **fetch)
{
    struct fetch *ending = *fetch;
    *fetch = NULL;
    if (!ending)
        return;
    pthread_mutex_lock(&ending->lock);
    ending->stop = true;
    pthread_cond_signal(&ending->changed);
    pthread_mutex_unlock(&ending->lock);
    struct timespec until;
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_nsec += 200000000;
    until.tv_sec += until.tv_nsec / 1000000000;
    until.tv_nsec %= 1000000000;
    if (pthread_timedjoin_np(ending->thread, NULL, &until) != 0)
        return;
    while (ending->count > 0) {
        sample_free(&ending->queue[ending->first]);
        ending->first = (ending->first + 1) % QUEUE_MAX;
        ending->count--;
    }
    pthread_cond_destroy(&ending->changed);
    pthread_mutex_destroy(&ending->lock);
    mem_free(ending);
}

static void wake(struct fetch *fetch, bool now)
{
    fetch->now = fetch->now || now;
    pthread_cond_signal(&fetch->changed);
}

void fetch_change(struct fetch *fetch, const struct fetch_wish *wish)
{
    pthread_mutex_lock(&fetch->lock);
    if (fetch->wish.interval_ns != wish->interval_ns && !fetch->polling)
        fetch->next_ns += wish->interval_ns - fetch->wish.interval_ns;
    /* Another list is worth an extra poll if the next one is far; a short distance would bend the
     * rates. */
    bool other_list = wish->limit != fetch->wish.limit || wish->sort != fetch->wish.sort;
    bool far = fetch->next_ns - clock_mono_ns() > NS_PER_SEC;
    bool now = (wish->connections && !fetch->wish.connections) || (other_list && far);
    fetch->detail = wish->detail_cid && wish->detail_cid != fetch->wish.detail_cid;
    fetch->wish = *wish;
    wake(fetch, now);
    pthread_mutex_unlock(&fetch->lock);
}

void fetch_now(struct fetch *fetch)
{
    pthread_mutex_lock(&fetch->lock);
    wake(fetch, true);
    pthread_mutex_unlock(&fetch->lock);
}

struct sample *fetch_take(struct fetch *fetch)
{
    struct sample *sample = NULL;
    pthread_mutex_lock(&fetch->lock);
    if (fetch->count > 0) {
        sample = fetch->queue[fetch->first];
        fetch->first = (fetch->first + 1) % QUEUE_MAX;
        fetch->count--;
    }
    pthread_mutex_unlock(&fetch->lock);
    return sample;
}

int64_t fetch_next_ns(struct fetch *fetch)
{
    pthread_mutex_lock(&fetch->lock);
    int64_t next_ns = fetch->polling ? 0 : fetch->next_ns;
    pthread_mutex_unlock(&fetch->lock);
    return next_ns;
}

bool fetch_slow(struct fetch *fetch)
{
    pthread_mutex_lock(&fetch->lock);
    bool slow = fetch->slow;
    pthread_mutex_unlock(&fetch->lock);
    return slow;
}
