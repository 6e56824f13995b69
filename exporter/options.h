/* The exporter's command line as one plain value: our options, and those of
 * prometheus-nats-exporter.
 *
 * Filled once at start by options_parse, read-only afterwards: any thread. Text is borrowed from
 * argv. */
#ifndef EXPORTER_OPTIONS_H
#define EXPORTER_OPTIONS_H

#include "broker/base/base.h"

enum options_names { OPTIONS_NATIVE = 1, OPTIONS_LEGACY = 2, OPTIONS_BOTH = 3 };

enum options_collect {
    OPTIONS_SERVER = 1 << 0,
    OPTIONS_CONNECTIONS = 1 << 1,
    OPTIONS_SUBSCRIPTIONS = 1 << 2,
    OPTIONS_ROUTES = 1 << 3,
    OPTIONS_GATEWAYS = 1 << 4,
    OPTIONS_LEAFS = 1 << 5,
    OPTIONS_ACCOUNTS = 1 << 6,
    OPTIONS_JETSTREAM = 1 << 7,
    OPTIONS_COLLECT_ALL = (1 << 8) - 1
};

/* Which of the older exporter's collectors are on. */
enum options_compat {
    OPTIONS_VARZ = 1 << 0,
    OPTIONS_CONNZ = 1 << 1,
    OPTIONS_CONNZ_DETAILED = 1 << 2,
    OPTIONS_SUBZ = 1 << 3,
    OPTIONS_ROUTEZ = 1 << 4,
    OPTIONS_GATEWAYZ = 1 << 5,
    OPTIONS_LEAFZ = 1 << 6,
    OPTIONS_ACCSTATZ = 1 << 7,
    OPTIONS_ACCOUNTZ = 1 << 8,
    OPTIONS_HEALTHZ = 1 << 9,
    OPTIONS_HEALTHZ_JS_ENABLED = 1 << 10,
    OPTIONS_HEALTHZ_JS_SERVER = 1 << 11,
    OPTIONS_JSZ = 1 << 12
};

enum options_jetstream {
    OPTIONS_JS_OFF,
    OPTIONS_JS_SERVER,
    OPTIONS_JS_STREAMS,
    OPTIONS_JS_CONSUMERS
};
enum options_connections {
    OPTIONS_CONN_OFF,
    OPTIONS_CONN_SUMMARY,
    OPTIONS_CONN_TOP,
    OPTIONS_CONN_ALL
};

enum { OPTIONS_TARGETS_MAX = 128, OPTIONS_LIST_MAX = 64 };

struct options {
    unsigned names;   /* enum options_names */
    unsigned collect; /* enum options_collect */
    unsigned compat;  /* enum options_compat */
    enum options_connections connections;
    uint64_t connections_top;
    enum options_jetstream jetstream;        /* native detail */
    enum options_jetstream compat_jetstream; /* -jsz; SERVER stands for "accounts" */
    bool jetstream_leaders_only;
    const char *subjects[OPTIONS_LIST_MAX]; /* patterns; NULL-terminated */
    const char *probe_allow[OPTIONS_LIST_MAX];
    const char *stream_meta_keys[OPTIONS_LIST_MAX];
    const char *consumer_meta_keys[OPTIONS_LIST_MAX];
    uint64_t limit_series;
    int64_t timeout_ms;
    const char *targets[OPTIONS_TARGETS_MAX]; /* "URL" or "NAME,URL" */
    size_t target_count;

    const char *listen_host;
    char listen_text[256]; /* holds listen_host when it was split off */
    uint16_t listen_port;
    const char *path;
    const char *tls_cert, *tls_key; /* to serve https */
    const char *http_user, *http_pass;

    const char *nats_tls_ca, *nats_tls_cert, *nats_tls_key; /* towards the servers */
    bool nats_tls_insecure;

    const char *prefix; /* NULL: "gnatsd" and "jetstream" */
    bool internal_id, internal_name;
    const char *log_file;
    bool syslog;
};

enum options_outcome { OPTIONS_RUN, OPTIONS_EXIT_OK, OPTIONS_EXIT_ERROR };

/* Prints help, version or the one line that says what is wrong. argv's text may be changed (lists
 * are split). */
enum options_outcome options_parse(struct options *options, int argc, char **argv);
/* A bit set from a comma list of --collect's words; false when a word is unknown, which *bad then
 * holds. */
bool options_collect_parse(char *list, unsigned *out, const char **bad);

#endif
