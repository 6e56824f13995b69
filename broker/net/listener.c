/* One listening socket on the main loop. When file descriptors run out it says so once, waits and tries again: the
 * connections that wait in the kernel's queue are not lost. */
#include "broker/net/listener.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "broker/base/listen.h"
#include "broker/base/log.h"
#include "broker/base/mem.h"

enum { ACCEPTS_PER_TURN = 64, RETRY_MS = 100 };

struct listener {
    int fd, port;
    uv_poll_t poll;
    uv_timer_t retry;
    int open_handles;
    bool out_of_descriptors;
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
    uint64_t open = atomic_fetch_add_explicit(&listener->broker->connections, 1, memory_order_relaxed);
    bool refuse = max > 0 && open >= (uint64_t)max;
    if (worker_adopt(least_loaded(listener), fd, refuse) == 0)
        return;
    atomic_fetch_sub_explicit(&listener->broker->connections, 1, memory_order_relaxed);
    close(fd);
}

static void on_acceptable(uv_poll_t *poll, int status, int events);

static void on_retry(uv_timer_t *timer)
{
    struct listener *listener = timer->data;
    uv_poll_start(&listener->poll, UV_READABLE, on_acceptable);
}

static COLD void wait_and_retry(struct listener *listener, int code)
{
    if (!listener->out_of_descriptors)
        log_error("Client listener cannot accept: %s; trying again every %d ms", strerror(code), RETRY_MS);
    listener->out_of_descriptors = true;
    uv_poll_stop(&listener->poll);
    uv_timer_start(&listener->retry, on_retry, RETRY_MS, 0);
}

static void on_acceptable(uv_poll_t *poll, int status, int events)
{
    struct listener *listener = poll->data;
    (void)status;
    (void)events;
    for (int i = 0; i < ACCEPTS_PER_TURN; i++) {
        int fd = accept4(listener->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd >= 0) {
            listener->out_of_descriptors = false;
            take(listener, fd);
            continue;
        }
        if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM)
            wait_and_retry(listener, errno);
        if (errno != EINTR && errno != ECONNABORTED)
            return;
    }
}

void listener_start(struct listener *listener, uv_loop_t *loop, struct broker *broker,
                    struct worker **workers)
{
    listener->broker = broker;
    listener->workers = workers;
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

