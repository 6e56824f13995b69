/* The server from start to stop.
 *
 * `clearwing VERB ...` hands over to `clearwing-VERB` beside it; anything else is the server, with nats-server's flags.
 * Start: options, log, pid file, identity, listening socket, workers, monitor, ports file, ready. What can fail because the user
 * asked for something that cannot be, fails before a thread is started. Stop is the same list backwards: nobody is accepted,
 * connections are closed by their workers, then what waited for readers is freed.
 */
#include <errno.h>
#include <malloc.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

#include "broker/base/clock.h"
#include "broker/base/err.h"
#include "broker/base/log.h"
#include "broker/base/mem.h"
#include "broker/base/rcu.h"
#include "broker/base/secret.h"
#include "broker/core/auth.h"
#include "broker/core/broker.h"
#include "broker/files.h"
#include "broker/health_set.h"
#include "broker/inspect_set.h"
#include "broker/lame_duck.h"
#include "broker/net/listener.h"
#include "broker/net/parallelism.h"
#include "broker/options.h"
#include "broker/system_queue.h"
#include "monitor/http.h"
#include "monitor/services.h"

enum { WORKERS_MAX = 256, MESSAGE_MAX = 512 };
enum { QUIET_CPU_PERCENT = 2, QUIET_SAMPLES = 10, TRIM_FROM_BYTES = 256 << 10 };

struct server {
    struct options options;
    struct broker broker;
    struct worker **workers;
    struct listener *listener;
    struct monitor *monitor;
    uv_loop_t loop;
    uv_signal_t interrupt, terminate, reopen, hangup, leave;
    struct lame_duck lame_duck;
    uv_timer_t sampler, services;
    bool ready; /* was: clients may be there */
};

/* ---- verbs ---- */

/* Becomes clearwing-VERB of the same folder, if the first argument is a word and there is such a program. */
static void become_verb(int argc, char **argv)
{
    if (argc < 2 || argv[1][0] == '-' || strchr(argv[1], '/'))
        return;
    char path[4096];
    ssize_t len = readlink("/proc/self/exe", path, sizeof path - 1);
    char *slash = len > 0 ? memrchr(path, '/', (size_t)len) : NULL;
    if (!slash)
        return;
    int room = (int)(sizeof path - (size_t)(slash + 1 - path));
    if (snprintf(slash + 1, (size_t)room, "clearwing-%s", argv[1]) >= room ||
        access(path, X_OK) != 0)
        return;
    argv[1] = path; /* a program of several verbs goes by its name */
    execv(path, argv + 1);
}

/* ---- signals ---- */

static void on_left(void *context)
{
    struct server *server = context;
    uv_stop(&server->loop);
}

static void leave(struct server *server)
{
    log_info("Entering lame duck mode, stop accepting new clients");
    inspect_set_ready(false);
    listener_close(&server->listener);
    services_tell_lame_duck();
    lame_duck_begin(&server->lame_duck, &server->loop, &server->broker, server->workers, on_left,
                    server);
}

static void on_signal(uv_signal_t *signal, int number)
{
    struct server *server = signal->data;
    static const struct {
        int number;
        const char *name;
    } names[] = {{SIGINT, "interrupt"},
                 {SIGTERM, "terminated"},
                 {SIGUSR1, "user defined signal 1"},
                 {SIGUSR2, "user defined signal 2"},
                 {SIGHUP, "hangup"}};
    for (size_t i = 0; i < array_length(names); i++)
        if (names[i].number == number)
            log_info("Trapped \"%s\" signal", names[i].name);
    bool leaving = atomic_load(&server->broker.lame_duck);
    if (number == SIGINT || (number == SIGTERM && !leaving))
        uv_stop(&server->loop);
    else if (number == SIGUSR1)
        log_reopen();
    else if (number == SIGUSR2 && !leaving)
        leave(server);
    else if (number == SIGHUP)
        log_warn("Ignored: this broker cannot do that while it runs; restart it instead");
}

static void listen_to_signals(struct server *server)
{
    const struct {
        uv_signal_t *handle;
        int number;
    } wanted[] = {{&server->interrupt, SIGINT},
                  {&server->terminate, SIGTERM},
                  {&server->reopen, SIGUSR1},
                  {&server->hangup, SIGHUP},
                  {&server->leave, SIGUSR2}};
    for (size_t i = 0; i < array_length(wanted); i++) {
        uv_signal_init(&server->loop, wanted[i].handle);
        wanted[i].handle->data = server;
        uv_signal_start(wanted[i].handle, on_signal, wanted[i].number);
    }
}

/* Gives memory back that a burst or a crowd has left behind, once little has gone on for a while: looking through the heap
 * takes time that messages would have to wait for. The workers let go of their spares first, a second later the heap of its free
 * pages. */
static void trim_when_quiet(struct server *server)
{
    static unsigned samples;
    static double percents;
    static uint64_t resident_before; /* what it was after the last time, or fell to since */
    static bool rested;
    percents += inspect_cpu_percent();
    if (rested) {
        malloc_trim(0);
        resident_before = inspect_resident_bytes();
        rested = false;
    }
    if (++samples % QUIET_SAMPLES != 0)
        return;
    uint64_t resident = inspect_resident_bytes();
    bool quiet = percents < QUIET_CPU_PERCENT * QUIET_SAMPLES;
    percents = 0;
    if (resident < resident_before)
        resident_before = resident;
    if (!quiet || resident < resident_before + TRIM_FROM_BYTES)
        return;
    for (unsigned i = 0; i < server->broker.worker_count; i++)
        worker_rest(server->workers[i]);
    rested = true;
}

static void on_sample(uv_timer_t *timer)
{
    health_set_turned();
    const struct server *server = timer->data;
    if (server->monitor)
        monitor_sweep(server->monitor);
    inspect_sample_cpu();
    trim_when_quiet(timer->data);
}

static void on_services(uv_timer_t *timer)
{
    int64_t wait_ns = services_tick(clock_mono_ns());
    uv_timer_start(timer, on_services, (uint64_t)(wait_ns / NS_PER_MS) + 1, 0);
}

/* ---- start ---- */

static unsigned worker_count(const struct options *options)
{
    int64_t wanted = options->workers > 0 ? options->workers : parallelism_workers();
    return wanted > WORKERS_MAX ? WORKERS_MAX : (unsigned)wanted;
}

/* As many descriptors as the system lets us have: each connection is one. */
static void raise_descriptor_limit(void)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur < limit.rlim_max) {
        limit.rlim_cur = limit.rlim_max;
        setrlimit(RLIMIT_NOFILE, &limit);
    }
}

/* The log line, then the plain words on standard error if the log is a file: whoever starts it by hand sees it too. */
PRINTF(1, 2) COLD static int fail(const char *format, ...)
{
    char text[MESSAGE_MAX];
    va_list values;
    va_start(values, format);
    vsnprintf(text, sizeof text, format, values);
    va_end(values);
    log_line(LOG_FATAL, "%s", text);
    if (log_settings.file)
        fprintf(stderr, "clearwing: %s\n", text);
    return ERR_SYSTEM;
}

static void log_start(const struct server *server)
{
    const struct broker *broker = &server->broker;
    log_info("Starting nats-server");
    log_info("  Version:  %s", CLEARWING_NATS_VERSION);
    log_info("  Git:      [not set]");
    log_info("  Clearwing: %s, %u workers", CLEARWING_VERSION, broker->worker_count);
    log_debug("  Go build: none");
    log_info("  Name:     %s", broker->server_name);
    log_info("  ID:       %s", broker->server_id);
    const struct options *options = &server->options;
    const char *const secrets[] = {options->password, options->token, options->http_password,
                                   options->http_token};
    bool plain = false;
    for (size_t i = 0; i < array_length(secrets); i++)
        plain |= secrets[i] && !secret_is_hashed(secrets[i]);
    for (size_t i = 0; i < options->user_count; i++)
        plain |= !secret_is_hashed(options->users[i].password);
    if (plain)
        log_warn("Plaintext passwords detected, use nkeys or bcrypt");
    if (server->options.config_file)
        log_info("Using configuration file: %s (%s)", server->options.config_file,
                 server->options.config_digest);
    log_debug("Created system account: \"$SYS\"");
}

static int start_monitor(struct server *server)
{
    const struct options *options = &server->options;
    bool https = options->https_port != 0;
    int port = https ? options->https_port : options->http_port;
    if (port == 0)
        return 0;
    if (https && options->http_port != 0)
        return fail("Can't start monitoring: can't specify both HTTP (%d) and HTTPs (%d) ports",
                    options->http_port, options->https_port);
    if (https && !options->https_cert)
        return fail("Can't start monitoring: TLS cert and key required for HTTPS: set cert_file "
                    "and key_file in monitor_tls {}, or --https_cert and --https_key");
    const char *host = options->http_host ? options->http_host : options->host;
    struct monitor_options wanted = {
        .host = host,
        .port = port < 0 ? 0 : port,
        .cert_file = https ? options->https_cert : NULL,
        .key_file = https ? options->https_key : NULL,
        .base_path = options->http_base_path,
        .user = options->http_user,
        .password = options->http_password,
        .token = options->http_token,
    };
    char error[MESSAGE_MAX];
    if (monitor_start(&wanted, &server->monitor, error, sizeof error) != 0)
        return fail("Can't start monitoring: %s", error);
    server->broker.http_port = monitor_port(server->monitor);
    services_set_counts(monitor_counts(server->monitor));
    log_info("Starting %s monitor on %s:%d", https ? "https" : "http", host,
             server->broker.http_port);
    return 0;
}

static void post(void *context, unsigned worker, struct mail *mail)
{
    struct server *server = context;
    worker_post(server->workers[worker], mail);
}

static int open_system_queue(struct server *server)
{
    struct system_queue_options options = {services_start, post, server};
    return system_queue_open(&server->broker, &options);
}

static int start_workers(struct server *server)
{
    for (unsigned i = 0; i < server->broker.worker_count; i++) {
        int error = worker_new(&server->broker, server->workers, i, &server->workers[i]);
        if (error)
            return fail("Can't start worker %u: %s", i, err_text(error));
    }
    return 0;
}

static int write_files(struct server *server)
{
    const struct options *options = &server->options;
    char error[MESSAGE_MAX];
    struct files_ports ports = {
        .host = options->host,
        .port = server->broker.port,
        .http_scheme = options->https_port ? "https" : "http",
        .http_host = options->http_host ? options->http_host : options->host,
        .http_port = server->broker.http_port,
    };
    if (options->ports_file_dir &&
        files_write_ports(options->ports_file_dir, &ports, error, sizeof error) != 0)
        return fail("%s", error);
    return 0;
}

static bool is_loopback(const char *host)
{
    return strncmp(host, "127.", 4) == 0 || strcmp(host, "::1") == 0 ||
           strcmp(host, "localhost") == 0;
}

static void warn_if_open_to_the_world(const struct server *server)
{
    const struct options *options = &server->options;
    const char *http_host = options->http_host ? options->http_host : options->host;
    if (!is_loopback(options->host) && !auth_required(options))
        log_warn("Clients on %s need no credentials: set a user or token, or listen on 127.0.0.1",
                 options->host);
    if (server->monitor && !is_loopback(http_host) && !options->http_user && !options->http_token)
        log_warn("Monitoring on %s needs no credentials: set http_user and http_password, or "
                 "http_token, or %s: 127.0.0.1:%d",
                 http_host, options->https_port ? "https" : "http", server->broker.http_port);
}

static int start(struct server *server)
{
    const struct options *options = &server->options;
    char error[MESSAGE_MAX];
    struct log_settings log = {options->log_file, options->debug, options->trace, options->log_time,
                               options->log_time_utc};
    if (log_open(&log) != 0)
        return fail("Cannot open the log file %s: %s", options->log_file, strerror(errno));
    raise_descriptor_limit();
    if (broker_init(&server->broker, options, worker_count(options)) != 0)
        return fail("Out of memory");
    log_start(server);
    if (options->pid_file && files_write_pid(options->pid_file, error, sizeof error) != 0)
        return fail("%s", error);
    if (listener_new(options->host, options->port, &server->listener, error, sizeof error) != 0)
        return fail("Error listening on port: %s:%d, \"%s\"", options->host, options->port, error);
    server->broker.port = listener_port(server->listener);
    server->workers = mem_zalloc_or_exit(server->broker.worker_count * sizeof(struct worker *));
    if (broker_compose_info(&server->broker) != 0 || open_system_queue(server) != 0)
        return fail("Out of memory");
    inspect_set(&server->broker);
    int failed = start_workers(server);
    health_set(&server->broker, server->workers);
    if (!failed)
        failed = start_monitor(server);
    if (failed)
        return failed;
    listener_start(server->listener, &server->loop, &server->broker, server->workers);
    log_info("Listening for client connections on %s:%d", options->host, server->broker.port);
    warn_if_open_to_the_world(server);
    failed = write_files(server);
    if (!failed) {
        inspect_set_ready(true);
        server->ready = true;
        health_set_started();
        log_info("Server is ready");
    }
    return failed;
}

/* ---- stop ---- */

static void stop_workers(struct server *server)
{
    unsigned count = server->workers ? server->broker.worker_count : 0;
    for (unsigned i = 0; i < count; i++)
        if (server->workers[i])
            worker_stop(server->workers[i]);
    for (unsigned i = 0; i < count; i++)
        if (server->workers[i])
            worker_join(server->workers[i]);
    rcu_wait_all();
    for (unsigned i = 0; i < count; i++)
        worker_free(&server->workers[i]);
    mem_free(server->workers);
}

static void close_handle(uv_handle_t *handle, void *unused)
{
    (void)unused;
    if (!uv_is_closing(handle))
        uv_close(handle, NULL);
}

static void stop(struct server *server)
{
    inspect_set_ready(false);
    listener_close(&server->listener);
    if (server->ready)
        services_tell_shutdown();
    system_queue_close();
    services_stop();
    monitor_stop(&server->monitor);
    health_set(NULL, NULL);
    stop_workers(server);
    if (server->options.ports_file_dir)
        files_remove_ports(server->options.ports_file_dir);
    inspect_set(NULL);
    broker_fini(&server->broker);
    uv_walk(&server->loop, close_handle, NULL);
    uv_run(&server->loop, UV_RUN_DEFAULT);
    uv_loop_close(&server->loop);
}

int main(int argc, char **argv)
{
    static struct server server;
    int exit_status;
    become_verb(argc, argv);
    if (options_parse(argc, argv, &server.options, &exit_status) == OPTIONS_EXIT)
        return exit_status;
    options_hide_secrets(argc, argv);
    signal(SIGPIPE, SIG_IGN);
    rcu_thread_register();
    uv_loop_init(&server.loop);
    listen_to_signals(&server);
    exit_status = start(&server) == 0 ? 0 : 1;
    if (exit_status == 0) {
        uv_timer_init(&server.loop, &server.sampler);
        server.sampler.data = &server;
        uv_timer_start(&server.sampler, on_sample, 0, 1000);
        uv_timer_init(&server.loop, &server.services);
        on_services(&server.services);
        uv_run(&server.loop, UV_RUN_DEFAULT);
        log_info("Initiating Shutdown...");
    }
    stop(&server);
    if (exit_status == 0)
        log_info("Server Exiting..");
    rcu_thread_unregister();
    options_fini(&server.options);
    log_close();
    return exit_status;
}
