/* A worker's turn:
 *
 *     timers | end of turn: mail, wake others, write every touched connection, look after garbage | wait | read all ready sockets
 *
 * libuv's prepare hook is the last thing before the loop waits, in every version, so output caused by sockets, mail or timers
 * is written before the worker sleeps. What is unlinked is gathered into batches of garbage: one comes back as mail after an RCU
 * grace period, behind everything that was in the mailbox by then, and is freed by the worker that unlinked it.
 */
#include "broker/net/worker.h"

#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

#include "broker/base/err.h"
#include "broker/base/mem.h"
#include "broker/base/rcu.h"
#include "broker/net/conn.h"

/* Senders to a mailbox that holds more than this read nothing more from publishers until it is half empty. It is a quarter
 * of max_pending if that is less: what a receiver's queue may grow by from where its publishers are held back. */
enum { MAILBOX_BYTES_MAX = 8 << 20 };

/* Garbage is handed over when there is this much, or after this time. */
enum { GARBAGE_BATCH = 1024, GARBAGE_WAIT_MS = 50 };

struct garbage_mail {
    struct mail mail;
    struct rcu_head rcu;
    struct worker *worker;
    struct garbage_list list;
};

struct adopt_mail {
    struct mail mail;
    struct worker *worker;
    int fd;
    bool refuse;
};

/* What main tells a worker to do. */
struct order_mail {
    struct mail mail;
    struct worker *worker;
};

/* ---- garbage ---- */

static void open_garbage(struct mail *mail, struct delivery *receiver)
{
    (void)receiver;
    struct garbage_mail *self = container_of(mail, struct garbage_mail, mail);
    garbage_free_all(&self->list);
    mem_free(self);
}

static void after_grace_period(struct rcu_head *head)
{
    struct garbage_mail *self = container_of(head, struct garbage_mail, rcu);
    rcu_after_grace_period(head);
    struct mailbox *box = &self->worker->mailbox;
    if (mailbox_put(box, &self->mail))
        mailbox_wake(box);
}

static void hand_over_garbage(struct worker *worker)
{
    struct delivery *delivery = worker->delivery;
    struct garbage_mail *batch = mem_alloc(sizeof *batch);
    if (!batch)
        return; /* it waits for the next time */
    *batch = (struct garbage_mail){
        .mail = {.open = open_garbage}, .worker = worker, .list = delivery->garbage};
    delivery->garbage = (struct garbage_list){.head = NULL};
    rcu_later(&batch->rcu, after_grace_period);
}

static void on_garbage_timer(uv_timer_t *timer)
{
    struct worker *worker = timer->data;
    if (worker->delivery->garbage.head)
        hand_over_garbage(worker);
}

/* A grace period costs a wake-up of the reclaim thread and one back: it has to be worth it, or due. */
static void look_after_garbage(struct worker *worker)
{
    uint32_t count = worker->delivery->garbage.count;
    if (count >= GARBAGE_BATCH)
        hand_over_garbage(worker);
    else if (count > 0 && !uv_is_active((uv_handle_t *)&worker->garbage_timer))
        uv_timer_start(&worker->garbage_timer, on_garbage_timer, GARBAGE_WAIT_MS, 0);
}

/* ---- mail between workers ---- */

static bool send_mail(void *context, unsigned to, struct mail *mail)
{
    struct worker *sender = context;
    struct mailbox *box = &sender->workers[to]->mailbox;
    bool full = atomic_load_explicit(&box->bytes, memory_order_relaxed) > sender->mailbox_bytes_max;
    if (mailbox_put(box, mail))
        sender->wake[to] = true;
    if (full && !sender->full[to]) {
        sender->full[to] = true;
        sender->full_count++;
    }
    return full;
}

static void relieve(void *context, struct session *session)
{
    (void)context;
    conn_relieve(session);
}

bool worker_congested(struct worker *worker)
{
    for (unsigned i = 0; worker->full_count > 0 && i < worker->broker->worker_count; i++) {
        struct mailbox *box = &worker->workers[i]->mailbox;
        if (worker->full[i] && atomic_load_explicit(&box->bytes, memory_order_relaxed) <
                                   worker->mailbox_bytes_max / 2) {
            worker->full[i] = false;
            worker->full_count--;
        }
    }
    return worker->full_count > 0;
}

static void wake_others(struct worker *worker)
{
    for (unsigned i = 0; i < worker->broker->worker_count; i++) {
        if (worker->wake[i]) {
            worker->wake[i] = false;
            mailbox_wake(&worker->workers[i]->mailbox);
        }
    }
}

/* ---- the turn ---- */

static void flush_touched(struct worker *worker)
{
    struct session *session;
    while ((session = session_take_touched(worker->delivery)) != NULL)
        conn_flush(session);
}

static void on_end_of_turn(uv_prepare_t *hook)
{
    struct worker *worker = hook->data;
    rcu_enter();
    if (!mailbox_is_empty(&worker->mailbox))
        mailbox_drain(&worker->mailbox, worker->delivery);
    wake_others(worker);
    if (worker->delivery->touched) {
        delivery_set_time(worker->delivery);
        flush_touched(worker);
    }
    rcu_leave();
    look_after_garbage(worker);
    uint64_t turns = atomic_load_explicit(&worker->turns, memory_order_relaxed);
    atomic_store_explicit(&worker->turns, turns + 1, memory_order_relaxed);
}

/* The end of the turn drains the box; being woken is enough. */
static void on_wake(uv_async_t *wake)
{
    (void)wake;
}

static void run(void *argument)
{
    struct worker *worker = argument;
    char name[16];
    snprintf(name, sizeof name, "worker-%u", worker->delivery->index);
    pthread_setname_np(pthread_self(), name);
    rcu_thread_register();
    uv_run(&worker->loop, UV_RUN_DEFAULT);
    rcu_thread_unregister();
}

/* ---- orders from other threads ---- */

void worker_post(struct worker *worker, struct mail *mail)
{
    mailbox_put(&worker->mailbox, mail);
    mailbox_wake(&worker->mailbox);
}

static void open_adopt(struct mail *mail, struct delivery *receiver)
{
    (void)receiver;
    struct adopt_mail *self = container_of(mail, struct adopt_mail, mail);
    conn_open(self->worker, self->fd, self->refuse);
    mem_free(self);
}

int worker_adopt(struct worker *worker, int fd, bool refuse)
{
    struct adopt_mail *mail = mem_alloc(sizeof *mail);
    if (!mail)
        return ERR_MEMORY;
    *mail = (struct adopt_mail){
        .mail = {.open = open_adopt}, .worker = worker, .fd = fd, .refuse = refuse};
    atomic_fetch_add_explicit(&worker->connections, 1, memory_order_relaxed);
    worker_post(worker, &mail->mail);
    return 0;
}

/* libuv has a table by number of descriptor that never shrinks. Where a whole page of it is NULL the system may have the page
 * back: read again, it is NULL. */
static void give_back_descriptor_table(const uv_loop_t *loop)
{
    static const char nothing[4096];
    char *table = (char *)loop->watchers;
    char *end = table + loop->nwatchers * sizeof *loop->watchers;
    char *page = table + (-(uintptr_t)table & (sizeof nothing - 1));
    for (; page < end && (size_t)(end - page) >= sizeof nothing; page += sizeof nothing)
        if (memcmp(page, nothing, sizeof nothing) == 0)
            madvise(page, sizeof nothing, MADV_DONTNEED);
}

static struct worker *take_order(struct mail *mail)
{
    struct order_mail *self = container_of(mail, struct order_mail, mail);
    struct worker *worker = self->worker;
    mem_free(self);
    return worker;
}

static void order(struct worker *worker, void (*open)(struct mail *mail, struct delivery *receiver))
{
    struct order_mail *self = mem_alloc(sizeof *self);
    if (!self)
        return;
    *self = (struct order_mail){.mail = {.open = open}, .worker = worker};
    worker_post(worker, &self->mail);
}

static void open_rest(struct mail *mail, struct delivery *receiver)
{
    struct worker *worker = take_order(mail);
    outq_pool_fini(&receiver->pool);
    give_back_descriptor_table(&worker->loop);
}

void worker_rest(struct worker *worker)
{
    order(worker, open_rest);
}

/* What it was sent last goes out first, if its socket has room. */
static void close_for_shutdown(struct session *session)
{
    conn_relieve(session);
    conn_close(session, CLOSE_SHUTDOWN);
}

static struct session *next_open(struct delivery *receiver, uint32_t *slot)
{
    struct session *session;
    do
        session = roster_next(&receiver->sessions, slot);
    while (session && session->close_reason != CLOSE_NONE); /* goes at the end of this turn */
    return session;
}

/* Those in front of the slot were closed before, or came since. */
static void open_close_one(struct mail *mail, struct delivery *receiver)
{
    struct worker *worker = take_order(mail);
    struct session *session = next_open(receiver, &worker->close_slot);
    if (!session) {
        worker->close_slot = 0;
        session = next_open(receiver, &worker->close_slot);
    }
    if (session)
        session_fail(session, CLOSE_SHUTDOWN);
}

void worker_close_one(struct worker *worker)
{
    order(worker, open_close_one);
}

static void open_announce(struct mail *mail, struct delivery *receiver)
{
    (void)take_order(mail);
    struct session *session;
    for (uint32_t slot = 0; (session = roster_next(&receiver->sessions, &slot)) != NULL;)
        session_announce_lame_duck(session);
}

void worker_announce_lame_duck(struct worker *worker)
{
    order(worker, open_announce);
}

static void open_stop(struct mail *mail, struct delivery *receiver)
{
    struct worker *worker = take_order(mail);
    struct session *session;
    /* First of all, so that no close has to look for its place in this list. */
    while (session_take_touched(receiver))
        ;
    for (uint32_t slot = 0; (session = roster_next(&receiver->sessions, &slot)) != NULL;)
        close_for_shutdown(session);
    uv_stop(&worker->loop);
}

void worker_stop(struct worker *worker)
{
    struct order_mail *self = mem_zalloc_or_exit(sizeof *self);
    *self = (struct order_mail){.mail = {.open = open_stop}, .worker = worker};
    worker_post(worker, &self->mail);
}

uint64_t worker_turns(const struct worker *worker)
{
    return atomic_load_explicit(&worker->turns, memory_order_relaxed);
}

void worker_wake(struct worker *worker)
{
    mailbox_wake(&worker->mailbox);
}

void worker_join(struct worker *worker)
{
    uv_thread_join(&worker->thread);
}

/* ---- life ---- */

int worker_new(struct broker *broker, struct worker **workers, unsigned index, struct worker **out)
{
    struct worker *worker = mem_zalloc_aligned(sizeof *worker);
    if (!worker)
        return ERR_MEMORY;
    worker->broker = broker;
    worker->workers = workers;
    worker->delivery = broker->deliveries[index];
    worker->delivery->carrier = (struct mail_carrier){send_mail, worker, relieve};
    worker->mailbox_bytes_max =
        min_size(MAILBOX_BYTES_MAX, (size_t)broker->options->max_pending / 4);
    worker->read_buffer = mem_alloc(WORKER_READ_BYTES);
    worker->wake = mem_zalloc(broker->worker_count * sizeof *worker->wake);
    worker->full = mem_zalloc(broker->worker_count * sizeof *worker->full);
    if (!worker->read_buffer || !worker->wake || !worker->full || uv_loop_init(&worker->loop) != 0)
        goto cleanup;
    uv_prepare_init(&worker->loop, &worker->end_of_turn);
    worker->end_of_turn.data = worker;
    uv_prepare_start(&worker->end_of_turn, on_end_of_turn);
    uv_timer_init(&worker->loop, &worker->garbage_timer);
    worker->garbage_timer.data = worker;
    if (mailbox_init(&worker->mailbox, &worker->loop, on_wake) != 0)
        goto cleanup;
    *out = worker;
    if (uv_thread_create(&worker->thread, run, worker) != 0) {
        *out = NULL;
        goto cleanup;
    }
    return 0;
cleanup:
    mem_free(worker->read_buffer);
    mem_free(worker->wake);
    mem_free(worker->full);
    mem_free(worker);
    return ERR_SYSTEM;
}

void worker_free(struct worker **worker)
{
    struct worker *self = *worker;
    if (!self)
        return;
    /* No reader is left: run the callbacks of closed handles, then free whatever waited for a grace period. */
    uv_prepare_stop(&self->end_of_turn);
    uv_close((uv_handle_t *)&self->end_of_turn, NULL);
    uv_close((uv_handle_t *)&self->garbage_timer, NULL);
    uv_close((uv_handle_t *)&self->mailbox.wake, NULL);
    uv_run(&self->loop, UV_RUN_DEFAULT);
    mailbox_drain(&self->mailbox, self->delivery);
    garbage_free_all(&self->delivery->garbage);
    check(uv_loop_close(&self->loop) == 0);
    mem_free(self->read_buffer);
    mem_free(self->wake);
    mem_free(self->full);
    mem_free(self);
    *worker = NULL;
}
