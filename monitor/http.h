/* The monitoring port: starts and stops the HTTP server that answers endpoints.def.
 *
 * monitor_start and monitor_stop are for the main thread, with the broker's state alive between
 * them. Requests run on a few threads of its own, which only read, as RCU readers; when monitoring
 * is off none of this exists. */
#ifndef MONITOR_HTTP_H
#define MONITOR_HTTP_H

#include "broker/base/base.h"

struct endpoint_counts;
struct monitor;

struct monitor_options {
    const char *host;                 /* name or address; "" or NULL: all of them */
    int port;                         /* 0: the kernel's choice */
    const char *base_path;            /* http_base_path as configured; "" or NULL: none */
    const char *cert_file, *key_file; /* PEM, for HTTPS; both NULL: plain HTTP */
    const char *user, *password;      /* both or neither; the password may be a bcrypt hash */
    const char *token;                /* likewise; NULL: none. Nothing set: anyone may read */
    unsigned connections_max;         /* more wait to be accepted; 0: 1024 */
    unsigned threads;                 /* 0: 2 */
    unsigned idle_timeout_s;          /* 0: 75 */
};

/* Returns 0, or a negative ERR_* with one line for people in error. Copies the options. */
MUST_CHECK int monitor_start(const struct monitor_options *options, struct monitor **out,
                             char *error, size_t error_size);
/* The port really bound. */
int monitor_port(const struct monitor *monitor);
/* What was asked for so far; as long-lived as the monitor. */
const struct endpoint_counts *monitor_counts(const struct monitor *monitor);
/* Cuts off who takes too long; once a second, from the main thread. */
void monitor_sweep(struct monitor *monitor);
/* Cuts off open connections, ends the threads, clears the caller's pointer. NULL is fine. */
void monitor_stop(struct monitor **monitor);

#endif
