/* A counted block of bytes that many outbound queues, on any worker, may point to. Its bytes are written by its
 * maker before it is shared and constant from then on. Any thread may reference and release it. */
#ifndef BROKER_BASE_BLOCK_H
#define BROKER_BASE_BLOCK_H

#include <stdatomic.h>

#include "broker/base/base.h"

struct block {
    _Atomic uint32_t references;
    uint32_t capacity;
    char bytes[];
};

/* One reference, the caller's. NULL when out of memory. */
struct block *block_new(size_t capacity);
void block_unref(struct block *block);

static inline struct block *block_ref(struct block *block)
{
    atomic_fetch_add_explicit(&block->references, 1, memory_order_relaxed);
    return block;
}

#endif
