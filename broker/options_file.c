/* Binding: each entry of the tree to its row, each row to its field. Nothing stops at the first
 * mistake: a file is corrected in one go. A key that another value refers to as a variable needs no
 * row.
 *
 * Durations that were plain seconds in the past still may be; that is a warning, since an unquoted
 * 5m is five million. */
#include "broker/options_file.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdlib.h>
#include <strings.h>

#include "broker/base/clock.h"
#include "broker/base/err.h"
#include "broker/options_set.h"
#include "broker/options_table.h"
#include "broker/options_users.h"

enum { HOST_MAX = 256, TEXT_MAX = 1024 };

/* ---- saying what is wrong ---- */

PRINTF(3, 0)
static void say(struct binding *binding, const struct config_entry *entry, const char *format,
                va_list values)
{
    char text[TEXT_MAX];
    vsnprintf(text, sizeof text, format, values);
    for (char *at = text; *at;
         at++) /* the file's own words may hold anything; a message is one line */
        if ((unsigned char)*at < ' ' || *at == 0x7f)
            *at = '?';
    fprintf(binding->out, "clearwing: %s:%d:%d: %s\n", entry->file, entry->line, entry->column,
            text);
}

void options_binding_refuse(struct binding *binding, const struct config_entry *entry,
                            const char *format, ...)
{
    va_list values;
    va_start(values, format);
    say(binding, entry, format, values);
    va_end(values);
    binding->errors++;
}

PRINTF(3, 4)
static void warn(struct binding *binding, const struct config_entry *entry, const char *format, ...)
{
    va_list values;
    va_start(values, format);
    say(binding, entry, format, values);
    va_end(values);
    binding->warnings++;
}

/* Advice, which -t lets pass as nats-server does. */
PRINTF(3, 4)
static void note(struct binding *binding, const struct config_entry *entry, const char *format, ...)
{
    va_list values;
    va_start(values, format);
    say(binding, entry, format, values);
    va_end(values);
}

void options_binding_refuse_kind(struct binding *binding, const struct config_entry *entry,
                                 const char *wanted)
{
    options_binding_refuse(binding, entry, "%s: expected %s, not %s", entry->key, wanted,
                           config_kind_name(entry->value->kind));
}

/* ---- values ---- */

const char *options_binding_string(struct binding *binding, const struct config_entry *entry)
{
    const struct config_value *value = entry->value;
    if (value->kind != CONFIG_STRING)
        options_binding_refuse_kind(binding, entry, "a string");
    else if (strlen(value->text.ptr) != value->text.len)
        options_binding_refuse(binding, entry, "%s: expected a string without zero bytes",
                               entry->key);
    else
        return value->text.ptr;
    return NULL;
}

static void bind_number(struct binding *binding, const struct config_entry *entry,
                        const struct option_row *row, int64_t number)
{
    char expected[EXPECTED_MAX];
    if (options_set_number(binding->options, row, number, expected) != 0)
        options_binding_refuse(binding, entry, "%s: %s, not %s", entry->key, expected,
                               entry->value->text.ptr);
}

static void bind_integer(struct binding *binding, const struct config_entry *entry,
                         const struct option_row *row)
{
    const struct config_value *value = entry->value;
    bool automatic = row->type == OPTION_WORKERS && value->kind == CONFIG_STRING &&
                     strcmp(value->text.ptr, "auto") == 0;
    if (automatic)
        binding->options->workers = 0;
    else if (value->kind != CONFIG_INTEGER)
        options_binding_refuse_kind(binding, entry,
                                    row->type == OPTION_WORKERS ? "auto or a whole number"
                                                                : "a whole number");
    else
        bind_number(binding, entry, row, value->integer);
}

static bool duration_of(struct binding *binding, const struct config_entry *entry, int64_t *ns)
{
    const char *text = options_binding_string(binding, entry);
    if (text && options_set_parse_duration(text, ns) == 0)
        return true;
    if (text)
        options_binding_refuse(
            binding, entry,
            "error parsing %s: time: invalid duration \"%s\": expected one such as \"10s\" or "
            "\"1m30s\"",
            entry->key, text);
    return false;
}

static void bind_duration(struct binding *binding, const struct config_entry *entry,
                          const struct option_row *row)
{
    int64_t ns;
    if (entry->value->kind == CONFIG_INTEGER) {
        warn(binding, entry, "invalid use of field \"%s\": %s should be converted to a duration",
             entry->key, entry->key);
        if (__builtin_mul_overflow(entry->value->integer, NS_PER_SEC, &ns))
            ns = -1;
    } else if (!duration_of(binding, entry, &ns)) {
        return;
    }
    bind_number(binding, entry, row, ns);
}

static void bind_seconds(struct binding *binding, const struct config_entry *entry,
                         const struct option_row *row)
{
    const struct config_value *value = entry->value;
    int64_t ns;
    double seconds;
    if (value->kind == CONFIG_INTEGER)
        seconds = (double)value->integer;
    else if (value->kind == CONFIG_FLOAT)
        seconds = value->real;
    else if (duration_of(binding, entry, &ns))
        seconds = (double)ns / (double)NS_PER_SEC;
    else
        return;
    options_set_seconds(binding->options, row, seconds);
    if (seconds > 60)
        note(
            binding, entry,
            "timeout of %g seconds is high: an unquoted 1m is a million; write \"1m\" for a minute",
            seconds);
}

static void bind_bool(struct binding *binding, const struct config_entry *entry,
                      const struct option_row *row)
{
    if (entry->value->kind == CONFIG_BOOL)
        options_set_bool(binding->options, row, entry->value->boolean);
    else
        options_binding_refuse_kind(binding, entry, "true or false");
}

/* "host:port", the host in brackets if it has colons of its own. */
static bool split_address(const char *text, char host[HOST_MAX], const char **port)
{
    const char *colon = strrchr(text, ':'), *start = text;
    if (!colon)
        return false;
    size_t len = (size_t)(colon - text);
    if (*text == '[') {
        if (len < 2 || text[len - 1] != ']')
            return false;
        start++;
        len -= 2;
    } else if (memchr(text, ':', len)) {
        return false;
    }
    if (len >= HOST_MAX)
        return false;
    memcpy(host, start, len);
    host[len] = '\0';
    *port = colon + 1;
    return true;
}

static void bind_address(struct binding *binding, const struct config_entry *entry,
                         const struct option_row *row)
{
    const struct config_value *value = entry->value;
    char host[HOST_MAX] = "", expected[EXPECTED_MAX];
    int64_t number = value->integer;
    if (value->kind != CONFIG_INTEGER) {
        const char *text = options_binding_string(binding, entry), *port;
        if (!text)
            return;
        if (!split_address(text, host, &port)) {
            options_binding_refuse(
                binding, entry, "could not parse address string \"%s\": expected host:port", text);
            return;
        }
        if (options_set_parse_number(port, &number) != 0) {
            options_binding_refuse(binding, entry, "could not parse port \"%s\"", port);
            return;
        }
    }
    if (options_set_number(binding->options, options_table_find_port(row), number, expected) != 0)
        options_binding_refuse(binding, entry, "%s: port: %s, not %" PRId64, entry->key, expected,
                               number);
    else if (*host)
        options_set_string(binding->options, row, host);
}

static void bind_string(struct binding *binding, const struct config_entry *entry,
                        const struct option_row *row)
{
    const char *text = options_binding_string(binding, entry);
    if (text)
        options_set_string(binding->options, row, text);
}

/* ---- entries ---- */

static void bind_block(struct binding *binding, enum option_block block,
                       const struct config_value *map);

static void bind_nested(struct binding *binding, const struct config_entry *entry,
                        enum option_block block)
{
    if (entry->value->kind != CONFIG_MAP) {
        options_binding_refuse_kind(binding, entry, "a map");
        return;
    }
    if (block == OPTION_BLOCK_AUTHORIZATION)
        binding->authorization = entry;
    bind_block(binding, block, entry->value);
    const struct options *options = binding->options;
    if (block == OPTION_BLOCK_AUTHORIZATION && options->token &&
        (options->username || options->password))
        options_binding_refuse(binding, entry, "Cannot have a user/pass and token");
    if (block == OPTION_BLOCK_MONITOR_TLS && !options->https_cert != !options->https_key)
        options_binding_refuse(binding, entry, "missing '%s' in TLS configuration",
                               options->https_cert ? "key_file" : "cert_file");
}

static void bind_entry(struct binding *binding, enum option_block block,
                       const struct config_entry *entry)
{
    const struct option_row *row = options_table_find_key(block, entry->key);
    if (!row) {
        enum option_block nested =
            block == OPTION_BLOCK_TOP ? options_table_find_block(entry->key) : OPTION_BLOCK_NOWHERE;
        if (nested != OPTION_BLOCK_NOWHERE)
            bind_nested(binding, entry, nested);
        else if (block == OPTION_BLOCK_TOP && strcasecmp(entry->key, "accounts") == 0)
            options_users_bind_accounts(binding, entry);
        else if (block == OPTION_BLOCK_AUTHORIZATION && strcasecmp(entry->key, "users") == 0)
            options_users_bind_users(binding, entry);
        else if (!entry->used_as_variable)
            options_binding_refuse(binding, entry, "unknown field \"%s\"", entry->key);
        return;
    }
    switch (row->type) {
    case OPTION_STRING:
    case OPTION_SECRET: bind_string(binding, entry, row); return;
    case OPTION_PORT:
    case OPTION_INTEGER:
    case OPTION_WORKERS: bind_integer(binding, entry, row); return;
    case OPTION_DURATION: bind_duration(binding, entry, row); return;
    case OPTION_SECONDS: bind_seconds(binding, entry, row); return;
    case OPTION_BOOL: bind_bool(binding, entry, row); return;
    case OPTION_ADDRESS: bind_address(binding, entry, row); return;
    case OPTION_ABSENT:
        options_binding_refuse(binding, entry, "\"%s\" is not supported by this broker",
                               entry->key);
        return;
    default: check(!"a row with a key and no way to bind it");
    }
}

static void bind_block(struct binding *binding, enum option_block block,
                       const struct config_value *map)
{
    for (const struct config_entry *entry = map->entries; entry; entry = entry->next)
        bind_entry(binding, block, entry);
}

int options_file_read(struct options *options, bool warnings_are_errors, FILE *out)
{
    struct binding binding = {.options = options, .out = out};
    struct config *config;
    char error[CONFIG_ERROR_MAX];
    if (config_read(options->config_file, &config, error) != 0) {
        fprintf(out, "clearwing: %s\n", error);
        return ERR_INVALID;
    }
    if (!config_root(config)->entries)
        fprintf(out, "clearwing: %s: config has no values or is empty\n", options->config_file);
    bind_block(&binding, OPTION_BLOCK_TOP, config_root(config));
    options_users_check(&binding);
    config_digest(config, options->config_digest);
    config_free(&config);
    bool failed = binding.errors || (warnings_are_errors && binding.warnings);
    return failed ? ERR_INVALID : 0;
}
