/* The tasks of the broker's own clients, waiting for the thread that does them, and what that thread does to the broker.
 *
 * Main sets it up before the workers start. Workers put tasks in (core/system.c), one thread of the monitor takes them out
 * and answers. That thread starts with the first task: a broker that nobody asks has none. Texts are borrowed for the call. */
#ifndef BROKER_SYSTEM_QUEUE_H
#define BROKER_SYSTEM_QUEUE_H

#include "broker/base/base.h"
#include "broker/system_task.h"

struct broker;
struct mail;

/* At most this many tasks, and bytes of tasks, wait; more are refused, and whoever asked is told that nobody responds. */
enum { SYSTEM_QUEUE_TASKS_MAX = 4096, SYSTEM_QUEUE_BYTES_MAX = 16 << 20 };

/* ---- main ---- */

struct system_queue_options {
    bool (*start)(
        void); /* starts the thread that takes; false: it could not be started. Called on a worker, once */
    void (*post)(void *context, unsigned worker, struct mail *mail); /* any thread */
    void *context;                                                   /* of post */
};

/* Opens the queue, and has the broker subscribe. 0 or ERR_MEMORY. */
MUST_CHECK int system_queue_open(struct broker *broker, const struct system_queue_options *options);
/* Refuses tasks from now on, and has system_queue_take return NULL; forgets what waits. Does nothing if it is not open. */
void system_queue_close(void);

/* ---- the thread that takes ---- */

/* Waits for a task and hands it over, to be freed with mem_free; NULL: no more will come. */
struct system_task *system_queue_take(void);
/* Sends the answer to where the task wants it. headers: a whole block with its empty line, or len 0. Any size of body.
 * Nothing is sent if there is no memory for it: the asker's request times out. */
void system_queue_answer(const struct system_task *task, struct span headers, struct span body);

/* ---- any thread that reads by RCU, while the queue is open ---- */

/* Whether somebody else than the broker subscribes to the subject in the system account. */
bool system_queue_listened(const char *subject);
/* Publishes there. */
void system_queue_publish(const char *subject, struct span body);
/* The same, and returns once every worker has what its clients are to get of it. Not on a worker. */
void system_queue_publish_and_wait(const char *subject, struct span body);
/* For the next message of the server's own that says who sends it: 1, 2, ... */
uint64_t system_queue_sequence(void);

enum system_order { SYSTEM_ORDER_KICK, SYSTEM_ORDER_LAME_DUCK };
/* Has the connection closed as kicked, or told that the server is about to go; its worker does it a moment later. 0, ERR_INVALID
 * (there is no such connection), or ERR_MEMORY. */
MUST_CHECK int system_queue_order(enum system_order order, uint64_t cid);

#endif
