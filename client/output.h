/* Received messages on stdout: for people, as JSON lines, or payloads alone. One thread at a time.
 * When stdout is gone (a closed pipe, a full disk) the program is stopped with status 1. */
#ifndef CLIENT_OUTPUT_H
#define CLIENT_OUTPUT_H

#include "client/options.h"

#include <nats/nats.h>

/* number counts from 1; latency_ns is negative where there is none. */
void output_message(const struct options *options, natsMsg *message, uint64_t number,
                    int64_t latency_ns);

/* The first header of that name, or NULL; borrowed from the message. */
const char *output_header(natsMsg *message, const char *name);

/* Flushes stdout; stops the program if that fails. */
void output_flush(void);

#endif
