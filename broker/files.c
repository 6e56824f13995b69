/* The ports file is written beside its name and then moved there, so that whoever waits for it
 * never reads half of it. Its name is that of the executable as it was called, so a link called
 * nats-server is found like one. */
#include "broker/files.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <ifaddrs.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "broker/base/err.h"

enum { PATH_BYTES_MAX = 4096, URL_MAX = 512 };

/* ---- addresses ---- */

static void add_url(json_t *urls, const char *scheme, const char *host, int port)
{
    char url[URL_MAX];
    bool bare = strchr(host, ':') && host[0] != '[';
    snprintf(url, sizeof url, "%s://%s%s%s:%d", scheme, bare ? "[" : "", host, bare ? "]" : "",
             port);
    json_array_append_new(urls, json_string(url));
}

/* One URL for each address of this machine that a wildcard socket of the family answers on. */
static void add_local_urls(json_t *urls, const char *scheme, bool with_ipv6, int port)
{
    struct ifaddrs *list;
    if (getifaddrs(&list) != 0)
        return;
    for (const struct ifaddrs *at = list; at; at = at->ifa_next) {
        char text[INET6_ADDRSTRLEN];
        const void *address = NULL;
        int family = at->ifa_addr ? at->ifa_addr->sa_family : AF_UNSPEC;
        if (family == AF_INET)
            address = &((const struct sockaddr_in *)(const void *)at->ifa_addr)->sin_addr;
        else if (family == AF_INET6 && with_ipv6)
            address = &((const struct sockaddr_in6 *)(const void *)at->ifa_addr)->sin6_addr;
        if (address && inet_ntop(family, address, text, sizeof text))
            add_url(urls, scheme, text, port);
    }
    freeifaddrs(list);
}

/* A new array of where to reach a listener. */
static json_t *urls_of(const char *scheme, const char *host, int port)
{
    json_t *urls = json_array();
    bool any_ipv6 = strcmp(host, "::") == 0 || strcmp(host, "[::]") == 0;
    if (any_ipv6 || strcmp(host, "0.0.0.0") == 0 || !*host)
        add_local_urls(urls, scheme, any_ipv6, port);
    if (json_array_size(urls) == 0)
        add_url(urls, scheme, host, port);
    return urls;
}

/* ---- files ---- */

static int report(char *error, size_t error_size, const char *what, const char *path)
{
    snprintf(error, error_size, "%s: open %s: %s", what, path, strerror(errno));
    return ERR_SYSTEM;
}

/* Replaces the file by bytes; errno tells why not. */
static int write_whole(const char *path, mode_t mode, const char *bytes, size_t len)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, mode);
    if (fd < 0)
        return ERR_SYSTEM;
    ssize_t written = write(fd, bytes, len);
    int error = written < 0 ? errno : (size_t)written < len ? ENOSPC : 0;
    if (close(fd) != 0 && !error)
        error = errno;
    errno = error;
    return error ? ERR_SYSTEM : 0;
}

static int ports_path(const char *dir, char out[PATH_BYTES_MAX], const char *suffix)
{
    int len = snprintf(out, PATH_BYTES_MAX, "%s/%s_%d.ports%s", dir, program_invocation_short_name,
                       (int)getpid(), suffix);
    errno = ENAMETOOLONG;
    return len < PATH_BYTES_MAX ? 0 : ERR_SYSTEM;
}

int files_write_ports(const char *dir, const struct files_ports *ports, char *error,
                      size_t error_size)
{
    static const char what[] = "Could not write the ports file";
    char path[PATH_BYTES_MAX], half[PATH_BYTES_MAX];
    if (ports_path(dir, path, "") != 0 || ports_path(dir, half, ".tmp") != 0)
        return report(error, error_size, what, dir);
    json_t *document = json_object();
    json_object_set_new(document, "nats", urls_of("nats", ports->host, ports->port));
    if (ports->http_port > 0)
        json_object_set_new(document, "monitoring",
                            urls_of(ports->http_scheme, ports->http_host, ports->http_port));
    char *text = json_dumps(document, JSON_COMPACT);
    json_decref(document);
    errno = ENOMEM;
    int failed = text ? write_whole(half, 0644, text, strlen(text)) : ERR_MEMORY;
    if (!failed && rename(half, path) != 0)
        failed = ERR_SYSTEM;
    if (failed) {
        report(error, error_size, what, path);
        unlink(half);
    }
    free(text);
    return failed;
}

void files_remove_ports(const char *dir)
{
    char path[PATH_BYTES_MAX];
    if (ports_path(dir, path, "") == 0)
        unlink(path);
}

int files_write_pid(const char *path, char *error, size_t error_size)
{
    char text[16];
    int len = snprintf(text, sizeof text, "%d", (int)getpid());
    if (write_whole(path, 0600, text, (size_t)len) != 0)
        return report(error, error_size, "Could not write pidfile", path);
    return 0;
}
