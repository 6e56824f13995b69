/* The broker's core without threads, sockets or a real clock: sessions are fed by the test, mail between workers lies in
 * plain lists until the harness carries it, and what a client would read is collected in its transcript.
 *
 * One thread plays all workers in turn. Nothing is freed as garbage before harness_settle has carried all mail, which is what
 * a grace period and the order of mail promise in the real server. The harness allocates with malloc, so that injected
 * failures of the core's allocations never hit it. */
#ifndef TESTS_UNIT_CORE_HARNESS_H
#define TESTS_UNIT_CORE_HARNESS_H

#include "broker/core/delivery.h"

enum { HARNESS_WORKERS_MAX = 4 };

struct harness;

struct harness_client {
    struct harness *harness;
    struct harness_client *next;
    struct session *session; /* NULL once closed */
    enum close_reason reason; /* why, once closed */
    bool blocked;             /* takes no output */
    int64_t stalled_ns;       /* how long the session asked to wait, summed */
    char *output;             /* ends in NUL; INFO is not in it */
    size_t output_len, output_capacity, info_len;
};

struct harness_box {
    struct harness *harness;
    struct mail **mails;
    size_t count, capacity;
    bool full; /* says so to senders */
};

struct harness {
    struct options options;
    struct broker broker;
    struct harness_box boxes[HARNESS_WORKERS_MAX];
    struct harness_client *clients;
    size_t mails_sent;
    uint64_t last_cid;
};

/* The defaults of nats-server. */
struct options harness_options(void);

/* 0, or what broker_init says. The fake clock stands at one hour from then on. */
int harness_open(struct harness *harness, const struct options *options, unsigned workers);
/* Closes all clients, frees everything. */
void harness_close(struct harness *harness);

/* A new connection; its session is closed at once when there is no memory for it. */
struct harness_client *harness_connect(struct harness *harness, unsigned worker);
/* Gives bytes to the client's session, if it is still open, without carrying anything on. */
void harness_feed(struct harness_client *client, const char *bytes, size_t len);
/* The same through session_payload_room, as a connection does when a payload is cut off. */
void harness_feed_room(struct harness_client *client, const char *bytes, size_t len);
/* The end of one worker's turn: opens its mail, writes out and closes what was touched. */
void harness_turn(struct harness *harness, unsigned worker);
/* Turns until nothing moves, then frees garbage and verifies every structure. */
void harness_settle(struct harness *harness);
/* The peer goes away. */
void harness_hang_up(struct harness_client *client);

/* Feeds and settles. */
void harness_send(struct harness_client *client, const char *text);
/* Takes what was received so far: the caller frees it. */
char *harness_take(struct harness_client *client);
void harness_advance(struct harness *harness, int64_t ns);

#endif
