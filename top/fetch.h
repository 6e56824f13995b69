/* Polling one server: one thread per server asks, the screen takes what arrived.
 *
 * fetch_poll may be called by any thread and blocks; the rest belongs to the screen's thread and
 * never blocks on I/O. Samples taken are the caller's. While nobody takes them, older samples keep
 * their server figures and lose their lists of connections, so that a pause of an hour costs
 * megabytes, not gigabytes. */
#ifndef TOP_FETCH_H
#define TOP_FETCH_H

#include "top/options.h"
#include "top/sample.h"

/* What to ask for; may change at any time. */
struct fetch_wish {
    int64_t interval_ns;
    unsigned limit;
    const char *sort;    /* the server's sort key, a constant */
    bool connections;    /* /connz too */
    uint64_t detail_cid; /* and this one's subscriptions; 0: none */
};

struct fetch;

/* Starts the thread; each new sample makes wake_fd (an eventfd) readable. NULL when it cannot.
 * `url` and `options` must outlive it. */
MUST_CHECK struct fetch *fetch_start(const char *url, const struct options *options,
                                     const struct fetch_wish *wish, int wake_fd);
/* Asks the thread to end, waits a moment for it. A thread that hangs in a request keeps its memory.
 */
void fetch_stop(struct fetch **fetch);
void fetch_change(struct fetch *fetch, const struct fetch_wish *wish);
void fetch_now(struct fetch *fetch); /* poll at once */
/* The oldest sample not yet taken, or NULL. */
struct sample *fetch_take(struct fetch *fetch);
/* The monotonic time of the next poll; 0 while one is under way. */
int64_t fetch_next_ns(struct fetch *fetch);
/* The server takes longer to answer than a quarter of the interval, so lists are asked for less
 * often. */
bool fetch_slow(struct fetch *fetch);

/* One poll, blocking for at most the timeouts. NULL when out of memory. *sort_refused is set when
 * the server did not know wish->sort and the list came in order of ids. */
MUST_CHECK struct sample *fetch_poll(const char *url, const struct options *options,
                                     const struct fetch_wish *wish, bool *sort_refused);
/* The URL without user and password, for people. Returns out. */
char *fetch_shown_url(const char *url, char *out, size_t out_bytes);

#endif
