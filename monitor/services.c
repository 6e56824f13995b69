/* One thread takes the tasks in order, writes each answer into a buffer of its own and sends it; then the buffer goes. It is
 * an RCU reader like the threads of the monitoring port. */
#include "monitor/services.h"

#include <pthread.h>
#include <stdio.h>

#include "broker/base/clock.h"
#include "broker/base/mem.h"
#include "broker/inspect.h"
#include "broker/system_queue.h"
#include "monitor/json_write.h"

enum { SERVICES_SUBJECT_MAX = 512 };
#define SERVICES_ANSWER_BYTES_MAX ((size_t)64 << 20)

static pthread_t thread;
static bool started;

/* ---- who answers ---- */

static void write_server_info(struct json_writer *json, const char *key)
{
    struct inspect_server server;
    inspect_server(&server);
    json_write_object(json, key);
    json_write_text(json, "name", server.server_name);
    json_write_text(json, "host", server.host);
    json_write_text(json, "id", server.server_id);
    json_write_text(json, "ver", CLEARWING_NATS_VERSION);
    json_write_bool(json, "jetstream", false);
    json_write_unsigned(json, "flags", 0);
    json_write_unsigned(json, "seq", system_queue_sequence());
    json_write_time(json, "time", clock_wall_ns());
    json_write_end(json);
}

/* ---- services ---- */

static void answer_idz(struct json_writer *json)
{
    struct inspect_server server;
    inspect_server(&server);
    json_write_object(json, NULL);
    json_write_text(json, "name", server.server_name);
    json_write_text(json, "host", server.host);
    json_write_text(json, "id", server.server_id);
    json_write_end(json);
}

static void do_task(const struct system_task *task)
{
    const struct span none = {.ptr = NULL};
    struct text_buffer body;
    struct json_writer json;
    text_buffer_init(&body, SERVICES_ANSWER_BYTES_MAX);
    json_write_init(&json, &body, 0);
    if (task->what == SYSTEM_IDZ)
        answer_idz(&json);
    if (body.len > 0 && !body.failed)
        system_queue_answer(task, none, (struct span){body.bytes, body.len});
    text_buffer_fini(&body);
}

/* ---- the thread ---- */

static void *run(void *unused)
{
    (void)unused;
    struct system_task *task;
    pthread_setname_np(pthread_self(), "services");
    inspect_thread_enter();
    while ((task = system_queue_take()) != NULL) {
        do_task(task);
        mem_free(task);
    }
    inspect_thread_leave();
    return NULL;
}

bool services_start(void)
{
    started = pthread_create(&thread, NULL, run, NULL) == 0;
    return started;
}

void services_stop(void)
{
    if (started)
        pthread_join(thread, NULL);
    started = false;
}

/* ---- main's ---- */

static void tell(const char *what)
{
    struct inspect_server server;
    char subject[SERVICES_SUBJECT_MAX];
    inspect_server(&server);
    snprintf(subject, sizeof subject, "$SYS.SERVER.%s.%s", server.server_id, what);
    if (!system_queue_listened(NULL, subject))
        return;
    struct text_buffer body;
    struct json_writer json;
    text_buffer_init(&body, SERVICES_ANSWER_BYTES_MAX);
    json_write_init(&json, &body, 0);
    write_server_info(&json, NULL);
    if (!body.failed)
        system_queue_publish_and_wait(subject, (struct span){body.bytes, body.len});
    text_buffer_fini(&body);
}

void services_tell_shutdown(void)
{
    tell("SHUTDOWN");
}

void services_tell_lame_duck(void)
{
    tell("LAMEDUCK");
}
