/* Leaving slowly: nobody new, the clients that understand it are told to look elsewhere, then all are closed one after the
 * other, so that they do not all come to the next server at once.
 *
 * Main thread, on main's loop; the struct is the caller's and must last as long as the loop. */
#ifndef BROKER_LAME_DUCK_H
#define BROKER_LAME_DUCK_H

#include <uv.h>

#include "broker/core/broker.h"
#include "broker/net/worker.h"

struct lame_duck {
    /* Private. */
    struct broker *broker;
    struct worker **workers;
    uv_timer_t timer;
    uint64_t begin_ms; /* when closing began; 0: it has not */
    uint64_t present;  /* connections by then */
    unsigned next;     /* the worker to ask next */
    void (*done)(void *context);
    void *context;
};

/* After the listener was closed. done is called once, when no connection is left or lame_duck_duration has passed; perhaps at
 * once, inside this call. */
void lame_duck_begin(struct lame_duck *duck, uv_loop_t *loop, struct broker *broker,
                     struct worker **workers, void (*done)(void *context), void *context);

#endif
