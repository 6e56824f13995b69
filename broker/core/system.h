/* The broker as its own client: what it subscribes to in each account, and how it publishes.
 *
 * A request is turned into a task on the publisher's worker and put on a queue; whoever answers it (system_queue.h) does so
 * on another thread, so that no document is written on a worker. Own subscriptions belong to no worker: they are made before the
 * workers start, are never removed, and count nothing. */
#ifndef BROKER_CORE_SYSTEM_H
#define BROKER_CORE_SYSTEM_H

#include "broker/base/base.h"
#include "broker/core/mail.h"
#include "broker/system_task.h"

struct broker;
struct delivery;
struct publish;
struct session;
struct sub;

enum { SYSTEM_SUBJECT_MAX = 512 };

/* Part of struct broker. */
struct system {
    /* Takes the task, or says that it cannot: too many wait. Any worker. NULL: the broker subscribes to nothing. */
    bool (*put)(struct system_task *task);
    /* Carries mail to a worker, from any thread; what a publication travels in. */
    void (*post)(void *context, unsigned worker, struct mail *mail);
    void *context;
    _Atomic uint64_t sequence; /* of the server's own messages */
};

/* Subscribes in all accounts; 0 or ERR_MEMORY. Before the workers start, with put and post set. */
MUST_CHECK int system_start(struct broker *broker);
/* Frees what system_start made in one account. */
void system_stop(struct session **client);

/* The n-th service that any other account may ask about itself: the subject it publishes to there, and the one of the system
 * account that this stands for. false after the last. */
struct system_import {
    const char *subject;
    char to[SYSTEM_SUBJECT_MAX];
    bool shares_client; /* the service learns who asks */
};
MUST_CHECK bool system_import(size_t n, const char *account, struct system_import *out);

/* A message for an own subscription: whether there is such a service and it has room. */
bool system_take(struct delivery *delivery, const struct session *from, const struct sub *sub,
                 const struct publish *message);

/* What happened to a client of this worker. They cost next to nothing while nobody listens. */
void system_tell_connected(struct session *session);
void system_tell_closed(struct session *session);

/* A message of the broker's own as mail, which delivers it on the worker that opens it; NULL: out of memory. headers are
 * the whole block, its empty line included. opened: called with context on that worker after delivery; may be NULL. */
struct mail *system_publication(struct account *account, const char *subject, const char *reply,
                                struct span headers, struct span body,
                                void (*opened)(void *context), void *context);

#endif
