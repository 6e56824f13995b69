/* Connections.
 *
 * Life: connection_open -> connected -> (lost -> connected)* -> (connection_drain) ->
 * connection_close -> connection_fini. libnats calls back on its own threads. Those callbacks only
 * say lines and stop the program; whoever sleeps in interrupt_wait then ends its work. Closing on
 * purpose first sets `closing`, so that the library's "closed" is not taken for a loss.
 *
 * URLs are checked here, because libnats reports a bad one without saying which, and shown without
 * what stands before '@', because that is a secret. */
#include "client/connection.h"

#include "client/interrupt.h"
#include "client/nkey.h"
#include "client/say.h"
#include "client/verbs.h"

#include "broker/base/mem.h"

#include <limits.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { URL_TEXT_MAX = 200, SERVERS_MAX = 64, RECONNECT_WAIT_MS = 500, FINI_TIMEOUT_MS = 5000 };

static _Atomic bool closing;

int64_t connection_ms(int64_t ns)
{
    return ns < NS_PER_MS ? 1 : (ns + NS_PER_MS - 1) / NS_PER_MS;
}

void connection_say(const char *what, natsStatus status)
{
    natsStatus last = NATS_OK;
    const char *detail = nats_GetLastError(&last);
    if (last == status && detail && detail[0] != '\0')
        say_line("%s: %s (%s)", what, natsStatus_GetText(status), detail);
    else
        say_line("%s: %s", what, natsStatus_GetText(status));
}

/* --- URLs
 * --------------------------------------------------------------------------------------------- */

/* The URL without user, password or token. */
static const char *shown_url(struct span url, char out[URL_TEXT_MAX])
{
    const char *at = memrchr(url.ptr, '@', url.len);
    const char *scheme_end = memmem(url.ptr, url.len, "://", 3);
    int scheme = at && scheme_end && scheme_end < at ? (int)(scheme_end + 3 - url.ptr) : 0;
    const char *rest = at ? at + 1 : url.ptr;
    snprintf(out, URL_TEXT_MAX, "%.*s%.*s", scheme, url.ptr, (int)(url.ptr + url.len - rest), rest);
    return out;
}

static bool port_is_good(struct span port)
{
    unsigned long number = 0;
    for (size_t i = 0; i < port.len; i++) {
        if (port.ptr[i] < '0' || port.ptr[i] > '9' || i >= 5)
            return false;
        number = number * 10 + (unsigned long)(port.ptr[i] - '0');
    }
    return number >= 1 && number <= 65535;
}

static int check_url(struct span url)
{
    char shown[URL_TEXT_MAX];
    shown_url(url, shown);
    const char *scheme_end = memmem(url.ptr, url.len, "://", 3);
    struct span host = url;
    if (scheme_end) {
        struct span scheme = {url.ptr, (size_t)(scheme_end - url.ptr)};
        if (!span_equal(scheme, SPAN_LITERAL("nats")) && !span_equal(scheme, SPAN_LITERAL("tls"))) {
            say_line("--server \"%s\": the scheme %.*s:// is not supported; use nats:// or tls://",
                     shown, (int)scheme.len, scheme.ptr);
            return -1;
        }
        host = (struct span){scheme_end + 3, url.len - scheme.len - 3};
    }
    const char *at = memrchr(host.ptr, '@', host.len);
    if (at)
        host = (struct span){at + 1, (size_t)(host.ptr + host.len - at - 1)};
    const char *bracket = memrchr(host.ptr, ']', host.len);
    const char *after = bracket ? bracket : host.ptr;
    const char *colon = memchr(after, ':', (size_t)(host.ptr + host.len - after));
    size_t host_len = colon ? (size_t)(colon - host.ptr) : host.len;
    bool spaced = false;
    for (size_t i = 0; i < url.len; i++)
        spaced = spaced || (unsigned char)url.ptr[i] <= ' ';
    if (host_len == 0 || spaced || memchr(host.ptr, '/', host.len)) {
        say_line("--server \"%s\": this is not a server's address; write nats://HOST:PORT", shown);
        return -1;
    }
    if (colon && !port_is_good((struct span){colon + 1, host.len - host_len - 1})) {
        say_line("--server \"%s\": the port must be a number from 1 to 65535", shown);
        return -1;
    }
    return 0;
}

/* Every URL of a comma-separated list; *tls tells whether one asks for it. */
static int check_servers(const char *servers, bool *tls)
{
    const char *at = servers;
    for (int count = 1; count <= SERVERS_MAX; count++) {
        size_t len = strcspn(at, ",");
        if (check_url((struct span){at, len}) != 0)
            return -1;
        *tls = *tls || (len > 6 && strncmp(at, "tls://", 6) == 0);
        if (at[len] == '\0')
            return 0;
        at += len + 1;
    }
    say_line("--server names more than %d servers", SERVERS_MAX);
    return -1;
}

/* --- what the library tells
 * --------------------------------------------------------------------------- */

static void on_error(natsConnection *conn, natsSubscription *sub, natsStatus status, void *closure)
{
    (void)sub;
    (void)closure;
    if (status == NATS_SLOW_CONSUMER) {
        say_line("messages arrive faster than they are handled here, some were dropped");
        return;
    }
    const char *detail = NULL;
    natsConnection_GetLastError(conn, &detail);
    say_line("the server refused: %s", detail && detail[0] ? detail : natsStatus_GetText(status));
    interrupt_stop(EXIT_STATUS_FAILED);
}

static void on_closed(natsConnection *conn, void *closure)
{
    (void)closure;
    if (atomic_load(&closing) || interrupt_stopped())
        return;
    const char *detail = NULL;
    natsStatus status = natsConnection_GetLastError(conn, &detail);
    say_line("the server closed the connection: %s",
             detail && detail[0] ? detail
                                 : natsStatus_GetText(status ? status : NATS_CONNECTION_CLOSED));
    interrupt_stop(EXIT_STATUS_FAILED);
}

static void on_disconnected(natsConnection *conn, void *closure)
{
    (void)conn;
    (void)closure;
    if (!atomic_load(&closing))
        say_line("connection lost, trying to connect again");
}

static void on_reconnected(natsConnection *conn, void *closure)
{
    (void)closure;
    char url[URL_TEXT_MAX] = "", shown[URL_TEXT_MAX];
    natsConnection_GetConnectedUrl(conn, url, sizeof url);
    say_line("connected again to %s", shown_url(span_of(url), shown));
}

/* --- options
 * ------------------------------------------------------------------------------------------ */

static int check_readable(const char *option, const char *path)
{
    if (!path || access(path, R_OK) == 0)
        return 0;
    say_line("%s %s: the file cannot be read", option, path);
    return -1;
}

static int check_combinations(const struct options *options)
{
    int ways = (options->user != NULL) + (options->token != NULL) + (options->creds != NULL) +
               (options->nkey != NULL);
    if (ways > 1) {
        say_line("--user, --token, --creds and --nkey exclude each other: give one (the "
                 "environment's NATS_USER, "
                 "NATS_TOKEN, NATS_CREDS and NATS_NKEY count too)");
        return -1;
    }
    if (options->password && !options->user) {
        say_line("--password needs --user");
        return -1;
    }
    if (!options->tls_cert != !options->tls_key) {
        say_line("--tls-cert and --tls-key belong together: give both or neither");
        return -1;
    }
    if (check_readable("--creds", options->creds) || check_readable("--tls-ca", options->tls_ca) ||
        check_readable("--tls-cert", options->tls_cert) ||
        check_readable("--tls-key", options->tls_key))
        return -1;
    return 0;
}

static natsStatus set_credentials(natsOptions *out, const struct options *options, const char *nkey)
{
    if (options->user)
        return natsOptions_SetUserInfo(out, options->user,
                                       options->password ? options->password : "");
    if (options->token)
        return natsOptions_SetToken(out, options->token);
    if (options->creds)
        return natsOptions_SetUserCredentialsFromFiles(out, options->creds, NULL);
    if (options->nkey)
        return natsOptions_SetNKeyFromSeed(out, nkey, options->nkey);
    return NATS_OK;
}

static natsStatus set_tls(natsOptions *out, const struct options *options, bool wanted)
{
    natsStatus status = NATS_OK;
    if (wanted || options->tls_ca || options->tls_cert || options->tls_insecure)
        status = natsOptions_SetSecure(out, true);
    if (status == NATS_OK && options->tls_ca)
        status = natsOptions_LoadCATrustedCertificates(out, options->tls_ca);
    if (status == NATS_OK && options->tls_cert)
        status = natsOptions_LoadCertificatesChain(out, options->tls_cert, options->tls_key);
    if (status == NATS_OK && options->tls_insecure)
        status = natsOptions_SkipServerVerification(out, true);
    return status;
}

static natsStatus set_behaviour(natsOptions *out, const struct options *options, unsigned flags)
{
    bool again = flags & CONNECTION_RECONNECT;
    natsStatus status = natsOptions_SetName(out, options->name ? options->name : say_program());
    if (status == NATS_OK)
        status = natsOptions_SetNoRandomize(out, true);
    if (status == NATS_OK)
        status = natsOptions_SetTimeout(out, connection_ms(options->timeout));
    if (status == NATS_OK)
        status = natsOptions_SetAllowReconnect(out, again);
    if (status == NATS_OK && again)
        status = natsOptions_SetMaxReconnect(out, INT_MAX);
    if (status == NATS_OK && again)
        status = natsOptions_SetReconnectWait(out, RECONNECT_WAIT_MS);
    if (status == NATS_OK && again)
        status = natsOptions_SetDisconnectedCB(out, on_disconnected, NULL);
    if (status == NATS_OK && again)
        status = natsOptions_SetReconnectedCB(out, on_reconnected, NULL);
    if (status == NATS_OK)
        status = natsOptions_SetClosedCB(out, on_closed, NULL);
    if (status == NATS_OK)
        status = natsOptions_SetErrorHandler(out, on_error, NULL);
    if (status == NATS_OK)
        status = natsOptions_SetSendAsap(out, flags & CONNECTION_SEND_NOW);
    if (status == NATS_OK)
        status = natsOptions_UseGlobalMessageDelivery(out, flags & CONNECTION_ONE_THREAD);
    return status;
}

static natsStatus set_servers(natsOptions *out, const char *servers)
{
    const char *items[SERVERS_MAX];
    int count = 0;
    char *copy = mem_copy_string(span_of(servers));
    if (!copy)
        return NATS_NO_MEMORY;
    char *rest = copy;
    for (char *item; count < SERVERS_MAX && (item = strsep(&rest, ",")) != NULL;)
        items[count++] = item;
    natsStatus status = natsOptions_SetServers(out, items, count);
    mem_free(copy);
    return status;
}

/* --- opening and closing
 * ------------------------------------------------------------------------------ */

/* What to do about a failed connect; the reason is the library's. */
static const char *connect_advice(natsStatus status)
{
    switch (status) {
    case NATS_NO_SERVER: return "is a server running there? choose another with --server";
    case NATS_CONNECTION_AUTH_FAILED: return "check --user, --password, --token, --creds or --nkey";
    case NATS_SECURE_CONNECTION_REQUIRED:
        return "the server wants TLS: use a tls:// URL or --tls-ca";
    case NATS_SECURE_CONNECTION_WANTED:
        return "the server has no TLS: use a nats:// URL and no --tls options";
    case NATS_SSL_ERROR: return "trust the server's certificate with --tls-ca";
    case NATS_TIMEOUT: return "the server did not answer in time; allow more with --timeout";
    default: return "check --server";
    }
}

static COLD void say_connect_failed(const char *servers, natsStatus status)
{
    char shown[URL_TEXT_MAX], all[1024] = "";
    for (const char *at = servers; *at;) {
        size_t len = strcspn(at, ",");
        size_t used = strlen(all);
        snprintf(all + used, sizeof all - used, "%s%s", used ? ", " : "",
                 shown_url((struct span){at, len}, shown));
        at += len + (at[len] == ',');
    }
    natsStatus last = NATS_OK;
    const char *detail = nats_GetLastError(&last);
    const char *reason = natsStatus_GetText(status);
    if (status == NATS_NO_SERVER)
        reason = "connection refused or host unknown";
    else if (status == NATS_SSL_ERROR && last == status && detail && detail[0])
        reason = detail;
    say_line("cannot connect to %s: %s; %s", all, reason, connect_advice(status));
}

int connection_open(natsConnection **conn, const struct options *options, const char *servers,
                    unsigned flags)
{
    bool tls = false;
    char nkey[NKEY_TEXT_LEN + 1];
    if (check_servers(servers, &tls) != 0 || check_combinations(options) != 0 ||
        (options->nkey && nkey_public_of_file(options->nkey, nkey) != 0))
        return -1;
    natsOptions *out = NULL;
    natsConnection *opened = NULL;
    natsStatus status = natsOptions_Create(&out);
    if (status == NATS_OK)
        status = set_servers(out, servers);
    if (status == NATS_OK)
        status = set_behaviour(out, options, flags);
    if (status == NATS_OK)
        status = set_credentials(out, options, nkey);
    if (status == NATS_OK)
        status = set_tls(out, options, tls);
    if (status != NATS_OK) {
        connection_say("the connection's options were refused", status);
    } else {
        status = natsConnection_Connect(&opened, out);
        if (status != NATS_OK)
            say_connect_failed(servers, status);
    }
    natsOptions_Destroy(out);
    if (status != NATS_OK)
        return -1;
    *conn = opened;
    return 0;
}

int connection_settle(natsConnection *conn, const struct options *options)
{
    natsStatus status = natsConnection_FlushTimeout(conn, connection_ms(options->timeout));
    const char *detail = NULL;
    if (natsConnection_GetLastError(conn, &detail) == NATS_NOT_PERMITTED ||
        interrupt_exit_status() != 0) {
        interrupt_wait(options->timeout); /* on_error says it */
        return -1;
    }
    if (status == NATS_OK)
        return 0;
    if (status == NATS_TIMEOUT)
        say_line("the server did not acknowledge within --timeout");
    else if (!interrupt_wait(options->timeout) ||
             interrupt_exit_status() == 0) /* else on_closed has said it */
        connection_say("the connection failed", status);
    return -1;
}

void connection_drain(natsConnection *conn, const struct options *options)
{
    atomic_store(&closing, true);
    if (conn)
        natsConnection_DrainTimeout(conn, connection_ms(options->timeout));
}

void connection_wait_drained(natsConnection *conn, const struct options *options)
{
    int64_t deadline_ns = clock_mono_ns() + options->timeout;
    while (conn && natsConnection_IsDraining(conn) && clock_mono_ns() < deadline_ns)
        nats_Sleep(1);
}

void connection_close(natsConnection **conn)
{
    atomic_store(&closing, true);
    natsConnection_Destroy(*conn);
    *conn = NULL;
}

void connection_fini(void)
{
    static bool done;
    if (!done)
        nats_CloseAndWait(FINI_TIMEOUT_MS);
    done = true;
}
