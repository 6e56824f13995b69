/* Connections as the common options describe them, and what the user is told when one fails.
 *
 * Open and close on the main thread. Something the server refuses later (a permission, a slow
 * consumer, a lost connection that is not to be made again) is said once and stops the program with
 * status 1. */
#ifndef CLIENT_CONNECTION_H
#define CLIENT_CONNECTION_H

#include "client/options.h"

#include <nats/nats.h>

enum connection_flags {
    CONNECTION_RECONNECT = 1, /* make it again for as long as the program runs */
    CONNECTION_SEND_NOW = 2,  /* each message leaves at once: latency over throughput */
    CONNECTION_ONE_THREAD =
        4, /* all subscriptions deliver on one thread, in the order of arrival */
};

/* Checks the URLs and connects to the first server that answers. Says why and returns -1 on
 * failure. */
MUST_CHECK int connection_open(natsConnection **conn, const struct options *options,
                               const char *servers, unsigned flags);
/* All sent so far has reached the server and was not refused. Says why and returns -1 on failure.
 */
MUST_CHECK int connection_settle(natsConnection *conn, const struct options *options);
/* Begins to unsubscribe and to let the callbacks have what already arrived; connection_wait_drained
 * waits, --timeout at most, until they have returned. Without it the library leaks messages that
 * wait for a callback or are destroyed while it closes. NULL is allowed. */
void connection_drain(natsConnection *conn, const struct options *options);
void connection_wait_drained(natsConnection *conn, const struct options *options);
void connection_close(natsConnection **conn);
/* After the last close: no callback runs any more, the library's memory is gone. May be called
 * twice. */
void connection_fini(void);

/* Says "WHAT: the library's reason". */
void connection_say(const char *what, natsStatus status);

/* libnats counts milliseconds; at least 1. */
int64_t connection_ms(int64_t ns);

#endif
