/* A listening TCP socket from a host and a port, with errors worded as the stock server words them.
 * Any thread. */
#ifndef BROKER_BASE_LISTEN_H
#define BROKER_BASE_LISTEN_H

#include "broker/base/base.h"

/* host "" or 0.0.0.0 is all addresses, both families where there are two, as with nats-server; port 0 the kernel's
 * choice. Returns 0, or ERR_SYSTEM with one line in error. The caller closes *fd, which does not block. */
MUST_CHECK int listen_tcp(const char *host, int port, int *fd, int *bound_port, char *error,
                          size_t error_size);

#endif
