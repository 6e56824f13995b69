/* One thread takes the tasks in order: a request is answered (service_requests.h), an event told (service_events.h). It is an RCU
 * reader like the threads of the monitoring port. What an answer takes in memory goes with it. */
#include "monitor/services.h"

#include <pthread.h>

#include "broker/base/mem.h"
#include "broker/inspect.h"
#include "broker/system_queue.h"
#include "monitor/service_events.h"
#include "monitor/service_requests.h"

static pthread_t thread;
static bool started;
static const struct endpoint_counts *port_counts;

static bool is_event(enum system_what what)
{
    switch (what) {
#define SERVICE(id, name, asked)
#define EVENT(id) case SYSTEM_EVENT_##id:
#include "broker/system_services.def"
#undef SERVICE
#undef EVENT
        return true;
    default: return false;
    }
}

static void *run(void *unused)
{
    (void)unused;
    struct system_task *task;
    pthread_setname_np(pthread_self(), "services");
    inspect_thread_enter();
    while ((task = system_queue_take()) != NULL) {
        if (is_event(task->what))
            service_events_tell(task);
        else
            service_requests_answer(task, port_counts);
        mem_free(task);
    }
    inspect_thread_leave();
    return NULL;
}

void services_set_counts(const struct endpoint_counts *counts)
{
    port_counts = counts;
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
    port_counts = NULL;
}

int64_t services_tick(int64_t now_mono_ns)
{
    return service_events_tick(now_mono_ns);
}

void services_tell_shutdown(void)
{
    service_events_tell_server("SHUTDOWN");
}

void services_tell_lame_duck(void)
{
    service_events_tell_server("LAMEDUCK");
}
