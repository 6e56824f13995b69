/* A thin layer over malloc. The counters exist in test builds only (MEM_COUNT): in production an allocation
 * costs what malloc costs. */
#include "broker/base/mem.h"

#include <stdio.h>
#include <stdlib.h>

#ifdef MEM_COUNT
#include <stdatomic.h>

static _Atomic uint64_t allocations;
static _Atomic uint64_t fail_at;
static _Atomic uint64_t live_blocks;

static bool may_allocate(void)
{
    uint64_t now = atomic_fetch_add(&allocations, 1) + 1;
    uint64_t failing = atomic_load(&fail_at);
    return failing == 0 || now != failing;
}

void mem_fail_at(uint64_t n)
{
    atomic_store(&fail_at, n == 0 ? 0 : atomic_load(&allocations) + n);
}

uint64_t mem_allocations(void)
{
    return atomic_load(&allocations);
}

uint64_t mem_live_blocks(void)
{
    return atomic_load(&live_blocks);
}

static void *count_new(void *block)
{
    if (block)
        atomic_fetch_add(&live_blocks, 1);
    return block;
}

static void count_gone(const void *block)
{
    if (block)
        atomic_fetch_sub(&live_blocks, 1);
}
#else
static bool may_allocate(void)
{
    return true;
}

void mem_fail_at(uint64_t n)
{
    (void)n;
}

uint64_t mem_allocations(void)
{
    return 0;
}

uint64_t mem_live_blocks(void)
{
    return 0;
}

static void *count_new(void *block)
{
    return block;
}

static void count_gone(const void *block)
{
    (void)block;
}
#endif

void *mem_alloc(size_t bytes)
{
    return may_allocate() ? count_new(malloc(bytes)) : NULL;
}

void *mem_zalloc(size_t bytes)
{
    return may_allocate() ? count_new(calloc(1, bytes)) : NULL;
}

void *mem_realloc(void *block, size_t bytes)
{
    void *larger = may_allocate() ? realloc(block, bytes) : NULL;
    return block ? larger : count_new(larger);
}

static void *or_exit(void *block, size_t bytes)
{
    if (!block) {
        fprintf(stderr, "clearwing: out of memory: %zu bytes were needed to start\n", bytes);
        exit(1);
    }
    return block;
}

void *mem_zalloc_or_exit(size_t bytes)
{
    return or_exit(mem_zalloc(bytes), bytes);
}

void *mem_realloc_or_exit(void *block, size_t bytes)
{
    return or_exit(mem_realloc(block, bytes), bytes);
}

void *mem_zalloc_aligned(size_t bytes)
{
    size_t whole = (bytes + 63) & ~(size_t)63;
    void *block = may_allocate() ? aligned_alloc(64, whole) : NULL;
    if (block)
        memset(block, 0, whole);
    return count_new(block);
}

char *mem_copy_string(struct span text)
{
    char *copy = mem_alloc(text.len + 1);
    if (!copy)
        return NULL;
    if (text.len > 0)
        memcpy(copy, text.ptr, text.len);
    copy[text.len] = '\0';
    return copy;
}

void mem_free(void *block)
{
    count_gone(block);
    free(block);
}
