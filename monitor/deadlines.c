/* libmicrohttpd's time-out starts anew at each byte, so whoever sends one every ten seconds could keep a connection for
 * ever. Here the time counts from the beginning of a request or an answer, whatever trickles in or out meanwhile:
 *
 *     accepted -> ASKING --headers complete--> ANSWERING --sent--> IDLE --a byte came--> ASKING
 *                 5 s                          a minute, and       libmicrohttpd's
 *                 (nats-server's), 2 s         a second more for   time-out
 *                 in a crowd                   each 64 KiB
 *
 * Only the HTTP library knows when bytes come on an idle connection, and it tells nobody before the request line is complete; so
 * the sweep asks the kernel how many came so far, and compares.
 *
 * Invariants: a descriptor is shut down only while its entry is in the list, under the lock, and the entry leaves
 * the list before the descriptor is closed: so never one that was closed and given out again. Who is shut down reads
 * the end of file in the library's next turn and is closed there. */
#include "monitor/deadlines.h"

#include <linux/tcp.h> /* glibc's stops before what is needed */
#include <netinet/in.h>
#include <sys/socket.h>

#include "broker/base/clock.h"
#include "broker/base/mem.h"

enum { ASK_S = 5, ASK_IN_A_CROWD_S = 2, READ_S = 60, READ_BYTES_PER_S = 64 << 10 };

struct deadline {
    struct deadline *next, **link; /* link: what points to this one */
    int fd;
    enum endpoint_state state;
    bool late;
    int64_t since_ns;
    uint64_t bytes;    /* of the answer */
    uint64_t received; /* by an idle connection, when a sweep first saw it; 0: not yet */
};

/* Under the lock. */
static void enter(struct deadlines *deadlines, struct deadline *deadline, enum endpoint_state state)
{
    atomic_fetch_sub_explicit(&deadlines->counts->connections[deadline->state], 1,
                              memory_order_relaxed);
    atomic_fetch_add_explicit(&deadlines->counts->connections[state], 1, memory_order_relaxed);
    deadline->state = state;
}

void deadlines_init(struct deadlines *deadlines, unsigned crowded_from,
                    struct endpoint_counts *counts)
{
    *deadlines = (struct deadlines){.counts = counts, .crowded_from = crowded_from};
    pthread_mutex_init(&deadlines->lock, NULL);
}

void deadlines_fini(struct deadlines *deadlines)
{
    check(!deadlines->first);
    pthread_mutex_destroy(&deadlines->lock);
}

struct deadline *deadlines_open(struct deadlines *deadlines, int fd)
{
    struct deadline *deadline = mem_zalloc(sizeof *deadline);
    if (!deadline)
        return NULL;
    *deadline = (struct deadline){.fd = fd, .state = ENDPOINT_ASKING, .since_ns = clock_mono_ns()};
    pthread_mutex_lock(&deadlines->lock);
    deadline->next = deadlines->first;
    deadline->link = &deadlines->first;
    if (deadline->next)
        deadline->next->link = &deadline->next;
    deadlines->first = deadline;
    pthread_mutex_unlock(&deadlines->lock);
    atomic_fetch_add_explicit(&deadlines->open, 1, memory_order_relaxed);
    atomic_fetch_add_explicit(&deadlines->counts->connections[ENDPOINT_ASKING], 1,
                              memory_order_relaxed);
    return deadline;
}

void deadlines_close(struct deadlines *deadlines, struct deadline *deadline)
{
    pthread_mutex_lock(&deadlines->lock);
    *deadline->link = deadline->next;
    if (deadline->next)
        deadline->next->link = deadline->link;
    pthread_mutex_unlock(&deadlines->lock);
    atomic_fetch_sub_explicit(&deadlines->open, 1, memory_order_relaxed);
    atomic_fetch_sub_explicit(&deadlines->counts->connections[deadline->state], 1,
                              memory_order_relaxed);
    mem_free(deadline);
}

void deadlines_answer(struct deadlines *deadlines, struct deadline *deadline)
{
    int64_t now_ns = clock_mono_ns();
    pthread_mutex_lock(&deadlines->lock);
    enter(deadlines, deadline, ENDPOINT_ANSWERING);
    deadline->since_ns = now_ns;
    deadline->bytes = 0;
    pthread_mutex_unlock(&deadlines->lock);
}

void deadlines_allow(struct deadlines *deadlines, struct deadline *deadline, size_t bytes)
{
    pthread_mutex_lock(&deadlines->lock);
    deadline->bytes += bytes;
    pthread_mutex_unlock(&deadlines->lock);
}

void deadlines_idle(struct deadlines *deadlines, struct deadline *deadline)
{
    pthread_mutex_lock(&deadlines->lock);
    enter(deadlines, deadline, ENDPOINT_IDLE);
    deadline->received = 0;
    pthread_mutex_unlock(&deadlines->lock);
}

/* 0 when the kernel does not say. */
static uint64_t bytes_received(int fd)
{
    struct tcp_info info = {0};
    socklen_t size = sizeof info;
    return getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &size) == 0 ? info.tcpi_bytes_received : 0;
}

/* Whether the entry is late; an idle one on which bytes came begins to ask. */
static bool is_late(struct deadlines *deadlines, struct deadline *deadline, bool crowded,
                    int64_t now_ns)
{
    uint64_t seconds = crowded ? ASK_IN_A_CROWD_S : ASK_S;
    if (deadline->state == ENDPOINT_IDLE) {
        uint64_t received = bytes_received(deadline->fd);
        if (deadline->received > 0 && received != deadline->received) {
            enter(deadlines, deadline, ENDPOINT_ASKING);
            deadline->since_ns = now_ns;
        }
        deadline->received = received;
        return false;
    }
    if (deadline->state == ENDPOINT_ANSWERING)
        seconds = READ_S + deadline->bytes / READ_BYTES_PER_S;
    return now_ns - deadline->since_ns > (int64_t)seconds * NS_PER_SEC;
}

void deadlines_sweep(struct deadlines *deadlines, int64_t now_ns)
{
    unsigned open = atomic_load_explicit(&deadlines->open, memory_order_relaxed);
    bool crowded = open >= deadlines->crowded_from;
    if (open == 0)
        return;
    pthread_mutex_lock(&deadlines->lock);
    for (struct deadline *each = deadlines->first; each; each = each->next) {
        if (each->late || !is_late(deadlines, each, crowded, now_ns))
            continue;
        each->late = true;
        shutdown(each->fd, SHUT_RDWR);
        endpoints_turn_away(deadlines->counts, ENDPOINT_DEADLINE);
    }
    pthread_mutex_unlock(&deadlines->lock);
}
