/* The metric table as C: ids, descriptors, and the cells each worker counts in.
 *
 * A cell is written by the one thread that owns it and read by any; reads and writes are relaxed
 * atomics, so a count costs a plain add. Readers combine the workers' cells as the row says.
 * Descriptors are constants: any thread. */
#ifndef BROKER_METRICS_H
#define BROKER_METRICS_H

#include <stdatomic.h>
#include <stdio.h>

#include "broker/base/base.h"
#include "broker/base/counter.h"

enum metric_id {
#define METRIC_WORKER(field, ...) METRIC_##field,
#define METRIC_READ(field, ...)   METRIC_##field,
#define METRIC_CONN(field, ...)   METRIC_##field,
#define METRIC_SUBS(field, ...)   METRIC_##field,
#define METRIC_FAMILY(field, ...) METRIC_##field,
#define METRIC_JSON(field, ...)   METRIC_##field,
#include "broker/metrics.def"
#undef METRIC_WORKER
#undef METRIC_READ
#undef METRIC_CONN
#undef METRIC_SUBS
#undef METRIC_FAMILY
#undef METRIC_JSON
    METRIC_COUNT
};

/* WORKER rows come first in the table, so that their ids index the cells. */
enum { METRIC_CELLS = METRIC_subject_cache_misses + 1 };

enum metric_source {
    METRIC_SOURCE_WORKER,
    METRIC_SOURCE_READ,
    METRIC_SOURCE_CONN,
    METRIC_SOURCE_SUBS,
    METRIC_SOURCE_FAMILY,
    METRIC_SOURCE_JSON
};
/* JSON rows: what one series stands for, which is also the object its key steps from. */
enum metric_scope {
    METRIC_SCOPE_NONE,
    METRIC_SCOPE_TARGET,   /* a scraped server as the exporter sees it, also while it is down */
    METRIC_SCOPE_EXPORTER, /* the exporter itself */
    METRIC_SCOPE_SERVER,   /* /varz */
    METRIC_SCOPE_HEALTH,
    METRIC_SCOPE_CONNECTIONS, /* all of /connz */
    METRIC_SCOPE_CONNECTION,
    METRIC_SCOPE_SUBJECT, /* a configured pattern */
    METRIC_SCOPE_ROUTE,
    METRIC_SCOPE_GATEWAY,
    METRIC_SCOPE_LEAF,
    METRIC_SCOPE_ACCOUNT,
    METRIC_SCOPE_JETSTREAM, /* /jsz */
    METRIC_SCOPE_JS_ACCOUNT,
    METRIC_SCOPE_STREAM,
    METRIC_SCOPE_REPLICA,
    METRIC_SCOPE_SOURCE,
    METRIC_SCOPE_CONSUMER
};
enum metric_kind { METRIC_KIND_COUNTER, METRIC_KIND_GAUGE };
enum metric_combine { METRIC_COMBINE_SUM, METRIC_COMBINE_MAX };
enum metric_unit {
    METRIC_UNIT_NONE,
    METRIC_UNIT_BYTES,
    METRIC_UNIT_SECONDS,
    METRIC_UNIT_NS,
    METRIC_UNIT_DURATION,
    METRIC_UNIT_TIME,
    METRIC_UNIT_PERCENT,
    METRIC_UNIT_CORES,
    METRIC_UNIT_RATIO
};

struct metric_descriptor {
    const char *field;
    enum metric_source source;
    enum metric_scope scope; /* METRIC_SCOPE_NONE unless source is METRIC_SOURCE_JSON */
    enum metric_kind kind;
    enum metric_unit unit;
    enum metric_combine combine;
    const char *name;   /* Prometheus name without suffixes */
    const char *key;    /* JSON field, or NULL */
    const char *column; /* heading in clearwing top, or NULL */
    const char *label;  /* FAMILY rows: the label that tells the series apart; JSON rows: all,
                           separated by commas */
    const char *help;
};

extern const struct metric_descriptor metric_descriptors[METRIC_COUNT];

struct metric_cells {
    _Atomic uint64_t value[METRIC_CELLS];
};

/* Owner thread only. */
static inline void metrics_add(struct metric_cells *cells, enum metric_id id, uint64_t n)
{
    counter_add(&cells->value[id], n);
}

static inline uint64_t metrics_get(const struct metric_cells *cells, enum metric_id id)
{
    return atomic_load_explicit(&cells->value[id], memory_order_relaxed);
}

/* The Prometheus unit ("bytes", "seconds", "cores", "ratio"), or "" for a plain number. */
const char *metrics_unit_name(enum metric_unit unit);
/* What a JSON value of this unit is multiplied by to give the Prometheus unit. */
double metrics_unit_factor(enum metric_unit unit);
/* The family name: name, then "_" and the unit if there is one, without "_total". out needs
 * METRIC_NAME_MAX bytes. */
#define METRIC_NAME_MAX 128
char *metrics_family_name(const struct metric_descriptor *row, char *out);
/* Finds a row by its C field name; NULL if there is none. */
const struct metric_descriptor *metrics_find(const char *field);
/* The table as Markdown, which is monitor/METRICS.md and `clearwing --list-metrics`. */
void metrics_list(FILE *out);

#endif
