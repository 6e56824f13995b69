/* Memory that other threads may still be reading: unlinked now, freed when no reader can hold it any more.
 *
 * Whoever unlinks an object puts its `struct garbage` on a list of its own worker. The worker hands the list over now
 * and then; after an RCU grace period, and after its mailbox has been drained of what it held by then, each object's
 * free function is called on the worker that unlinked it. So nothing here locks and one grace period serves many objects. */
#ifndef BROKER_BASE_GARBAGE_H
#define BROKER_BASE_GARBAGE_H

#include "broker/base/base.h"

struct garbage {
    struct garbage *next;
    void (*free)(struct garbage *self);
};

struct garbage_list {
    struct garbage *head;
    uint32_t count;
};

static inline void garbage_put(struct garbage_list *list, struct garbage *object,
                               void (*free)(struct garbage *self))
{
    object->free = free;
    object->next = list->head;
    list->head = object;
    list->count++;
}

/* Frees all objects of the list now: only when no reader can hold any. */
static inline void garbage_free_all(struct garbage_list *list)
{
    struct garbage *object = list->head;
    list->head = NULL;
    list->count = 0;
    while (object) {
        struct garbage *next = object->next;
        object->free(object);
        object = next;
    }
}

#endif
