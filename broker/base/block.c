/* Counted blocks; the last one to let go frees. */
#include "broker/base/block.h"

#include "broker/base/mem.h"

struct block *block_new(size_t capacity)
{
    check(capacity <= UINT32_MAX);
    struct block *block = mem_alloc(sizeof *block + capacity);
    if (!block)
        return NULL;
    atomic_init(&block->references, 1);
    block->capacity = (uint32_t)capacity;
    return block;
}

void block_unref(struct block *block)
{
    if (!block)
        return;
    uint32_t before = atomic_fetch_sub_explicit(&block->references, 1, memory_order_acq_rel);
    check(before > 0);
    if (before == 1)
        mem_free(block);
}
