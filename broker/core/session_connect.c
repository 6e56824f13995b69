/* CONNECT: its JSON as Go's decoder would read it, then who the client is, then what it wants.
 *
 * Go's decoder matches keys in any case, takes the last of duplicates, ignores null and unknown keys, and fails on a wrong
 * type; a failure ends the connection in silence. A second CONNECT changes only what it names, and is asked for credentials
 * again only if it names some: secrets are not kept.
 */
#include <sodium.h>
#include <strings.h>

#include "broker/base/err.h"
#include "broker/base/log.h"
#include "broker/base/mem.h"
#include "broker/core/auth.h"
#include "broker/core/delivery.h"
#include "broker/core/lenient_json.h"

bool session_info_valid(struct span json)
{
    json_t *value;
    int error = lenient_json_read(json, &value);
    if (error)
        return error != ERR_INVALID; /* without memory nobody knows; it would be ignored anyway */
    bool good = json_is_object(value) || json_is_null(value);
    json_decref(value);
    return good;
}

struct connect_options {
    bool verbose, pedantic, echo, headers, no_responders, tls_required, new_account;
    json_int_t protocol;
    /* ptr NULL: not given. */
    struct span name, lang, version, user, pass, auth_token, account, nkey, sig, jwt;
};

enum field_type { FIELD_BOOL, FIELD_INT, FIELD_TEXT };

/* clang-format off */
#define FIELD(type, name) {#name, FIELD_##type, offsetof(struct connect_options, name)}
/* clang-format on */

static const struct field {
    const char *name;
    enum field_type type;
    size_t offset;
} fields[] = {
    FIELD(BOOL, verbose),     FIELD(BOOL, pedantic),      FIELD(BOOL, echo),
    FIELD(BOOL, headers),     FIELD(BOOL, no_responders), FIELD(BOOL, tls_required),
    FIELD(BOOL, new_account), FIELD(INT, protocol),       FIELD(TEXT, name),
    FIELD(TEXT, lang),        FIELD(TEXT, version),       FIELD(TEXT, user),
    FIELD(TEXT, pass),        FIELD(TEXT, auth_token),    FIELD(TEXT, account),
    FIELD(TEXT, nkey),        FIELD(TEXT, sig),           FIELD(TEXT, jwt),
};

static bool set_field(struct connect_options *options, const struct field *field, json_t *value)
{
    void *place = (char *)options + field->offset;
    if (json_is_null(value))
        return true;
    switch (field->type) {
    case FIELD_BOOL:
        if (json_is_boolean(value))
            *(bool *)place = json_is_true(value);
        return json_is_boolean(value);
    case FIELD_INT:
        if (json_is_integer(value))
            *(json_int_t *)place = json_integer_value(value);
        return json_is_integer(value);
    case FIELD_TEXT:
        if (json_is_string(value))
            *(struct span *)place =
                (struct span){json_string_value(value), json_string_length(value)};
        return json_is_string(value);
    }
    return false;
}

static bool read_fields(json_t *document, struct connect_options *options)
{
    const char *key;
    json_t *value;
    if (json_is_null(document))
        return true;
    if (!json_is_object(document))
        return false;
    json_object_foreach (document, key, value) {
        for (size_t i = 0; i < array_length(fields); i++)
            if (strcasecmp(key, fields[i].name) == 0 && !set_field(options, &fields[i], value))
                return false;
    }
    return true;
}

/* Copies as a C string; a NUL inside shows as a blank. */
static const char *put_text(char **at, struct span text)
{
    char *start = *at;
    for (size_t i = 0; i < text.len; i++)
        start[i] = text.ptr[i] ? text.ptr[i] : ' ';
    start[text.len] = '\0';
    *at += text.len + 1;
    return start;
}

static struct span given_or(struct span given, const char *old)
{
    return given.ptr ? given : span_of(old);
}

int session_set_info(struct session *session, struct span name, struct span lang,
                     struct span version, struct span user)
{
    struct client_info *old = atomic_load_explicit(&session->info, memory_order_relaxed);
    struct client_info *info =
        mem_alloc(sizeof *info + name.len + lang.len + version.len + user.len + 4);
    if (!info)
        return ERR_MEMORY;
    char *at = info->text;
    info->name = put_text(&at, name);
    info->lang = put_text(&at, lang);
    info->version = put_text(&at, version);
    info->user = put_text(&at, user);
    atomic_store_explicit(&session->info, info, memory_order_release);
    if (old)
        garbage_put(&session->delivery->garbage, &old->garbage, session_free_info);
    return 0;
}

static bool names_nobody(const struct connect_options *wanted)
{
    return wanted->user.len == 0 && wanted->pass.len == 0 && wanted->auth_token.len == 0;
}

/* Publishes what the client says of itself; the old one becomes garbage. */
static int replace_info(struct session *session, const struct connect_options *wanted)
{
    static const struct client_info nobody = {.name = "", .lang = "", .version = "", .user = ""};
    const struct options *options = session->delivery->broker->options;
    const struct client_info *old = atomic_load_explicit(&session->info, memory_order_relaxed);
    const struct client_info *before = old ? old : &nobody;
    struct span user = wanted->user.len > 0         ? wanted->user
                       : wanted->auth_token.len > 0 ? SPAN_LITERAL("[REDACTED]")
                       : wanted->nkey.len > 0       ? wanted->nkey
                       : options->no_auth_user && names_nobody(wanted)
                           ? span_of(options->no_auth_user)
                           : span_of(before->user);
    return session_set_info(session, given_or(wanted->name, before->name),
                            given_or(wanted->lang, before->lang),
                            given_or(wanted->version, before->version), user);
}

static bool authorized(const struct session *session, const struct connect_options *wanted,
                       struct account **account)
{
    const struct broker *broker = session->delivery->broker;
    bool names_any = wanted->user.ptr || wanted->pass.ptr || wanted->auth_token.ptr;
    struct auth_identity identity;
    if (session->connected && !names_any)
        return true;
    struct auth_credentials given = {wanted->user, wanted->pass, wanted->auth_token};
    if (!auth_accepts(broker->options, &given, &identity))
        return false;
    *account = broker_account_of(broker, &identity);
    return true;
}

static bool headers_offered(const struct session *session)
{
    return !session->delivery->broker->options->no_header_support;
}

/* The checks that end a connection, in nats-server's order. */
static bool acceptable(struct session *session, const struct connect_options *wanted,
                       struct account **account)
{
    if (wanted->account.len > 0 || wanted->new_account || !authorized(session, wanted, account))
        session_fail(session, CLOSE_AUTH_FAILURE);
    else if (wanted->protocol < 0 || wanted->protocol > 1)
        session_fail(session, CLOSE_BAD_PROTOCOL_VERSION);
    else if (wanted->no_responders && !(wanted->headers && headers_offered(session)))
        session_fail(session, CLOSE_NO_RESPONDERS_HEADERS);
    else
        return true;
    return false;
}

static void apply(struct session *session, const struct connect_options *wanted,
                  struct account *account)
{
    session_enter_account(session, account);
    session->verbose = wanted->verbose;
    session->pedantic = wanted->pedantic;
    session->echo = wanted->echo;
    session->headers = wanted->headers && headers_offered(session);
    session->async_info = wanted->protocol >= 1;
    session->no_responders = wanted->no_responders && session->headers;
    if (session->connected)
        return;
    session->connected = session->authorized = true;
    session_schedule_first_ping(session);
    system_tell_connected(session);
}

/* The secrets of a CONNECT are wiped from the parsed copy; the line itself is overwritten by later input. */
static void wipe(const struct connect_options *wanted)
{
    const struct span secrets[] = {wanted->pass, wanted->auth_token, wanted->sig, wanted->jwt};
    for (size_t i = 0; i < array_length(secrets); i++) {
        union {
            const char *from;
            void *to;
        } place = {secrets[i].ptr};
        if (place.to)
            sodium_memzero(place.to, secrets[i].len);
    }
}

void session_connect(struct session *session, struct span json)
{
    struct connect_options wanted = {
        .verbose = session->verbose,
        .pedantic = session->pedantic,
        .echo = session->echo,
        .headers = session->headers,
        .no_responders = session->no_responders,
    };
    struct account *account = session->account;
    const struct delivery *delivery = session->delivery;
    if (!session->connected)
        atomic_store_explicit(&session->rtt_ns, delivery->now_mono_ns - session->start_mono_ns,
                              memory_order_relaxed);
    json_t *document = NULL;
    int error = lenient_json_read(json, &document);
    if (!error && !read_fields(document, &wanted))
        error = ERR_INVALID;
    if (!error)
        error = replace_info(session, &wanted);
    if (error)
        session_fail(session, error == ERR_MEMORY ? CLOSE_OUT_OF_MEMORY : CLOSE_PROTOCOL_VIOLATION);
    else if (acceptable(session, &wanted, &account))
        apply(session, &wanted, account);
    wipe(&wanted);
    json_decref(document);
    session_acknowledge(session);
    atomic_store_explicit(&session->last_activity_wall_ns, session->delivery->now_wall_ns,
                          memory_order_relaxed);
}
