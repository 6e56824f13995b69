/* The outbound queue: random operations held against a plain byte array, blocks' references, failing allocations. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>

#include "broker/base/mem.h"
#include "broker/core/outq.h"

static uint64_t seed;

static unsigned below(unsigned n)
{
    seed = seed * 6364136223846793005u + 1442695040888963407u;
    return (unsigned)(seed >> 33) % n;
}

struct bytes {
    char *at;
    size_t len, capacity;
};

static void bytes_add(struct bytes *bytes, const char *at, size_t len)
{
    if (bytes->len + len > bytes->capacity) {
        bytes->capacity = (bytes->len + len) * 2;
        bytes->at = realloc(bytes->at, bytes->capacity);
    }
    memcpy(bytes->at + bytes->len, at, len);
    bytes->len += len;
}

static void bytes_take(struct bytes *bytes, size_t len)
{
    memmove(bytes->at, bytes->at + len, bytes->len - len);
    bytes->len -= len;
}

static void fill(char *at, size_t len)
{
    for (size_t i = 0; i < len; i++)
        at[i] = (char)below(256);
}

static size_t random_len(void)
{
    static const unsigned scales[] = {8, 100, 1100, 9000, 80000};
    return 1 + below(scales[below(array_length(scales))]);
}

static void compare(struct outq *queue, const struct bytes *model)
{
    outq_verify(queue);
    assert_int_equal(outq_pending_bytes(queue), model->len);
    assert_int_equal(outq_is_empty(queue), model->len == 0);
    struct iovec pieces[8];
    size_t max = 1 + below(200000), at = 0;
    int count = outq_peek(queue, pieces, 8, max);
    assert_int_equal(count > 0, model->len > 0);
    for (int i = 0; i < count; i++) {
        assert_in_range(pieces[i].iov_len, 1, model->len - at);
        assert_true(at < max); /* nothing is looked up beyond what was asked for */
        assert_memory_equal(pieces[i].iov_base, model->at + at, pieces[i].iov_len);
        at += pieces[i].iov_len;
    }
    assert_true(at >= max || at == model->len || count == 8);
}

/* Any error leaves the queue as it was. */
static void step(struct outq *queue, struct outq_pool *pool, struct bytes *model)
{
    static char scratch[80001];
    size_t len = random_len();
    switch (below(5)) {
    case 0:
        fill(scratch, len);
        if (outq_append(queue, pool, (struct span){scratch, len}) == 0)
            bytes_add(model, scratch, len);
        break;
    case 1: { /* reserved more than was used */
        char *room = outq_reserve(queue, pool, len);
        if (!room)
            break;
        size_t used = 1 + below((unsigned)len);
        fill(room, used);
        bytes_add(model, room, used);
        outq_commit(queue, used);
        outq_count_message(queue, 1);
        break;
    }
    case 2: {
        struct block *block = block_new(len);
        if (!block)
            break;
        fill(block->bytes, len);
        size_t skip = below((unsigned)len);
        if (outq_append_block(queue, pool, block, (struct span){block->bytes + skip, len - skip}) == 0)
            bytes_add(model, block->bytes + skip, len - skip);
        block_unref(block);
        break;
    }
    default:
        if (model->len > 0) {
            size_t written = 1 + below((unsigned)min_size(model->len, 100000));
            outq_written(queue, pool, written);
            bytes_take(model, written);
        }
    }
}

static void run(uint64_t from, bool failing)
{
    struct outq queue = {0};
    struct outq_pool pool = {0};
    struct bytes model = {0};
    uint64_t live = mem_live_blocks();
    seed = from;
    for (int i = 0; i < 4000; i++) {
        if (failing)
            mem_fail_at(1 + below(3));
        step(&queue, &pool, &model);
        mem_fail_at(0);
        compare(&queue, &model);
    }
    outq_written(&queue, &pool, model.len);
    assert_true(outq_is_empty(&queue));
    assert_int_equal(outq_unsent_messages(&queue), 0);
    outq_pool_fini(&pool);
    assert_int_equal(mem_live_blocks(), live);
    free(model.at);
}

static void agrees_with_a_byte_array(void **state)
{
    (void)state;
    for (uint64_t from = 1; from <= 5; from++)
        run(from, false);
}

static void failed_allocations_change_nothing(void **state)
{
    (void)state;
    for (uint64_t from = 11; from <= 13; from++)
        run(from, true);
}

/* ---- messages that were not sent ---- */

/* Where each message ends, in bytes since the queue was made. */
struct ends {
    uint64_t at[4000];
    size_t count;
    uint64_t queued, written;
};

static void queue_text(struct outq *queue, struct outq_pool *pool, struct ends *ends, const char *text, size_t len)
{
    assert_int_equal(outq_append(queue, pool, (struct span){text, len}), 0);
    ends->queued += len;
}

/* MSG or HMSG, with its payload behind the line or in a block. */
static void queue_message(struct outq *queue, struct outq_pool *pool, struct ends *ends)
{
    static char text[80200];
    static const char *const heads[] = {"MSG a 1 ", "MSG a.b.c 12345 r.1 ", "HMSG x 1 5 ", "HMSG x.y 7 r 12 "};
    size_t size = below(3) ? below(300) : random_len(); /* with CR LF */
    int head = snprintf(text, sizeof text, "%s%zu\r\n", heads[below(4)], size);
    fill(text + head, size + 2);
    size_t len = (size_t)head + size + 2;
    if (size > 1024) {
        struct block *block = block_new(size + 2);
        memcpy(block->bytes, text + head, size + 2);
        queue_text(queue, pool, ends, text, (size_t)head);
        assert_int_equal(outq_append_block(queue, pool, block, (struct span){block->bytes, size + 2}), 0);
        ends->queued += size + 2;
        block_unref(block);
    } else {
        queue_text(queue, pool, ends, text, len);
    }
    outq_count_message(queue, 1);
    ends->at[ends->count++] = ends->queued;
}

static void check_unsent(struct outq *queue, const struct ends *ends)
{
    uint64_t unsent = 0;
    for (size_t i = 0; i < ends->count; i++)
        unsent += ends->at[i] > ends->written;
    assert_int_equal(outq_unsent_messages(queue), unsent);
}

/* Whatever was written, to the byte, the queue tells which messages did not go out whole. */
static void knows_which_messages_were_not_sent(void **state)
{
    (void)state;
    static const char *const others[] = {"PING\r\n", "+OK\r\n", "PONG\r\n", "-ERR 'Message of MSG'\r\n", "INFO {\"x\":1} \r\n"};
    for (uint64_t from = 21; from < 61; from++) {
        static struct ends ends;
        seed = from;
        ends = (struct ends){.count = 0};
        struct outq queue = {0};
        struct outq_pool pool = {0};
        while (ends.count < 3000) {
            const char *other = others[below((unsigned)array_length(others))];
            if (below(6) == 0)
                queue_text(&queue, &pool, &ends, other, strlen(other));
            else
                queue_message(&queue, &pool, &ends);
            if (below(40) == 0 && ends.queued > ends.written) {
                size_t written = 1 + below((unsigned)(ends.queued - ends.written));
                outq_written(&queue, &pool, written);
                ends.written += written;
            }
            if (below(10) == 0)
                check_unsent(&queue, &ends);
        }
        for (; ends.queued > ends.written; check_unsent(&queue, &ends)) { /* byte by byte, then by more */
            size_t written = min_size(ends.queued - ends.written, below(4) ? 1 : 1 + below(2000));
            outq_written(&queue, &pool, written);
            ends.written += written;
        }
        outq_pool_fini(&pool);
    }
}

static void a_message_is_taken_back(void **state)
{
    (void)state;
    struct outq queue = {0};
    struct outq_pool pool = {0};
    uint64_t live = mem_live_blocks();
    for (int i = 0; i < 3; i++) { /* alone, behind another in its chunk, alone in a second chunk */
        static char text[2000] = "MSG a 1 5\r\nhello\r\n";
        size_t len = i == 2 ? sizeof text : strlen(text);
        uint64_t before = outq_pending_bytes(&queue), unsent = outq_unsent_messages(&queue);
        assert_int_equal(outq_append(&queue, &pool, (struct span){text, len}), 0);
        outq_take_back(&queue, &pool, len);
        outq_verify(&queue);
        assert_int_equal(outq_pending_bytes(&queue), before);
        assert_int_equal(outq_unsent_messages(&queue), unsent);
        assert_int_equal(outq_append(&queue, &pool, (struct span){text, strlen(text)}), 0);
        outq_count_message(&queue, 1);
        assert_int_equal(outq_unsent_messages(&queue), unsent + 1);
    }
    outq_clear(&queue, &pool);
    outq_pool_fini(&pool);
    assert_int_equal(mem_live_blocks(), live);
}

static void blocks_are_shared_and_let_go(void **state)
{
    (void)state;
    struct outq queues[3] = {{0}};
    struct outq_pool pool = {0};
    struct block *block = block_new(5000);
    memset(block->bytes, 'x', 5000);
    for (int i = 0; i < 3; i++)
        assert_int_equal(outq_append_block(&queues[i], &pool, block, (struct span){block->bytes, 5000}), 0);
    assert_int_equal(block->references, 4);
    outq_written(&queues[0], &pool, 4999);
    assert_int_equal(block->references, 4);
    outq_written(&queues[0], &pool, 1);
    assert_int_equal(block->references, 3);
    outq_clear(&queues[1], &pool);
    assert_true(outq_is_empty(&queues[1]));
    assert_int_equal(outq_pending_bytes(&queues[1]), 0);
    assert_int_equal(block->references, 2);
    outq_clear(&queues[2], &pool);
    assert_int_equal(block->references, 1);
    block_unref(block);
    outq_pool_fini(&pool);
}

static void clear_discards_all(void **state)
{
    (void)state;
    struct outq queue = {0};
    struct outq_pool pool = {0};
    uint64_t live = mem_live_blocks();
    assert_int_equal(outq_append(&queue, &pool, SPAN_LITERAL("half written")), 0);
    outq_written(&queue, &pool, 5);
    outq_clear(&queue, &pool);
    outq_verify(&queue);
    assert_int_equal(outq_unsent_messages(&queue), 0);
    assert_int_equal(outq_append(&queue, &pool, SPAN_LITERAL("new")), 0);
    struct iovec piece;
    assert_int_equal(outq_peek(&queue, &piece, 1, 100), 1);
    assert_int_equal(piece.iov_len, 3);
    assert_memory_equal(piece.iov_base, "new", 3);
    outq_clear(&queue, &pool);
    outq_pool_fini(&pool);
    assert_int_equal(mem_live_blocks(), live);
}

/* Ten thousand queues drained at once leave a bounded number of spare chunks; a steady flow allocates nothing. */
static void the_pool_is_bounded_and_reused(void **state)
{
    (void)state;
    enum { QUEUES = 3000 };
    struct outq *queues = calloc(QUEUES, sizeof *queues);
    struct outq_pool pool = {0};
    uint64_t live = mem_live_blocks();
    for (int i = 0; i < QUEUES; i++)
        assert_int_equal(outq_append(&queues[i], &pool, SPAN_LITERAL("x")), 0);
    assert_int_equal(mem_live_blocks(), live + QUEUES);
    for (int i = 0; i < QUEUES; i++)
        outq_written(&queues[i], &pool, 1);
    assert_in_range(mem_live_blocks() - live, 1, 1024);
    uint64_t allocations = mem_allocations();
    for (int i = 0; i < 100; i++) {
        assert_int_equal(outq_append(&queues[i], &pool, SPAN_LITERAL("x")), 0);
        outq_written(&queues[i], &pool, 1);
    }
    assert_int_equal(mem_allocations(), allocations);
    outq_pool_fini(&pool);
    assert_int_equal(mem_live_blocks(), live);
    free(queues);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(agrees_with_a_byte_array),
        cmocka_unit_test(failed_allocations_change_nothing),
        cmocka_unit_test(knows_which_messages_were_not_sent),
        cmocka_unit_test(a_message_is_taken_back),
        cmocka_unit_test(blocks_are_shared_and_let_go),
        cmocka_unit_test(clear_discards_all),
        cmocka_unit_test(the_pool_is_bounded_and_reused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
