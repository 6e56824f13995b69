/* A client connection for load.
 *
 * The work per message must stay below the server's, or the generator measures itself. So: one read
 * of up to 512 KiB into a buffer shared by all links, one memchr per control line, the size read
 * backwards from the line's end, and the payload skipped by its length. What is incomplete at the
 * end of a read is copied to the link's `carry` and put in front of the next read.
 *
 *     shared:  [ carry of this link | bytes just read ............ | free ]
 *                ^ parse from here              ^ incomplete rest -> carry
 *
 * Invariants: 1. carry holds less than one message. 2. out_written <= out_length, both 0 once all
 * is written.
 */
#include "link.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
    READ_BYTES = 512 * 1024,
    MESSAGE_BYTES_MAX = 2 * 1024 * 1024,
    LINKS_PER_ADDRESS = 20000,
    SETTLE_MS = 10000,
};

static char shared[READ_BYTES + MESSAGE_BYTES_MAX];

/* Spreads links over 127.0.0.1, 127.0.0.2, ... once one address could run out of ports. */
static void bind_source(int fd, uint32_t index, const struct sockaddr_in *server)
{
    uint32_t address = ntohl(server->sin_addr.s_addr);
    if (address >> 24 != 127 || index < LINKS_PER_ADDRESS) {
        return;
    }
    const int on = 1;
    uint32_t last = 1 + index / LINKS_PER_ADDRESS % 250;
    struct sockaddr_in source = {.sin_family = AF_INET};
    source.sin_addr.s_addr = htonl(0x7f000000u + last);
    setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &on, sizeof on);
    if (bind(fd, (struct sockaddr *)&source, sizeof source) != 0) {
        load_die("cannot bind to 127.0.0.%u: %s", last, strerror(errno));
    }
}

void link_open(struct link *link, uint32_t index, const struct load_plan *plan)
{
    *link = (struct link){.index = index};
    link->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (link->fd < 0) {
        load_die("cannot open socket %u: %s (raise the limit with ulimit -n, or use fewer)", index,
                 strerror(errno));
    }
    struct sockaddr_in server = {.sin_family = AF_INET, .sin_port = htons(plan->port)};
    if (inet_pton(AF_INET, plan->host, &server.sin_addr) != 1) {
        load_die("--host %s is not an IPv4 address", plan->host);
    }
    const int on = 1;
    setsockopt(link->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    bind_source(link->fd, index, &server);
    if (connect(link->fd, (struct sockaddr *)&server, sizeof server) != 0 && errno != EINPROGRESS) {
        load_die("cannot connect to %s:%u: %s", plan->host, plan->port, strerror(errno));
    }
}

void link_close(struct link *link)
{
    if (link->fd >= 0) {
        close(link->fd);
    }
    free(link->out);
    free(link->carry);
    *link = (struct link){.fd = -1};
}

char *link_reserve(struct link *link, size_t length)
{
    size_t needed = link->out_length + length;
    if (needed > link->out_capacity) {
        size_t capacity = needed < 1024 ? 1024 : needed * 2;
        link->out = realloc(link->out, capacity);
        if (link->out == NULL) {
            load_die("out of memory for %zu bytes of output", capacity);
        }
        link->out_capacity = capacity;
    }
    char *room = link->out + link->out_length;
    link->out_length = needed;
    return room;
}

void link_append(struct link *link, const char *bytes, size_t length)
{
    memcpy(link_reserve(link, length), bytes, length);
}

void link_printf(struct link *link, const char *format, ...)
{
    char text[512];
    va_list arguments;
    va_start(arguments, format);
    int length = vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    link_append(link, text, (size_t)length);
}

void link_greet(struct link *link)
{
    link_printf(link, "CONNECT {\"verbose\":false,\"pedantic\":false,\"echo\":true,\"protocol\":1,"
                      "\"headers\":true,\"no_responders\":true,\"name\":\"load\",\"lang\":\"c\","
                      "\"version\":\"1.0.0\"}\r\n");
}

void link_ping(struct link *link)
{
    link->pings_sent++;
    link_append(link, "PING\r\n", 6);
}

void link_flush(struct link *link)
{
    link->blocked = false;
    while (link->out_written < link->out_length) {
        ssize_t count = send(link->fd, link->out + link->out_written,
                             link->out_length - link->out_written, MSG_NOSIGNAL);
        if (count < 0 && (errno == EAGAIN || errno == ENOTCONN)) {
            link->blocked = true;
            return;
        }
        if (count < 0 && errno != EINTR) {
            load_die("connection %u: cannot %s: %s", link->index,
                     errno == ECONNREFUSED ? "connect, is the server on this port?" : "write",
                     strerror(errno));
        }
        link->out_written += count < 0 ? 0 : (size_t)count;
    }
    link->out_written = 0;
    link->out_length = 0;
}

void link_send_file(struct link *link, int file, const char *bytes, size_t offset, size_t length)
{
    off_t at = (off_t)offset;
    ssize_t count = link->out_length == 0 ? sendfile(link->fd, file, &at, length) : 0;
    size_t sent = count < 0 ? 0 : (size_t)count;
    if (sent < length) {
        link_append(link, bytes + offset + sent, length - sent);
        link_flush(link); /* tells what went wrong, if something did */
    }
}

/* A line that is not MSG: INFO and PONG are counted, PING is answered, anything else ends the run. */
static void other_line(struct link *link, const char *line, size_t length)
{
    if (length >= 4 && memcmp(line, "PONG", 4) == 0) {
        link->pongs++;
    } else if (length >= 4 && memcmp(line, "PING", 4) == 0) {
        link_append(link, "PONG\r\n", 6);
    } else if (length >= 4 && memcmp(line, "INFO", 4) == 0) {
        link->infos++;
    } else {
        load_die("connection %u: the server sent: %.*s", link->index,
                 (int)(length < 200 ? length : 200), line);
    }
}

/* The number at the end of "subject sid [reply] size". */
static size_t size_at_end(const char *line, size_t length)
{
    size_t size = 0;
    size_t scale = 1;
    for (size_t i = length; i > 0 && line[i - 1] >= '0' && line[i - 1] <= '9'; i--) {
        size += (size_t)(line[i - 1] - '0') * scale;
        scale *= 10;
    }
    return size;
}

/* Parses complete messages and lines; returns how many bytes they took. */
static size_t parse(struct link *link, const char *bytes, size_t length,
                    link_on_message *on_message, void *context)
{
    const char *at = bytes;
    const char *end = bytes + length;
    while (at < end) {
        const char *newline = memchr(at, '\n', (size_t)(end - at));
        if (newline == NULL) {
            break;
        }
        size_t line_length = (size_t)(newline - at) - (newline > at && newline[-1] == '\r');
        if (line_length < 4 || memcmp(at, "MSG ", 4) != 0) {
            other_line(link, at, line_length);
            at = newline + 1;
            continue;
        }
        struct link_message message = {at + 4, line_length - 4, newline + 1, 0};
        message.size = size_at_end(message.line, message.line_length);
        if (message.size + 2 > MESSAGE_BYTES_MAX / 2) {
            load_die("connection %u: a message of %zu bytes was never sent", link->index,
                     message.size);
        }
        if ((size_t)(end - message.payload) < message.size + 2) {
            break;
        }
        on_message(context, link, &message);
        at = message.payload + message.size + 2;
    }
    return (size_t)(at - bytes);
}

static void keep_rest(struct link *link, const char *rest, size_t length)
{
    if (length > link->carry_capacity) {
        free(link->carry);
        link->carry_capacity = length + 256;
        link->carry = load_alloc(1, link->carry_capacity);
    }
    if (length > 0) {
        memcpy(link->carry, rest, length);
    }
    link->carry_length = length;
}

bool link_read(struct link *link, link_on_message *on_message, void *context)
{
    size_t kept = link->carry_length;
    if (kept > MESSAGE_BYTES_MAX) {
        load_die("connection %u: %zu bytes without a complete message", link->index, kept);
    }
    ssize_t count = recv(link->fd, shared + kept, READ_BYTES, 0);
    if (count < 0 && (errno == EAGAIN || errno == EINTR)) {
        return false;
    }
    if (count <= 0) {
        load_die("connection %u: %s", link->index,
                 count == 0 ? "closed by the server (see its log)" : strerror(errno));
    }
    if (kept > 0) {
        memcpy(shared, link->carry, kept);
    }
    size_t total = kept + (size_t)count;
    size_t used = parse(link, shared, total, on_message, context);
    keep_rest(link, shared + used, total - used);
    return true;
}

void link_watch(struct link *link, int epoll, bool first)
{
    if (!first && link->wants_write == link->blocked) {
        return;
    }
    link->wants_write = link->blocked;
    struct epoll_event event = {.events = EPOLLIN | (link->blocked ? EPOLLOUT : 0u),
                                .data.ptr = link};
    if (epoll_ctl(epoll, first ? EPOLL_CTL_ADD : EPOLL_CTL_MOD, link->fd, &event) != 0) {
        load_die("connection %u: epoll: %s", link->index, strerror(errno));
    }
}

int link_wait(int epoll, struct epoll_event *events, int events_max, uint64_t ns)
{
    if (ns > 0) {
        struct pollfd set = {epoll, POLLIN, 0};
        struct timespec time = {(time_t)(ns / 1000000000), (long)(ns % 1000000000)};
        if (ppoll(&set, 1, &time, NULL) <= 0) {
            return 0;
        }
    }
    int count = epoll_wait(epoll, events, events_max, 0);
    return count < 0 ? 0 : count;
}

struct link_stamp link_stamp_of(const struct link_message *message)
{
    struct link_stamp stamp;
    memcpy(&stamp, message->payload, sizeof stamp);
    return stamp;
}

void link_settle(struct link *link, link_on_message *on_message, void *context)
{
    link_ping(link);
    while (link->pongs < link->pings_sent) {
        link_flush(link);
        struct pollfd wait = {link->fd, (short)(POLLIN | (link->blocked ? POLLOUT : 0)), 0};
        if (poll(&wait, 1, SETTLE_MS) == 0) {
            load_die("connection %u: no PONG within %d seconds", link->index, SETTLE_MS / 1000);
        }
        if (wait.revents & ~POLLOUT) {
            link_read(link, on_message, context);
        }
    }
}
