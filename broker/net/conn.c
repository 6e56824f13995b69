/* The socket path's outer ends.
 *
 *     readable -> conn_read -> session_feed ... queues ... end of turn -> conn_flush -> writev
 *
 * A connection is read until it is drained or has had its share of the turn; everything it caused to be queued, on any
 * connection of this worker, is written once at the end of the turn. States: open -> (end of input seen, or the session
 * failed: output goes out) -> closed. A stalled connection does not read until its timer ends; one that cannot be written
 * waits for the socket.
 *
 * The write deadline. When the socket takes no more, the peer has that time to make room for what is queued then, or for the
 * first PROGRESS_BYTES of it; only when they are taken does the clock stop, or begin anew for what follows. So a byte now and
 * then does not help: as with nats-server, whose deadline is for all that it writes at once, up to the whole queue. But one who
 * steadily takes that much in each deadline gets the rest as well.
 *
 * The read buffer is the worker's; a payload that did not fit goes from the socket straight into its block.
 */
#include "broker/net/conn.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include "broker/base/clock.h"
#include "broker/base/log.h"
#include "broker/base/mem.h"
#include "broker/base/rcu.h"

/* A connection's share of one turn. */
enum {
    READS_PER_TURN = 4,
    PIECES_PER_WRITE = 64,
    WRITE_BYTES_PER_TURN = 1 << 20,
    PROGRESS_BYTES = 1 << 20, /* to be taken within a write deadline */
    DISCARD_MAX = 1 << 20
};

/* How long a publisher waits before it is looked at again, while another worker cannot keep up. */
#define CONGESTED_WAIT_NS (2 * NS_PER_MS)

struct conn {
    struct session session;
    struct worker *worker;
    uv_poll_t poll;
    uv_timer_t timer;
    int fd;
    int polled;       /* events asked for */
    int open_handles; /* of poll and timer */
    bool end_of_input;
    int64_t stalled_until_ns; /* 0: not stalled */
    int64_t blocked_since_ns; /* output waits for the socket since; 0: it does not */
    uint64_t
        blocked_bytes;   /* of the output that waits, what must be taken before the clock stops */
    int64_t timer_at_ns; /* when the timer is set for; 0: not set */
};

static struct conn *conn_of(struct session *session)
{
    return container_of(session, struct conn, session);
}

/* ---- closing ---- */

static void free_conn(struct garbage *garbage)
{
    struct conn *conn = conn_of(container_of(garbage, struct session, garbage));
    session_fini(&conn->session);
    mem_free(conn);
}

static void on_handle_closed(uv_handle_t *handle)
{
    struct conn *conn = handle->data;
    if (--conn->open_handles == 0)
        garbage_put(&conn->worker->delivery->garbage, &conn->session.garbage, free_conn);
}

/* Unread input would make the kernel reset the connection, and the peer lose what was just written to it. */
static void discard_input(struct conn *conn)
{
    for (int total = 0; total < DISCARD_MAX;) {
        ssize_t count = recv(conn->fd, conn->worker->read_buffer, WORKER_READ_BYTES, MSG_DONTWAIT);
        if (count <= 0)
            return;
        total += (int)count;
    }
}

void conn_close(struct session *session, enum close_reason reason)
{
    struct conn *conn = conn_of(session);
    uv_poll_stop(&conn->poll);
    uv_close((uv_handle_t *)&conn->poll, on_handle_closed);
    uv_close((uv_handle_t *)&conn->timer, on_handle_closed);
    discard_input(conn);
    close(conn->fd);
    conn->fd = -1;
    session_close(session, reason);
    atomic_fetch_sub_explicit(&conn->worker->connections, 1, memory_order_relaxed);
    atomic_fetch_sub_explicit(&conn->worker->broker->connections, 1, memory_order_relaxed);
}

/* ---- polling and timing ---- */

static void on_poll(uv_poll_t *poll, int status, int events);

static void poll_for(struct conn *conn, int events)
{
    if (events == conn->polled)
        return;
    conn->polled = events;
    if (events == 0)
        uv_poll_stop(&conn->poll);
    else
        uv_poll_start(&conn->poll, events, on_poll);
}

static void poll_as_needed(struct conn *conn)
{
    int events = 0;
    if (!conn->end_of_input && conn->stalled_until_ns == 0 &&
        conn->session.close_reason == CLOSE_NONE)
        events |= UV_READABLE;
    if (!outq_is_empty(&conn->session.out))
        events |= UV_WRITABLE;
    poll_for(conn, events);
}

static int64_t earlier(int64_t a, int64_t b)
{
    return a == 0 || (b != 0 && b < a) ? b : a;
}

static void on_timer(uv_timer_t *timer);

static void set_timer(struct conn *conn)
{
    int64_t deadline = conn->worker->broker->options->write_deadline_ns;
    int64_t at = earlier(conn->session.next_timer_ns, conn->stalled_until_ns);
    if (conn->blocked_since_ns != 0)
        at = earlier(at, conn->blocked_since_ns + deadline);
    /* A timer that fires too early finds nothing to do and is set again, so only an earlier time needs setting now. */
    if (at == 0 || (conn->timer_at_ns != 0 && conn->timer_at_ns <= at))
        return;
    conn->timer_at_ns = at;
    int64_t wait_ns = at - conn->worker->delivery->now_mono_ns;
    uv_timer_start(&conn->timer, on_timer,
                   wait_ns > 0 ? (uint64_t)((wait_ns + NS_PER_MS - 1) / NS_PER_MS) : 0, 0);
}

static void fail_write_deadline(struct conn *conn)
{
    struct session *session = &conn->session;
    log_info("%s:%u - cid:%llu - Slow Consumer Detected: WriteDeadline of %lldms exceeded with "
             "%llu total bytes.",
             session->ip, session->port, (unsigned long long)session->cid,
             (long long)(conn->worker->broker->options->write_deadline_ns / NS_PER_MS),
             (unsigned long long)outq_pending_bytes(&session->out));
    session_fail(session, CLOSE_SLOW_DEADLINE);
}

static void on_timer(uv_timer_t *timer)
{
    struct conn *conn = timer->data;
    struct delivery *delivery = conn->worker->delivery;
    delivery_set_time(delivery);
    conn->timer_at_ns = 0;
    int64_t deadline = conn->worker->broker->options->write_deadline_ns;
    if (conn->blocked_since_ns != 0 && delivery->now_mono_ns >= conn->blocked_since_ns + deadline)
        fail_write_deadline(conn);
    if (conn->stalled_until_ns != 0 && delivery->now_mono_ns >= conn->stalled_until_ns)
        conn->stalled_until_ns = 0;
    rcu_enter();
    session_tick(&conn->session);
    rcu_leave();
    session_touch(&conn->session); /* the end of the turn sets the timer and the poll anew */
}

/* ---- output ---- */

static void ungate(struct conn *conn)
{
    struct session *session = &conn->session;
    uint64_t max = (uint64_t)conn->worker->broker->options->max_pending;
    if (!atomic_load_explicit(&session->gated, memory_order_relaxed) ||
        outq_pending_bytes(&session->out) > max / 4 * 3)
        return;
    session->relieve_at_bytes = 0;
    atomic_store_explicit(&session->gated, false, memory_order_relaxed);
    atomic_fetch_sub_explicit(&conn->worker->delivery->gated, 1, memory_order_relaxed);
}

/* The socket took `count` bytes. */
static void take_progress(struct conn *conn, size_t count)
{
    conn->blocked_bytes -= min_size(conn->blocked_bytes, count);
    if (conn->blocked_bytes == 0)
        conn->blocked_since_ns = 0;
}

/* The socket takes no more. */
static void begin_waiting(struct conn *conn)
{
    if (conn->blocked_since_ns != 0)
        return;
    conn->blocked_since_ns = conn->worker->delivery->now_mono_ns;
    conn->blocked_bytes = min_size(outq_pending_bytes(&conn->session.out), PROGRESS_BYTES);
}

/* Writes until the queue is empty, the socket is full, or the connection had its share. */
static void write_queue(struct conn *conn)
{
    struct session *session = &conn->session;
    struct delivery *delivery = conn->worker->delivery;
    size_t share = WRITE_BYTES_PER_TURN;
    while (!outq_is_empty(&session->out) && share > 0) {
        struct iovec pieces[PIECES_PER_WRITE];
        struct msghdr message = {.msg_iov = pieces};
        message.msg_iovlen = (size_t)outq_peek(&session->out, pieces, PIECES_PER_WRITE, share);
        size_t wanted = 0;
        for (size_t i = 0; i < message.msg_iovlen; i++)
            wanted += pieces[i].iov_len;
        ssize_t count = sendmsg(conn->fd, &message, MSG_NOSIGNAL);
        if (count < 0 && errno == EINTR)
            continue;
        if (count < 0 && errno != EAGAIN) {
            session_fail(session, CLOSE_WRITE_ERROR);
            return;
        }
        if (count > 0) {
            outq_written(&session->out, &delivery->pool, (size_t)count);
            take_progress(conn, (size_t)count);
        }
        if (count < 0 || (size_t)count < wanted) {
            begin_waiting(conn);
            break;
        }
        share -= min_size(share, (size_t)count);
    }
    ungate(conn);
}

void conn_relieve(struct session *session)
{
    write_queue(conn_of(session));
}

void conn_flush(struct session *session)
{
    struct conn *conn = conn_of(session);
    bool skip =
        session->close_reason == CLOSE_SLOW_PENDING || session->close_reason == CLOSE_SLOW_DEADLINE;
    if (!skip)
        write_queue(conn);
    if (session->close_reason != CLOSE_NONE) {
        conn_close(session, session->close_reason);
        return;
    }
    if (conn->end_of_input && outq_is_empty(&session->out)) {
        conn_close(session, CLOSE_CLIENT_CLOSED);
        return;
    }
    poll_as_needed(conn);
    set_timer(conn);
}

/* ---- input ---- */

static void take_input(struct conn *conn, size_t room, size_t count)
{
    struct session *session = &conn->session;
    struct worker *worker = conn->worker;
    /* What other workers sent before the peer sent this must be queued before this is answered: whoever has seen
     * a PONG may tell others that the message is on its way. */
    if (!mailbox_is_empty(&worker->mailbox))
        mailbox_drain(&worker->mailbox, worker->delivery);
    if (session->close_reason != CLOSE_NONE) /* the mail may have been the last straw */
        return;
    if (room > 0)
        session_payload_filled(session, min_size(room, count));
    if (count > room)
        session_feed(session, worker->read_buffer, count - room);
}

static bool stall(struct conn *conn)
{
    struct session *session = &conn->session;
    if (session->stall_ns == 0)
        return false;
    conn->stalled_until_ns = conn->worker->delivery->now_mono_ns + session->stall_ns;
    session->stall_ns = 0;
    session_touch(session);
    return true;
}

static void conn_read(struct conn *conn)
{
    struct session *session = &conn->session;
    struct worker *worker = conn->worker;
    delivery_set_time(worker->delivery);
    if (worker->full_count > 0 && session->in_msgs > 0 && worker_congested(worker)) {
        session->stall_ns = CONGESTED_WAIT_NS;
        stall(conn);
        return;
    }
    for (int reads = 0; reads < READS_PER_TURN && session->close_reason == CLOSE_NONE; reads++) {
        struct iovec places[2];
        char *payload = NULL;
        size_t room = session_payload_room(session, &payload);
        places[0] = (struct iovec){payload, room};
        places[1] = (struct iovec){worker->read_buffer, WORKER_READ_BYTES};
        ssize_t count = readv(conn->fd, room ? places : places + 1, room ? 2 : 1);
        if (count < 0 && errno == EINTR)
            continue;
        if (count < 0 && errno == EAGAIN)
            return;
        if (count <= 0) {
            if (count < 0)
                session_fail(session, CLOSE_READ_ERROR);
            conn->end_of_input = true;
            session_touch(session);
            return;
        }
        take_input(conn, room, (size_t)count);
        if (stall(conn) || (size_t)count < room + WORKER_READ_BYTES)
            return;
    }
}

static void on_poll(uv_poll_t *poll, int status, int events)
{
    struct conn *conn = poll->data;
    if (conn->fd < 0)
        return;
    rcu_enter();
    if (status < 0)
        session_fail(&conn->session, CLOSE_READ_ERROR);
    else if (events & UV_READABLE && !conn->end_of_input && conn->stalled_until_ns == 0)
        conn_read(conn);
    if (events & UV_WRITABLE)
        session_touch(&conn->session);
    rcu_leave();
}

/* ---- opening ---- */

static void peer_name(int fd, char *ip, uint16_t *port)
{
    struct sockaddr_storage address;
    socklen_t len = sizeof address;
    ip[0] = '\0';
    *port = 0;
    if (getpeername(fd, (struct sockaddr *)&address, &len) != 0)
        return;
    if (address.ss_family == AF_INET) {
        const struct sockaddr_in *v4 = (const struct sockaddr_in *)&address;
        uv_ip4_name(v4, ip, SESSION_IP_MAX);
        *port = ntohs(v4->sin_port);
    } else if (address.ss_family == AF_INET6) {
        const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)&address;
        static const char mapped[] = "::ffff:";
        uv_ip6_name(v6, ip, SESSION_IP_MAX);
        if (IN6_IS_ADDR_V4MAPPED(&v6->sin6_addr) && strncmp(ip, mapped, sizeof mapped - 1) == 0)
            memmove(ip, ip + sizeof mapped - 1, strlen(ip) - sizeof mapped + 2);
        *port = ntohs(v6->sin6_port);
    }
}

static void refuse_without_memory(struct worker *worker, int fd)
{
    close(fd);
    atomic_fetch_sub_explicit(&worker->connections, 1, memory_order_relaxed);
    atomic_fetch_sub_explicit(&worker->broker->connections, 1, memory_order_relaxed);
}

void conn_open(struct worker *worker, int fd, bool refuse)
{
    struct conn *conn = mem_zalloc(sizeof *conn);
    if (!conn || uv_poll_init(&worker->loop, &conn->poll, fd) != 0) {
        mem_free(conn);
        refuse_without_memory(worker, fd);
        return;
    }
    int on = 1;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    uv_timer_init(&worker->loop, &conn->timer);
    conn->poll.data = conn->timer.data = conn;
    conn->open_handles = 2;
    conn->worker = worker;
    conn->fd = fd;
    char ip[SESSION_IP_MAX];
    uint16_t port;
    peer_name(fd, ip, &port);
    uint64_t cid =
        atomic_fetch_add_explicit(&worker->broker->last_cid, 1, memory_order_relaxed) + 1;
    if (session_init(&conn->session, worker->delivery, cid, ip, port) != 0)
        session_fail(&conn->session, CLOSE_OUT_OF_MEMORY);
    log_debug("%s:%u - cid:%llu - Client connection created", ip, port, (unsigned long long)cid);
    if (refuse)
        session_fail(&conn->session, CLOSE_MAX_CONNECTIONS);
}
