/* Which connections are shown, and in which order.
 *
 * One thread. `rows` owns its array; the connections belong to the model and are valid until its
 * next sample. */
#ifndef TOP_ROWS_H
#define TOP_ROWS_H

#include "top/filter.h"

#define ROWS_IDLE_SECONDS 60 /* from then on a connection is idle enough to hide */

struct rows_query {
    const struct column *sort;
    bool descending;
    bool hide_idle;
    struct column_view view;
    const struct filter *filter; /* NULL: all */
};

struct rows {
    const struct model_conn **conns;
    size_t count;
    size_t capacity;
};

/* False when out of memory; rows are then empty. */
bool rows_build(struct rows *rows, const struct model *model, const struct rows_query *query);
void rows_fini(struct rows *rows);
/* Place of a connection, or count when it is not shown. */
size_t rows_find(const struct rows *rows, uint64_t cid);

#endif
