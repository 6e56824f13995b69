/* The interest as a plain array: the slow, obvious version that sublist.c and match_cache.c are held against.
 * Single thread; the model owns its subscriptions. */
#ifndef TESTS_UNIT_INTEREST_MODEL_H
#define TESTS_UNIT_INTEREST_MODEL_H

#include "broker/core/sublist.h"

enum { INTEREST_MODEL_MAX = 512 };

struct interest_model {
    struct sublist *list;
    struct garbage_list garbage;
    struct sub *subs[INTEREST_MODEL_MAX];
    size_t count;
};

void interest_model_init(struct interest_model *model);
void interest_model_fini(struct interest_model *model);
/* NULL when the model is full or the list has no memory. queue "" is none. */
struct sub *interest_model_add(struct interest_model *model, struct span subject, const char *queue);
void interest_model_remove(struct interest_model *model, size_t index);
/* Aborts unless the match is exactly what the model says: plain ones once each, groups merged over patterns. */
void interest_model_compare(const struct interest_model *model, struct span subject,
                            const struct match *match);

#endif
