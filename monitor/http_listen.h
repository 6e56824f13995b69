/* A listening TCP socket from a host and a port, with errors worded as the stock server words them.
 * Any thread. */
#ifndef MONITOR_HTTP_LISTEN_H
#define MONITOR_HTTP_LISTEN_H

#include "broker/base/base.h"

/* host "" is all addresses, both families where there are two; port 0 the kernel's choice. The
 * caller closes *fd. */
MUST_CHECK int http_listen(const char *host, int port, int *fd, int *bound_port, char *error,
                           size_t error_size);

#endif
