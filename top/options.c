/* options.def becomes the table of getopt_long_only, which takes names with one dash or two, as
 * nats-top's scripts write them. Checks happen where a value is read, so the message can name the
 * option as it was given. */
#include "top/options.h"

#include <getopt.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "top/filter.h"
#include "top/format.h"
#include "top/keys.h"

enum option_id {
#define OPTION(id, name, alias, argument, help) OPTION_##id,
#include "top/options.def"
#undef OPTION
    OPTION_COUNT_OF,
    OPTION_LIST_KEYS,
    OPTION_LIST_OPTIONS
};

static const struct option_row {
    const char *name, *alias, *argument, *help;
} rows[OPTION_COUNT_OF] = {
#define OPTION(id, name, alias, argument, help) [OPTION_##id] = {name, alias, argument, help},
#include "top/options.def"
#undef OPTION
};

enum { FIRST_CODE = 256 };

/* What is needed only until all options are read. */
struct parsing {
    struct options *out;
    const char *host, *port, *tls_port;
    bool text, bad;
};

PRINTF(2, 3) static void bad(struct parsing *parsing, const char *format, ...)
{
    if (parsing->bad)
        return;
    parsing->bad = true;
    va_list values;
    va_start(values, format);
    fputs("clearwing-top: ", stderr);
    vfprintf(stderr, format, values);
    fputs("; see clearwing-top --help\n", stderr);
    va_end(values);
}

static void help_print(void)
{
    puts("Usage: clearwing-top [OPTION]... [URL]...\n\n"
         "Shows what flows through a Clearwing or NATS server, live, from its monitoring port.\n");
    for (size_t i = 0; i < OPTION_COUNT_OF; i++) {
        char left[64];
        snprintf(left, sizeof left, "%s%s%s--%s%s%s", rows[i].alias ? "-" : "",
                 rows[i].alias ? rows[i].alias : "", rows[i].alias ? ", " : "    ", rows[i].name,
                 rows[i].argument ? " " : "", rows[i].argument ? rows[i].argument : "");
        printf("  %-26s  %s\n", left, rows[i].help);
    }
    puts("\nIn the viewer, ? shows the keys. Exit status: 0 done, 1 bad option or no answer.");
}

void options_list(void)
{
    puts("| option | nats-top | meaning |\n|---|---|---|");
    for (size_t i = 0; i < OPTION_COUNT_OF; i++)
        printf("| `--%s%s%s` | %s%s%s | %s |\n", rows[i].name, rows[i].argument ? " " : "",
               rows[i].argument ? rows[i].argument : "", rows[i].alias ? "`-" : "",
               rows[i].alias ? rows[i].alias : "", rows[i].alias ? "`" : "", rows[i].help);
}

/* A host and port, or a URL with what is usually left out. Not checked further: curl says what is
 * wrong with it. */
static void url_add(struct parsing *parsing, const char *text)
{
    struct options *out = parsing->out;
    if (out->url_count == OPTIONS_URLS_MAX) {
        bad(parsing, "more than %d URLs", OPTIONS_URLS_MAX);
        return;
    }
    bool scheme = strncmp(text, "http://", 7) == 0 || strncmp(text, "https://", 8) == 0;
    if (strlen(text) > OPTIONS_URL_BYTES - 32 || !text[0] || (!scheme && strstr(text, "://"))) {
        bad(parsing, "'%.80s' is not a monitoring URL like http://127.0.0.1:8222", text);
        return;
    }
    const char *bracket = strrchr(text, ']');
    bool port = strchr(bracket ? bracket : text, ':') != NULL;
    char *url = out->urls[out->url_count++];
    snprintf(url, OPTIONS_URL_BYTES, "%s%s%s", scheme ? "" : "http://", text,
             scheme || port || strchr(text, '/') ? "" : ":8222");
    for (size_t len = strlen(url); len > 0 && url[len - 1] == '/'; len--)
        url[len - 1] = '\0';
}

static long number_of(struct parsing *parsing, const char *name, const char *text, long min,
                      long max)
{
    char *end;
    long value = strtol(text, &end, 10);
    if (*end || end == text || value < min || value > max) {
        bad(parsing, "--%s wants a number from %ld to %ld, not '%.40s'", name, min, max, text);
        return min;
    }
    return value;
}

static int64_t duration_of(struct parsing *parsing, const char *name, const char *text)
{
    int64_t ns = 0;
    if (!format_parse_duration(text, &ns))
        bad(parsing, "--%s wants a time like 500ms, 2s or 1m, not '%.40s'", name, text);
    return ns;
}

static void sort_set(struct parsing *parsing, const char *text)
{
    static const char *const others[][2] = {{"start", "uptime:desc"}, {"last", "idle:asc"}};
    for (size_t i = 0; i < array_length(others); i++)
        if (strcmp(text, others[i][0]) == 0)
            text = others[i][1];
    char key[32];
    snprintf(key, sizeof key, "%.*s", (int)strcspn(text, ":"), text);
    const struct column *column = columns_find(key);
    const char *direction = strchr(text, ':');
    if (column && (!direction || !strcmp(direction, ":asc") || !strcmp(direction, ":desc"))) {
        parsing->out->sort = column;
        parsing->out->descending = direction ? direction[1] == 'd' : !columns_ascending(column);
        return;
    }
    char keys[512] = "";
    size_t count;
    const struct column *all = columns_all(&count);
    for (size_t i = 0, used = 0; i < count && used < sizeof keys; i++)
        used += (size_t)snprintf(keys + used, sizeof keys - used, " %s", all[i].key);
    bad(parsing, "--sort '%.40s' is not one of%s (with :asc or :desc)", text, keys);
}

static void filter_set(struct parsing *parsing, const char *text)
{
    struct filter filter = {0};
    if (strlen(text) >= FILTER_BYTES_MAX)
        bad(parsing, "--filter is longer than %d bytes", FILTER_BYTES_MAX - 1);
    else if (!filter_parse(&filter, text))
        bad(parsing, "--filter %s", filter.error);
    filter_fini(&filter);
    parsing->out->filter = text;
}

static int choice_of(struct parsing *parsing, const char *name, const char *text,
                     const char *const *words)
{
    char all[128] = "";
    for (int i = 0; words[i]; i++) {
        if (strcmp(text, words[i]) == 0)
            return i;
        snprintf(all + strlen(all), sizeof all - strlen(all), " %s", words[i]);
    }
    bad(parsing, "--%s '%.40s' is not one of%s", name, text, all);
    return 0;
}

static void header_add(struct parsing *parsing, const char *line)
{
    const char **headers = parsing->out->headers;
    size_t count = 0;
    while (headers[count])
        count++;
    if (count == OPTIONS_HEADERS_MAX || !strchr(line, ':') || strpbrk(line, "\r\n"))
        bad(parsing, "--header wants 'Name: value', at most %d times", OPTIONS_HEADERS_MAX);
    else
        headers[count] = line;
}

static void form_set(struct parsing *parsing, enum options_form form)
{
    if (parsing->out->form != OPTIONS_SCREEN && parsing->out->form != form)
        bad(parsing, "--json and --csv exclude each other");
    parsing->out->form = form;
}

static void option_take(struct parsing *parsing, int id, const char *value)
{
    static const char *const views[] = {"overview", "connections", NULL};
    static const char *const colors[] = {"auto", "always", "never", NULL};
    struct options *out = parsing->out;
    const char *name = rows[id].name;
    switch ((enum option_id)id) {
    case OPTION_URL: url_add(parsing, value); break;
    case OPTION_HOST: parsing->host = value; break;
    case OPTION_PORT: number_of(parsing, name, parsing->port = value, 1, 65535); break;
    case OPTION_TLS_PORT: number_of(parsing, name, parsing->tls_port = value, 0, 65535); break;
    case OPTION_INTERVAL: out->interval_ns = duration_of(parsing, name, value); break;
    case OPTION_LIMIT: out->limit = (unsigned)number_of(parsing, name, value, 1, 1000000); break;
    case OPTION_SORT: sort_set(parsing, value); break;
    case OPTION_FILTER: filter_set(parsing, value); break;
    case OPTION_VIEW: out->view = (enum options_view)choice_of(parsing, name, value, views); break;
    case OPTION_RAW: out->raw = true; break;
    case OPTION_TOTALS: out->totals = true; break;
    case OPTION_ONCE: parsing->text = true; break;
    case OPTION_JSON: form_set(parsing, OPTIONS_JSON); break;
    case OPTION_CSV: form_set(parsing, OPTIONS_CSV); break;
    case OPTION_OUTPUT:
        out->output = strcmp(value, "-") == 0 ? NULL : value;
        parsing->text = true;
        break;
    case OPTION_DELIMITER:
        out->delimiter = value;
        parsing->text = true;
        break;
    case OPTION_COUNT:
        out->count = (unsigned)number_of(parsing, name, value, -1, 1000000000);
        break;
    case OPTION_TIMEOUT: out->timeout_ns = duration_of(parsing, name, value); break;
    case OPTION_HEADER: header_add(parsing, value); break;
    case OPTION_CA: out->ca_file = value; break;
    case OPTION_CERT: out->cert_file = value; break;
    case OPTION_KEY: out->key_file = value; break;
    case OPTION_INSECURE: out->insecure = true; break;
    case OPTION_COLOR:
        out->color = (enum options_color)choice_of(parsing, name, value, colors);
        break;
    case OPTION_ASCII: out->ascii = true; break;
    default: break;
    }
}

/* The server of nats-top's flags, unless URLs were given. */
static void server_default(struct parsing *parsing)
{
    if (parsing->out->url_count > 0)
        return;
    const char *host = parsing->host ? parsing->host : "127.0.0.1";
    bool tls = parsing->tls_port && strcmp(parsing->tls_port, "0") != 0;
    bool bare_ipv6 = strchr(host, ':') && host[0] != '[';
    char url[OPTIONS_URL_BYTES];
    snprintf(url, sizeof url, "%s://%s%.400s%s:%s", tls ? "https" : "http", bare_ipv6 ? "[" : "",
             host, bare_ipv6 ? "]" : "",
             tls             ? parsing->tls_port
             : parsing->port ? parsing->port
                             : "8222");
    url_add(parsing, url);
}

static void together_check(struct parsing *parsing)
{
    struct options *out = parsing->out;
    if (out->form == OPTIONS_SCREEN && parsing->text)
        out->form = OPTIONS_TEXT;
    bool once = out->form != OPTIONS_SCREEN;
    bool single = once && out->interval_ns == 0;
    if (!single &&
        (out->interval_ns < OPTIONS_INTERVAL_MIN_NS || out->interval_ns > OPTIONS_INTERVAL_MAX_NS))
        bad(parsing, "--interval must be from 100ms to 1h%s",
            once ? ", or 0 for a single poll" : "");
    if (!out->cert_file != !out->key_file)
        bad(parsing, "--cert and --key are only of use together");
    if (out->delimiter && out->form != OPTIONS_TEXT)
        bad(parsing, "--delimiter is for text, not for --json or --csv");
    if (once && out->url_count > 1)
        bad(parsing, "--once, --json, --csv and --output take one URL, not %zu", out->url_count);
    if (out->count == (unsigned)-1)
        out->count = 0;
}

static void table_build(struct option *table, char *letters)
{
    size_t used = 0;
    *letters++ = ':';
    for (int i = 0; i < OPTION_COUNT_OF; i++) {
        const char *alias = rows[i].alias;
        int wants = rows[i].argument ? required_argument : no_argument;
        table[used++] = (struct option){rows[i].name, wants, NULL, FIRST_CODE + i};
        if (alias && alias[1])
            table[used++] = (struct option){alias, wants, NULL, FIRST_CODE + i};
        if (alias && !alias[1]) {
            *letters++ = alias[0];
            if (wants == required_argument)
                *letters++ = ':';
        }
    }
    table[used++] = (struct option){"list-keys", no_argument, NULL, FIRST_CODE + OPTION_LIST_KEYS};
    table[used++] =
        (struct option){"list-options", no_argument, NULL, FIRST_CODE + OPTION_LIST_OPTIONS};
    table[used] = (struct option){0};
    *letters = '\0';
}

static int code_of_letter(int letter)
{
    for (int i = 0; i < OPTION_COUNT_OF; i++)
        if (rows[i].alias && rows[i].alias[0] == letter && !rows[i].alias[1])
            return i;
    return -1;
}

/* What only prints. False: go on. */
static bool informs(int id)
{
    switch (id) {
    case OPTION_HELP: help_print(); return true;
    case OPTION_VERSION: puts("clearwing-top " CLEARWING_VERSION); return true;
    case OPTION_LIST_KEYS: keys_list(); return true;
    case OPTION_LIST_OPTIONS: options_list(); return true;
    default: return false;
    }
}

enum options_outcome options_parse(int argc, char **argv, struct options *out)
{
    struct option table[2 * OPTION_COUNT_OF + 3];
    char letters[3 * OPTION_COUNT_OF];
    table_build(table, letters);
    *out = (struct options){.interval_ns = 1000000000, .limit = 1024};
    struct parsing parsing = {.out = out};
    sort_set(&parsing, "msgs_to");
    opterr = 0;
    int code;
    while ((code = getopt_long_only(argc, argv, letters, table, NULL)) != -1) {
        if (code == '?' || code == ':') {
            bad(&parsing, code == ':' ? "%s needs a value" : "unknown option %s", argv[optind - 1]);
            break;
        }
        int id = code >= FIRST_CODE ? code - FIRST_CODE : code_of_letter(code);
        if (informs(id))
            return OPTIONS_DONE;
        option_take(&parsing, id, optarg);
    }
    for (; optind < argc; optind++)
        url_add(&parsing, argv[optind]);
    server_default(&parsing);
    together_check(&parsing);
    return parsing.bad ? OPTIONS_BAD : OPTIONS_RUN;
}

long options_timeout_ms(const struct options *options, int64_t interval_ns)
{
    int64_t ns = options->timeout_ns;
    if (ns == 0) {
        int64_t usual = 2000000000, least = 500000000;
        ns = interval_ns > 0 && interval_ns < usual ? interval_ns : usual;
        ns = ns > least ? ns : least;
    }
    long ms = (long)(ns / 1000000);
    return ms > 0 ? ms : 1;
}
