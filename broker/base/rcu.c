/* The thin layer over liburcu. In a ThreadSanitizer build one address stands for "the past of all readers": leaving
 * a section releases to it, and whoever frees after a grace period acquires it with rcu_after_grace_period. */
#include "broker/base/rcu.h"

#include <semaphore.h>

#include "broker/base/base.h"

#ifdef RCU_TSAN
char rcu_happens_before;
#endif

void rcu_thread_register(void)
{
    rcu_register_thread();
}

void rcu_thread_unregister(void)
{
    rcu_unregister_thread();
}

void rcu_enter(void)
{
    rcu_read_lock();
}

void rcu_leave(void)
{
#ifdef RCU_TSAN
    RCU_RELEASE(&rcu_happens_before);
#endif
    rcu_read_unlock();
}

void rcu_later(struct rcu_head *head, void (*done)(struct rcu_head *head))
{
    RCU_RELEASE(head);
    call_rcu(head, done);
}

void rcu_after_grace_period(struct rcu_head *head)
{
    RCU_ACQUIRE(head);
#ifdef RCU_TSAN
    RCU_ACQUIRE(&rcu_happens_before);
#endif
}

struct waiter {
    struct rcu_head rcu;
    sem_t done;
};

static void wake_waiter(struct rcu_head *head)
{
    rcu_after_grace_period(head);
    sem_post(&container_of(head, struct waiter, rcu)->done);
}

/* There is one reclaim thread, and it keeps the order of calls: the last callback waits for all. (liburcu's rcu_barrier
 * does the same with memory of its own, which ThreadSanitizer sees change hands without a reason.) */
void rcu_wait_all(void)
{
    struct waiter waiter;
    sem_init(&waiter.done, 0, 0);
    rcu_later(&waiter.rcu, wake_waiter);
    while (sem_wait(&waiter.done) != 0)
        continue;
    sem_destroy(&waiter.done);
}
