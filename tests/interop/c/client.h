/* The C client's frame: checks, talk with the driver, connections. One thread runs the case;
 * libnats delivers on its own threads. A check that does not hold prints the result line and exits
 * with status 1, so nothing after it needs undoing. */
#ifndef INTEROP_CLIENT_H
#define INTEROP_CLIENT_H

#include <nats/nats.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What the driver told us; strings live as long as the program. NULL where it said nothing. */
struct task {
    const char *url;
    const char *monitor;
    const char *user;
    const char *password;
};

struct interop_case {
    const char *name;
    void (*run)(const struct task *task);
};

extern const struct interop_case interop_cases[];

void client_check(bool holds, const char *format, ...) __attribute__((format(printf, 2, 3)));
void client_must(natsStatus status, const char *what);

/* Prints {"step": NAME<facts>} and waits for "go"; facts is "" or starts with ", ". */
void client_step(const char *name, const char *facts);

/* A connection; options may be NULL and are destroyed. */
natsConnection *client_connect(const struct task *task, natsOptions *options);
natsOptions *client_options(const struct task *task);
void client_close(natsConnection *connection);

natsSubscription *client_subscribe(natsConnection *connection, const char *subject,
                                   const char *queue);
void client_flush(natsConnection *connection);
void client_publish_numbers(natsConnection *connection, const char *subject, int from, int to);

/* Receives one message within 20 s; the caller destroys it. */
natsMsg *client_receive(natsSubscription *subscription);
void client_expect_text(natsSubscription *subscription, const char *text, const char *what);
void client_expect_numbers(natsSubscription *subscription, int from, int to, const char *what);
void client_expect_none(natsSubscription *subscription, const char *what);

/* Polls until *counter reaches `wanted` or the seconds are over; returns its value. */
int client_wait_for(const _Atomic int *counter, int wanted, int seconds);

#endif
