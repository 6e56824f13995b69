/* Rows are filtered, keyed and sorted anew for each sample or change of the query. The key of a row
 * is computed once, not per comparison. What is unknown sorts last in both directions; equals are
 * in order of their id, so that the list is the same from frame to frame. */
#include "top/rows.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

#include "broker/base/mem.h"

struct keyed {
    const struct model_conn *conn;
    double number;
    char text[48]; /* enough of it to sort by */
};

struct direction {
    bool text, descending;
};

static int keyed_compare(const void *a, const void *b, void *context)
{
    const struct keyed *x = a, *y = b;
    const struct direction *direction = context;
    int order = 0;
    if (direction->text)
        order = strcasecmp(x->text, y->text);
    else if (isnan(x->number) || isnan(y->number)) {
        if (isnan(x->number) != isnan(y->number))
            return isnan(x->number) ? 1 : -1;
    } else
        order = (x->number > y->number) - (x->number < y->number);
    if (order != 0)
        return direction->descending ? -order : order;
    return (x->conn->sample->cid > y->conn->sample->cid) -
           (x->conn->sample->cid < y->conn->sample->cid);
}

static bool shown(const struct model_conn *conn, const struct rows_query *query)
{
    const struct sample_value *active =
        &conn->sample->values[METRIC_conn_last_activity - SAMPLE_CONN_FIRST];
    if (query->hide_idle && active->present &&
        (double)query->view.now_ns - active->number > ROWS_IDLE_SECONDS * 1e9)
        return false;
    return !query->filter || filter_match(query->filter, &query->view, conn);
}

bool rows_build(struct rows *rows, const struct model *model, const struct rows_query *query)
{
    rows->count = 0;
    if (model->conn_count > rows->capacity) {
        void *grown = mem_realloc(rows->conns, model->conn_count * sizeof(*rows->conns));
        if (!grown)
            return false;
        rows->conns = grown;
        rows->capacity = model->conn_count;
    }
    struct keyed *keyed = mem_alloc((model->conn_count + 1) * sizeof *keyed);
    if (!keyed)
        return false;
    struct direction direction = {columns_is_text(query->sort), query->descending};
    size_t count = 0;
    for (size_t i = 0; i < model->conn_count; i++) {
        if (!shown(&model->conns[i], query))
            continue;
        struct keyed *key = &keyed[count++];
        key->conn = &model->conns[i];
        key->number = columns_sort_number(query->sort, &query->view, key->conn);
        if (direction.text) {
            char text[COLUMN_TEXT_MAX];
            columns_text(query->sort, &query->view, key->conn, text);
            snprintf(key->text, sizeof key->text, "%.47s", text);
        }
    }
    qsort_r(keyed, count, sizeof *keyed, keyed_compare, &direction);
    for (size_t i = 0; i < count; i++)
        rows->conns[i] = keyed[i].conn;
    rows->count = count;
    mem_free(keyed);
    return true;
}

void rows_fini(struct rows *rows)
{
    mem_free(rows->conns);
    *rows = (struct rows){0};
}

size_t rows_find(const struct rows *rows, uint64_t cid)
{
    size_t at = 0;
    while (at < rows->count && rows->conns[at]->sample->cid != cid)
        at++;
    return at;
}
