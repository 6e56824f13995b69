/* One table of options, parsed in the manner of Go's flag package, which is what
 * prometheus-nats-exporter's users write: one dash or two, "-name value" or "-name=value", switches
 * bare or "=true"/"=false". Unlike there, options may also follow the URLs, an error ends with one
 * line and status 1, and flags that existed in older releases are accepted with a warning instead
 * of ending the start. */
#include "exporter/options.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

#define PROGRAM "clearwing-exporter"

enum option_type {
    TYPE_SWITCH,   /* bool at offset */
    TYPE_TEXT,     /* const char * at offset */
    TYPE_LIST,     /* const char *[OPTIONS_LIST_MAX] at offset; repeated options add up */
    TYPE_COMPAT,   /* switch: bit `value` of options.compat */
    TYPE_IGNORED,  /* switch without effect */
    TYPE_REJECTED, /* an older flag: a warning */
    TYPE_PARSED    /* by the function */
};

typedef bool option_parse_fn(struct options *options, char *text);

struct option_row {
    const char *name;
    enum option_type type;
    size_t offset;
    unsigned value;
    option_parse_fn *parse;
    const char *argument; /* for help; NULL: a switch */
    const char *help;     /* NULL: a second spelling */
};

/* ---- values ---- */

static bool fail(const char *text, const char *what)
{
    fprintf(stderr, PROGRAM ": %s: '%s'\n", what, text);
    return false;
}

static bool number_parse(const char *text, uint64_t min, uint64_t max, uint64_t *out)
{
    char *end;
    errno = 0;
    unsigned long long value = strtoull(text, &end, 10);
    if (errno || end == text || *end || text[0] == '-' || value < min || value > max)
        return false;
    *out = value;
    return true;
}

static bool list_add(const char **list, char *text)
{
    size_t count = 0;
    while (list[count])
        count++;
    for (char *word, *rest = text; (word = strsep(&rest, ","));) {
        if (!word[0])
            continue;
        if (count + 1 >= OPTIONS_LIST_MAX)
            return fail(word, "this list is too long, at most 63 words");
        list[count++] = word;
    }
    return true;
}

static bool parse_port(struct options *options, char *text)
{
    uint64_t port;
    if (!number_parse(text, 0, 65535, &port))
        return fail(text, "a port is a number from 0 to 65535");
    options->listen_port = (uint16_t)port;
    return true;
}

static bool parse_listen(struct options *options, char *text)
{
    char *colon = strrchr(text, ':');
    if (!colon || (size_t)(colon - text) >= sizeof options->listen_text)
        return fail(text, "--listen needs HOST:PORT, for example 127.0.0.1:7777");
    char *host = text;
    size_t len = (size_t)(colon - text);
    if (len >= 2 && host[0] == '[' && host[len - 1] == ']') {
        host++;
        len -= 2;
    }
    if (len > 0) {
        memcpy(options->listen_text, host, len);
        options->listen_text[len] = '\0';
        options->listen_host = options->listen_text;
    }
    return parse_port(options, colon + 1);
}

static bool parse_names(struct options *options, char *text)
{
    static const char *const words[] = {NULL, "native", "legacy", "both"};
    for (unsigned i = OPTIONS_NATIVE; i <= OPTIONS_BOTH; i++)
        if (strcmp(text, words[i]) == 0) {
            options->names = i;
            return true;
        }
    return fail(text, "--names is native, legacy or both");
}

bool options_collect_parse(char *list, unsigned *out, const char **bad)
{
    static const char *const words[] = {"server",   "connections", "subscriptions", "routes",
                                        "gateways", "leafs",       "accounts",      "jetstream"};
    unsigned bits = 0;
    for (char *word, *rest = list; (word = strsep(&rest, ","));) {
        size_t i = 0;
        while (i < array_length(words) && strcmp(word, words[i]) != 0)
            i++;
        if (i == array_length(words)) {
            *bad = word;
            return false;
        }
        bits |= 1u << i;
    }
    *out = bits;
    return true;
}

static bool parse_collect(struct options *options, char *text)
{
    const char *bad;
    return options_collect_parse(text, &options->collect, &bad) ||
           fail(bad, "--collect knows server, connections, subscriptions, routes, gateways, leafs, "
                     "accounts, jetstream");
}

static bool parse_connections(struct options *options, char *text)
{
    if (strcmp(text, "off") == 0)
        options->connections = OPTIONS_CONN_OFF;
    else if (strcmp(text, "summary") == 0)
        options->connections = OPTIONS_CONN_SUMMARY;
    else if (strcmp(text, "all") == 0)
        options->connections = OPTIONS_CONN_ALL;
    else if (strncmp(text, "top:", 4) == 0 &&
             number_parse(text + 4, 1, 100000, &options->connections_top))
        options->connections = OPTIONS_CONN_TOP;
    else
        return fail(text, "--connections is off, summary, top:N (N from 1 to 100000) or all");
    return true;
}

static bool parse_jetstream(struct options *options, char *text)
{
    static const char *const words[] = {"off", "server", "streams", "consumers"};
    for (unsigned i = 0; i < array_length(words); i++)
        if (strcmp(text, words[i]) == 0) {
            options->jetstream = (enum options_jetstream)i;
            return true;
        }
    return fail(text, "--jetstream is off, server, streams or consumers");
}

static bool parse_jsz(struct options *options, char *text)
{
    static const struct {
        const char *word;
        enum options_jetstream detail;
    } words[] = {{"account", OPTIONS_JS_SERVER},     {"accounts", OPTIONS_JS_SERVER},
                 {"stream", OPTIONS_JS_STREAMS},     {"streams", OPTIONS_JS_STREAMS},
                 {"consumer", OPTIONS_JS_CONSUMERS}, {"consumers", OPTIONS_JS_CONSUMERS},
                 {"all", OPTIONS_JS_CONSUMERS}};
    for (size_t i = 0; i < array_length(words); i++)
        if (strcasecmp(text, words[i].word) == 0) {
            options->compat_jetstream = words[i].detail;
            options->compat |= OPTIONS_JSZ;
            return true;
        }
    return text[0] == '\0' || fail(text, "-jsz is accounts, streams, consumers or all");
}

static bool boolean_parse(const char *text, bool *out)
{
    static const char *const yes[] = {"1", "t", "T", "true", "TRUE", "True", "on"};
    static const char *const no[] = {"0", "f", "F", "false", "FALSE", "False", "off"};
    for (size_t i = 0; i < array_length(yes); i++) {
        if (strcmp(text, yes[i]) == 0 || strcmp(text, no[i]) == 0) {
            *out = strcmp(text, yes[i]) == 0;
            return true;
        }
    }
    return false;
}

static bool parse_leaders_only(struct options *options, char *text)
{
    return boolean_parse(text, &options->jetstream_leaders_only) ||
           fail(text, "--jetstream-leaders-only is on or off");
}

static bool parse_limit(struct options *options, char *text)
{
    return number_parse(text, 1, 1000000, &options->limit_series) ||
           fail(text, "--limit-series is a number from 1 to 1000000");
}

static bool parse_timeout(struct options *options, char *text)
{
    char *end;
    double seconds = strtod(text, &end);
    if (end == text || *end || !(seconds >= 0.1 && seconds <= 600))
        return fail(text, "--timeout is a number of seconds from 0.1 to 600");
    options->timeout_ms = (int64_t)(seconds * 1000);
    return true;
}

static bool parse_prefix(struct options *options, char *text)
{
    static const char letters[] =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_:0123456789";
    bool digit = text[0] >= '0' && text[0] <= '9';
    if (!text[0] || digit || text[strspn(text, letters)] != '\0' || strlen(text) > 64)
        return fail(text, "-prefix is the beginning of metric names: letters, digits, '_'");
    options->prefix = text;
    return true;
}

static bool parse_unused(struct options *options, char *text)
{
    (void)options;
    (void)text;
    return true;
}

static bool parse_remote_syslog(struct options *options, char *text)
{
    fprintf(stderr,
            PROGRAM ": warning: remote syslog (%s) is not spoken, using the local one: let it "
                    "forward\n",
            text);
    options->syslog = true;
    return true;
}

/* ---- the table ---- */

#define AT(field) offsetof(struct options, field)
#define PARSED(name, fn, a, h)                                                                     \
    {                                                                                              \
        name, TYPE_PARSED, 0, 0, fn, a, h                                                          \
    }
#define TEXT(name, field, a, h)                                                                    \
    {                                                                                              \
        name, TYPE_TEXT, AT(field), 0, NULL, a, h                                                  \
    }
#define LIST(name, field, a, h)                                                                    \
    {                                                                                              \
        name, TYPE_LIST, AT(field), 0, NULL, a, h                                                  \
    }
#define SWITCH(name, field, h)                                                                     \
    {                                                                                              \
        name, TYPE_SWITCH, AT(field), 0, NULL, NULL, h                                             \
    }
#define COMPAT(name, bit, h)                                                                       \
    {                                                                                              \
        name, TYPE_COMPAT, 0, bit, NULL, NULL, h                                                   \
    }

/* clang-format off */
static const struct option_row rows[] = {
    PARSED("listen", parse_listen, "HOST:PORT", "serve here (default 0.0.0.0:7777)"),
    PARSED("names", parse_names, "SET", "native, legacy (prometheus-nats-exporter's) or both (default native)"),
    PARSED("collect", parse_collect, "LIST", "of server,connections,subscriptions,routes,gateways,leafs,accounts,jetstream (default all)"),
    PARSED("connections", parse_connections, "HOW", "off, summary, top:N or all (default summary)"),
    PARSED("jetstream", parse_jetstream, "DETAIL", "off, server, streams or consumers (default server)"),
    PARSED("jetstream-leaders-only", parse_leaders_only, "on|off", "streams and consumers only from their leader (default on)"),
    LIST("subjects", subjects, "PATTERNS", "count subscriptions and deliveries of these, for example 'orders.>,svc.*'"),
    PARSED("limit-series", parse_limit, "N", "at most N series per family and server (default 2000)"),
    PARSED("timeout", parse_timeout, "SECONDS", "for a server's answers when the scraper does not say (default 5)"),
    LIST("probe-allow", probe_allow, "PATTERNS", "HOST:PORT patterns that /probe?target=URL may ask, '*' and '?' allowed"),
    TEXT("nats-tls-ca", nats_tls_ca, "FILE", "certificates that sign the servers' certificates"),
    TEXT("nats-tls-cert", nats_tls_cert, "FILE", "client certificate towards the servers"),
    TEXT("nats-tls-key", nats_tls_key, "FILE", "its key"),
    SWITCH("nats-tls-insecure", nats_tls_insecure, "do not verify the servers' certificates"),
    TEXT("nats_tls_ca", nats_tls_ca, "FILE", NULL),
    TEXT("nats_tls_cert", nats_tls_cert, "FILE", NULL),
    TEXT("nats_tls_key", nats_tls_key, "FILE", NULL),
    SWITCH("nats_tls_insecure", nats_tls_insecure, NULL),

    COMPAT("varz", OPTIONS_VARZ, "legacy names: /varz (the default with --names legacy)"),
    COMPAT("connz", OPTIONS_CONNZ, "legacy names: totals over /connz"),
    COMPAT("connz_detailed", OPTIONS_CONNZ_DETAILED, "legacy names: every connection"),
    COMPAT("subz", OPTIONS_SUBZ, "legacy names: /subsz"),
    COMPAT("routez", OPTIONS_ROUTEZ, "legacy names: /routez"),
    COMPAT("gatewayz", OPTIONS_GATEWAYZ, "legacy names: /gatewayz"),
    COMPAT("leafz", OPTIONS_LEAFZ, "legacy names: /leafz"),
    COMPAT("accstatz", OPTIONS_ACCSTATZ, "legacy names: /accstatz"),
    COMPAT("accountz", OPTIONS_ACCOUNTZ, "legacy names: /accountz of every account"),
    COMPAT("healthz", OPTIONS_HEALTHZ, "legacy names: /healthz"),
    COMPAT("healthz_js_enabled_only", OPTIONS_HEALTHZ_JS_ENABLED, "legacy names: /healthz?js-enabled-only"),
    COMPAT("healthz_js_server_only", OPTIONS_HEALTHZ_JS_SERVER, "legacy names: /healthz?js-server-only"),
    PARSED("jsz", parse_jsz, "DETAIL", "legacy names: accounts, streams, consumers or all"),
    LIST("jsz_stream_meta_keys", stream_meta_keys, "KEYS", "legacy names: labels from streams' metadata"),
    LIST("jsz_consumer_meta_keys", consumer_meta_keys, "KEYS", "legacy names: labels from consumers' metadata"),
    PARSED("prefix", parse_prefix, "TEXT", "legacy names: instead of gnatsd and jetstream"),
    SWITCH("use_internal_server_id", internal_id, "legacy names: server_id label from /varz server_id"),
    SWITCH("use_internal_server_name", internal_name, "legacy names: server_id label from /varz server_name"),
    TEXT("a", listen_host, "HOST", NULL),
    TEXT("addr", listen_host, "HOST", "listen address"),
    PARSED("p", parse_port, "PORT", NULL),
    PARSED("port", parse_port, "PORT", "listen port"),
    TEXT("path", path, "PATH", "scrape path (default /metrics)"),
    TEXT("http_user", http_user, "NAME", "ask for basic authentication"),
    TEXT("http_pass", http_pass, "TEXT", "its password, plain or bcrypt"),
    TEXT("tlscert", tls_cert, "FILE", "serve https with this certificate"),
    TEXT("tlskey", tls_key, "FILE", "and this key"),
    PARSED("tlscacert", parse_unused, "FILE", NULL),
    PARSED("ri", parse_unused, "SECONDS", NULL),
    TEXT("l", log_file, "FILE", NULL),
    TEXT("log", log_file, "FILE", "log to this file"),
    SWITCH("s", syslog, NULL),
    SWITCH("syslog", syslog, "log to syslog"),
    PARSED("r", parse_remote_syslog, "ADDRESS", NULL),
    PARSED("remote_syslog", parse_remote_syslog, "ADDRESS", NULL),
    {"D", TYPE_IGNORED, 0, 0, NULL, NULL, NULL},
    {"V", TYPE_IGNORED, 0, 0, NULL, NULL, NULL},
    {"DV", TYPE_IGNORED, 0, 0, NULL, NULL, NULL},
    {"channelz", TYPE_REJECTED, 0, 0, NULL, NULL, NULL},
    {"serverz", TYPE_REJECTED, 0, 0, NULL, NULL, NULL},
    {"replicatorVarz", TYPE_REJECTED, 0, 0, NULL, NULL, NULL},
};
/* clang-format on */

static void help_print(void)
{
    puts(
        "usage: " PROGRAM " [OPTION...] [NAME,]URL...\n"
        "\n"
        "Serves Prometheus metrics of NATS servers, read from their monitoring ports, for example\n"
        "    " PROGRAM " http://127.0.0.1:8222\n"
        "on /metrics, and of any allowed server on /probe?target=URL.\n");
    for (size_t i = 0; i < array_length(rows); i++) {
        char left[64];
        if (!rows[i].help)
            continue;
        snprintf(left, sizeof left, "--%s%s%s", rows[i].name, rows[i].argument ? " " : "",
                 rows[i].argument ? rows[i].argument : "");
        printf("  %-34s %s\n", left, rows[i].help);
    }
    puts("  --help                             this text\n"
         "  --version                          the version");
}

/* ---- the command line ---- */

static bool row_apply(struct options *options, const struct option_row *row, char *value)
{
    char *field = (char *)options + row->offset;
    bool on = true;
    bool valued = row->type == TYPE_TEXT || row->type == TYPE_LIST || row->type == TYPE_PARSED;
    if (!valued && value && !boolean_parse(value, &on))
        return fail(value, "a switch takes true or false");
    switch (row->type) {
    case TYPE_SWITCH: *(bool *)(void *)field = on; return true;
    case TYPE_TEXT: *(const char **)(void *)field = value; return true;
    case TYPE_LIST: return list_add((const char **)(void *)field, value);
    case TYPE_COMPAT:
        options->compat = on ? options->compat | row->value : options->compat & ~row->value;
        return true;
    case TYPE_PARSED: return row->parse(options, value);
    case TYPE_REJECTED:
        fprintf(stderr, PROGRAM ": warning: -%s was for NATS Streaming and is ignored\n",
                row->name);
        return true;
    case TYPE_IGNORED: break;
    }
    return true;
}

/* Handles argv[*at], an option, and moves *at beyond its value. */
static bool option_apply(struct options *options, int argc, char **argv, int *at)
{
    char *name = argv[*at] + (argv[*at][1] == '-' ? 2 : 1);
    char *value = strchr(name, '=');
    if (value)
        *value++ = '\0';
    const struct option_row *row = NULL;
    for (size_t i = 0; i < array_length(rows) && !row; i++)
        if (strcmp(rows[i].name, name) == 0)
            row = &rows[i];
    if (!row) {
        fprintf(stderr, PROGRAM ": unknown option --%s (see --help)\n", name);
        return false;
    }
    (*at)++;
    if (row->argument && !value) {
        if (*at >= argc) {
            fprintf(stderr, PROGRAM ": --%s needs %s\n", name, row->argument);
            return false;
        }
        value = argv[(*at)++];
    }
    return row_apply(options, row, value);
}

static bool target_add(struct options *options, char *text)
{
    const char *comma = strrchr(text, ',');
    const char *url = comma ? comma + 1 : text;
    if (strncmp(url, "http://", 7) != 0 && strncmp(url, "https://", 8) != 0)
        return fail(text, "a server is given as URL of its monitoring port, like http://HOST:8222");
    const char *host = strstr(url, "://") + 3;
    if (strcspn(host, "/:?#") == 0 || strpbrk(host, " \t\"\\?#"))
        return fail(text, "this URL has no usable host");
    if (options->target_count == OPTIONS_TARGETS_MAX)
        return fail(text, "too many servers, at most 128 for one exporter");
    options->targets[options->target_count++] = text;
    return true;
}

/* What depends on more than one option. */
static bool options_settle(struct options *options, const char *program)
{
    const char *base = strrchr(program, '/');
    bool older = strcmp(base ? base + 1 : program, "prometheus-nats-exporter") == 0;
    if (!options->names)
        options->names = older || options->compat ? OPTIONS_LEGACY : OPTIONS_NATIVE;
    if ((options->names & OPTIONS_LEGACY) && !options->compat)
        fprintf(stderr, PROGRAM ": no metric flag given, using -varz\n");
    /* The older exporter does not count these two as metric flags. */
    if (!(options->compat & ~(unsigned)(OPTIONS_JSZ | OPTIONS_CONNZ_DETAILED)) &&
        options->compat != OPTIONS_CONNZ_DETAILED)
        options->compat |= OPTIONS_VARZ;
    if (options->compat & OPTIONS_CONNZ_DETAILED)
        options->compat &= ~(unsigned)OPTIONS_CONNZ;
    if (options->jetstream == OPTIONS_JS_OFF)
        options->collect &= ~(unsigned)OPTIONS_JETSTREAM;
    if (options->connections == OPTIONS_CONN_OFF)
        options->collect &= ~(unsigned)OPTIONS_CONNECTIONS;
    if (options->target_count == 0 && !options->probe_allow[0]) {
        fprintf(stderr, PROGRAM ": no server given: add the URL of a monitoring port, like "
                                "http://127.0.0.1:8222, or --probe-allow (see --help)\n");
        return false;
    }
    if (!options->tls_cert != !options->tls_key)
        return fail(options->tls_cert ? options->tls_cert : options->tls_key,
                    "https needs both -tlscert and -tlskey, only one was given");
    if (!options->http_user != !options->http_pass) {
        fprintf(stderr, PROGRAM ": basic authentication needs both -http_user and -http_pass\n");
        return false;
    }
    return true;
}

enum options_outcome options_parse(struct options *options, int argc, char **argv)
{
    *options = (struct options){.collect = OPTIONS_COLLECT_ALL,
                                .connections = OPTIONS_CONN_SUMMARY,
                                .jetstream = OPTIONS_JS_SERVER,
                                .jetstream_leaders_only = true,
                                .limit_series = 2000,
                                .timeout_ms = 5000,
                                .listen_host = "0.0.0.0",
                                .listen_port = 7777,
                                .path = "/metrics"};
    for (int at = 1; at < argc;) {
        const char *word = argv[at];
        const char *name = word + (word[0] == '-') + (word[0] == '-' && word[1] == '-');
        if (word[0] != '-' || word[1] == '\0') {
            if (!target_add(options, argv[at++]))
                return OPTIONS_EXIT_ERROR;
        } else if (strcmp(name, "help") == 0 || strcmp(name, "h") == 0) {
            help_print();
            return OPTIONS_EXIT_OK;
        } else if (strcmp(name, "version") == 0) {
            puts(PROGRAM " " CLEARWING_VERSION);
            return OPTIONS_EXIT_OK;
        } else if (!option_apply(options, argc, argv, &at)) {
            return OPTIONS_EXIT_ERROR;
        }
    }
    return options_settle(options, argv[0]) ? OPTIONS_RUN : OPTIONS_EXIT_ERROR;
}
