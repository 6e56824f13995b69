/* What connections weigh that do nothing, while they are there and after they left.
 *
 *   connections  that many with one subscription each, opened in groups; the growth of the server's resident memory
 *                divided by their number. With `hold` they stay as the surroundings of another run: PINGs are answered
 *                until standard input ends.
 *   departed     the same, then all leave; the resident memory `seconds` later.
 *   none         the resident memory of the server as it is.
 *
 * The server has half a second to come to rest before each look. Each connection is a descriptor here and one in the
 * server, so the hard limit of either bounds the number; too many is an error and not a smaller number.
 */
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

#include "engines.h"
#include "link.h"

enum {
    EVENTS = 64,
    GROUP = 64,
    DESCRIPTORS_APART = 64, /* of the limit, left for everything else */
};

static void raise_file_limit(uint32_t wanted)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0) {
        return;
    }
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
    if (limit.rlim_cur < (rlim_t)wanted + DESCRIPTORS_APART) {
        load_die("%u connections: the limit of open files is %lu (ulimit -Hn); use fewer", wanted,
                 (unsigned long)limit.rlim_cur);
    }
}

/* Opens all of them, each greeted, subscribed and answered. */
static struct link *open_all(const struct load_plan *plan, struct load_result *result)
{
    uint32_t count = plan->connections;
    struct link *links = load_alloc(count, sizeof *links);
    for (uint32_t first = 0; first < count; first += GROUP) {
        uint32_t end = first + GROUP < count ? first + GROUP : count;
        for (uint32_t i = first; i < end; i++) {
            link_open(&links[i], i, plan);
            link_greet(&links[i]);
            link_printf(&links[i], "SUB %s.idle.%u 1\r\n", plan->subject, i);
        }
        for (uint32_t i = first; i < end; i++) {
            link_settle(&links[i], load_unexpected_message, result);
        }
    }
    return links;
}

static void close_all(struct link *links, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        link_close(&links[i]);
    }
    free(links);
}

/* Answers what the server asks of idle connections until standard input ends. */
static void hold(struct link *links, uint32_t count, struct load_result *result)
{
    int epoll = epoll_create1(EPOLL_CLOEXEC);
    struct epoll_event input = {.events = EPOLLIN, .data.ptr = NULL};
    if (epoll_ctl(epoll, EPOLL_CTL_ADD, STDIN_FILENO, &input) != 0) {
        load_die("--hold needs a pipe as standard input");
    }
    for (uint32_t i = 0; i < count; i++) {
        link_watch(&links[i], epoll, true);
    }
    for (;;) {
        struct epoll_event events[EVENTS];
        int ready = link_wait(epoll, events, EVENTS, 10 * MEASURE_SECOND_NS);
        for (int i = 0; i < ready; i++) {
            struct link *link = events[i].data.ptr;
            char byte;
            if (link == NULL && read(STDIN_FILENO, &byte, 1) <= 0) {
                close(epoll);
                return;
            }
            if (link != NULL) {
                link_read(link, load_unexpected_message, result);
                link_flush(link);
            }
        }
    }
}

static void count_connections(const struct load_plan *plan, struct load_result *result)
{
    result->unit = "idle connections";
    result->units = result->messages_sent = plan->connections;
    result->messages_expected = result->messages_received = plan->connections;
}

void idle_connections(const struct load_plan *plan, struct load_result *result)
{
    raise_file_limit(plan->connections);
    measure_sleep(MEASURE_SECOND_NS / 2);
    load_begin(plan, result);
    struct link *links = open_all(plan, result);
    measure_sleep(MEASURE_SECOND_NS / 2);
    load_end(plan, result);
    uint64_t before = result->before.rss_bytes;
    uint64_t after = result->after.rss_bytes;
    result->memory_bytes = after > before ? (after - before) / plan->connections : 0;
    count_connections(plan, result);
    if (plan->hold) {
        load_report(plan, result);
        hold(links, plan->connections, result);
    }
    close_all(links, plan->connections);
}

void idle_departed(const struct load_plan *plan, struct load_result *result)
{
    raise_file_limit(plan->connections);
    measure_sleep(MEASURE_SECOND_NS / 2);
    load_begin(plan, result);
    close_all(open_all(plan, result), plan->connections);
    measure_sleep((uint64_t)(plan->seconds * (double)MEASURE_SECOND_NS));
    load_end(plan, result);
    result->memory_bytes = result->after.rss_bytes;
    count_connections(plan, result);
}

void idle_none(const struct load_plan *plan, struct load_result *result)
{
    measure_sleep(MEASURE_SECOND_NS / 2);
    load_begin(plan, result);
    measure_sleep((uint64_t)(plan->seconds * (double)MEASURE_SECOND_NS));
    load_end(plan, result);
    result->memory_bytes = result->after.rss_bytes;
    result->unit = "nothing";
}
