/* One request over one blocking socket. The whole of it, with the look-up of a name, is under one alarm, whose handler says so
 * and ends the process: nothing that can hang needs a time-out of its own.
 *
 * The request is HTTP/1.0, so that the answer is neither in chunks nor held open. Of the answer the status and the first line
 * of the body are shown, made harmless: who answers may be anybody. */
#include "broker/health_check.h"

#include <ctype.h>
#include <errno.h>
#include <netdb.h>
#include <signal.h>
#include <stdlib.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

#include "broker/base/err.h"

enum { TIMEOUT_S = 4, HOST_MAX = 256, PATH_MAX_LEN = 1024, ANSWER_MAX = 16 << 10 };
enum { REQUEST_MAX = 2 * PATH_MAX_LEN, SHOWN_MAX = 2000, HTTP_PORT = 80 };

struct probe {
    char host[HOST_MAX];
    int port;
    char path[PATH_MAX_LEN];
    bool brackets; /* an IPv6 address */
};

static char timed_out[2 * PATH_MAX_LEN];

static void on_alarm(int number)
{
    (void)number;
    if (write(STDERR_FILENO, timed_out, strlen(timed_out)) < 0)
        _exit(2);
    _exit(1);
}

/* ---- what to ask ---- */

COLD static int refuse(const char *target, const char *why)
{
    fprintf(stderr, "clearwing: --health-check: \"%s\": %s\n", target, why);
    return ERR_INVALID;
}

/* "host", "host:port", "[::1]:port" up to end. */
static int read_authority(const char *target, struct span text, struct probe *probe)
{
    const char *end = text.ptr + text.len, *colon;
    struct span host = text;
    if (memchr(text.ptr, '@', text.len))
        return refuse("...", "leave the credentials out: health checks need none");
    if (text.len > 0 && *text.ptr == '[') {
        const char *bracket = memchr(text.ptr, ']', text.len);
        if (!bracket)
            return refuse(target, "a bracket is not closed");
        host = (struct span){text.ptr + 1, (size_t)(bracket - text.ptr - 1)};
        colon = bracket + 1;
        probe->brackets = true;
    } else {
        colon = memchr(text.ptr, ':', text.len);
        if (colon)
            host.len = (size_t)(colon - text.ptr);
        else
            colon = end;
    }
    if (host.len == 0 || host.len >= sizeof probe->host)
        return refuse(target, "expected http://HOST:PORT/PATH");
    snprintf(probe->host, sizeof probe->host, "%.*s", (int)host.len, host.ptr);
    probe->port = HTTP_PORT;
    if (colon == end)
        return 0;
    char *rest;
    long port = isdigit((unsigned char)colon[1]) ? strtol(colon + 1, &rest, 10) : 0;
    if (*colon != ':' || port < 1 || port > 65535 || rest != end)
        return refuse(target, "expected a port from 1 to 65535 behind the colon");
    probe->port = (int)port;
    return 0;
}

static int read_url(const char *target, struct probe *probe)
{
    const char *authority = target + strlen("http://");
    size_t len = strcspn(authority, "/?#");
    const char *path = authority + len;
    if (read_authority(target, (struct span){authority, len}, probe) != 0)
        return ERR_INVALID;
    snprintf(probe->path, sizeof probe->path, "%s",
             *path == '/' && path[1] != '\0' ? path : "/readyz");
    return 0;
}

/* The monitoring port of these options, as seen from this machine. */
static int read_options(const struct options *options, const char *path, struct probe *probe)
{
    const char *host = options->http_host ? options->http_host : options->host;
    const char *base = options->http_base_path ? options->http_base_path : "";
    if (options->https_port != 0) {
        fprintf(stderr, "clearwing: --health-check: the monitoring port speaks https, and only "
                        "http can be asked: use curl\n");
        return ERR_INVALID;
    }
    if (options->http_port <= 0) {
        fprintf(stderr,
                "clearwing: --health-check: %s: give it with -m or -c as the server got it, or the "
                "URL to ask\n",
                options->http_port == 0 ? "no monitoring port is set"
                                        : "the monitoring port was left to the system");
        return ERR_INVALID;
    }
    if (!*host || strcmp(host, "0.0.0.0") == 0)
        host = "127.0.0.1";
    else if (strcmp(host, "::") == 0)
        host = "::1";
    snprintf(probe->host, sizeof probe->host, "%s", host);
    probe->brackets = strchr(host, ':') != NULL;
    probe->port = options->http_port;
    base += strspn(base, "/");
    int base_len = (int)strlen(base);
    while (base_len > 0 && base[base_len - 1] == '/')
        base_len--;
    snprintf(probe->path, sizeof probe->path, "%s%.*s%s", base_len ? "/" : "", base_len, base,
             *path ? path : "/readyz");
    return 0;
}

static int read_target(const struct options *options, const char *target, struct probe *probe)
{
    if (strlen(target) >= PATH_MAX_LEN)
        return refuse("...", "this is too long");
    for (const char *at = target; *at; at++)
        if ((unsigned char)*at <= ' ' || *at == 0x7f)
            return refuse("...", "an address has no blanks and no control characters");
    if (strncasecmp(target, "https://", 8) == 0)
        return refuse(target, "only http can be asked, not https");
    if (strncasecmp(target, "http://", 7) == 0)
        return read_url(target, probe);
    if (*target == '\0' || *target == '/')
        return read_options(options, target, probe);
    return refuse(target, "expected http://HOST:PORT/PATH, or /PATH of the monitoring port");
}

/* ---- asking ---- */

COLD static int complain(const char *url, const char *what)
{
    fprintf(stderr, "clearwing: %s: %s\n", url, what);
    return ERR_SYSTEM;
}

/* A connected socket, or -1 after a line. */
static int dial(const struct probe *probe, const char *url)
{
    const struct addrinfo wanted = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICSERV};
    struct addrinfo *addresses = NULL;
    char service[16];
    snprintf(service, sizeof service, "%d", probe->port);
    int status = getaddrinfo(probe->host, service, &wanted, &addresses), fd = -1;
    if (status != 0) {
        complain(url, gai_strerror(status));
        return -1;
    }
    for (struct addrinfo *one = addresses; one && fd < 0; one = one->ai_next) {
        fd = socket(one->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
        if (fd < 0 || connect(fd, one->ai_addr, one->ai_addrlen) == 0)
            continue;
        int error = errno;
        close(fd);
        errno = error;
        fd = -1;
    }
    if (fd < 0)
        complain(url, strerror(errno));
    freeaddrinfo(addresses);
    return fd;
}

/* Sends the request and reads the answer up to its end or its maximum; it is then a string. */
static int exchange(int fd, const struct probe *probe, char answer[ANSWER_MAX])
{
    char request[REQUEST_MAX];
    int len =
        snprintf(request, sizeof request,
                 "GET %s HTTP/1.0\r\nHost: %s%s%s:%d\r\nUser-Agent: clearwing/" CLEARWING_VERSION
                 "\r\nAccept: */*\r\n\r\n",
                 probe->path, probe->brackets ? "[" : "", probe->host, probe->brackets ? "]" : "",
                 probe->port);
    if (send(fd, request, (size_t)len, MSG_NOSIGNAL) != len)
        return ERR_SYSTEM;
    size_t have = 0;
    ssize_t got;
    while (have < ANSWER_MAX - 1 && (got = recv(fd, answer + have, ANSWER_MAX - 1 - have, 0)) > 0)
        have += (size_t)got;
    answer[have] = '\0';
    return have > 0 ? 0 : ERR_SYSTEM;
}

/* The first line of the body, without what a terminal would act upon. */
static const char *first_line_of_body(char *answer)
{
    char *body = strstr(answer, "\r\n\r\n");
    if (!body)
        return "";
    body += 4;
    body[strcspn(body, "\r\n")] = '\0';
    if (strlen(body) > SHOWN_MAX)
        body[SHOWN_MAX] = '\0';
    for (char *at = body; *at; at++)
        if ((unsigned char)*at < ' ' || (unsigned char)*at >= 0x7f)
            *at = '?';
    return body;
}

int health_check_run(const struct options *options, const char *target)
{
    struct probe probe = {.port = 0};
    char answer[ANSWER_MAX], url[HOST_MAX + PATH_MAX_LEN + 32];
    if (read_target(options, target, &probe) != 0)
        return ERR_INVALID;
    snprintf(url, sizeof url, "http://%s%s%s:%d%s", probe.brackets ? "[" : "", probe.host,
             probe.brackets ? "]" : "", probe.port, probe.path);
    snprintf(timed_out, sizeof timed_out, "clearwing: %s: no answer within %d s\n", url, TIMEOUT_S);
    signal(SIGALRM, on_alarm);
    alarm(TIMEOUT_S);
    int fd = dial(&probe, url), code = 0;
    if (fd < 0)
        return ERR_SYSTEM;
    int failed = exchange(fd, &probe, answer);
    close(fd);
    alarm(0);
    if (failed)
        return complain(url, "the connection was closed without an answer");
    if (sscanf(answer, "HTTP/1.%*1d %3d", &code) != 1)
        return complain(url, "the answer is not HTTP");
    bool well = code == 200;
    fprintf(well ? stdout : stderr, "%s%s: %d %s\n", well ? "" : "clearwing: ", url, code,
            first_line_of_body(answer));
    return well ? 0 : ERR_SYSTEM;
}
