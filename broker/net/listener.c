/* One listening socket on the main loop. When file descriptors run out it says so once, waits and tries again: the
 * connections that wait in the kernel's queue are not lost. */
#include "broker/net/listener.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#include "broker/base/err.h"
#include "broker/base/log.h"
#include "broker/base/mem.h"

enum { BACKLOG = 4096, ACCEPTS_PER_TURN = 64, RETRY_MS = 100 };

struct listener {
    int fd, port;
    uv_poll_t poll;
    uv_timer_t retry;
    int open_handles;
    bool out_of_descriptors;
    struct broker *broker;
    struct worker **workers;
};

static void say(char *error, size_t size, const char *host, int port, const char *what, int code)
{
    char reason[128];
    snprintf(reason, sizeof reason, "%s", strerror(code));
    if (reason[0] >= 'A' && reason[0] <= 'Z')
        reason[0] = (char)(reason[0] - 'A' + 'a'); /* as Go spells them */
    snprintf(error, size, "listen tcp %s:%d: %s: %s", host, port, what, reason);
}

static int real_port(int fd)
{
    struct sockaddr_storage address;
    socklen_t len = sizeof address;
    if (getsockname(fd, (struct sockaddr *)&address, &len) != 0)
        return 0;
    return ntohs(address.ss_family == AF_INET6 ? ((struct sockaddr_in6 *)&address)->sin6_port
                                               : ((struct sockaddr_in *)&address)->sin_port);
}

static int bind_and_listen(const struct addrinfo *address, const char **failed)
{
    int fd = socket(address->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    int on = 1;
    *failed = "socket";
    if (fd < 0)
        return -1;
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    int off = 0;
    if (address->ai_family == AF_INET6)
        setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof off);
    *failed = "bind";
    if (bind(fd, address->ai_addr, address->ai_addrlen) == 0) {
        *failed = "listen";
        if (listen(fd, BACKLOG) == 0)
            return fd;
    }
    int code = errno;
    close(fd);
    errno = code;
    return -1;
}

/* All addresses means both families, as with nats-server: an IPv6 socket takes IPv4 as well. */
static int bind_everywhere(int port)
{
    struct sockaddr_in6 any = {.sin6_family = AF_INET6, .sin6_port = htons((uint16_t)port)};
    struct addrinfo address = {.ai_family = AF_INET6,
                               .ai_addr = (struct sockaddr *)&any,
                               .ai_addrlen = sizeof any};
    const char *failed;
    return bind_and_listen(&address, &failed);
}

static struct listener *listener_of(int fd)
{
    struct listener *listener = mem_zalloc_or_exit(sizeof *listener);
    listener->fd = fd;
    listener->port = real_port(fd);
    return listener;
}

int listener_new(const char *host, int port, struct listener **out, char *error, size_t error_size)
{
    int everywhere = strcmp(host, "0.0.0.0") == 0 ? bind_everywhere(port < 0 ? 0 : port) : -1;
    if (everywhere >= 0) {
        *out = listener_of(everywhere);
        return 0;
    }
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE | AI_NUMERICSERV};
    struct addrinfo *addresses = NULL;
    char service[16];
    snprintf(service, sizeof service, "%d", port < 0 ? 0 : port);
    int code = getaddrinfo(host, service, &hints, &addresses);
    if (code != 0) {
        snprintf(error, error_size, "listen tcp: lookup %s: %s", host, gai_strerror(code));
        return ERR_SYSTEM;
    }
    const char *failed = "";
    int fd = bind_and_listen(addresses, &failed);
    freeaddrinfo(addresses);
    if (fd < 0) {
        say(error, error_size, host, port, failed, errno);
        return ERR_SYSTEM;
    }
    *out = listener_of(fd);
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

