/* A queue is a list of chunks. A chunk either holds copied bytes or points into a shared block:
 *
 *     head -> [ MSG a 1 5..hello..MSG b 1 9000.. ] -> [ -> block, 9002 bytes ] -> [ MSG c ... ] <- tail
 *
 * Copied chunks start small and get larger while the queue is not drained, so that ten thousand receivers of one small message
 * cost ten thousand small chunks, and one busy receiver gets large writes. Invariants:
 *
 *  1. No chunk is empty, but for the tail between outq_reserve and outq_commit. While it grows, the tail's length and messages
 *     are in the queue, so that a message costs one cache line besides its own.
 *  2. pending_bytes = sum of the chunks' lengths - head_written.
 *  3. head_written < length of head.
 *  4. A chunk of copied bytes begins where a protocol line begins, unless that is a line of INFO; what a line announces lies
 *     behind it in its chunk, or is the whole of the next one. So which messages of a chunk that is partly written are
 *     wholly written can be read from its text when somebody asks, and nobody keeps count of it while writing.
 *
 * The pool keeps a bounded number of chunks of each size, so that a steady flow allocates nothing.
 */
#include "broker/core/outq.h"

#include "broker/base/err.h"
#include "broker/base/mem.h"

/* Size 0 is a chunk that only points. */
static const uint32_t capacities[OUTQ_CHUNK_SIZES] = {0, 1024, 8192, 65536 - 64};
static const uint32_t spare_max[OUTQ_CHUNK_SIZES] = {1024, 256, 64, 16};

static struct outq_chunk *chunk_new(struct outq_pool *pool, int size, size_t capacity)
{
    if (size >= 0 && pool->spare[size]) {
        struct outq_chunk *chunk = pool->spare[size];
        pool->spare[size] = chunk->next;
        pool->spare_count[size]--;
        chunk->next = NULL;
        return chunk;
    }
    struct outq_chunk *chunk = mem_alloc(sizeof *chunk + capacity);
    if (!chunk)
        return NULL;
    *chunk = (struct outq_chunk){.capacity = (uint32_t)capacity, .size = size};
    return chunk;
}

static void chunk_free(struct outq_pool *pool, struct outq_chunk *chunk)
{
    if (chunk->block)
        block_unref(chunk->block);
    chunk->block = NULL;
    chunk->len = 0;
    chunk->msgs = 0;
    int size = chunk->size;
    if (size < 0 || pool->spare_count[size] >= spare_max[size]) {
        mem_free(chunk);
        return;
    }
    chunk->next = pool->spare[size];
    pool->spare[size] = chunk;
    pool->spare_count[size]++;
}

static void add_pending(struct outq *queue, size_t bytes)
{
    atomic_store_explicit(&queue->pending_bytes, outq_pending_bytes(queue) + bytes,
                          memory_order_relaxed);
}

/* Brings the tail up to date with what was committed. */
static void settle(struct outq *queue)
{
    struct outq_chunk *tail = queue->tail;
    if (!tail)
        return;
    if (!tail->block)
        tail->len = (uint32_t)(queue->at - tail->bytes);
    tail->msgs += (uint32_t)(queue->msgs - queue->settled_msgs);
    queue->settled_msgs = queue->msgs;
}

/* Makes the chunk, if any, the tail to add to. */
static void let_grow(struct outq *queue, struct outq_chunk *chunk)
{
    queue->tail = chunk;
    queue->at = queue->limit = NULL;
    if (chunk && !chunk->block) {
        queue->at = chunk->bytes + chunk->len;
        queue->limit = chunk->bytes + chunk->capacity;
    }
}

/* The chunk is the new tail; a settled queue's. */
static void link_tail(struct outq *queue, struct outq_chunk *chunk)
{
    if (queue->tail)
        queue->tail->next = chunk;
    else
        queue->head = chunk;
    let_grow(queue, chunk);
}

/* The next chunk's size: one step larger than the last one if that was copied, and small behind a block: where blocks follow
 * each other, all it will hold is one line. */
static int next_size(const struct outq *queue, size_t len)
{
    int size = queue->tail && queue->tail->size > 0 ? queue->tail->size + 1 : 1;
    if (size >= OUTQ_CHUNK_SIZES)
        size = OUTQ_CHUNK_SIZES - 1;
    while (size < OUTQ_CHUNK_SIZES && capacities[size] < len)
        size++;
    return size < OUTQ_CHUNK_SIZES ? size : -1;
}

char *outq_reserve_chunk(struct outq *queue, struct outq_pool *pool, size_t len)
{
    int size = next_size(queue, len);
    struct outq_chunk *chunk = chunk_new(pool, size, size < 0 ? len : capacities[size]);
    if (!chunk)
        return NULL;
    chunk->data = chunk->bytes;
    settle(queue);
    link_tail(queue, chunk);
    return chunk->bytes;
}

int outq_append(struct outq *queue, struct outq_pool *pool, struct span bytes)
{
    char *room = outq_reserve(queue, pool, bytes.len);
    if (!room)
        return ERR_MEMORY;
    memcpy(room, bytes.ptr, bytes.len);
    outq_commit(queue, bytes.len);
    return 0;
}

int outq_append_block(struct outq *queue, struct outq_pool *pool, struct block *block,
                      struct span bytes)
{
    struct outq_chunk *chunk = chunk_new(pool, 0, 0);
    if (!chunk)
        return ERR_MEMORY;
    chunk->block = block_ref(block);
    chunk->data = bytes.ptr;
    chunk->len = (uint32_t)bytes.len;
    settle(queue);
    link_tail(queue, chunk);
    add_pending(queue, bytes.len);
    return 0;
}

void outq_count_status(struct outq *queue)
{
    settle(queue);
    queue->tail->msgs++;
}

void outq_take_back(struct outq *queue, struct outq_pool *pool, size_t len)
{
    struct outq_chunk *tail = queue->tail, **place = &queue->head, *before = NULL;
    settle(queue);
    check(!tail->block && tail->len >= len);
    tail->len -= (uint32_t)len;
    queue->at -= len;
    atomic_store_explicit(&queue->pending_bytes, outq_pending_bytes(queue) - len,
                          memory_order_relaxed);
    if (tail->len > 0)
        return;
    while (*place != tail) {
        before = *place;
        place = &before->next;
    }
    *place = NULL;
    let_grow(queue, before);
    chunk_free(pool, tail);
}

int outq_peek(struct outq *queue, struct iovec *pieces, int most, size_t max_bytes)
{
    int count = 0;
    size_t skip = queue->head_written, total = 0;
    settle(queue);
    for (struct outq_chunk *chunk = queue->head; chunk && count < most && total < max_bytes;
         chunk = chunk->next) {
        /* writev's type is not const; it only reads. */
        union {
            const char *from;
            void *to;
        } data = {chunk->data + skip};
        pieces[count++] = (struct iovec){data.to, chunk->len - skip};
        total += chunk->len - skip;
        skip = 0;
    }
    return count;
}

void outq_written(struct outq *queue, struct outq_pool *pool, size_t bytes)
{
    check(bytes <= outq_pending_bytes(queue));
    settle(queue);
    atomic_store_explicit(&queue->pending_bytes, outq_pending_bytes(queue) - bytes,
                          memory_order_relaxed);
    bytes += queue->head_written;
    while (queue->head && bytes >= queue->head->len) {
        struct outq_chunk *done = queue->head;
        bytes -= done->len;
        queue->head = done->next;
        chunk_free(pool, done);
    }
    if (!queue->head)
        let_grow(queue, NULL);
    queue->head_written = bytes;
}

/* The number that ends at `end`, as in the line of a message: the bytes of its payload without CR LF. */
static uint64_t number_before(const char *start, const char *end)
{
    uint64_t number = 0, scale = 1;
    while (end > start && end[-1] >= '0' && end[-1] <= '9') {
        number += (uint64_t)(*--end - '0') * scale;
        scale *= 10;
    }
    return number;
}

/* How many messages of a copied chunk lie wholly in its first `written` bytes. */
static uint64_t messages_within(const struct outq_chunk *chunk, size_t written)
{
    uint64_t count = 0;
    size_t at = 0;
    while (at < written) {
        const char *line = chunk->data + at;
        const char *lf = memchr(line, '\n', chunk->len - at);
        if (!lf)
            break;
        bool message = *line == 'M' || *line == 'H'; /* of MSG and HMSG: no other line begins so */
        at = (size_t)(lf + 1 - chunk->data);
        if (message)
            at += number_before(line, lf - 1) + 2;
        count += message && at <= written;
    }
    return count;
}

uint64_t outq_unsent_messages(struct outq *queue)
{
    const struct outq_chunk *chunk = queue->head;
    if (!chunk)
        return 0;
    settle(queue);
    uint64_t count = chunk->msgs;
    if (!chunk->block)
        count -= messages_within(chunk, queue->head_written);
    while ((chunk = chunk->next) != NULL)
        count += chunk->msgs;
    return count;
}

void outq_clear(struct outq *queue, struct outq_pool *pool)
{
    while (queue->head) {
        struct outq_chunk *next = queue->head->next;
        chunk_free(pool, queue->head);
        queue->head = next;
    }
    let_grow(queue, NULL);
    queue->settled_msgs = queue->msgs;
    queue->head_written = 0;
    atomic_store_explicit(&queue->pending_bytes, 0, memory_order_relaxed);
}

void outq_pool_fini(struct outq_pool *pool)
{
    for (int size = 0; size < OUTQ_CHUNK_SIZES; size++) {
        while (pool->spare[size]) {
            struct outq_chunk *next = pool->spare[size]->next;
            mem_free(pool->spare[size]);
            pool->spare[size] = next;
        }
        pool->spare_count[size] = 0;
    }
}

void outq_verify(struct outq *queue)
{
    uint64_t total = 0;
    const struct outq_chunk *last = NULL;
    settle(queue);
    for (const struct outq_chunk *chunk = queue->head; chunk; chunk = chunk->next) {
        check(chunk->len > 0);
        total += chunk->len;
        last = chunk;
    }
    check(last == queue->tail);
    check(last && !last->block ? queue->limit == last->bytes + last->capacity
                               : queue->at == queue->limit);
    check(total - queue->head_written == outq_pending_bytes(queue));
    check(queue->head ? queue->head_written < queue->head->len : queue->head_written == 0);
}
