/* One listening socket on the main loop. When file descriptors run out it says so once, waits and
 * tries again: the connections that wait in the kernel's queue are not lost.
 *
 * The last descriptors are left to monitoring (its 256 connections and a few files), a quarter of a
 * low limit: that is when it is asked, and libmicrohttpd spins on a connection that it cannot
 * accept. The system hands out the lowest number that is free, so the number of a new connection
 * tells how many are left. */
#include "broker/net/listener.h"

#include <errno.h>
#include <limits.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "broker/base/clock.h"
#include "broker/base/listen.h"
#include "broker/base/log.h"
#include "broker/base/mem.h"

enum { ACCEPTS_PER_TURN = 64, RETRY_MS = 100, RESERVED_DESCRIPTORS = 264 };

/* A shortage that comes back sooner is the same one, and needs no second line. */
#define SHORTAGE_OVER_NS (10 * NS_PER_SEC)

struct listener {
    int fd, port;
    uv_poll_t poll;
    uv_timer_t retry;
    int open_handles;
    int descriptors_max; /* connections have lower numbers */
    bool tight;          /* they have come that far: look before accepting */
    int64_t short_ns;    /* when one could not be accepted; 0: never */
    struct broker *broker;
    struct worker **workers;
};

int listener_new(const char *host, int port, struct listener **out, char *error, size_t error_size)
{
    int fd, bound;
    int failed = listen_tcp(host, port < 0 ? 0 : port, &fd, &bound, error, error_size);
    if (failed)
        return failed;
    struct listener *listener = mem_zalloc_or_exit(sizeof *listener);
    listener->fd = fd;
    listener->port = bound;
    *out = listener;
    return 0;
}

int listener_port(const struct listener *listener)
{
    return listener->port;
}

static struct worker *least_loaded(struct listener *listener)
{
    struct worker *best = listener->workers[0];
    for (unsigned i = 1; i < listener->broker->worker_count; i++)
        if (atomic_load_explicit(&listener->workers[i]->connections, memory_order_relaxed) <
            atomic_load_explicit(&best->connections, memory_order_relaxed))
            best = listener->workers[i];
    return best;
}

static void take(struct listener *listener, int fd)
{
    int64_t max = listener->broker->options->max_connections;
    uint64_t open =
        atomic_fetch_add_explicit(&listener->broker->connections, 1, memory_order_relaxed);
    bool refuse = max > 0 && open >= (uint64_t)max;
    if (worker_adopt(least_loaded(listener), fd, refuse) == 0)
        return;
    atomic_fetch_sub_explicit(&listener->broker->connections, 1, memory_order_relaxed);
    close(fd);
}

static void on_acceptable(uv_poll_t *poll, int status, int events);
static void on_retry(uv_timer_t *timer);

/* `code`: what accept said. */
static COLD void wait_and_retry(struct listener *listener, int code)
{
    int64_t now = clock_mono_ns();
    if (listener->short_ns == 0 || now - listener->short_ns > SHORTAGE_OVER_NS)
        log_error("Client listener cannot accept: %s; connections wait, trying again every %d ms "
                  "(more file descriptors: ulimit -n, or LimitNOFILE=)",
                  strerror(code), RETRY_MS);
    listener->short_ns = now;
    uv_poll_stop(&listener->poll);
    uv_timer_start(&listener->retry, on_retry, RETRY_MS, 0);
}

static void on_retry(uv_timer_t *timer)
{
    struct listener *listener = timer->data;
    uv_poll_start(&listener->poll, UV_READABLE, on_acceptable);
}

static COLD bool only_reserve_left(struct listener *listener)
{
    int lowest = dup(listener->fd);
    if (lowest >= 0)
        close(lowest);
    return lowest < 0 || lowest >= listener->descriptors_max;
}

static void on_acceptable(uv_poll_t *poll, int status, int events)
{
    struct listener *listener = poll->data;
    (void)status;
    (void)events;
    for (int i = 0; i < ACCEPTS_PER_TURN; i++) {
        if (listener->tight && only_reserve_left(listener)) {
            wait_and_retry(listener, EMFILE);
            return;
        }
        int fd = accept4(listener->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd >= 0) {
            take(listener, fd);
            if (!listener->tight && fd + 1 >= listener->descriptors_max) {
                listener->tight = true;
                return; /* if somebody waits, we are called again */
            }
            continue;
        }
        if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM)
            wait_and_retry(listener, errno);
        if (errno != EINTR && errno != ECONNABORTED)
            return;
    }
}

int listener_descriptors_max(void)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur > INT_MAX)
        return INT_MAX;
    int all = (int)limit.rlim_cur;
    return all - (all / 4 < RESERVED_DESCRIPTORS ? all / 4 : RESERVED_DESCRIPTORS);
}

void listener_start(struct listener *listener, uv_loop_t *loop, struct broker *broker,
                    struct worker **workers)
{
    listener->broker = broker;
    listener->workers = workers;
    listener->descriptors_max = listener_descriptors_max();
    uv_poll_init(loop, &listener->poll, listener->fd);
    uv_timer_init(loop, &listener->retry);
    listener->open_handles = 2;
    listener->poll.data = listener->retry.data = listener;
    uv_poll_start(&listener->poll, UV_READABLE, on_acceptable);
}

static void on_closed(uv_handle_t *handle)
{
    struct listener *listener = handle->data;
    if (--listener->open_handles == 0)
        mem_free(listener);
}

void listener_close(struct listener **listener)
{
    struct listener *self = *listener;
    *listener = NULL;
    if (!self)
        return;
    if (self->open_handles == 0) { /* never started */
        close(self->fd);
        mem_free(self);
        return;
    }
    uv_poll_stop(&self->poll);
    close(self->fd);
    uv_close((uv_handle_t *)&self->poll, on_closed);
    uv_close((uv_handle_t *)&self->retry, on_closed);
}
