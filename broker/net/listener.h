/* The listening sockets: accepts, and gives each connection to the worker with the fewest. Main thread only,
 * but for listener_descriptors_max. */
#ifndef BROKER_NET_LISTENER_H
#define BROKER_NET_LISTENER_H

#include <uv.h>

#include "broker/net/worker.h"

struct listener;

/* Binds and listens, without accepting yet. port -1: one the kernel picks. On failure returns ERR_SYSTEM and writes
 * nats-server's words for it to error. */
MUST_CHECK int listener_new(const char *host, int port, struct listener **out, char *error,
                            size_t error_size);
int listener_port(const struct listener *listener);
/* Connections have lower descriptors: the others are left to monitoring. Any thread. */
int listener_descriptors_max(void);
void listener_start(struct listener *listener, uv_loop_t *loop, struct broker *broker,
                    struct worker **workers);
/* Stops accepting and closes; the loop has to run once more before it is freed, which it then is. */
void listener_close(struct listener **listener);

#endif
