/* Operations on the interest, held against a plain array of subscriptions. An input is a row of operations, a byte each and
 * a text up to the next newline: add to a queue or to none, remove, match. */
#include "tests/fuzz/fuzz.h"

#include "broker/base/mem.h"
#include "broker/core/match_cache.h"
#include "broker/core/subject.h"
#include "tests/unit/interest_model.h"

struct state {
    struct interest_model model;
    struct match_cache cache;
    struct match *match;
    size_t capacity;
};

static void match_both_ways(struct state *state, struct span subject)
{
    check(sublist_match(state->model.list, subject, &state->match, &state->capacity) == 0);
    interest_model_compare(&state->model, subject, state->match);
    interest_model_compare(
        &state->model, subject,
        match_cache_find(&state->cache, subject, hash_bytes(subject.ptr, subject.len)));
}

static void operate(struct state *state, uint8_t operation, struct span text)
{
    static const char *const queues[] = {"", "q", "workers"};
    if (operation % 4 == 0 && subject_valid_subscription(text)) {
        interest_model_add(&state->model, text, queues[operation / 4 % array_length(queues)]);
    } else if (operation % 4 == 1 && state->model.count > 0) {
        interest_model_remove(&state->model, operation / 4 % state->model.count);
        garbage_free_all(&state->model.garbage);
    } else if (text.len > 0) {
        match_both_ways(state, text);
    }
    sublist_verify(state->model.list);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
    struct state state = {.match = NULL};
    const char *at = (const char *)bytes, *end = at + len;
    interest_model_init(&state.model);
    match_cache_init(&state.cache, state.model.list);
    while (at < end) {
        uint8_t operation = (uint8_t)*at++;
        const char *newline = memchr(at, '\n', (size_t)(end - at));
        struct span text = {at, (size_t)((newline ? newline : end) - at)};
        operate(&state, operation, text);
        at = newline ? newline + 1 : end;
    }
    mem_free(state.match);
    match_cache_fini(&state.cache);
    interest_model_fini(&state.model);
    return 0;
}
