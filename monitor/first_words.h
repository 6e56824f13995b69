/* What a connection to the monitoring port says first, looked at before the HTTP library reads it: the library closes the
 * connection without a word when the bytes are no HTTP at all, where nats-server answers.
 *
 * The main thread and the HTTP server's. Descriptors are the caller's. */
#ifndef MONITOR_FIRST_WORDS_H
#define MONITOR_FIRST_WORDS_H

#include "broker/base/base.h"

/* Has the kernel hand over connections of this listening socket once they have said something, or after a second or so. */
void first_words_wait(int listening_fd);
/* true when they cannot be a request (https: a TLS handshake); the answer was sent then, and the connection is to be shut
 * down. */
MUST_CHECK bool first_words_refused(int fd, bool https);

#endif
