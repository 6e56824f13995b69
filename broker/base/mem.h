/* Allocation: the only place that calls malloc. In tests it counts live blocks, and can be made to fail at the
 * n-th call, so that every caller's failure path can be walked.
 *
 * mem_new and friends may return NULL; the caller closes what it must and goes on. mem_new_or_exit is for
 * start-up, where there is nothing to go on with. Any thread. The caller owns what it gets. */
#ifndef BROKER_BASE_MEM_H
#define BROKER_BASE_MEM_H

#include "broker/base/base.h"

/* A block of this size or more is mapped for itself, outside of the heap: its pages take memory once they are written, and
 * freeing it gives them all back. (glibc keeps smaller ones in the heap once it has seen a few; see mallopt(3).) */
#define MEM_ALONE_BYTES ((size_t)33 << 20)

MUST_CHECK void *mem_alloc(size_t bytes);  /* not cleared */
MUST_CHECK void *mem_zalloc(size_t bytes); /* cleared */
MUST_CHECK void *mem_realloc(void *block, size_t bytes);
MUST_CHECK void *mem_zalloc_or_exit(size_t bytes);
MUST_CHECK void *mem_realloc_or_exit(void *block, size_t bytes);
/* Cleared, and aligned to the size of a cache line: for structs written by one thread and read by others. */
MUST_CHECK void *mem_zalloc_aligned(size_t bytes);
MUST_CHECK char *mem_copy_string(struct span text); /* with a final NUL */
void mem_free(void *block);

/* Tests only: the n-th allocation from now (1 is the next) returns NULL; 0 turns it off. */
void mem_fail_at(uint64_t n);
/* Allocations asked for since the process started. */
uint64_t mem_allocations(void);
/* Tests only: blocks allocated and not freed. */
uint64_t mem_live_blocks(void);

#endif
