/* /debug/vars: what Go's expvar tells of a program, as far as there is such a thing here. The command line is the kernel's copy,
 * in which the start has overwritten the secrets. Of Go's memory statistics those stand here that have a true value for
 * a program whose memory is nobody's to collect. */
#include "monitor/debug_vars.h"

#include <stdio.h>

#include "broker/base/mem.h"
#include "monitor/request.h"

enum { DEBUG_VARS_ARGUMENTS_MAX = 64 << 10 };

static void write_command_line(struct json_writer *json)
{
    char *all = mem_alloc(DEBUG_VARS_ARGUMENTS_MAX);
    FILE *file = fopen("/proc/self/cmdline", "re");
    size_t len = all && file ? fread(all, 1, DEBUG_VARS_ARGUMENTS_MAX - 1, file) : 0;
    json_write_array(json, "cmdline");
    for (size_t at = 0; at < len; at += strlen(all + at) + 1) {
        all[len] = '\0';
        json_write_text(json, NULL, all + at);
    }
    json_write_end(json);
    if (file)
        fclose(file);
    mem_free(all);
}

/* A line of /proc/self/status, in bytes; 0 when there is none. */
static uint64_t status_bytes(const char *name)
{
    char line[256];
    unsigned long long kilobytes = 0;
    FILE *file = fopen("/proc/self/status", "re");
    while (file && fgets(line, sizeof line, file))
        if (strncmp(line, name, strlen(name)) == 0 &&
            sscanf(line + strlen(name), ": %llu kB", &kilobytes) == 1)
            break;
    if (file)
        fclose(file);
    return kilobytes << 10;
}

void debug_vars_write_fields(struct json_writer *json)
{
    write_command_line(json);
    json_write_object(json, "memstats");
    json_write_unsigned(json, "Sys", status_bytes("VmSize"));
    json_write_unsigned(json, "HeapSys", status_bytes("VmData"));
    json_write_unsigned(json, "HeapInuse", status_bytes("RssAnon"));
    json_write_unsigned(json, "PauseTotalNs", 0);
    json_write_unsigned(json, "NumGC", 0);
    json_write_bool(json, "EnableGC", false);
    json_write_end(json);
}

void debug_vars_answer(struct request *request)
{
    struct json_writer *json = &request->json;
    json_write_init(json, &request->body, 2); /* not request_json: no callback, no other origins */
    request->content_type = "application/json; charset=utf-8";
    json_write_object(json, NULL);
    debug_vars_write_fields(json);
    json_write_end(json);
}
