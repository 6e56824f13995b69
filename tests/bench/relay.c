/* clearwing-relay: what a server costs that only moves bytes.
 *
 *     clearwing-relay --subscribers 10        prints "port 40123"
 *
 * The first n connections are subscribers, the next one is the publisher; whatever the publisher
 * sends goes to all subscribers unread. No protocol, no matching, no limits: a server that has to
 * understand the messages cannot be cheaper with the same system calls, so its figure is the limit
 * line in the comparison.
 *
 * One block is in flight at a time: it is read from the publisher, and the next read waits until
 * each subscriber has all of it. `done[i]` says how much subscriber i has got; a subscriber whose
 * socket is full is watched for room.
 *
 *     block  [ bytes of one read ........................ ] length
 *                ^ done[2]            ^ done[0]           ^ done[1]
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
    SUBSCRIBERS_MAX = 10000,
    BLOCK_BYTES = 128 * 1024,
    EVENTS = 64,
    PUBLISHER = -1, /* in place of a subscriber's number */
};

static struct {
    int epoll;
    int publisher;
    int count;
    int subscribers[SUBSCRIBERS_MAX];
    size_t done[SUBSCRIBERS_MAX];
    char block[BLOCK_BYTES];
    size_t length;
    int behind; /* subscribers that have not got all of the block */
} relay;

static void die(const char *what)
{
    fprintf(stderr, "clearwing-relay: %s: %s\n", what, strerror(errno));
    exit(1);
}

static void watch(int fd, int number, uint32_t events, int operation)
{
    struct epoll_event event = {.events = events, .data.fd = number};
    if (epoll_ctl(relay.epoll, operation, fd, &event) != 0) {
        die("epoll");
    }
}

static int listen_somewhere(void)
{
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t length = sizeof address;
    if (bind(fd, (struct sockaddr *)&address, length) != 0 || listen(fd, SOMAXCONN) != 0 ||
        getsockname(fd, (struct sockaddr *)&address, &length) != 0) {
        die("cannot listen");
    }
    printf("port %u\n", ntohs(address.sin_port));
    fflush(stdout);
    return fd;
}

static int accept_one(int listener)
{
    const int on = 1;
    int fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK);
    if (fd < 0) {
        die("accept");
    }
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    return fd;
}

/* Writes what subscriber i lacks; returns false when its socket is full. */
static bool give(int i)
{
    while (relay.done[i] < relay.length) {
        ssize_t count = send(relay.subscribers[i], relay.block + relay.done[i],
                             relay.length - relay.done[i], MSG_NOSIGNAL);
        if (count < 0 && errno == EAGAIN) {
            return false;
        }
        if (count < 0 && errno != EINTR) {
            exit(0); /* the run is over: a subscriber has gone */
        }
        relay.done[i] += count < 0 ? 0 : (size_t)count;
    }
    return true;
}

static void take_block(void)
{
    ssize_t count = recv(relay.publisher, relay.block, sizeof relay.block, 0);
    if (count < 0 && (errno == EAGAIN || errno == EINTR)) {
        return;
    }
    if (count <= 0) {
        exit(0); /* the run is over: the publisher has gone */
    }
    relay.length = (size_t)count;
    for (int i = 0; i < relay.count; i++) {
        relay.done[i] = 0;
        if (!give(i)) {
            relay.behind++;
            watch(relay.subscribers[i], i, EPOLLOUT, EPOLL_CTL_MOD);
        }
    }
    if (relay.behind > 0) {
        watch(relay.publisher, PUBLISHER, 0, EPOLL_CTL_MOD);
    }
}

static void catch_up(int i)
{
    if (!give(i)) {
        return;
    }
    relay.behind--;
    watch(relay.subscribers[i], i, 0, EPOLL_CTL_MOD);
    if (relay.behind == 0) {
        watch(relay.publisher, PUBLISHER, EPOLLIN, EPOLL_CTL_MOD);
    }
}

static int read_count(int count, char **arguments)
{
    int subscribers =
        count == 3 && strcmp(arguments[1], "--subscribers") == 0 ? atoi(arguments[2]) : 0;
    if (subscribers < 1 || subscribers > SUBSCRIBERS_MAX) {
        fprintf(stderr, "usage: clearwing-relay --subscribers N   (1 to %d)\n", SUBSCRIBERS_MAX);
        exit(1);
    }
    return subscribers;
}

int main(int count, char **arguments)
{
    relay.count = read_count(count, arguments);
    relay.epoll = epoll_create1(EPOLL_CLOEXEC);
    int listener = listen_somewhere();
    for (int i = 0; i < relay.count; i++) {
        relay.subscribers[i] = accept_one(listener);
        watch(relay.subscribers[i], i, 0, EPOLL_CTL_ADD);
    }
    relay.publisher = accept_one(listener);
    watch(relay.publisher, PUBLISHER, EPOLLIN, EPOLL_CTL_ADD);
    for (;;) {
        struct epoll_event events[EVENTS];
        int ready = epoll_wait(relay.epoll, events, EVENTS, -1);
        for (int i = 0; i < ready; i++) {
            if (events[i].data.fd == PUBLISHER) {
                take_block();
            } else if (events[i].events & EPOLLOUT) {
                catch_up(events[i].data.fd);
            } else {
                exit(0); /* hung up while nothing was due */
            }
        }
    }
}
