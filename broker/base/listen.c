/* The first address of a name that can be bound is taken. "::" listens for IPv4 as well. */
#include "broker/base/listen.h"

#include <ctype.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#include "broker/base/err.h"

/* The kernel caps it at its own limit. */
enum { BACKLOG = 4096 };

static int open_address(const struct addrinfo *address, const char **step)
{
    int fd = socket(address->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    int yes = 1, no = 0;
    *step = "socket";
    if (fd < 0)
        return -1;
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
    if (address->ai_family == AF_INET6)
        setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &no, sizeof no);
    *step = "bind";
    if (bind(fd, address->ai_addr, address->ai_addrlen) == 0) {
        *step = "listen";
        if (listen(fd, BACKLOG) == 0)
            return fd;
    }
    int saved = errno;
    close(fd);
    errno = saved;
    return -1;
}

static int port_of(int fd)
{
    struct sockaddr_storage address;
    socklen_t len = sizeof address;
    if (getsockname(fd, (struct sockaddr *)&address, &len) != 0)
        return -1;
    in_port_t port = address.ss_family == AF_INET6 ? ((struct sockaddr_in6 *)&address)->sin6_port
                                                   : ((struct sockaddr_in *)&address)->sin_port;
    return ntohs(port);
}

static void describe(const char *host, int port, const char *step, const char *problem, char *error,
                     size_t error_size)
{
    bool brackets = strchr(host, ':') != NULL;
    snprintf(error, error_size, "listen tcp %s%s%s:%d: %s: %c%s", brackets ? "[" : "", host,
             brackets ? "]" : "", port, step, tolower((unsigned char)problem[0]),
             problem[0] ? problem + 1 : "");
}

int listen_tcp(const char *host, int port, int *fd, int *bound_port, char *error, size_t error_size)
{
    const struct addrinfo wanted = {.ai_socktype = SOCK_STREAM,
                                    .ai_flags = AI_PASSIVE | AI_NUMERICSERV};
    /* The IPv6 wildcard takes both families, the IPv4 one is for machines without IPv6. */
    bool everywhere = !*host || strcmp(host, "0.0.0.0") == 0;
    const char *const names[] = {everywhere ? "::" : host, everywhere ? "0.0.0.0" : NULL};
    char service[16];
    snprintf(service, sizeof service, "%d", port);
    int opened = -1;
    for (size_t i = 0; i < array_length(names) && opened < 0 && names[i]; i++) {
        struct addrinfo *addresses = NULL;
        int status = getaddrinfo(names[i], service, &wanted, &addresses);
        if (status != 0) {
            describe(host, port, "lookup", gai_strerror(status), error, error_size);
            continue;
        }
        const char *step = "";
        for (struct addrinfo *one = addresses; one && opened < 0; one = one->ai_next)
            opened = open_address(one, &step);
        if (opened < 0)
            describe(host, port, step, strerror(errno), error, error_size);
        freeaddrinfo(addresses);
    }
    if (opened < 0)
        return ERR_SYSTEM;
    *fd = opened;
    *bound_port = port_of(opened);
    return 0;
}
