/* clearwing-exporter: reads options, serves until SIGINT or SIGTERM, stops cleanly.
 *
 * All work happens in the threads of serve.c; this one waits for a signal, which is blocked
 * everywhere else. */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <syslog.h>

#include "exporter/options.h"
#include "exporter/serve.h"

static ssize_t syslog_write(void *cookie, const char *text, size_t len)
{
    (void)cookie;
    syslog(LOG_INFO, "%.*s", (int)len, text);
    return (ssize_t)len;
}

/* stderr goes to the file or to syslog from here on; false after saying what is wrong. */
static bool log_redirect(const struct options *options)
{
    FILE *log = stderr;
    if (options->log_file)
        log = fopen(options->log_file, "a");
    else if (options->syslog)
        log = fopencookie(NULL, "w", (cookie_io_functions_t){.write = syslog_write});
    if (!log) {
        fprintf(stderr, "clearwing-exporter: cannot write the log '%s': %s\n",
                options->log_file ? options->log_file : "syslog", strerror(errno));
        return false;
    }
    stderr = log;
    setvbuf(stderr, NULL, _IOLBF, 0);
    return true;
}

int main(int argc, char **argv)
{
    static struct options options;
    enum options_outcome outcome = options_parse(&options, argc, argv);
    if (outcome != OPTIONS_RUN)
        return outcome == OPTIONS_EXIT_OK ? 0 : 1;
    if (!log_redirect(&options))
        return 1;

    sigset_t signals;
    int number;
    sigemptyset(&signals);
    sigaddset(&signals, SIGINT);
    sigaddset(&signals, SIGTERM);
    pthread_sigmask(SIG_BLOCK, &signals, NULL);
    signal(SIGPIPE, SIG_IGN);

    struct serve *serve = serve_start(&options);
    if (!serve)
        return 1;
    fprintf(stderr, "clearwing-exporter: listening on http%s://%s:%u%s%s\n",
            options.tls_cert ? "s" : "", options.listen_host, serve_port(serve),
            options.path[0] == '/' ? "" : "/", options.path);
    sigwait(&signals, &number);
    serve_stop(&serve);
    return 0;
}
