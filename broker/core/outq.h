/* The outbound queue of one connection: bytes to write, in order, partly copied and partly shared blocks.
 *
 * Used by the connection's own worker only, except outq_pending_bytes (any thread). The chunks come from the worker's
 * pool and go back to it. Sizes are bytes. */
#ifndef BROKER_CORE_OUTQ_H
#define BROKER_CORE_OUTQ_H

#include <stdatomic.h>
#include <sys/uio.h>

#include "broker/base/base.h"
#include "broker/base/block.h"
#include "broker/base/counter.h"

enum { OUTQ_CHUNK_SIZES = 4 };

/* Private to outq.c and the inline functions below. */
struct outq_chunk {
    struct outq_chunk *next;
    struct block *block; /* NULL: the bytes are copied, behind the struct */
    const char *data;
    uint32_t len, capacity;
    uint32_t msgs; /* messages that end here */
    int size;      /* which of the pool's sizes; -1: made to measure */
    char bytes[];
};

/* Spare chunks of one worker, by size. */
struct outq_pool {
    struct outq_chunk *spare[OUTQ_CHUNK_SIZES];
    uint32_t spare_count[OUTQ_CHUNK_SIZES];
};

struct outq {
    /* What a message to a growing tail needs: the tail learns of it when somebody asks (settle, in outq.c). */
    char *at, *limit; /* where the tail ends and how far it may grow; equal if it may not */
    _Atomic uint64_t pending_bytes;
    uint64_t msgs, bytes; /* messages that were ever queued, and their header and payload bytes */

    struct outq_chunk *head, *tail;
    uint64_t settled_msgs; /* those that the chunks know of */
    size_t head_written;   /* bytes of head already on the socket */
};

static inline uint64_t outq_pending_bytes(const struct outq *queue)
{
    return atomic_load_explicit(&queue->pending_bytes, memory_order_relaxed);
}

static inline bool outq_is_empty(const struct outq *queue)
{
    return queue->head == NULL;
}

char *outq_reserve_chunk(struct outq *queue, struct outq_pool *pool, size_t len);

/* Room for len contiguous bytes at the end; write them, then call outq_commit with what was used (at most len).
 * NULL when out of memory. */
static inline char *outq_reserve(struct outq *queue, struct outq_pool *pool, size_t len)
{
    if ((size_t)(queue->limit - queue->at) >= len)
        return queue->at;
    return outq_reserve_chunk(queue, pool, len);
}

static inline void outq_commit(struct outq *queue, size_t len)
{
    check((size_t)(queue->limit - queue->at) >= len);
    queue->at += len;
    atomic_store_explicit(&queue->pending_bytes, outq_pending_bytes(queue) + len,
                          memory_order_relaxed);
}

/* Says that a message, of MSG or HMSG, ends with what was just committed or appended. bytes: of its header and payload. */
static inline void outq_count_message(struct outq *queue, size_t bytes)
{
    if (!CLEARWING_COUNTERS)
        return;
    queue->msgs++;
    queue->bytes += bytes;
}

/* The same of a message of the broker's own, which is not among those that msgs and bytes count. */
void outq_count_status(struct outq *queue);

/* Takes what was just committed, of len bytes, back. */
void outq_take_back(struct outq *queue, struct outq_pool *pool, size_t len);

/* Copies bytes to the end. 0 or ERR_MEMORY. */
MUST_CHECK int outq_append(struct outq *queue, struct outq_pool *pool, struct span bytes);
/* Points to bytes inside a block; takes a reference of its own. 0 or ERR_MEMORY. */
MUST_CHECK int outq_append_block(struct outq *queue, struct outq_pool *pool, struct block *block,
                                 struct span bytes);

/* The next bytes to write, at most `most` pieces and about max_bytes. Returns how many pieces. */
int outq_peek(struct outq *queue, struct iovec *pieces, int most, size_t max_bytes);
/* Takes off what the socket took. */
void outq_written(struct outq *queue, struct outq_pool *pool, size_t bytes);
/* How many messages are in the queue whose last byte was not written. Reads one chunk; for a connection's end. */
uint64_t outq_unsent_messages(struct outq *queue);
/* Discards all. */
void outq_clear(struct outq *queue, struct outq_pool *pool);

/* Frees the spare chunks; the pool stays usable. */
void outq_pool_fini(struct outq_pool *pool);
/* Tests: pending_bytes is what the chunks hold. */
void outq_verify(struct outq *queue);

#endif
