/* Every question is answered by walking all subscriptions. */
#include "tests/unit/interest_model.h"

#include "broker/base/mem.h"
#include "broker/core/subject.h"

void interest_model_init(struct interest_model *model)
{
    *model = (struct interest_model){.list = sublist_new()};
    check(model->list);
}

void interest_model_fini(struct interest_model *model)
{
    while (model->count > 0)
        interest_model_remove(model, model->count - 1);
    garbage_free_all(&model->garbage);
    sublist_free(&model->list);
    check(!model->list);
}

struct sub *interest_model_add(struct interest_model *model, struct span subject, const char *queue)
{
    if (model->count == INTEREST_MODEL_MAX)
        return NULL;
    struct sub *sub = sub_new(NULL, 0, subject, span_of(queue), SPAN_LITERAL("1"));
    if (!sub)
        return NULL;
    if (sublist_insert(model->list, sub, &model->garbage) != 0) {
        mem_free(sub);
        return NULL;
    }
    model->subs[model->count++] = sub;
    return sub;
}

void interest_model_remove(struct interest_model *model, size_t index)
{
    struct sub *sub = model->subs[index];
    model->subs[index] = model->subs[--model->count];
    sublist_remove(model->list, sub, &model->garbage);
    mem_free(sub);
}

static uint32_t times_in(const struct match *match, uint32_t first, uint32_t count, const struct sub *sub)
{
    uint32_t times = 0;
    for (uint32_t i = first; i < first + count; i++)
        times += match->subs[i] == sub;
    return times;
}

/* How often each subscription stands in the group of its queue; groups with one name must be one group. */
static uint32_t times_in_group(const struct match *match, const struct sub *sub)
{
    uint32_t times = 0, groups = 0;
    for (uint32_t i = 0; i < match->group_count; i++) {
        struct match_group group = match->groups[i];
        check(group.count > 0);
        if (!span_equal(sub_queue(match->subs[group.first]), sub_queue(sub)))
            continue;
        groups++;
        times += times_in(match, group.first, group.count, sub);
    }
    check(groups <= 1);
    return times;
}

void interest_model_compare(const struct interest_model *model, struct span subject,
                            const struct match *match)
{
    uint32_t plain = 0, grouped = 0, laid_out = match->plain_count;
    for (size_t i = 0; i < model->count; i++) {
        const struct sub *sub = model->subs[i];
        bool wanted = subject_matches(sub_subject(sub), subject);
        if (sub->queue_len == 0) {
            check(times_in(match, 0, match->plain_count, sub) == wanted);
            plain += wanted;
        } else {
            check(times_in_group(match, sub) == wanted);
            grouped += wanted;
        }
    }
    for (uint32_t i = 0; i < match->group_count; i++) {
        check(match->groups[i].first == laid_out);
        laid_out += match->groups[i].count;
    }
    check(match->plain_count == plain);
    check(match->sub_count == plain + grouped);
    check(laid_out == match->sub_count);
}
