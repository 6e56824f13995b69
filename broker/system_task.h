/* Something for the broker's own clients to do: a request to a service of the system account, or something that happened
 * and is to be told on a subject.
 *
 * Made by a worker, then owned by whoever took it off the queue (system_queue.h), who frees it with mem_free; one block,
 * texts included. Times are nanoseconds; wall times since 1970 UTC. */
#ifndef BROKER_SYSTEM_TASK_H
#define BROKER_SYSTEM_TASK_H

#include "broker/base/base.h"

enum system_what {
#define SERVICE(id, name, asked) SYSTEM_##id,
#define EVENT(id)                SYSTEM_EVENT_##id,
#include "broker/system_services.def"
#undef SERVICE
#undef EVENT
    SYSTEM_WHATS
};

/* A connection as it was when the task was made. Texts are "" where nothing was given. */
struct system_client {
    uint64_t cid;
    const char *ip, *account, *user, *name, *lang, *version;
    const char *reason; /* why it ended, in /connz's words; "" while it is open */
    int64_t start_wall_ns, stop_wall_ns, rtt_ns;
    uint64_t in_msgs, in_bytes, out_msgs, out_bytes;
};

struct account;

struct system_task {
    /* Read-only. */
    enum system_what what;
    bool
        everyone; /* all servers were asked: one that the request's filter leaves out says nothing */
    const char *about;         /* the account that an ACCOUNT service or event is about, else "" */
    const char *reply;         /* where the answer goes; "": nobody waits for one */
    struct span headers, body; /* of the request; headers.len 0: none */
    struct system_client
        client; /* who asks, or to whom it happened; of STATSZ and ACCOUNT_CONNECTIONS: nobody */

    /* Private to the queue and core/system.c. */
    struct system_task *next;
    struct account *account; /* where the asker is */
    unsigned worker;
    size_t bytes;
};

#endif
