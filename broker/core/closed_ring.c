/* A ring of pointers; the oldest entry is replaced and becomes garbage. The array of pointers is calloc'ed at once, so
 * untouched pages of it cost nothing. */
#include "broker/core/closed_ring.h"

#include "broker/base/err.h"
#include "broker/base/mem.h"

int closed_ring_init(struct closed_ring *ring, uint32_t capacity)
{
    *ring = (struct closed_ring){.capacity = capacity};
    pthread_mutex_init(&ring->lock, NULL);
    ring->slots = capacity ? mem_zalloc(capacity * sizeof *ring->slots) : NULL;
    return capacity && !ring->slots ? ERR_MEMORY : 0;
}

static void free_entry(struct garbage *garbage)
{
    mem_free(container_of(garbage, struct closed_connection, garbage));
}

void closed_ring_fini(struct closed_ring *ring)
{
    for (uint32_t i = 0; ring->slots && i < ring->capacity; i++)
        if (ring->slots[i])
            free_entry(&atomic_load(&ring->slots[i])->garbage);
    mem_free(ring->slots);
    ring->slots = NULL;
    pthread_mutex_destroy(&ring->lock);
}

void closed_ring_add(struct closed_ring *ring, struct closed_connection *entry,
                     struct garbage_list *garbage)
{
    if (ring->capacity == 0) {
        free_entry(&entry->garbage);
        return;
    }
    pthread_mutex_lock(&ring->lock);
    struct closed_connection *_Atomic *slot = &ring->slots[ring->added++ % ring->capacity];
    struct closed_connection *old = atomic_exchange_explicit(slot, entry, memory_order_acq_rel);
    pthread_mutex_unlock(&ring->lock);
    if (old)
        garbage_put(garbage, &old->garbage, free_entry);
}

const struct closed_connection *closed_ring_at(const struct closed_ring *ring, uint32_t i)
{
    return atomic_load_explicit(&ring->slots[i], memory_order_acquire);
}
