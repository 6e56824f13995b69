/* A worker: one thread, one loop, the connections it owns, its mailbox.
 *
 * worker_new and worker_free belong to the main thread, worker_adopt and what is declared below it may be called from it at any
 * time. All else happens on the worker's own thread. */
#ifndef BROKER_NET_WORKER_H
#define BROKER_NET_WORKER_H

#include <uv.h>

#include "broker/core/delivery.h"
#include "broker/net/mailbox.h"

enum { WORKER_READ_BYTES = 128 << 10 };

struct worker {
    struct delivery *delivery;
    struct broker *broker;
    struct worker **workers; /* all of them, by index */
    uv_loop_t loop;
    uv_thread_t thread;
    uv_prepare_t end_of_turn;
    uv_timer_t garbage_timer; /* runs while there is garbage that was not handed over */
    struct mailbox mailbox;
    bool *wake; /* by worker: its mailbox was empty when this worker first put mail in */
    bool *full; /* by worker: its mailbox was over its limit when this worker last looked */
    unsigned full_count;
    uint64_t mailbox_bytes_max;   /* of any worker's mailbox; fuller, its senders wait */
    _Atomic uint32_t connections; /* assigned to it; the listener chooses the least loaded */
    _Atomic uint64_t turns;       /* of its loop, since the start */
    uint32_t close_slot;          /* where worker_close_one goes on looking */
    char *read_buffer;
};

/* Makes the worker of broker->deliveries[index] and starts its thread. 0 or ERR_*. */
MUST_CHECK int worker_new(struct broker *broker, struct worker **workers, unsigned index,
                          struct worker **out);
/* Whether publishers of this worker have to wait: a mailbox they send to is too full. Its own thread. */
bool worker_congested(struct worker *worker);
/* Takes the connected socket; refuse: tells it that there are too many, and closes. 0 or ERR_MEMORY, then the socket is the
 * caller's still. */
MUST_CHECK int worker_adopt(struct worker *worker, int fd, bool refuse);
/* Puts mail into its box, and wakes it. Any thread. */
void worker_post(struct worker *worker, struct mail *mail);
/* Has it free what it keeps at hand for the next burst. */
void worker_rest(struct worker *worker);
/* How often its loop has turned. Any thread. */
uint64_t worker_turns(const struct worker *worker);
/* Has its loop turn once more, now. Any thread. */
void worker_wake(struct worker *worker);
/* Has it close one of its connections, if it has any left: the server is going. */
void worker_close_one(struct worker *worker);
/* Has it tell all its clients that the server is going. */
void worker_announce_lame_duck(struct worker *worker);
/* Has it close all its connections and end its thread. */
void worker_stop(struct worker *worker);
/* After worker_stop: waits for the thread. */
void worker_join(struct worker *worker);
/* After all were joined: frees what the mailboxes still hold, then the worker. */
void worker_free(struct worker **worker);

#endif
