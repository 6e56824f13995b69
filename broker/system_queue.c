/* One bounded list under a mutex: requests to the system services are rare, and never more than somebody asks for.
 *
 * Answers and events travel back as mail to a worker, which publishes them as it would a client's message: an answer to the
 * worker of the asker, an event to the first one. Mail from this thread to one worker stays in order, so events do too.
 *
 * The broker is valid while the queue is open; main closes the queue, and joins the thread that takes, before the workers go. */
#include "broker/system_queue.h"

#include <pthread.h>

#include "broker/base/err.h"
#include "broker/base/mem.h"
#include "broker/base/rcu.h"
#include "broker/core/delivery.h"
#include "broker/core/system.h"

static struct queue {
    struct broker *broker;
    bool (*start)(void);
    pthread_mutex_t lock;
    pthread_cond_t filled;
    bool open, started;
    struct system_task *first, **end;
    unsigned tasks;
    size_t bytes;
} queue = {.lock = PTHREAD_MUTEX_INITIALIZER, .filled = PTHREAD_COND_INITIALIZER};

/* ---- in and out ---- */

static bool has_room(const struct system_task *task)
{
    return queue.tasks < SYSTEM_QUEUE_TASKS_MAX &&
           task->bytes <= SYSTEM_QUEUE_BYTES_MAX - min_size(queue.bytes, SYSTEM_QUEUE_BYTES_MAX);
}

static bool put(struct system_task *task)
{
    pthread_mutex_lock(&queue.lock);
    if (queue.open && !queue.started)
        queue.started = queue.start();
    bool taken = queue.open && queue.started && has_room(task);
    if (taken) {
        task->next = NULL;
        *queue.end = task;
        queue.end = &task->next;
        queue.tasks++;
        queue.bytes += task->bytes;
        pthread_cond_signal(&queue.filled);
    }
    pthread_mutex_unlock(&queue.lock);
    return taken;
}

/* Under the lock; NULL: it is empty. */
static struct system_task *take_first(void)
{
    struct system_task *task = queue.first;
    if (!task)
        return NULL;
    queue.first = task->next;
    if (!queue.first)
        queue.end = &queue.first;
    queue.tasks--;
    queue.bytes -= task->bytes;
    return task;
}

struct system_task *system_queue_take(void)
{
    struct system_task *task = NULL;
    pthread_mutex_lock(&queue.lock);
    while (queue.open && !(task = take_first()))
        pthread_cond_wait(&queue.filled, &queue.lock);
    pthread_mutex_unlock(&queue.lock);
    return task;
}

/* ---- life ---- */

int system_queue_open(struct broker *broker, const struct system_queue_options *options)
{
    broker->system.put = put;
    broker->system.post = options->post;
    broker->system.context = options->context;
    queue.broker = broker;
    queue.start = options->start;
    queue.end = &queue.first;
    queue.open = true;
    return system_start(broker);
}

void system_queue_close(void)
{
    struct system_task *task;
    pthread_mutex_lock(&queue.lock);
    queue.open = false;
    while (queue.broker && (task = take_first()) != NULL)
        mem_free(task);
    pthread_cond_broadcast(&queue.filled);
    pthread_mutex_unlock(&queue.lock);
}

/* ---- to the workers ---- */

static void post(unsigned worker, struct mail *mail)
{
    struct system *system = &queue.broker->system;
    if (mail)
        system->post(system->context, worker, mail);
}

void system_queue_answer(const struct system_task *task, struct span headers, struct span body)
{
    if (*task->reply && task->account)
        post(task->worker,
             system_publication(task->account, task->reply, "", headers, body, NULL, NULL));
}

bool system_queue_listened(const char *subject)
{
    const struct account *where = queue.broker->system_account;
    if (sublist_counts(where->interest).subscriptions <= where->own_subscriptions)
        return false;
    struct match *match = NULL;
    size_t capacity = 0;
    rcu_enter();
    bool listened = sublist_match(where->interest, span_of(subject), &match, &capacity) == 0 &&
                    match->sub_count > 0;
    rcu_leave();
    mem_free(match);
    return listened;
}

void system_queue_publish(const char *subject, struct span body)
{
    const struct span none = {.ptr = NULL};
    post(0, system_publication(queue.broker->system_account, subject, "", none, body, NULL, NULL));
}

struct waiting {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    bool done;
};

static void on_published(void *context)
{
    struct waiting *waiting = context;
    pthread_mutex_lock(&waiting->lock);
    waiting->done = true;
    pthread_cond_signal(&waiting->changed);
    pthread_mutex_unlock(&waiting->lock);
}

void system_queue_publish_and_wait(const char *subject, struct span body)
{
    const struct span none = {.ptr = NULL};
    struct waiting waiting = {PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, false};
    struct mail *mail = system_publication(queue.broker->system_account, subject, "", none, body,
                                           on_published, &waiting);
    if (!mail)
        return;
    post(0, mail);
    pthread_mutex_lock(&waiting.lock);
    while (!waiting.done)
        pthread_cond_wait(&waiting.changed, &waiting.lock);
    pthread_mutex_unlock(&waiting.lock);
}

uint64_t system_queue_sequence(void)
{
    return atomic_fetch_add_explicit(&queue.broker->system.sequence, 1, memory_order_relaxed) + 1;
}

/* ---- orders ---- */

struct order_mail {
    struct mail mail;
    enum system_order order;
    uint64_t cid;
};

static void open_order(struct mail *mail, struct delivery *receiver)
{
    struct order_mail *self = container_of(mail, struct order_mail, mail);
    struct session *session = roster_find(&receiver->sessions, self->cid);
    if (session && self->order == SYSTEM_ORDER_KICK)
        session_fail(session, CLOSE_KICKED);
    else if (session)
        session_announce_lame_duck(session);
    mem_free(self);
}

int system_queue_order(enum system_order order, uint64_t cid)
{
    int status = ERR_INVALID;
    rcu_enter();
    for (unsigned i = 0; i < queue.broker->worker_count && status == ERR_INVALID; i++) {
        if (!roster_find(&queue.broker->deliveries[i]->sessions, cid))
            continue;
        struct order_mail *mail = mem_alloc(sizeof *mail);
        if (mail)
            *mail = (struct order_mail){{.open = open_order}, order, cid};
        status = mail ? 0 : ERR_MEMORY;
        post(i, mail ? &mail->mail : NULL);
    }
    rcu_leave();
    return status;
}
