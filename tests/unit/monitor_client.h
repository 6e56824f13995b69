/* A monitoring port, and a client that takes what it says as it comes. Failures are the test's. */
#ifndef TESTS_MONITOR_CLIENT_H
#define TESTS_MONITOR_CLIENT_H

#include "monitor/http.h"

struct monitor_reply {
    int status;
    char *head; /* status line and headers */
    char *body;
    size_t len;
    char *all; /* to be freed */
};

struct monitor *monitor_client_start(const char *base_path, unsigned connections_max);
int monitor_client_dial(const struct monitor *monitor);
/* Sends the bytes and reads until the server closes. */
struct monitor_reply monitor_client_talk(const struct monitor *monitor, const char *bytes,
                                         size_t len);
/* header: more lines for the head, each with its CR LF. */
struct monitor_reply monitor_client_ask(const struct monitor *monitor, const char *method,
                                        const char *target, const char *header);

/* For cmocka: one with everything at its default, in *state. */
int monitor_client_setup(void **state);
int monitor_client_teardown(void **state);

#endif
