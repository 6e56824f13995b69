/* First the grace period, in which clients may go by themselves. Then a tick every so often asks workers, in turn, to close as
 * many connections as are due by then: evenly over what is left of the duration, but at least one in a second at a time. */
#include "broker/lame_duck.h"

#include "broker/base/clock.h"
#include "broker/base/log.h"

enum { TICK_MS = 100, ONE_IN_MS = 1000 };

static uint64_t connections(const struct lame_duck *duck)
{
    return atomic_load_explicit(&duck->broker->connections, memory_order_relaxed);
}

static void finish(struct lame_duck *duck)
{
    uv_timer_stop(&duck->timer);
    duck->done(duck->context);
}

/* How many should be closed so long after the grace period. */
static uint64_t due(const struct lame_duck *duck, uint64_t elapsed_ms, uint64_t whole_ms)
{
    uint64_t even = duck->present * elapsed_ms / whole_ms + 1;
    uint64_t least = elapsed_ms / ONE_IN_MS + 1;
    uint64_t wanted = even > least ? even : least;
    return wanted < duck->present ? wanted : duck->present;
}

static void begin_closing(struct lame_duck *duck)
{
    log_info("Closing existing clients");
    duck->begin_ms = uv_now(duck->timer.loop);
    duck->present = connections(duck);
}

static void on_tick(uv_timer_t *timer)
{
    struct lame_duck *duck = timer->data;
    const struct options *options = duck->broker->options;
    int64_t whole_ns = options->lame_duck_duration_ns - options->lame_duck_grace_period_ns;
    uint64_t whole_ms = (uint64_t)(whole_ns / NS_PER_MS) + 1;
    if (duck->begin_ms == 0)
        begin_closing(duck);
    uint64_t elapsed_ms = uv_now(timer->loop) - duck->begin_ms;
    uint64_t left = connections(duck), stay = duck->present - due(duck, elapsed_ms, whole_ms);
    if (left == 0 || elapsed_ms > whole_ms) {
        finish(duck);
        return;
    }
    /* A worker may have none when it is asked; the next tick sees how many are really left. */
    for (; left > stay; left--)
        worker_close_one(duck->workers[duck->next++ % duck->broker->worker_count]);
}

void lame_duck_begin(struct lame_duck *duck, uv_loop_t *loop, struct broker *broker,
                     struct worker **workers, void (*done)(void *context), void *context)
{
    *duck =
        (struct lame_duck){.broker = broker, .workers = workers, .done = done, .context = context};
    atomic_store(&broker->lame_duck, true);
    uv_timer_init(loop, &duck->timer);
    duck->timer.data = duck;
    if (connections(duck) == 0) {
        finish(duck);
        return;
    }
    for (unsigned i = 0; i < broker->worker_count; i++)
        worker_announce_lame_duck(workers[i]);
    uint64_t grace_ms = (uint64_t)(broker->options->lame_duck_grace_period_ns / NS_PER_MS);
    uv_timer_start(&duck->timer, on_tick, grace_ms, TICK_MS);
}
