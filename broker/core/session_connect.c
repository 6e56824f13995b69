/* CONNECT: its JSON as Go's decoder would read it, then who the client is, then what it wants.
 *
 * Go's decoder matches keys in any case, takes the last of duplicates, ignores null and unknown keys, turns invalid UTF-8
 * into U+FFFD, and fails on a wrong type; a failure ends the connection in silence. jansson does the rest of the work, after
 * invalid bytes have been replaced. A second CONNECT changes only what it names.
 */
#include <jansson.h>
#include <strings.h>

#include "broker/base/err.h"
#include "broker/base/log.h"
#include "broker/base/mem.h"
#include "broker/core/auth.h"
#include "broker/core/delivery.h"

static size_t utf8_length(const unsigned char *at, size_t left)
{
    if (*at < 0x80)
        return 1;
    size_t len = *at >= 0xf0 ? 4 : *at >= 0xe0 ? 3 : 2;
    if (*at < 0xc2 || *at > 0xf4 || len > left)
        return 0;
    for (size_t i = 1; i < len; i++)
        if ((at[i] & 0xc0) != 0x80)
            return 0;
    bool overlong = (*at == 0xe0 && at[1] < 0xa0) || (*at == 0xf0 && at[1] < 0x90);
    bool outside = (*at == 0xed && at[1] > 0x9f) || (*at == 0xf4 && at[1] > 0x8f);
    return overlong || outside ? 0 : len;
}

/* The JSON value, or NULL. Invalid bytes of UTF-8 become U+FFFD first. */
static json_t *decode(struct span text)
{
    char *clean = mem_alloc(text.len * 3 + 1);
    if (!clean)
        return NULL;
    size_t len = 0;
    for (size_t i = 0; i < text.len;) {
        size_t good = utf8_length((const unsigned char *)text.ptr + i, text.len - i);
        memcpy(clean + len, good ? text.ptr + i : "\xef\xbf\xbd", good ? good : 3);
        len += good ? good : 3;
        i += good ? good : 1;
    }
    json_t *value = json_loadb(clean, len, JSON_DECODE_ANY | JSON_ALLOW_NUL, NULL);
    mem_free(clean);
    return value;
}

bool session_info_valid(struct span json)
{
    json_t *value = decode(json);
    bool good = json_is_object(value) || json_is_null(value);
    json_decref(value);
    return good;
}

struct connect_options {
    bool verbose, pedantic, echo, headers, no_responders, tls_required, new_account;
    json_int_t protocol;
    const char *name, *lang, *version, *user, *pass, *auth_token, *account, *nkey, *sig, *jwt;
};

enum field_type { FIELD_BOOL, FIELD_INT, FIELD_TEXT };

#define FIELD(type, name) {#name, FIELD_##type, offsetof(struct connect_options, name)}

static const struct field {
    const char *name;
    enum field_type type;
    size_t offset;
} fields[] = {
    FIELD(BOOL, verbose),       FIELD(BOOL, pedantic),     FIELD(BOOL, echo),
    FIELD(BOOL, headers),       FIELD(BOOL, no_responders), FIELD(BOOL, tls_required),
    FIELD(BOOL, new_account),   FIELD(INT, protocol),      FIELD(TEXT, name),
    FIELD(TEXT, lang),          FIELD(TEXT, version),      FIELD(TEXT, user),
    FIELD(TEXT, pass),          FIELD(TEXT, auth_token),   FIELD(TEXT, account),
    FIELD(TEXT, nkey),          FIELD(TEXT, sig),          FIELD(TEXT, jwt),
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
            *(const char **)place = json_string_value(value);
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
    json_object_foreach(document, key, value)
        for (size_t i = 0; i < array_length(fields); i++)
            if (strcasecmp(key, fields[i].name) == 0 && !set_field(options, &fields[i], value))
                return false;
    return true;
}

static void free_info(struct garbage *garbage)
{
    mem_free(container_of(garbage, struct client_info, garbage));
}

static const char *put_text(char **at, const char *text)
{
    size_t len = strlen(text) + 1;
    char *start = memcpy(*at, text, len);
    *at += len;
    return start;
}

/* Publishes what the client says of itself; the old one becomes garbage. */
static int replace_info(struct session *session, const struct connect_options *options)
{
    const char *user = options->user[0]         ? options->user
                       : options->auth_token[0] ? "[REDACTED]"
                                                : options->nkey;
    size_t len = strlen(options->name) + strlen(options->lang) + strlen(options->version) +
                 strlen(user) + 4;
    struct client_info *info = mem_alloc(sizeof *info + len);
    if (!info)
        return ERR_MEMORY;
    char *at = info->text;
    info->name = put_text(&at, options->name);
    info->lang = put_text(&at, options->lang);
    info->version = put_text(&at, options->version);
    info->user = put_text(&at, user);
    struct client_info *old = atomic_exchange_explicit(&session->info, info, memory_order_acq_rel);
    if (old)
        garbage_put(&session->delivery->garbage, &old->garbage, free_info);
    return 0;
}

/* The checks that end a connection, in nats-server's order. */
static bool acceptable(struct session *session, const struct connect_options *wanted)
{
    const struct options *options = session->delivery->broker->options;
    struct auth_credentials given = {wanted->user, wanted->pass, wanted->auth_token};
    if (wanted->account[0] || wanted->new_account || !auth_accepts(options, &given))
        session_fail(session, CLOSE_AUTH_FAILURE);
    else if (wanted->protocol < 0 || wanted->protocol > 1)
        session_fail(session, CLOSE_BAD_PROTOCOL_VERSION);
    else if (wanted->no_responders && !wanted->headers)
        session_fail(session, CLOSE_NO_RESPONDERS_HEADERS);
    else
        return true;
    return false;
}

static void apply(struct session *session, const struct connect_options *wanted)
{
    struct delivery *delivery = session->delivery;
    session->verbose = wanted->verbose;
    session->pedantic = wanted->pedantic;
    session->echo = wanted->echo;
    session->headers = wanted->headers && !delivery->broker->options->no_header_support;
    session->no_responders = wanted->no_responders && session->headers;
    if (session->connected)
        return;
    session->connected = session->authorized = true;
    atomic_store_explicit(&session->rtt_ns, delivery->now_mono_ns - session->start_mono_ns,
                          memory_order_relaxed);
    int64_t soon = 2 * 1000000000LL;
    int64_t ping = delivery->broker->options->ping_interval_ns;
    ping = ping < soon ? ping : soon;
    session->next_timer_ns = delivery->now_mono_ns + ping +
                             (int64_t)(delivery_random(delivery) % (uint64_t)(ping / 5 + 1));
    session_touch(session);
}

void session_connect(struct session *session, struct span json)
{
    const struct client_info *old = session->info;
    struct connect_options wanted = {
        .verbose = session->verbose, .pedantic = session->pedantic, .echo = session->echo,
        .headers = session->headers, .no_responders = session->no_responders,
        .name = old ? old->name : "", .lang = old ? old->lang : "",
        .version = old ? old->version : "", .user = "", .pass = "", .auth_token = "",
        .account = "", .nkey = "", .sig = "", .jwt = "",
    };
    json_t *document = decode(json);
    if (!document || !read_fields(document, &wanted)) {
        json_decref(document);
        session_fail(session, CLOSE_PROTOCOL_VIOLATION);
        return;
    }
    if (replace_info(session, &wanted) != 0)
        session_fail(session, CLOSE_OUT_OF_MEMORY);
    else if (acceptable(session, &wanted))
        apply(session, &wanted);
    json_decref(document);
    if (session->verbose && session->close_reason == CLOSE_NONE) {
        if (outq_append(&session->out, &session->delivery->pool, SPAN_LITERAL("+OK\r\n")) != 0)
            session_fail(session, CLOSE_OUT_OF_MEMORY);
        session_touch(session);
    }
    atomic_store_explicit(&session->last_activity_wall_ns, session->delivery->now_wall_ns,
                          memory_order_relaxed);
}
