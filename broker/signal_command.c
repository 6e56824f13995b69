/* The words are nats-server's, and so are the ways to name a process. Who is running is read from
 * /proc: the kernel's short name of each process, which is that of its executable. */
#include "broker/signal_command.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "broker/base/err.h"

enum { PIDS_MAX = 256, WORD_MAX = 32 };

#define PROGRAM "clearwing"

static int signal_of(struct span word)
{
    static const struct {
        const char *word;
        int number;
    } words[] = {{"stop", SIGKILL},   {"quit", SIGINT},   {"term", SIGTERM},
                 {"reopen", SIGUSR1}, {"reload", SIGHUP}, {"ldm", SIGUSR2}};
    for (size_t i = 0; i < array_length(words); i++)
        if (span_equal(span_of(words[i].word), word))
            return words[i].number;
    return 0;
}

/* The pid a text is, 0 if it is none. */
static pid_t pid_of(const char *text)
{
    char *end;
    errno = 0;
    long pid = strtol(text, &end, 10);
    while (isspace((unsigned char)*end))
        end++;
    bool number = isdigit((unsigned char)*text) && *end == '\0' && !errno;
    return number && pid > 0 && pid <= INT32_MAX ? (pid_t)pid : 0;
}

static bool read_first_line(const char *path, char *out, size_t out_size)
{
    FILE *file = fopen(path, "re");
    if (!file)
        return false;
    bool read = fgets(out, (int)out_size, file);
    fclose(file);
    if (read)
        out[strcspn(out, "\r\n")] = '\0';
    return read;
}

/* Other processes of our name whose pid starts with prefix; how many, of which at most PIDS_MAX are
 * in pids. */
static size_t find_processes(const char *prefix, pid_t pids[PIDS_MAX])
{
    size_t count = 0;
    DIR *folder = opendir("/proc");
    const struct dirent *entry;
    while (folder && count < PIDS_MAX && (entry = readdir(folder))) {
        char path[300], name[WORD_MAX];
        pid_t pid = pid_of(entry->d_name);
        if (pid == 0 || pid == getpid() || strncmp(entry->d_name, prefix, strlen(prefix)) != 0)
            continue;
        snprintf(path, sizeof path, "/proc/%s/comm", entry->d_name);
        if (read_first_line(path, name, sizeof name) && strcmp(name, PROGRAM) == 0)
            pids[count++] = pid;
    }
    if (folder)
        closedir(folder);
    return count;
}

static int send_to(pid_t pid, struct span word)
{
    if (kill(pid, signal_of(word)) == 0)
        return 0;
    int error = errno;
    fprintf(stderr, PROGRAM ": signal \"%.*s\" %d: %s\n", (int)word.len, word.ptr, (int)pid,
            error == ESRCH   ? "no such process"
            : error == EPERM ? "operation not permitted"
                             : strerror(error));
    return ERR_SYSTEM;
}

/* To all whose pid starts with prefix; without one there must be no doubt who is meant. */
static int send_to_found(const char *prefix, struct span word)
{
    pid_t pids[PIDS_MAX];
    size_t count = find_processes(prefix, pids);
    if (count == 0) {
        fputs(PROGRAM ": no " PROGRAM " processes running\n", stderr);
        return ERR_MISSING;
    }
    if (count > 1 && !*prefix) {
        fputs(PROGRAM ": multiple " PROGRAM " processes running:\n", stderr);
        for (size_t i = 0; i < count; i++)
            fprintf(stderr, "%d\n", (int)pids[i]);
        return ERR_INVALID;
    }
    int failed = 0;
    for (size_t i = 0; i < count; i++)
        if (send_to(pids[i], word) != 0)
            failed = ERR_SYSTEM;
    return failed;
}

/* The pid that a text names: itself, or what the file of that name holds. */
static int read_pid(const char *text, pid_t *pid)
{
    char line[WORD_MAX];
    *pid = pid_of(text);
    if (*pid == 0 && read_first_line(text, line, sizeof line))
        *pid = pid_of(line);
    if (*pid != 0)
        return 0;
    fprintf(stderr,
            PROGRAM ": invalid pid \"%s\": expected a process id or a file that holds one\n", text);
    return ERR_INVALID;
}

int signal_command_run(const char *target)
{
    const char *equals = strchrnul(target, '=');
    struct span word = {target, (size_t)(equals - target)};
    const char *whom = *equals ? equals + 1 : "";
    if (signal_of(word) == 0) {
        fprintf(stderr,
                PROGRAM
                ": unknown signal \"%.*s\": expected stop, quit, term, reopen, reload or ldm\n",
                (int)word.len, word.ptr);
        return ERR_INVALID;
    }
    size_t len = strlen(whom);
    if (len == 0)
        return send_to_found("", word);
    if (whom[len - 1] == '*') {
        char prefix[WORD_MAX];
        snprintf(prefix, sizeof prefix, "%.*s", (int)min_size(len - 1, sizeof prefix - 1), whom);
        return send_to_found(prefix, word);
    }
    pid_t pid;
    return read_pid(whom, &pid) == 0 ? send_to(pid, word) : ERR_INVALID;
}
