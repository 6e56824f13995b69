/* The roster of a worker's sessions: held against a plain list through a random history, and without memory. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>

#include "broker/base/err.h"
#include "broker/base/mem.h"
#include "broker/core/roster.h"
#include "broker/core/session.h"

enum { SESSIONS = 5000 };

struct model {
    struct roster roster;
    struct session *sessions; /* SESSIONS of them */
    uint32_t slots[SESSIONS]; /* ROSTER_NOWHERE: not in it */
};

static struct model *model_new(void)
{
    struct model *model = calloc(1, sizeof *model);
    model->sessions = calloc(SESSIONS, sizeof *model->sessions);
    for (uint32_t i = 0; i < SESSIONS; i++) {
        model->sessions[i].cid = i + 1;
        model->slots[i] = ROSTER_NOWHERE;
    }
    return model;
}

static void model_free(struct model *model)
{
    roster_fini(&model->roster);
    free(model->sessions);
    free(model);
}

static void toggle(struct model *model, uint32_t i)
{
    struct session *session = &model->sessions[i];
    if (model->slots[i] == ROSTER_NOWHERE) {
        assert_int_equal(roster_add(&model->roster, session, &model->slots[i]), 0);
        assert_ptr_equal(roster_at(&model->roster, model->slots[i]), session);
        return;
    }
    roster_remove(&model->roster, model->slots[i]);
    assert_null(roster_at(&model->roster, model->slots[i]));
    model->slots[i] = ROSTER_NOWHERE;
}

static uint32_t verify(const struct model *model)
{
    uint32_t in = 0, walked = 0, slot = 0;
    struct session *session;
    roster_verify(&model->roster);
    for (uint32_t i = 0; i < SESSIONS; i++)
        in += model->slots[i] != ROSTER_NOWHERE;
    while ((session = roster_next(&model->roster, &slot)) != NULL) {
        assert_int_equal(model->slots[session->cid - 1], slot - 1);
        walked++;
    }
    assert_int_equal(walked, in);
    return in;
}

static void random_history(void **state)
{
    struct model *model = model_new();
    uint32_t most = 0;
    (void)state;
    srand(7);
    for (int step = 0; step < 60000; step++) {
        /* First mostly more, in the end mostly fewer. */
        uint32_t i = (uint32_t)rand() % SESSIONS;
        bool in = model->slots[i] != ROSTER_NOWHERE;
        if (step < 30000 ? !in || rand() % 4 == 0 : in || rand() % 4 == 0)
            toggle(model, i);
        if (step % 1000 == 0) {
            uint32_t now = verify(model);
            most = now > most ? now : most;
        }
    }
    verify(model);
    assert_in_range(most, SESSIONS / 2, SESSIONS);
    assert_in_range(model->roster.used, most, SESSIONS); /* free slots are taken first */
    model_free(model);
}

static void finds_by_cid(void **state)
{
    struct model *model = model_new();
    (void)state;
    assert_null(roster_find(&model->roster, 1));
    assert_null(roster_at(&model->roster, 0));
    for (uint32_t i = 0; i < 1000; i += 2)
        toggle(model, i);
    for (uint32_t i = 0; i < 1000; i++)
        assert_ptr_equal(roster_find(&model->roster, i + 1), i % 2 ? NULL : &model->sessions[i]);
    assert_null(roster_at(&model->roster, 500));
    assert_null(roster_at(&model->roster, UINT32_MAX));
    model_free(model);
}

static void without_memory(void **state)
{
    struct model *model = model_new();
    uint32_t slot = 77;
    (void)state;
    for (uint32_t i = 0; i < ROSTER_FIRST; i++)
        toggle(model, i);
    mem_fail_at(1);
    assert_int_equal(roster_add(&model->roster, &model->sessions[100], &slot), ERR_MEMORY);
    mem_fail_at(0);
    assert_int_equal(verify(model), ROSTER_FIRST);
    toggle(model, 100);
    assert_int_equal(verify(model), ROSTER_FIRST + 1);
    model_free(model);
    assert_int_equal(mem_live_blocks(), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(random_history),
        cmocka_unit_test(finds_by_cid),
        cmocka_unit_test(without_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
