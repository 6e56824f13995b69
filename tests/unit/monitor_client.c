/* A monitoring port under test, and plain sockets to it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/unit/monitor_client.h"

struct monitor *monitor_client_start(const char *base_path, unsigned connections_max)
{
    struct monitor *monitor = NULL;
    char error[256];
    const struct monitor_options options = {.host = "127.0.0.1",
                                            .base_path = base_path,
                                            .connections_max = connections_max,
                                            .idle_timeout_s = 1};
    int status = monitor_start(&options, &monitor, error, sizeof error);
    if (status != 0)
        fail_msg("%s", error);
    assert_true(monitor_port(monitor) > 0);
    return monitor;
}

int monitor_client_dial(const struct monitor *monitor)
{
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_port = htons((uint16_t)monitor_port(monitor))};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof address), 0);
    return fd;
}

struct monitor_reply monitor_client_talk(const struct monitor *monitor, const char *bytes,
                                         size_t len)
{
    int fd = monitor_client_dial(monitor);
    assert_int_equal(send(fd, bytes, len, MSG_NOSIGNAL), len);
    struct monitor_reply reply = {.all = calloc(1, 1)};
    size_t have = 0;
    for (;;) {
        char piece[65536];
        ssize_t got = recv(fd, piece, sizeof piece, 0);
        if (got <= 0)
            break;
        reply.all = realloc(reply.all, have + (size_t)got + 1);
        memcpy(reply.all + have, piece, (size_t)got);
        have += (size_t)got;
        reply.all[have] = '\0';
    }
    close(fd);
    char *end = strstr(reply.all, "\r\n\r\n");
    if (end && sscanf(reply.all, "HTTP/1.%*d %d", &reply.status) == 1) {
        *end = '\0';
        reply.head = reply.all;
        reply.body = end + 4;
        reply.len = have - (size_t)(reply.body - reply.all);
    }
    return reply;
}

struct monitor_reply monitor_client_ask(const struct monitor *monitor, const char *method,
                                        const char *target, const char *header)
{
    char request[4096];
    int len = snprintf(request, sizeof request,
                       "%s %s HTTP/1.1\r\nHost: x\r\nConnection: close\r\n%s\r\n", method, target,
                       header);
    struct monitor_reply reply = monitor_client_talk(monitor, request, (size_t)len);
    assert_non_null(reply.head);
    return reply;
}

int monitor_client_setup(void **state)
{
    *state = monitor_client_start(NULL, 0);
    return 0;
}

int monitor_client_teardown(void **state)
{
    struct monitor *monitor = *state;
    monitor_stop(&monitor);
    return 0;
}
