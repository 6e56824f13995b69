/* /stacksz: nats-server prints its goroutines' stacks here, as plain text labelled JSON. Ours is
 * what the kernel tells of each thread: its name, state, and the CPU time it has used. */
#include <ctype.h>
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "monitor/request.h"

enum { STACKSZ_THREADS_MAX = 4096 };

static void write_thread(struct text_buffer *page, const char *id)
{
    char path[300], line[1024];
    snprintf(path, sizeof path, "/proc/self/task/%s/stat", id);
    FILE *file = fopen(path, "re");
    if (!file)
        return;
    size_t len = fread(line, 1, sizeof line - 1, file);
    fclose(file);
    line[len] = '\0';
    /* "tid (name) state ...": the name may hold anything, so it ends at the last parenthesis. */
    char *name = strchr(line, '('), *end = strrchr(line, ')');
    unsigned long user, system;
    char state;
    if (!name || !end ||
        sscanf(end, ") %c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu %lu", &state, &user,
               &system) != 3)
        return;
    double ticks = (double)sysconf(_SC_CLK_TCK);
    *end = '\0';
    text_buffer_printf(page, "thread %s [%c]: %s, user %.2f s, system %.2f s\n", id, state,
                       name + 1, (double)user / ticks, (double)system / ticks);
}

void stacksz_answer(struct request *request)
{
    request_json(request, 0);
    DIR *folder = opendir("/proc/self/task");
    struct dirent *entry;
    for (unsigned i = 0; folder && i < STACKSZ_THREADS_MAX && (entry = readdir(folder)); i++)
        if (isdigit((unsigned char)entry->d_name[0]))
            write_thread(&request->body, entry->d_name);
    if (folder)
        closedir(folder);
    request_json_end(request);
}
