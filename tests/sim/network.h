/* What lies around the broker's core in a run: workers' mailboxes, connections, garbage; all in one
 * thread and in any order that threads and sockets could bring about.
 *
 * Mail from one worker to another stays in order, but one sender's mail may be late while another's
 * is not. What a worker unlinked is freed after a grace period and behind the mail that it had been
 * sent by then, as net/worker.c does. */
#ifndef TESTS_SIM_NETWORK_H
#define TESTS_SIM_NETWORK_H

#include "broker/core/delivery.h"
#include "tests/sim/model.h"
#include "tests/sim/random.h"

struct network_garbage {
    struct network_garbage *next;
    struct garbage_list list;
    bool grace_over;
    uint64_t sent[MODEL_WORKERS_MAX]; /* to this worker, when the grace period ended */
};

struct network_box {
    struct network *network;
    unsigned from;
    struct mail **mails[MODEL_WORKERS_MAX]; /* by receiver */
    size_t capacity[MODEL_WORKERS_MAX];
};

struct network {
    struct model *model;
    struct random *random;
    struct options options;
    struct broker broker;
    struct network_box boxes[MODEL_WORKERS_MAX];
    struct network_garbage *garbage[MODEL_WORKERS_MAX];
    int64_t now_ns;
};

void network_init(struct network *network, struct model *model, const struct options *options,
                  unsigned workers, struct random *random);
/* All clients are closed and all mail is opened. */
void network_fini(struct network *network);

struct model_client *network_connect(struct network *network, unsigned worker);
/* Gives the client's session the next bytes of its input. */
void network_feed(struct network *network, struct model_client *client, size_t len);
/* Appends to the texts what sessions have queued since the last call, and checks the queues. */
void network_observe(struct network *network);
/* Brings the counters of the worker's sessions up to date, as the end of its turn does. */
void network_count(const struct delivery *delivery);
size_t network_mail_waiting(const struct network *network, unsigned from, unsigned to);
void network_open_mail(struct network *network, unsigned from, unsigned to);
/* The end of a worker's turn: writes to each client that has something new, at most `most` bytes,
 * then closes what failed. */
void network_flush(struct network *network, unsigned worker, size_t most);
/* The client's socket can take more. */
void network_writable(struct model_client *client);
/* The peer goes away: at once, or when it has read everything. */
void network_reset(struct network *network, struct model_client *client);
void network_hang_up(struct model_client *client);
bool network_waits(const struct model_client *client, int64_t now_ns);
void network_tick(struct network *network, struct model_client *client);
/* Ends grace periods and frees what may be freed. */
void network_collect(struct network *network, unsigned worker);

#endif
