/* liburcu (default, membarrier flavour) under our names, with the notes ThreadSanitizer needs.
 *
 * liburcu orders memory with instructions and a system call that ThreadSanitizer does not see. What they promise is told
 * to it here: everything a reader did before rcu_leave happens before the callback of a grace period that waited for it.
 * Threads that read call rcu_thread_register first and rcu_thread_unregister last. */
#ifndef BROKER_BASE_RCU_H
#define BROKER_BASE_RCU_H

#include <urcu.h>

#if defined(__SANITIZE_THREAD__)
#define RCU_TSAN 1
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define RCU_TSAN 1
#endif
#endif

#ifdef RCU_TSAN
void __tsan_acquire(void *address);
void __tsan_release(void *address);
extern char rcu_happens_before;
#define RCU_ACQUIRE(address) __tsan_acquire(address)
#define RCU_RELEASE(address) __tsan_release(address)
#else
#define RCU_ACQUIRE(address) ((void)(address))
#define RCU_RELEASE(address) ((void)(address))
#endif

void rcu_thread_register(void);
void rcu_thread_unregister(void);

/* A read section; may nest. */
void rcu_enter(void);
void rcu_leave(void);

/* Calls done(head) on the reclaim thread after a grace period. */
void rcu_later(struct rcu_head *head, void (*done)(struct rcu_head *head));
/* First thing in such a callback. */
void rcu_after_grace_period(struct rcu_head *head);
/* Waits until every callback asked for so far has run; not inside a read section. */
void rcu_wait_all(void);

#endif
