/* The open connections of the monitoring port, and how long each may take: to send a request, and to read the answer.
 *
 * deadlines_init, _fini and _sweep are for the main thread; the others for the HTTP server's, each connection on one of them. A
 * connection's descriptor stays open until deadlines_close returns. Times are nanoseconds of the monotonic clock. */
#ifndef MONITOR_DEADLINES_H
#define MONITOR_DEADLINES_H

#include <pthread.h>
#include <stdatomic.h>

#include "broker/base/base.h"
#include "monitor/endpoints.h"

struct deadline; /* one connection */

struct deadlines {
    _Atomic unsigned open; /* connections now; read-only for others */
    /* Private. */
    struct endpoint_counts *counts;
    unsigned crowded_from;
    pthread_mutex_t lock;
    struct deadline *first;
};

/* From crowded_from connections on a request must come faster. Connections are counted in counts, by state, and those cut off. */
void deadlines_init(struct deadlines *deadlines, unsigned crowded_from,
                    struct endpoint_counts *counts);
/* With every connection closed. */
void deadlines_fini(struct deadlines *deadlines);

/* Accepted. NULL when out of memory. */
MUST_CHECK struct deadline *deadlines_open(struct deadlines *deadlines, int fd);
/* A request's line and headers are complete. */
void deadlines_answer(struct deadlines *deadlines, struct deadline *deadline);
/* Its answer is that many bytes longer: its reader may take so much more time. */
void deadlines_allow(struct deadlines *deadlines, struct deadline *deadline, size_t bytes);
/* The answer is sent; the connection is kept for another request. */
void deadlines_idle(struct deadlines *deadlines, struct deadline *deadline);
void deadlines_close(struct deadlines *deadlines, struct deadline *deadline);

/* Shuts down who is late; once a second. */
void deadlines_sweep(struct deadlines *deadlines, int64_t now_ns);

#endif
