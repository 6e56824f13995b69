/* Only what is sure is judged: a first byte that neither a method nor an empty line begins with, a whole first line without a
 * blank, a first byte that is no TLS handshake's. The rest is the library's to judge. What had come is read away before the
 * end: a socket closed with bytes unread would have the peer's kernel throw the answer away. */
#include "monitor/first_words.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

enum { WAIT_S = 1, PEEK_BYTES = 1024, DRAIN_BYTES_MAX = 64 << 10, TLS_HANDSHAKE = 0x16 };

/* nats-server's. */
static const char not_http[] =
    "HTTP/1.1 400 Bad Request\r\nContent-Type: text/plain; charset=utf-8\r\n"
    "Connection: close\r\n\r\n400 Bad Request\n";
static const char not_tls[] = "HTTP/1.0 400 Bad Request\r\n\r\n"
                              "Client sent an HTTP request to an HTTPS server.\n";

void first_words_wait(int listening_fd)
{
    int seconds = WAIT_S;
    setsockopt(listening_fd, IPPROTO_TCP, TCP_DEFER_ACCEPT, &seconds, sizeof seconds);
}

static bool may_be_http(struct span words)
{
    static const char beginnings[] = "!#$%&'*+-.^_`|~0123456789\r\n";
    unsigned char byte = (unsigned char)words.ptr[0], letter = byte | 0x20;
    const char *end = memchr(words.ptr, '\n', words.len);
    if (byte == '\0' || ((letter < 'a' || letter > 'z') && !strchr(beginnings, byte)))
        return false;
    return !end || end - words.ptr <= 1 || memchr(words.ptr, ' ', (size_t)(end - words.ptr));
}

static void drain(int fd)
{
    char bytes[PEEK_BYTES];
    for (size_t drained = 0; drained < DRAIN_BYTES_MAX;) {
        ssize_t got = recv(fd, bytes, sizeof bytes, MSG_DONTWAIT);
        if (got <= 0)
            return;
        drained += (size_t)got;
    }
}

bool first_words_refused(int fd, bool https)
{
    char words[PEEK_BYTES];
    ssize_t got = recv(fd, words, sizeof words, MSG_PEEK | MSG_DONTWAIT);
    if (got <= 0 ||
        (https ? words[0] == TLS_HANDSHAKE : may_be_http((struct span){words, (size_t)got})))
        return false;
    const char *answer = https ? not_tls : not_http;
    drain(fd);
    ssize_t sent = send(fd, answer, strlen(answer), MSG_DONTWAIT | MSG_NOSIGNAL);
    (void)sent;
    return true;
}
