/* The option table's own order, the command line, the file over the defaults and the flags over the
 * file, and what the server leaves on the disk. options_parse speaks to standard output and error:
 * both are caught in files. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "broker/base/clock.h"
#include "broker/files.h"
#include "broker/options.h"
#include "broker/options_set.h"
#include "broker/options_table.h"
#include "broker/signal_command.h"

enum { ARGUMENTS_MAX = 16, TEXT_MAX = 1 << 16 };

static char folder[] = "/tmp/test_options_XXXXXX";
static char said[TEXT_MAX]; /* by the last parse, on either stream */
static int exit_status;

static int make_folder(void **state)
{
    (void)state;
    return mkdtemp(folder) && chdir(folder) == 0 ? 0 : -1;
}

static int remove_folder(void **state)
{
    (void)state;
    unlink("said");
    unlink("a.conf");
    unlink("pid");
    return rmdir(folder);
}

static void read_back(const char *name, char *out, size_t out_size)
{
    FILE *file = fopen(name, "r");
    assert_non_null(file);
    out[fread(out, 1, out_size - 1, file)] = '\0';
    fclose(file);
}

static void write_config(const char *text)
{
    FILE *file = fopen("a.conf", "w");
    assert_non_null(file);
    fputs(text, file);
    fclose(file);
}

/* Parses the words of a line, with what is printed going to said. */
static enum options_action parse(const char *line, struct options *options)
{
    char words[512], *argv[ARGUMENTS_MAX] = {(char[]){"clearwing"}};
    int argc = 1;
    snprintf(words, sizeof words, "%s", line);
    char *rest = words;
    for (char *word; (word = strsep(&rest, " ")) != NULL;)
        if (*word)
            argv[argc++] = word;
    fflush(NULL);
    int out = dup(1), err = dup(2), file = open("said", O_CREAT | O_TRUNC | O_RDWR, 0600);
    assert_true(out >= 0 && err >= 0 && file >= 0);
    dup2(file, 1);
    dup2(file, 2);
    enum options_action action = options_parse(argc, argv, options, &exit_status);
    fflush(NULL);
    dup2(out, 1);
    dup2(err, 2);
    close(out);
    close(err);
    close(file);
    read_back("said", said, sizeof said);
    return action;
}

static struct options expect_run(const char *line)
{
    struct options options;
    if (parse(line, &options) != OPTIONS_RUN)
        fail_msg("%s: %s", line, said);
    assert_int_equal(exit_status, 0);
    return options;
}

static void expect_exit(const char *line, int status, const char *text)
{
    struct options options;
    if (parse(line, &options) != OPTIONS_EXIT)
        fail_msg("%s was taken", line);
    if (exit_status != status || strcmp(said, text) != 0)
        fail_msg("%s: %d %s\nnot %d %s", line, exit_status, said, status, text);
}

/* ---- the table ---- */

static void rows_are_sound(void **state)
{
    (void)state;
    unsigned options = 0;
    for (size_t i = 0; i < option_row_count; i++) {
        const struct option_row *row = &option_rows[i];
        const char *list = row->flags;
        struct span word;
        while (options_table_next_word(&list, &word))
            assert_ptr_equal(options_table_find_flag(word), row);
        list = row->keys;
        while (options_table_next_word(&list, &word)) {
            char key[64];
            snprintf(key, sizeof key, "%.*s", (int)word.len, word.ptr);
            assert_ptr_equal(options_table_find_key(row->block, key), row);
        }
        if (row->type == OPTION_SECTION || row->type == OPTION_ABSENT)
            continue;
        options++;
        assert_true(strlen(row->help) > 8);
        assert_true(*row->keys || *row->flags);
        assert_true(options_table_is_switch(row) || *row->value);
    }
    assert_true(options > 40);
    assert_null(options_table_find_flag(span_of("cluste")));
    assert_null(options_table_find_flag(span_of("")));
    assert_null(options_table_find_key(OPTION_BLOCK_TOP, "token"));
    assert_non_null(options_table_find_key(OPTION_BLOCK_TOP, "MAX_PAYLOAD"));
}

static void durations_are_those_of_go(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int64_t ns;
    } good[] = {{"0", 0},
                {"10s", 10 * NS_PER_SEC},
                {"1m30s", 90 * NS_PER_SEC},
                {"250ms", 250 * NS_PER_MS},
                {"1.5h", 5400 * NS_PER_SEC},
                {"-2s", -2 * NS_PER_SEC},
                {".5s", NS_PER_SEC / 2},
                {"1.s", NS_PER_SEC},
                {"3us", 3000},
                {"3\u00b5s", 3000},
                {"7ns", 7},
                {"+1s", NS_PER_SEC},
                {"0.000000001s", 1}};
    static const char *const bad[] = {"",
                                      "s",
                                      "10",
                                      "1x",
                                      "1s2",
                                      ".s",
                                      "-",
                                      "1 s",
                                      "1sm",
                                      "1d",
                                      "9223372036854775807s",
                                      "99999999999999999999s",
                                      "--1s"};
    int64_t ns;
    for (size_t i = 0; i < array_length(good); i++) {
        if (options_set_parse_duration(good[i].text, &ns) != 0 || ns != good[i].ns)
            fail_msg("%s: %lld", good[i].text, (long long)ns);
    }
    for (size_t i = 0; i < array_length(bad); i++)
        if (options_set_parse_duration(bad[i], &ns) == 0)
            fail_msg("%s was taken", bad[i]);
}

/* ---- the command line ---- */

static void defaults_are_the_stock_servers(void **state)
{
    (void)state;
    struct options options = expect_run("");
    assert_string_equal(options.host, "0.0.0.0");
    assert_int_equal(options.port, 4222);
    assert_int_equal(options.http_port, 0);
    assert_int_equal(options.max_connections, 65536);
    assert_int_equal(options.max_subscriptions, 0);
    assert_int_equal(options.max_control_line, 4096);
    assert_int_equal(options.max_payload, 1 << 20);
    assert_int_equal(options.max_pending, 64 << 20);
    assert_int_equal(options.max_closed_clients, 10000);
    assert_int_equal(options.ping_interval_ns, 120 * NS_PER_SEC);
    assert_int_equal(options.ping_max, 2);
    assert_int_equal(options.write_deadline_ns, 10 * NS_PER_SEC);
    assert_true(options.auth_timeout_s > 1.99 && options.auth_timeout_s < 2.01);
    assert_int_equal(options.workers, 0);
    assert_true(options.log_time && !options.log_time_utc && !options.debug && !options.trace);
    assert_null(options.server_name);
    assert_null(options.username);
    assert_null(options.http_host);
    assert_string_equal(options.config_digest, "");
    options_fini(&options);
}

static void flags_come_in_gos_forms(void **state)
{
    (void)state;
    struct options options = expect_run(
        "-a=127.0.0.1 --p -1 -n one --name=two -m 8222 -P f -l log --workers 3 -T=false");
    assert_string_equal(options.host, "127.0.0.1");
    assert_int_equal(options.port, -1);
    assert_string_equal(options.server_name, "two");
    assert_int_equal(options.http_port, 8222);
    assert_string_equal(options.pid_file, "f");
    assert_string_equal(options.log_file, "log");
    assert_int_equal(options.workers, 3);
    assert_false(options.log_time);
    options_fini(&options);
    options = expect_run("-DV -D=false --workers=auto -p 0 --max_traced_msg_len 0x10 --");
    assert_true(options.trace && !options.debug && !options.trace_verbose);
    assert_int_equal(options.workers, 0);
    assert_int_equal(options.port, 4222);
    assert_int_equal(options.max_traced_msg_len, 16);
    options_fini(&options);
    options = expect_run("-VV");
    assert_true(options.trace && options.trace_verbose && !options.debug);
    options_fini(&options);
    options = expect_run("--user u --pass p");
    assert_string_equal(options.username, "u");
    assert_string_equal(options.password, "p");
    options_fini(&options);
}

static void bad_command_lines_are_one_clear_line(void **state)
{
    (void)state;
    static const char *const cases[][2] = {
        {"--cluster nats://h:1",
         "clearwing: flag --cluster: clusters are not supported by this broker\n"},
        {"-js", "clearwing: flag -js: JetStream is not supported by this broker\n"},
        {"--tls=false", "clearwing: flag --tls: TLS is not supported by this broker\n"},
        {"-s", "clearwing: flag -s: syslog is not supported by this broker\n"},
        {"--nope", "clearwing: flag provided but not defined: -nope (see --help)\n"},
        {"-p", "clearwing: flag needs an argument: -p PORT\n"},
        {"-p x",
         "clearwing: invalid value \"x\" for flag -p: expected a whole number from -1 to 65535\n"},
        {"-p 65536", "clearwing: invalid value \"65536\" for flag -p: expected a whole number from "
                     "-1 to 65535\n"},
        {"-p 1x",
         "clearwing: invalid value \"1x\" for flag -p: expected a whole number from -1 to 65535\n"},
        {"-D=maybe", "clearwing: invalid value \"maybe\" for flag -D: expected true or false\n"},
        {"--workers 0x",
         "clearwing: invalid value \"0x\" for flag --workers: expected auto or a whole number "
         "from 1 to 256\n"},
        {"--workers 257",
         "clearwing: invalid value \"257\" for flag --workers: expected auto or a whole "
         "number from 1 to 256\n"},
        {"start", "clearwing: unrecognized command: \"start\"\n"},
        {"-D start", "clearwing: unrecognized command: \"start\"\n"},
        {"-", "clearwing: unrecognized command: \"-\"\n"},
        {"-t",
         "clearwing: must specify [-c, --config] option to check configuration file syntax\n"},
        {"-c nofile", "clearwing: open nofile: no such file or directory\n"},
        {"--user u --auth t", "clearwing: Cannot have a user/pass and token\n"},
        {"--pass p", "clearwing: a password needs a user: set --user or authorization.user\n"},
        {"--signal bang",
         "clearwing: unknown signal \"bang\": expected stop, quit, term, reopen, reload or ldm\n"},
        {"-sl reload=nofile",
         "clearwing: invalid pid \"nofile\": expected a process id or a file that holds one\n"},
        {"-sl reload=999999999", "clearwing: signal \"reload\" 999999999: no such process\n"},
    };
    for (size_t i = 0; i < array_length(cases); i++)
        expect_exit(cases[i][0], 1, cases[i][1]);
}

static void versions_and_help_succeed(void **state)
{
    (void)state;
    static const char version[] =
        "nats-server: v" CLEARWING_NATS_VERSION "\nclearwing: v" CLEARWING_VERSION "\n";
    expect_exit("-v", 0, version);
    expect_exit("--version", 0, version);
    expect_exit("VERSION", 0, version);
    struct options options;
    assert_int_equal(parse("-h", &options), OPTIONS_EXIT);
    assert_int_equal(exit_status, 0);
    assert_non_null(strstr(said, "  -a, --addr, --net HOST "));
    assert_non_null(strstr(said, "  -DVV "));
    assert_null(strstr(said, "cluster"));
    assert_int_equal(parse("help", &options), OPTIONS_EXIT);
    assert_non_null(strstr(said, "Usage: clearwing [options]"));
    assert_int_equal(parse("--list-metrics", &options), OPTIONS_EXIT);
    assert_non_null(strstr(said, "| `nats_server_connections` |"));
    assert_int_equal(parse("--list-options", &options), OPTIONS_EXIT);
    assert_non_null(strstr(said, "--port\t-p\tPORT\tport\t4222\t"));
    assert_non_null(strstr(said, "-\t-\tBYTES\tmax_payload\t1048576\t"));
    assert_non_null(strstr(said, "--auth\t-\tTOKEN\tauthorization.token\t-\t"));
    for (const char *line = said; *line; line = strchr(line, '\n') + 1) {
        unsigned tabs = 0;
        for (const char *at = line; *at != '\n'; at++)
            tabs += *at == '\t';
        assert_int_equal(tabs, 5);
    }
}

static void secrets_are_hidden_from_ps(void **state)
{
    (void)state;
    char words[][16] = {"clearwing", "-D", "--user", "joe", "--pass=secret",
                        "-p",        "1",  "--auth", "tok"};
    char *argv[array_length(words)];
    for (size_t i = 0; i < array_length(words); i++)
        argv[i] = words[i];
    options_hide_secrets((int)array_length(words), argv);
    static const char *const after[] = {"clearwing", "-D", "--user", "xxx", "--pass=xxxxxx",
                                        "-p",        "1",  "--auth", "xxx"};
    for (size_t i = 0; i < array_length(words); i++)
        assert_string_equal(words[i], after[i]);
}

/* ---- the file ---- */

static void file_lies_between_defaults_and_flags(void **state)
{
    (void)state;
    write_config(
        "listen: \"127.0.0.1:5222\"\nhttp: \"[::1]:8222\"\nserver_name: filed\nMax_Payload: 2MB\n"
        "max_conn: 10\nmax_subs: -1\nmax_sub_tokens: 8\nping_interval: \"250ms\"\nping_max: 0\n"
        "write_deadline: 2\nworkers: auto\ndebug: on\ntrace_verbose: yes\nlogtime: false\n"
        "A: 12MB\nmax_pending: $A\npidfile: 'p'\nno_header_support: true\nhttp_base_path: /a\n"
        "authorization { username: u, pass: \"1\", timeout: 1.5 }\n");
    struct options options = expect_run("-p 7000 -c a.conf -n flagged");
    assert_string_equal(said, "clearwing: a.conf:10:1: invalid use of field \"write_deadline\": "
                              "write_deadline should be converted to a duration\n");
    assert_string_equal(options.host, "127.0.0.1");
    assert_int_equal(options.port, 7000);
    assert_string_equal(options.server_name, "flagged");
    assert_string_equal(options.http_host, "::1");
    assert_int_equal(options.http_port, 8222);
    assert_string_equal(options.http_base_path, "/a");
    assert_int_equal(options.max_payload, 2 << 20);
    assert_int_equal(options.max_pending, 12 << 20);
    assert_int_equal(options.max_connections, 10);
    assert_int_equal(options.max_subscriptions, 0);
    assert_int_equal(options.max_subscription_tokens, 8);
    assert_int_equal(options.ping_interval_ns, 250 * NS_PER_MS);
    assert_int_equal(options.ping_max, 2);
    assert_int_equal(options.write_deadline_ns, 2 * NS_PER_SEC);
    assert_true(options.debug && options.trace && options.trace_verbose && !options.log_time);
    assert_true(options.no_header_support);
    assert_string_equal(options.pid_file, "p");
    assert_string_equal(options.username, "u");
    assert_string_equal(options.password, "1");
    assert_true(options.auth_timeout_s > 1.49 && options.auth_timeout_s < 1.51);
    assert_int_equal(strlen(options.config_digest), 7 + 64);
    options_fini(&options);
    options = expect_run("-c a.conf -T -V=false");
    assert_true(options.log_time && !options.trace);
    options_fini(&options);
}

static void zero_means_default_but_for_connections(void **state)
{
    (void)state;
    write_config("max_connections: 0\nmax_payload: 0\nport: 0\nmax_pending: 0\nmax_subs: "
                 "0\nping_interval: \"0s\"\n");
    struct options options = expect_run("-c a.conf");
    assert_int_equal(options.max_connections, 65536);
    assert_int_equal(options.max_payload, 1 << 20);
    assert_int_equal(options.port, 4222);
    assert_int_equal(options.max_pending, 64 << 20);
    assert_int_equal(options.max_subscriptions, 0);
    assert_int_equal(options.ping_interval_ns, 120 * NS_PER_SEC);
    options_fini(&options);
}

static void all_mistakes_of_a_file_are_told(void **state)
{
    (void)state;
    write_config(
        "cluster { port: 1 }\nfoo: 3\nport: \"x\"\n"
        "authorization { permissions: {}, bla: 3, user: a, token: b }\n"
        "max_payload: 5GB\nping_interval: \"5\"\nlisten: \"h\"\nhttp: \"h:x\"\ndebug: \"yes\"\n"
        "workers: many\nserver_name: \"a\\x00b\"\n\"b\na\": 1\nmax_control_line: -1\n"
        "http: 70000\nlisten: [1]\nmax_pending: 1.5\nAuthorization: 5\n");
    expect_exit(
        "-c a.conf", 1,
        "clearwing: a.conf:1:0: \"cluster\" is not supported by this broker\n"
        "clearwing: a.conf:2:1: unknown field \"foo\"\n"
        "clearwing: a.conf:3:1: port: expected a whole number, not a string\n"
        "clearwing: a.conf:4:17: \"permissions\" is not supported by this broker\n"
        "clearwing: a.conf:4:34: unknown field \"bla\"\n"
        "clearwing: a.conf:4:1: Cannot have a user/pass and token\n"
        "clearwing: a.conf:5:1: max_payload: expected a whole number from -1 to 2147483647, not "
        "5GB\n"
        "clearwing: a.conf:6:1: error parsing ping_interval: time: invalid duration \"5\": "
        "expected one such "
        "as \"10s\" or \"1m30s\"\n"
        "clearwing: a.conf:16:1: listen: expected a string, not an array\n"
        "clearwing: a.conf:15:1: http: port: expected a whole number from -1 to 65535, not 70000\n"
        "clearwing: a.conf:9:1: debug: expected true or false, not a string\n"
        "clearwing: a.conf:10:1: workers: expected auto or a whole number, not a string\n"
        "clearwing: a.conf:11:1: server_name: expected a string without zero bytes\n"
        "clearwing: a.conf:13:2: unknown field \"b?a\"\n"
        "clearwing: a.conf:14:1: max_control_line: expected a whole number from 1 to 2147483647, "
        "not -1\n"
        "clearwing: a.conf:17:1: max_pending: expected a whole number, not a number with a "
        "fraction\n"
        "clearwing: a.conf:18:1: Authorization: expected a map, not a whole number\n");
}

static void checking_a_file_is_not_serving(void **state)
{
    (void)state;
    struct options options;
    write_config("port: 4222\nmax_payload: 9MB\nmax_pending: 1MB\n");
    assert_int_equal(parse("-t -c a.conf", &options), OPTIONS_EXIT);
    assert_int_equal(exit_status, 0);
    assert_non_null(strstr(said, "clearwing: configuration file a.conf is valid (sha256:"));
    expect_exit("-c a.conf", 1,
                "clearwing: max_payload (9437184) cannot be higher than max_pending (1048576)\n");
    write_config("ping_interval: 5");
    expect_exit("-t -c a.conf", 1,
                "clearwing: a.conf:1:0: invalid use of field \"ping_interval\": "
                "ping_interval should be converted to a duration\n");
    write_config("server_name: \"a b\"");
    expect_exit("-c a.conf", 1, "clearwing: server_name cannot contain blanks: \"a b\"\n");
}

/* ---- what the server leaves ---- */

static void pid_and_ports_are_written(void **state)
{
    (void)state;
    char error[256], text[4096], path[128], wanted[64];
    struct stat status;
    umask(022);
    assert_int_equal(files_write_pid("pid", error, sizeof error), 0);
    read_back("pid", text, sizeof text);
    snprintf(wanted, sizeof wanted, "%d", (int)getpid());
    assert_string_equal(text, wanted);
    assert_int_equal(stat("pid", &status), 0);
    assert_int_equal(status.st_mode & 0777, 0600);
    assert_int_not_equal(files_write_pid("no/pid", error, sizeof error), 0);
    assert_string_equal(error, "Could not write pidfile: open no/pid: No such file or directory");

    struct files_ports ports = {.host = "127.0.0.1", .port = 1, .http_scheme = "http", .http_host = "::1", .http_port = 2};
    snprintf(path, sizeof path, "./%s_%d.ports", program_invocation_short_name, (int)getpid());
    assert_int_equal(files_write_ports(".", &ports, error, sizeof error), 0);
    read_back(path, text, sizeof text);
    assert_string_equal(text,
                        "{\"nats\":[\"nats://127.0.0.1:1\"],\"monitoring\":[\"http://[::1]:2\"]}");
    assert_int_equal(stat(path, &status), 0);
    assert_int_equal(status.st_mode & 0777, 0644);
    ports = (struct files_ports){.host = "0.0.0.0", .port = 3};
    assert_int_equal(files_write_ports(".", &ports, error, sizeof error), 0);
    read_back(path, text, sizeof text);
    assert_non_null(strstr(text, "\"nats://127.0.0.1:3\""));
    assert_null(strstr(text, "monitoring"));
    assert_null(strstr(text, "0.0.0.0"));
    files_remove_ports(".");
    assert_int_equal(access(path, F_OK), -1);
    assert_int_not_equal(files_write_ports("no", &ports, error, sizeof error), 0);
    assert_non_null(strstr(error, "Could not write the ports file: open no/"));
}

static void signals_find_their_process(void **state)
{
    (void)state;
    int ready[2];
    assert_int_equal(pipe(ready), 0);
    fflush(NULL);
    pid_t child = fork();
    if (child == 0) {
        prctl(PR_SET_NAME, "clearwing");
        ssize_t told = write(ready[1], "x", 1);
        for (;;)
            told < 0 ? _exit(1) : (void)pause();
    }
    char byte, target[64];
    int status;
    assert_int_equal(read(ready[0], &byte, 1), 1);
    snprintf(target, sizeof target, "term=%d*", (int)child);
    assert_int_equal(signal_command_run(target), 0);
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGTERM);
    snprintf(target, sizeof target, "--signal=term=%d*", (int)child);
    expect_exit(target, 1, "clearwing: no clearwing processes running\n");
    close(ready[0]);
    close(ready[1]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rows_are_sound),
        cmocka_unit_test(durations_are_those_of_go),
        cmocka_unit_test(defaults_are_the_stock_servers),
        cmocka_unit_test(flags_come_in_gos_forms),
        cmocka_unit_test(bad_command_lines_are_one_clear_line),
        cmocka_unit_test(versions_and_help_succeed),
        cmocka_unit_test(secrets_are_hidden_from_ps),
        cmocka_unit_test(file_lies_between_defaults_and_flags),
        cmocka_unit_test(zero_means_default_but_for_connections),
        cmocka_unit_test(all_mistakes_of_a_file_are_told),
        cmocka_unit_test(checking_a_file_is_not_serving),
        cmocka_unit_test(pid_and_ports_are_written),
        cmocka_unit_test(signals_find_their_process),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
