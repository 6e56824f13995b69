/* The checks behind /livez, /readyz and /startupz.
 *
 * An idle worker sleeps for as long as nobody wants anything of it, so that it has not turned lately says nothing: it has to be
 * asked. A question is the count of its turns at that time, and a wake-up. It is open until the count has moved; one that stays
 * open for STUCK_NS is a worker that is stuck. A probe waits a moment for the answers, which nearly always come at once, and
 * leaves the questions that are open to the next probe: so none takes long, and one that comes every few seconds notices a
 * stuck loop at its second time. Restarting a server for one long turn would be worse than the turn.
 *
 * The main loop wakes up once a second anyway and leaves the time.
 *
 * Locking: `questions.lock` is between monitor threads, held for a few loads and stores. */
#include "broker/health.h"

#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include "broker/base/clock.h"
#include "broker/base/mem.h"
#include "broker/health_set.h"
#include "broker/inspect.h"
#include "broker/inspect_set.h"
#include "broker/net/listener.h"

#define STUCK_NS       (5 * NS_PER_SEC)
#define FIRST_PAUSE_NS 50000
enum { MEMORY_PERCENT_MAX = 95, PATH_MAX_BYTES = 512 };

struct question {
    uint64_t turns;
    int64_t asked_ns; /* 0: never */
};

static const struct broker *broker;
static struct worker *const *workers;
static _Atomic bool started;
static _Atomic int64_t main_turned_ns; /* 0: not yet */
static struct {
    pthread_mutex_t lock;
    struct question *by_worker;
} questions = {.lock = PTHREAD_MUTEX_INITIALIZER};

void health_set(const struct broker *of, struct worker *const *its_workers)
{
    broker = of;
    workers = its_workers;
    mem_free(questions.by_worker);
    questions.by_worker =
        of ? mem_zalloc_or_exit(of->worker_count * sizeof(struct question)) : NULL;
}

void health_set_started(void)
{
    atomic_store(&started, true);
}

void health_set_turned(void)
{
    atomic_store_explicit(&main_turned_ns, clock_mono_ns(), memory_order_relaxed);
}

/* ---- loops ---- */

static bool answered(unsigned worker, const struct question *question)
{
    return worker_turns(workers[worker]) != question->turns;
}

/* Asks the worker, if it is not still to answer; the question that is open now. */
static struct question put_question(unsigned worker, int64_t now)
{
    pthread_mutex_lock(&questions.lock);
    struct question *question = &questions.by_worker[worker];
    if (question->asked_ns == 0 || answered(worker, question))
        *question = (struct question){worker_turns(workers[worker]), now};
    struct question asked = *question;
    pthread_mutex_unlock(&questions.lock);
    worker_wake(workers[worker]);
    return asked;
}

/* Waits until it has answered or patience is over; whether it has. */
static bool wait_for(unsigned worker, const struct question *question, int64_t until)
{
    for (long pause_ns = FIRST_PAUSE_NS; !answered(worker, question); pause_ns *= 2) {
        if (clock_mono_ns() + pause_ns > until)
            return false;
        nanosleep(&(struct timespec){.tv_nsec = pause_ns}, NULL);
    }
    return true;
}

static bool workers_turn(char reason[HEALTH_REASON_MAX])
{
    int64_t now = clock_mono_ns(), until = now + HEALTH_PATIENCE_MS * NS_PER_MS;
    struct question open;
    bool well = true;
    for (unsigned i = 0; i < broker->worker_count; i++) {
        open = put_question(i, now);
        if (wait_for(i, &open, until) || now - open.asked_ns < STUCK_NS)
            continue;
        snprintf(reason, HEALTH_REASON_MAX, "worker %u has not turned for %d s", i,
                 (int)((now - open.asked_ns) / NS_PER_SEC));
        well = false;
    }
    return well;
}

static bool main_loop_turns(char reason[HEALTH_REASON_MAX])
{
    int64_t turned_ns = atomic_load_explicit(&main_turned_ns, memory_order_relaxed);
    int64_t silent_ns = clock_mono_ns() - turned_ns;
    if (turned_ns == 0 || silent_ns < STUCK_NS)
        return true;
    snprintf(reason, HEALTH_REASON_MAX, "it has not turned for %d s",
             (int)(silent_ns / NS_PER_SEC));
    return false;
}

/* ---- what there is enough of ---- */

static bool room_for_connections(char reason[HEALTH_REASON_MAX])
{
    int64_t max = broker->options->max_connections;
    uint64_t open = atomic_load_explicit(&broker->connections, memory_order_relaxed);
    if (max <= 0 || open < (uint64_t)max)
        return true;
    snprintf(reason, HEALTH_REASON_MAX,
             "%" PRIu64 " clients are connected, max_connections is %" PRId64, open, max);
    return false;
}

/* The system hands out the lowest number that is free. */
static bool descriptors_left(char reason[HEALTH_REASON_MAX])
{
    int lowest = eventfd(0, EFD_CLOEXEC), max = listener_descriptors_max();
    bool none = lowest < 0 && (errno == EMFILE || errno == ENFILE);
    if (lowest >= 0)
        close(lowest);
    if (!none && lowest < max)
        return true;
    snprintf(reason, HEALTH_REASON_MAX,
             "all %d file descriptors for clients are in use (more: ulimit -n, or LimitNOFILE=)",
             max);
    return false;
}

/* The number in a file; 0 when there is none, or the word max. */
static uint64_t number_in(const char *path)
{
    unsigned long long number = 0;
    FILE *file = fopen(path, "re");
    if (!file)
        return 0;
    if (fscanf(file, "%llu", &number) != 1)
        number = 0;
    fclose(file);
    return number;
}

/* The limit of our own control group, where this is not the root of what we see; 0: none. */
static uint64_t group_memory_limit(void)
{
    uint64_t limit = 0;
    char line[PATH_MAX_BYTES], path[PATH_MAX_BYTES + 64];
    FILE *file = fopen("/proc/self/cgroup", "re");
    while (file && limit == 0 && fgets(line, sizeof line, file)) {
        line[strcspn(line, "\n")] = '\0';
        if (strncmp(line, "0::/", 4) != 0)
            continue;
        snprintf(path, sizeof path, "/sys/fs/cgroup%s/memory.max", line + 3);
        limit = number_in(path);
    }
    if (file)
        fclose(file);
    return limit;
}

static bool memory_left(char reason[HEALTH_REASON_MAX])
{
    const uint64_t limits[] = {group_memory_limit(), number_in("/sys/fs/cgroup/memory.max"),
                               number_in("/sys/fs/cgroup/memory/memory.limit_in_bytes")};
    uint64_t limit = UINT64_MAX, used = inspect_resident_bytes();
    for (size_t i = 0; i < array_length(limits); i++)
        if (limits[i] > 0 && limits[i] < limit)
            limit = limits[i];
    if (used / MEMORY_PERCENT_MAX < limit / 100)
        return true;
    snprintf(reason, HEALTH_REASON_MAX,
             "%" PRIu64 " bytes are in use, the control group allows %" PRIu64, used, limit);
    return false;
}

/* ---- asking ---- */

static bool unless(bool bad, const char *why, char reason[HEALTH_REASON_MAX])
{
    if (bad)
        snprintf(reason, HEALTH_REASON_MAX, "%s", why);
    return !bad;
}

bool health_ask(enum health_check check, char reason[HEALTH_REASON_MAX])
{
    bool was_started = atomic_load(&started);
    switch (check) {
    case HEALTH_STARTED: return unless(!was_started, "the server is still starting", reason);
    case HEALTH_MAIN_LOOP: return main_loop_turns(reason);
    case HEALTH_WORKERS: return workers_turn(reason);
    case HEALTH_SHUTDOWN:
        return unless(was_started && !inspect_ready(), "the server is shutting down", reason);
    case HEALTH_LISTENER: return unless(!inspect_ready(), "no clients are accepted", reason);
    case HEALTH_CONNECTIONS: return room_for_connections(reason);
    case HEALTH_DESCRIPTORS: return descriptors_left(reason);
    case HEALTH_MEMORY: return memory_left(reason);
    }
    return true;
}
