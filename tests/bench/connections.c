/* Connections themselves: how often they can come and go, and how soon a server answers.
 *
 *   churn     `connections` of them at the same time, each in three steps; the next one takes its place at once:
 *             connect -> INFO -> CONNECT, SUB, PING -> PONG -> close
 *   start-up  runs the server's command several times: from just before exec to the first PONG, trying to connect
 *             every 50 microseconds. CPU time and peak memory are the child's.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "engines.h"
#include "link.h"

enum {
    EVENTS = 64,
    START_UP_RUNS = 5,
};

struct churn {
    const struct load_plan *plan;
    struct load_result *result;
    struct link *links;
    uint64_t *opened_ns;
    int epoll;
    uint32_t opened;
    uint32_t closed;
};

static void churn_open(struct churn *churn, struct link *link)
{
    link_open(link, churn->opened++, churn->plan);
    churn->opened_ns[link - churn->links] = measure_now();
    link_watch(link, churn->epoll, true);
}

/* One step of a connection; opens the next one in its place when it is done and `again`. */
static void churn_step(struct churn *churn, struct link *link, bool again)
{
    link_read(link, load_unexpected_message, churn->result);
    if (link->infos > 0 && link->pings_sent == 0) {
        link_greet(link);
        link_printf(link, "SUB %s.idle.%u 1\r\n", churn->plan->subject, link->index);
        link_ping(link);
        link_flush(link);
    }
    if (link->pongs > 0) {
        measure_add(&churn->result->latency, measure_now() - churn->opened_ns[link - churn->links]);
        link_close(link);
        churn->closed++;
        if (again) {
            churn_open(churn, link);
        }
    }
}

void connections_churn(const struct load_plan *plan, struct load_result *result)
{
    struct churn churn = {.plan = plan, .result = result};
    churn.links = load_alloc(plan->connections, sizeof *churn.links);
    churn.opened_ns = load_alloc(plan->connections, sizeof *churn.opened_ns);
    churn.epoll = epoll_create1(EPOLL_CLOEXEC);
    load_begin(plan, result);
    for (uint32_t i = 0; i < plan->connections; i++) {
        churn_open(&churn, &churn.links[i]);
    }
    uint64_t start = measure_now();
    uint64_t until = start + (uint64_t)(plan->seconds * (double)MEASURE_SECOND_NS);
    while (churn.closed < churn.opened) {
        struct epoll_event events[EVENTS];
        int count = link_wait(churn.epoll, events, EVENTS, MEASURE_SECOND_NS / 10);
        uint64_t now = measure_now();
        bool more = plan->messages_max > 0 ? churn.opened < plan->messages_max : now < until;
        for (int i = 0; i < count; i++) {
            churn_step(&churn, events[i].data.ptr, more);
        }
        if (now > until + 10 * MEASURE_SECOND_NS && plan->messages_max == 0) {
            break;
        }
    }
    measure_sleep(MEASURE_SECOND_NS / 20); /* the server notices the last closes */
    load_end(plan, result);
    result->unit = "connections";
    result->messages_sent = result->messages_expected = churn.opened;
    result->units = result->messages_received = churn.closed;
    free(churn.links);
    free(churn.opened_ns);
    close(churn.epoll);
}

/* Connects as soon as the server listens. */
static int connect_soon(const struct load_plan *plan, pid_t child)
{
    struct sockaddr_in server = {.sin_family = AF_INET, .sin_port = htons(plan->port)};
    inet_pton(AF_INET, plan->host, &server.sin_addr);
    for (uint64_t until = measure_now() + 10 * MEASURE_SECOND_NS; measure_now() < until;) {
        int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        if (connect(fd, (struct sockaddr *)&server, sizeof server) == 0) {
            return fd;
        }
        close(fd);
        if (waitpid(child, NULL, WNOHANG) == child) {
            load_die("the server ended at start-up; run it by hand: %s ...", plan->command[0]);
        }
        measure_sleep(50000);
    }
    kill(child, SIGKILL);
    load_die("the server did not listen on %s:%u within ten seconds", plan->host, plan->port);
}

static void wait_for_pong(int fd)
{
    char text[8192];
    size_t length = 0;
    if (send(fd, "PING\r\n", 6, MSG_NOSIGNAL) != 6) {
        load_die("cannot write to the started server: %s", strerror(errno));
    }
    while (memmem(text, length, "PONG\r\n", 6) == NULL) {
        ssize_t count = recv(fd, text + length, sizeof text - length, 0);
        if (count <= 0) {
            load_die("the started server closed the connection before its PONG");
        }
        length += (size_t)count;
    }
}

static void start_once(const struct load_plan *plan, struct load_result *result)
{
    uint64_t start = measure_now();
    pid_t child = fork();
    if (child == 0) {
        if (freopen("/dev/null", "w", stdout) != NULL &&
            freopen("/dev/null", "w", stderr) != NULL) {
            execvp(plan->command[0], plan->command);
        }
        _exit(127);
    }
    if (child < 0) {
        load_die("cannot fork: %s", strerror(errno));
    }
    int fd = connect_soon(plan, child);
    wait_for_pong(fd);
    measure_add(&result->latency, measure_now() - start);
    close(fd);
    struct rusage usage;
    kill(child, SIGTERM);
    if (wait4(child, NULL, 0, &usage) == child) {
        result->after.cpu_seconds +=
            (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
            (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
        result->after.rss_peak_bytes = (uint64_t)usage.ru_maxrss * 1024;
    }
}

void connections_start_up(const struct load_plan *plan, struct load_result *result)
{
    if (plan->command == NULL || plan->command[0] == NULL) {
        load_die("start-up needs the server's command after --");
    }
    for (int i = 0; i < START_UP_RUNS; i++) {
        start_once(plan, result);
    }
    result->unit = "starts";
    result->units = result->messages_sent = START_UP_RUNS;
    result->messages_expected = result->messages_received = result->latency.count;
}
