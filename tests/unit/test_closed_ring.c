/* The memory of closed connections: order, replacement, bounds. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "broker/base/mem.h"
#include "broker/core/closed_ring.h"

static struct closed_connection *entry(uint64_t cid)
{
    struct closed_connection *closed = mem_zalloc(sizeof *closed);
    assert_non_null(closed);
    closed->cid = cid;
    return closed;
}

static size_t length(const struct garbage_list *list)
{
    size_t count = 0;
    for (const struct garbage *object = list->head; object; object = object->next)
        count++;
    return count;
}

static void keeps_the_last_ones(void **state)
{
    (void)state;
    uint64_t live = mem_live_blocks();
    struct closed_ring ring;
    struct garbage_list garbage = {0};
    assert_int_equal(closed_ring_init(&ring, 3), 0);
    for (uint32_t i = 0; i < 3; i++)
        assert_null(closed_ring_at(&ring, i));
    for (uint64_t cid = 1; cid <= 8; cid++) {
        closed_ring_add(&ring, entry(cid), &garbage);
        assert_int_equal(length(&garbage), cid <= 3 ? 0 : cid - 3);
        assert_int_equal(ring.added, cid);
        uint64_t sum = 0, expected = 0;
        for (uint32_t i = 0; i < 3; i++)
            sum += closed_ring_at(&ring, i) ? closed_ring_at(&ring, i)->cid : 0;
        for (uint64_t kept = cid > 3 ? cid - 2 : 1; kept <= cid; kept++)
            expected += kept;
        assert_int_equal(sum, expected);
    }
    garbage_free_all(&garbage);
    closed_ring_fini(&ring);
    assert_int_equal(mem_live_blocks(), live);
}

static void may_keep_none(void **state)
{
    (void)state;
    uint64_t live = mem_live_blocks();
    struct closed_ring ring;
    struct garbage_list garbage = {0};
    assert_int_equal(closed_ring_init(&ring, 0), 0);
    closed_ring_add(&ring, entry(1), &garbage);
    assert_null(garbage.head);
    closed_ring_fini(&ring);
    assert_int_equal(mem_live_blocks(), live);
}

static void needs_memory(void **state)
{
    (void)state;
    struct closed_ring ring;
    mem_fail_at(1);
    assert_true(closed_ring_init(&ring, 10) < 0);
    mem_fail_at(0);
    closed_ring_fini(&ring);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(keeps_the_last_ones),
        cmocka_unit_test(may_keep_none),
        cmocka_unit_test(needs_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
