/* One blocking HTTP GET with limits on time and size, for the exporter and the viewer.
 *
 * Any thread, several at once; a call touches nothing shared. The caller owns the answer and gives
 * it back with http_get_fini, which is safe after every outcome. Times are milliseconds, sizes
 * bytes. Redirects are not followed and no proxy is used: what is measured is the server named in
 * the URL. */
#ifndef MONITOR_HTTP_GET_H
#define MONITOR_HTTP_GET_H

#include "broker/base/base.h"

enum http_get_failure {
    HTTP_GET_OK,        /* a whole answer arrived; its status may still be an error */
    HTTP_GET_CONNECT,   /* no such host, refused, TLS not agreed on */
    HTTP_GET_TIMEOUT,   /* connecting or answering took too long */
    HTTP_GET_TOO_LARGE, /* the body exceeded body_bytes_max */
    HTTP_GET_OTHER      /* cut off, not HTTP, bad URL, out of memory */
};

#define HTTP_GET_TIMEOUT_MS     5000
#define HTTP_GET_BODY_BYTES_MAX (64u << 20)

/* Zero means the default; pointers are borrowed for the call. */
struct http_get_options {
    const char *url; /* http:// or https://, may hold user:password@ */
    long connect_timeout_ms;
    long timeout_ms; /* for all of it, connecting included */
    size_t body_bytes_max;
    const char *ca_file;
    const char *cert_file;
    const char *key_file;
    bool insecure;              /* do not verify the server's certificate */
    const char *bearer;         /* token for "Authorization: Bearer" */
    const char *const *headers; /* "Name: value", NULL-terminated */
};

struct http_get_answer {
    enum http_get_failure failure;
    int status; /* 0 when no status line arrived */
    char *body; /* with a final NUL; NULL unless failure is HTTP_GET_OK */
    size_t body_len;
    char error[256]; /* what went wrong, for people; empty when nothing did */
};

/* True when a whole answer arrived (failure is HTTP_GET_OK), whatever its status. Fills *answer in
 * any case. */
bool http_get(const struct http_get_options *options, struct http_get_answer *answer);
void http_get_fini(struct http_get_answer *answer);
/* "connect", "timeout", "too_large", "other"; "none" for HTTP_GET_OK. */
const char *http_get_failure_name(enum http_get_failure failure);

#endif
