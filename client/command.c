/* A command per request.
 *
 * The child gets its own process group, so that a time-out ends a whole pipeline. Its stdin is fed
 * and its stdout drained by one poll loop: a command that writes before it has read everything
 * cannot deadlock with us. Signals that this program blocks or ignores are given back their
 * defaults for it. */
#include "client/command.h"

#include "broker/base/clock.h"
#include "broker/base/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

extern char **environ;

struct feed {
    int to_child, from_child;
    struct span input;
    size_t room, output_max;
    struct command_result *result;
};

static void close_fd(int *fd)
{
    if (*fd >= 0)
        close(*fd);
    *fd = -1;
}

/* The environment and NATS_SUBJECT; the array is the caller's. */
static char **make_environment(char *subject_variable)
{
    size_t count = 0;
    while (environ[count])
        count++;
    char **copy = mem_alloc((count + 2) * sizeof *copy);
    if (!copy)
        return NULL;
    size_t out = 0;
    for (size_t i = 0; i < count; i++) {
        if (strncmp(environ[i], "NATS_SUBJECT=", 13) != 0)
            copy[out++] = environ[i];
    }
    copy[out++] = subject_variable;
    copy[out] = NULL;
    return copy;
}

static int spawn_shell(pid_t *pid, const char *command, char **environment, int child_in,
                       int child_out)
{
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attributes;
    sigset_t none, defaults;
    sigemptyset(&none);
    sigemptyset(&defaults);
    sigaddset(&defaults, SIGPIPE);
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, child_in, STDIN_FILENO);
    posix_spawn_file_actions_adddup2(&actions, child_out, STDOUT_FILENO);
    posix_spawnattr_init(&attributes);
    posix_spawnattr_setsigmask(&attributes, &none);
    posix_spawnattr_setsigdefault(&attributes, &defaults);
    posix_spawnattr_setpgroup(&attributes, 0);
    posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF |
                                              POSIX_SPAWN_SETPGROUP);
    char shell[] = "sh", flag[] = "-c";
    char *text = mem_copy_string(span_of(command));
    int error = text ? posix_spawn(pid, "/bin/sh", &actions, &attributes,
                                   (char *[]){shell, flag, text, NULL}, environment)
                     : ENOMEM;
    mem_free(text);
    posix_spawnattr_destroy(&attributes);
    posix_spawn_file_actions_destroy(&actions);
    return error;
}

static void feed_write(struct feed *feed)
{
    ssize_t written = write(feed->to_child, feed->input.ptr, feed->input.len);
    if (written > 0) {
        feed->input.ptr += written;
        feed->input.len -= (size_t)written;
    }
    bool gone = written < 0 && errno != EAGAIN && errno != EINTR; /* it does not want all of it */
    if (gone || feed->input.len == 0)
        close_fd(&feed->to_child);
}

static void feed_read(struct feed *feed)
{
    struct command_result *result = feed->result;
    if (result->len == feed->room) {
        size_t room = feed->room ? feed->room * 2 : 4096;
        char *grown = mem_realloc(result->bytes, room);
        if (!grown) {
            result->failure = "out of memory";
            return;
        }
        result->bytes = grown;
        feed->room = room;
    }
    ssize_t got = read(feed->from_child, result->bytes + result->len, feed->room - result->len);
    if (got > 0)
        result->len += (size_t)got;
    else if (got == 0 || (errno != EAGAIN && errno != EINTR))
        close_fd(&feed->from_child);
    if (result->len > feed->output_max)
        result->failure = "the command's output is larger than the server's max_payload";
}

static void feed_child(struct feed *feed, int64_t deadline_ns)
{
    while (feed->from_child >= 0 && !feed->result->failure) {
        int64_t left_ns = deadline_ns - clock_mono_ns();
        if (left_ns <= 0) {
            feed->result->failure = "the command did not end within --timeout";
            return;
        }
        struct pollfd fds[] = {{feed->from_child, POLLIN, 0}, {feed->to_child, POLLOUT, 0}};
        int ready = poll(fds, array_length(fds), (int)(left_ns / NS_PER_MS + 1));
        if (ready > 0 && fds[1].revents)
            feed_write(feed);
        if (ready > 0 && fds[0].revents)
            feed_read(feed);
    }
}

/* It closed its output; it may still be running. */
static void reap(pid_t pid, int64_t deadline_ns, struct command_result *result)
{
    int status = 0;
    pid_t ended = 0;
    while (!result->failure && (ended = waitpid(pid, &status, WNOHANG)) == 0) {
        if (clock_mono_ns() > deadline_ns)
            result->failure = "the command did not end within --timeout";
        else
            nanosleep(&(struct timespec){0, NS_PER_MS}, NULL);
    }
    if (ended != pid) {
        kill(-pid, SIGKILL);
        waitpid(pid, &status, 0);
    } else if (WIFSIGNALED(status)) {
        result->failure = "the command was ended by a signal";
    } else if (WEXITSTATUS(status) != 0) {
        result->failure = "the command failed";
    }
}

void command_run(const char *command, const char *subject, struct span input, size_t output_max,
                 int64_t timeout_ns, struct command_result *result)
{
    int in[2] = {-1, -1}, out[2] = {-1, -1};
    int64_t deadline_ns = clock_mono_ns() + timeout_ns;
    char variable[2100];
    snprintf(variable, sizeof variable, "NATS_SUBJECT=%s", subject);
    *result = (struct command_result){0};
    char **environment = make_environment(variable);
    pid_t pid;
    if (!environment || pipe2(in, O_CLOEXEC) != 0 || pipe2(out, O_CLOEXEC) != 0 ||
        spawn_shell(&pid, command, environment, in[0], out[1]) != 0) {
        result->failure = "the command could not be started";
        goto cleanup;
    }
    close_fd(&in[0]);
    close_fd(&out[1]);
    fcntl(in[1], F_SETFL, O_NONBLOCK);
    fcntl(out[0], F_SETFL, O_NONBLOCK);
    if (input.len == 0)
        close_fd(&in[1]);
    struct feed feed = {in[1], out[0], input, 0, output_max, result};
    feed_child(&feed, deadline_ns);
    in[1] = feed.to_child;
    out[0] = feed.from_child;
    close_fd(&in[1]);
    reap(pid, deadline_ns, result);
cleanup:
    close_fd(&in[0]);
    close_fd(&in[1]);
    close_fd(&out[0]);
    close_fd(&out[1]);
    mem_free(environment);
}
