/* The command line, in the manner of Go's flag package: one or two dashes are the same, a value
 * follows after a blank or an equals sign, a switch takes none or one after an equals sign.
 *
 * The arguments are read once into a list of rows and texts. Then the values are put together from
 * the weakest source to the strongest: defaults, the configuration file, the flags in their order.
 * So a flag wins over the file wherever it stands, and what several flags say about one field, the
 * last one decides.
 */
#include "broker/options.h"

#include <inttypes.h>
#include <stdlib.h>
#include <strings.h>

#include "broker/base/clock.h"
#include "broker/base/err.h"
#include "broker/base/mem.h"
#include "broker/health_check.h"
#include "broker/metrics.h"
#include "broker/options_file.h"
#include "broker/options_help.h"
#include "broker/options_set.h"
#include "broker/options_table.h"
#include "broker/signal_command.h"

/* One flag as it was given. */
struct given {
    const struct option_row *row;
    struct span flag;
    const char *text;
};

struct command_line {
    struct given *given;
    size_t count;
};

/* ---- reading the arguments ---- */

static bool is_flag(const char *argument)
{
    return argument[0] == '-' && argument[1] != '\0';
}

/* Splits "--name=value"; *value is NULL without one. */
static struct span split_flag(const char *argument, const char **value)
{
    const char *name = argument + (argument[1] == '-' ? 2 : 1);
    const char *equals = strchr(name, '=');
    *value = equals ? equals + 1 : NULL;
    return (struct span){name, equals ? (size_t)(equals - name) : strlen(name)};
}

COLD static int refuse_flag(struct span flag, const struct option_row *row)
{
    if (!row)
        fprintf(stderr, "clearwing: flag provided but not defined: -%.*s (see --help)\n",
                (int)flag.len, flag.ptr);
    else
        fprintf(stderr, "clearwing: flag %s%.*s: %s not supported by this broker\n",
                options_table_dashes(flag), (int)flag.len, flag.ptr, row->name);
    return ERR_INVALID;
}

/* Reads the flag at argv[*at] and steps over its value. */
static int take_flag(int argc, char **argv, int *at, struct command_line *line)
{
    const char *value;
    struct span flag = split_flag(argv[*at], &value);
    const struct option_row *row = options_table_find_flag(flag);
    if (!row || row->type == OPTION_ABSENT)
        return refuse_flag(flag, row);
    bool is_switch = options_table_is_switch(row);
    if (!value && !is_switch) {
        if (*at + 1 >= argc) {
            fprintf(stderr, "clearwing: flag needs an argument: %s%.*s %s\n",
                    options_table_dashes(flag), (int)flag.len, flag.ptr, row->value);
            return ERR_INVALID;
        }
        value = argv[++*at];
    }
    if (!value && row->type == OPTION_HEALTH_CHECK)
        value = *at + 1 < argc && *argv[*at + 1] != '-' ? argv[++*at] : "";
    line->given[line->count++] = (struct given){row, flag, value ? value : "true"};
    return 0;
}

static int read_arguments(int argc, char **argv, struct command_line *line)
{
    int at = 1;
    for (; at < argc && is_flag(argv[at]); at++) {
        if (strcmp(argv[at], "--") == 0) {
            at++;
            break;
        }
        if (take_flag(argc, argv, &at, line) != 0)
            return ERR_INVALID;
    }
    for (; at < argc; at++) {
        bool help = strcasecmp(argv[at], "help") == 0;
        if (!help && strcasecmp(argv[at], "version") != 0) {
            fprintf(stderr, "clearwing: unrecognized command: \"%s\"\n", argv[at]);
            return ERR_INVALID;
        }
        line->given[line->count++] = (struct given){
            options_table_find_flag(span_of(help ? "help" : "version")), span_of(argv[at]), "true"};
    }
    return 0;
}

/* The last value given for a type of row, NULL if there is none. */
static const char *find_given(const struct command_line *line, enum option_type type)
{
    for (size_t i = line->count; i > 0; i--)
        if (line->given[i - 1].row->type == type)
            return line->given[i - 1].text;
    return NULL;
}

/* ---- putting it together ---- */

static int apply_flags(const struct command_line *line, struct options *options)
{
    for (size_t i = 0; i < line->count; i++) {
        const struct given *given = &line->given[i];
        char expected[EXPECTED_MAX];
        if (given->row->type > OPTION_COMBINED)
            continue;
        if (options_set_text(options, given->row, given->text, expected) != 0) {
            fprintf(stderr, "clearwing: invalid value \"%s\" for flag %s%.*s: %s\n", given->text,
                    options_table_dashes(given->flag), (int)given->flag.len, given->flag.ptr,
                    expected);
            return ERR_INVALID;
        }
    }
    return 0;
}

static bool has_user(const struct options *options, const char *name)
{
    bool found = false;
    for (size_t i = 0; i < options->user_count; i++)
        found |= strcmp(options->users[i].name, name) == 0;
    return found;
}

static bool has_account(const struct options *options, const char *name)
{
    bool found = strcmp(name, "$G") == 0 || strcmp(name, "$SYS") == 0;
    for (size_t i = 0; i < options->account_count; i++)
        found |= strcmp(options->accounts[i], name) == 0;
    return found;
}

static int check_monitoring(const struct options *options)
{
    int failed = 0;
    if (!options->https_cert != !options->https_key) {
        fprintf(stderr, "clearwing: https_cert and https_key go together: set both or none\n");
        failed = ERR_INVALID;
    }
    if (!options->http_user != !options->http_password) {
        fprintf(stderr, "clearwing: http_user and http_password go together: set both or none\n");
        failed = ERR_INVALID;
    }
    if (options->http_user && strchr(options->http_user, ':')) {
        fprintf(stderr, "clearwing: http_user cannot contain a colon: HTTP's Basic credentials end "
                        "the user at the first one\n");
        failed = ERR_INVALID;
    }
    return failed;
}

/* What no single option can know. One line each on standard error. */
static int check_relations(const struct options *options)
{
    int failed = 0;
    if (options->max_payload > options->max_pending) {
        fprintf(stderr,
                "clearwing: max_payload (%" PRId64 ") cannot be higher than max_pending (%" PRId64
                ")\n",
                options->max_payload, options->max_pending);
        failed = ERR_INVALID;
    }
    if (options->server_name && strpbrk(options->server_name, " \t\r\n")) {
        fprintf(stderr, "clearwing: server_name cannot contain blanks: \"%s\"\n",
                options->server_name);
        failed = ERR_INVALID;
    }
    if (options->token && (options->username || options->password)) {
        fprintf(stderr, "clearwing: Cannot have a user/pass and token\n");
        failed = ERR_INVALID;
    }
    if (options->password && !options->username) {
        fprintf(stderr, "clearwing: a password needs a user: set --user or authorization.user\n");
        failed = ERR_INVALID;
    }
    if (options->lame_duck_grace_period_ns >= options->lame_duck_duration_ns) {
        fprintf(stderr,
                "clearwing: lame duck grace period (%gs) should be strictly lower than lame duck "
                "duration (%gs)\n",
                (double)options->lame_duck_grace_period_ns / (double)NS_PER_SEC,
                (double)options->lame_duck_duration_ns / (double)NS_PER_SEC);
        failed = ERR_INVALID;
    }
    if (options->no_auth_user && options->user_count == 0) {
        fprintf(stderr, "clearwing: no_auth_user: \"%s\" present, but users are not defined\n",
                options->no_auth_user);
        failed = ERR_INVALID;
    } else if (options->no_auth_user && !has_user(options, options->no_auth_user)) {
        fprintf(
            stderr,
            "clearwing: no_auth_user: \"%s\" not present as user or nkey in authorization block "
            "or account configuration\n",
            options->no_auth_user);
        failed = ERR_INVALID;
    }
    if (options->system_account && !has_account(options, options->system_account)) {
        fprintf(stderr,
                "clearwing: error resolving system account: account missing: \"%s\" is not among "
                "the accounts\n",
                options->system_account);
        failed = ERR_INVALID;
    }
    if (check_monitoring(options) != 0)
        failed = ERR_INVALID;
    return failed;
}

/* Limits in the form the broker wants them. */
static void normalize(struct options *options)
{
    if (options->max_subscriptions < 0)
        options->max_subscriptions = 0;
}

/* ---- what is not serving ---- */

static void print_version(void)
{
    puts("nats-server: v" CLEARWING_NATS_VERSION "\nclearwing: v" CLEARWING_VERSION);
}

/* Commands that need no options at all; true if there was one. */
static bool run_command(const struct command_line *line, int *exit_status)
{
    const char *signal_word = find_given(line, OPTION_SIGNAL);
    if (find_given(line, OPTION_HELP))
        options_help_print(stdout);
    else if (find_given(line, OPTION_VERSION))
        print_version();
    else if (find_given(line, OPTION_LIST_OPTIONS))
        options_help_list(stdout);
    else if (find_given(line, OPTION_LIST_METRICS))
        metrics_list(stdout);
    else if (signal_word)
        *exit_status = signal_command_run(signal_word) == 0 ? 0 : 1;
    else
        return false;
    return true;
}

static enum options_action decide(const struct command_line *line, struct options *options,
                                  int *exit_status)
{
    *exit_status = 0;
    if (run_command(line, exit_status))
        return OPTIONS_EXIT;
    *exit_status = 1;
    options_set_defaults(options);
    if (apply_flags(line, options) != 0)
        return OPTIONS_EXIT;
    bool test = find_given(line, OPTION_TEST);
    if (test && !options->config_file) {
        fputs("clearwing: must specify [-c, --config] option to check configuration file syntax\n",
              stderr);
        return OPTIONS_EXIT;
    }
    if (options->config_file) {
        if (options_file_read(options, test, stderr) != 0)
            return OPTIONS_EXIT;
        check(apply_flags(line, options) == 0);
    }
    if (test) {
        fprintf(stderr, "clearwing: configuration file %s is valid (%s)\n", options->config_file,
                options->config_digest);
        *exit_status = 0;
        return OPTIONS_EXIT;
    }
    if (check_relations(options) != 0)
        return OPTIONS_EXIT;
    normalize(options);
    const char *probed = find_given(line, OPTION_HEALTH_CHECK);
    *exit_status = probed && health_check_run(options, probed) != 0 ? 1 : 0;
    return probed ? OPTIONS_EXIT : OPTIONS_RUN;
}

enum options_action options_parse(int argc, char **argv, struct options *out, int *exit_status)
{
    struct command_line line = {0};
    struct options options = {0};
    line.given = mem_zalloc_or_exit(((size_t)argc + 1) * sizeof *line.given);
    enum options_action action = OPTIONS_EXIT;
    *exit_status = 1;
    if (read_arguments(argc, argv, &line) == 0)
        action = decide(&line, &options, exit_status);
    mem_free(line.given);
    if (action == OPTIONS_RUN)
        *out = options;
    else
        options_fini(&options);
    return action;
}

static void free_users(struct options *options)
{
    for (size_t i = 0; i < options->user_count; i++) {
        mem_free(options->users[i].name);
        explicit_bzero(options->users[i].password, strlen(options->users[i].password));
        mem_free(options->users[i].password);
    }
    mem_free(options->users);
    for (size_t i = 0; i < options->account_count; i++)
        mem_free(options->accounts[i]);
    mem_free(options->accounts);
}

void options_fini(struct options *options)
{
    free_users(options);
    for (size_t i = 0; i < option_row_count; i++) {
        const struct option_row *row = &option_rows[i];
        if (row->type != OPTION_STRING && row->type != OPTION_SECRET && row->type != OPTION_ADDRESS)
            continue;
        char **field = (char **)(void *)((char *)options + row->offset);
        if (*field && row->type == OPTION_SECRET)
            explicit_bzero(*field, strlen(*field));
        mem_free(*field);
        *field = NULL;
    }
}

void options_hide_secrets(int argc, char **argv)
{
    for (int i = 1; i < argc && is_flag(argv[i]) && strcmp(argv[i], "--") != 0; i++) {
        const char *value;
        struct span flag = split_flag(argv[i], &value);
        const struct option_row *row = options_table_find_flag(flag);
        if (!row)
            return;
        size_t skip = value ? (size_t)(value - argv[i]) : 0;
        if (!value && !options_table_is_switch(row))
            i++;
        if (i < argc && row->type == OPTION_SECRET)
            memset(argv[i] + skip, 'x', strlen(argv[i] + skip));
    }
}
