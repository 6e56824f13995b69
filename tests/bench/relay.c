/* clearwing-relay: what a server costs that only moves bytes.
 *
 *     clearwing-relay --subscribers 10        prints "port 40123"
 *     clearwing-relay --pairs 8
 *
 * The first n connections are subscribers, the next one is the publisher; whatever the publisher sends goes to all
 * subscribers unread, or nowhere if there are none: then each 64 KiB are answered with a PONG, so that no more is under
 * way than with a server. With --pairs what one connection of a pair sends goes to the other. No protocol, no matching,
 * no limits: a server that has to understand the messages cannot be cheaper with the same system calls, so its figure is
 * the limit in the comparison.
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
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
    SUBSCRIBERS_MAX = 10000,
    BLOCK_BYTES = 128 * 1024,
    PONG_BYTES = 64 * 1024, /* as flow.c has it */
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
    int behind;       /* subscribers that have not got all of the block */
    uint64_t unheard; /* bytes read that go nowhere */
    bool crossed;     /* subscribers 2i and 2i + 1 are a pair, and there is no publisher */
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

/* Where nobody listens the publisher waits for this before it sends more. */
static void answer(size_t length)
{
    uint64_t before = relay.unheard / PONG_BYTES;
    relay.unheard += length;
    for (uint64_t i = before; i < relay.unheard / PONG_BYTES; i++) {
        if (send(relay.publisher, "PONG\r\n", 6, MSG_NOSIGNAL) != 6) {
            die("the publisher does not read");
        }
    }
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
    if (relay.count == 0) {
        answer(relay.length);
    }
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

/* Hands what one of a pair sent to the other, whose socket has room: a pair has few messages in flight. */
static void cross(int i)
{
    ssize_t count = recv(relay.subscribers[i], relay.block, sizeof relay.block, 0);
    if (count < 0 && (errno == EAGAIN || errno == EINTR)) {
        return;
    }
    if (count <= 0) {
        exit(0); /* the run is over */
    }
    if (send(relay.subscribers[i ^ 1], relay.block, (size_t)count, MSG_NOSIGNAL) != count) {
        die("a pair has more in flight than its sockets hold");
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

static void read_arguments(int count, char **arguments)
{
    bool is_known = count == 3 && strncmp(arguments[1], "--", 2) == 0;
    relay.crossed = is_known && strcmp(arguments[1], "--pairs") == 0;
    is_known = relay.crossed || (is_known && strcmp(arguments[1], "--subscribers") == 0);
    int number = is_known ? atoi(arguments[2]) : -1;
    int most = relay.crossed ? SUBSCRIBERS_MAX / 2 : SUBSCRIBERS_MAX;
    if (number < relay.crossed || number > most) {
        fprintf(stderr, "usage: clearwing-relay --subscribers N | --pairs N   (0 to %d, 1 to %d)\n",
                SUBSCRIBERS_MAX, SUBSCRIBERS_MAX / 2);
        exit(1);
    }
    relay.count = relay.crossed ? 2 * number : number;
}

static void handle(int number, uint32_t events)
{
    if (relay.crossed) {
        cross(number);
    } else if (number == PUBLISHER) {
        take_block();
    } else if (events & EPOLLOUT) {
        catch_up(number);
    } else {
        exit(0); /* hung up while nothing was due */
    }
}

int main(int count, char **arguments)
{
    read_arguments(count, arguments);
    relay.epoll = epoll_create1(EPOLL_CLOEXEC);
    int listener = listen_somewhere();
    for (int i = 0; i < relay.count; i++) {
        relay.subscribers[i] = accept_one(listener);
        watch(relay.subscribers[i], i, relay.crossed ? EPOLLIN : 0, EPOLL_CTL_ADD);
    }
    if (!relay.crossed) {
        relay.publisher = accept_one(listener);
        watch(relay.publisher, PUBLISHER, EPOLLIN, EPOLL_CTL_ADD);
    }
    for (;;) {
        struct epoll_event events[EVENTS];
        int ready = epoll_wait(relay.epoll, events, EVENTS, -1);
        for (int i = 0; i < ready; i++) {
            handle(events[i].data.fd, events[i].events);
        }
    }
}
