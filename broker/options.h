/* What the broker was told to do: defaults, then the configuration file, then the command line, checked as a whole.
 *
 * struct options is a plain value made by options_parse before any thread starts, and constant from then on: any
 * thread may read it. It owns its strings (options_fini). Durations are nanoseconds, sizes bytes. */
#ifndef BROKER_OPTIONS_H
#define BROKER_OPTIONS_H

#include <stdio.h>

#include "broker/base/base.h"

/* What main is to do with the options it got. */
enum options_action {
    OPTIONS_RUN,
    OPTIONS_EXIT, /* help, version, -t, --signal or an error were dealt with: leave with exit_status */
};

enum { OPTIONS_GLOBAL_ACCOUNT = -1 };

/* One of several who may log in. */
struct options_user {
    char *name, *password;
    int account;           /* its place in struct options, or OPTIONS_GLOBAL_ACCOUNT */
    unsigned line, column; /* of the file */
};

struct options {
    /* Identity and listener. */
    char *server_name; /* NULL: the server id */
    char *host;
    int port; /* -1: one the kernel picks */
    char *client_advertise;

    /* Monitoring; a port of 0: off, -1: one the kernel picks. */
    char *http_host; /* NULL: host */
    int http_port, https_port;
    char *https_cert, *https_key;                 /* file names */
    char *http_base_path;                         /* as configured; NULL: none */
    char *http_user, *http_password, *http_token; /* nothing set: everyone may read */

    /* Limits. */
    int64_t max_connections;         /* negative: unlimited */
    int64_t max_subscriptions;       /* 0: unlimited */
    int64_t max_subscription_tokens; /* 0: unlimited */
    int64_t max_control_line;
    int64_t max_payload;
    int64_t max_pending;
    int64_t max_closed_clients;
    int64_t ping_interval_ns;
    int64_t ping_max;
    int64_t write_deadline_ns;
    int64_t lame_duck_duration_ns, lame_duck_grace_period_ns;
    int64_t max_traced_msg_len; /* 0: whole */
    bool no_fast_producer_stall;
    bool no_header_support;

    /* Who may connect: nothing set means everyone. */
    char *username, *password, *token;
    double auth_timeout_s;
    struct options_user *users; /* sorted by name */
    size_t user_count;
    char *no_auth_user; /* who those are that give no credentials; NULL: refused */

    /* The accounts besides $G. */
    char **accounts;
    size_t account_count;
    char *system_account; /* NULL: $SYS */

    /* Ours: how many worker threads; 0 is auto, see net/parallelism.h. */
    int64_t workers;

    /* Files and logging. */
    char *config_file;      /* NULL: none */
    char config_digest[72]; /* "sha256:<hex>" of the file's parsed form, "" without a file */
    char *pid_file, *ports_file_dir, *log_file;
    bool debug, trace, trace_verbose;
    bool log_time, log_time_utc;
};

/* Reads the command line and the file it names. On OPTIONS_EXIT everything to be said has been printed: results on
 * standard output, one line per error on standard error. *exit_status is 0 or 1. */
enum options_action options_parse(int argc, char **argv, struct options *out, int *exit_status);
void options_fini(struct options *options);

/* Overwrites secrets among the program's arguments, so that ps cannot show them; after options_parse. */
void options_hide_secrets(int argc, char **argv);

#endif
