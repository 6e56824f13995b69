/* A writer for Prometheus' exposition text 0.0.4 and OpenMetrics 1.0.0, shared by the broker's own
 * /metrics and the exporter, so that both say the same about a metric.
 *
 * Pure: it grows a buffer and does no I/O. One thread at a time per writer. Names and HELP are
 * borrowed for the call; the text belongs to the writer until prom_text_take hands it to the
 * caller. A failed allocation, or more than PROM_TEXT_BYTES_MAX, makes the writer `failed`: later
 * calls do nothing and prom_text_take returns NULL.
 *
 *     prom_text_init(&text, prom_text_negotiate(accept));
 *     prom_text_row(&text, row);                      // HELP, UNIT, TYPE
 *     prom_text_sample(&text, labels.bytes, prom_text_unsigned(42));
 *     prom_text_end(&text);                           // "# EOF" in OpenMetrics
 */
#ifndef MONITOR_PROM_TEXT_H
#define MONITOR_PROM_TEXT_H

#include "broker/metrics.h"

#define PROM_TEXT_BYTES_MAX ((size_t)256 << 20)
#define PROM_TEXT_NAME_MAX  256 /* longer names are cut */

enum prom_text_format { PROM_TEXT_PLAIN, PROM_TEXT_OPENMETRICS };

enum prom_text_kind {
    PROM_TEXT_GAUGE,
    PROM_TEXT_COUNTER, /* "_total" is added to the name */
    PROM_TEXT_HISTOGRAM,
    PROM_TEXT_GAUGE_HISTOGRAM, /* a distribution of current values; plain text has no word for it:
                                  histogram */
    PROM_TEXT_BARE_COUNTER,    /* a counter whose name is used as it is: not sayable in OpenMetrics,
                                  unknown there */
    PROM_TEXT_UNTYPED
};

struct prom_text {
    enum prom_text_format format; /* read-only */
    bool failed;                  /* read-only */
    char *bytes;                  /* private from here */
    size_t len;
    size_t capacity;
    char name[PROM_TEXT_NAME_MAX];
    enum prom_text_kind kind;
};

/* Integers are written exactly, reals in the shortest form that reads back the same. */
struct prom_text_value {
    enum { PROM_TEXT_VALUE_UNSIGNED, PROM_TEXT_VALUE_SIGNED, PROM_TEXT_VALUE_REAL } form;
    union {
        uint64_t u;
        int64_t i;
        double d;
    };
};

static inline struct prom_text_value prom_text_unsigned(uint64_t value)
{
    return (struct prom_text_value){.form = PROM_TEXT_VALUE_UNSIGNED, .u = value};
}

static inline struct prom_text_value prom_text_signed(int64_t value)
{
    return (struct prom_text_value){.form = PROM_TEXT_VALUE_SIGNED, .i = value};
}

static inline struct prom_text_value prom_text_real(double value)
{
    return (struct prom_text_value){.form = PROM_TEXT_VALUE_REAL, .d = value};
}

/* A JSON value (in the row's unit; times and durations in nanoseconds) in the Prometheus unit. */
struct prom_text_value prom_text_scaled(enum metric_unit unit, int64_t value);
struct prom_text_value prom_text_scaled_real(enum metric_unit unit, double value);

/* The format an Accept header asks for; NULL or anything not understood is plain text. */
enum prom_text_format prom_text_negotiate(const char *accept);
const char *prom_text_content_type(enum prom_text_format format);

void prom_text_init(struct prom_text *text, enum prom_text_format format);
void prom_text_fini(struct prom_text *text);
/* Ends the text and hands it over with a final NUL; NULL when the writer failed. Free with
 * mem_free. */
MUST_CHECK char *prom_text_take(struct prom_text *text, size_t *len);

/* Begins a family. All its samples follow before the next begins. name is without "_total"; unit ""
 * for none. */
void prom_text_family(struct prom_text *text, const char *name, enum prom_text_kind kind,
                      const char *unit, const char *help);
/* The same from a row of the table. */
void prom_text_row(struct prom_text *text, const struct metric_descriptor *row);
/* labels: what a prom_text_labels holds, or NULL for none. */
void prom_text_sample(struct prom_text *text, const char *labels, struct prom_text_value value);
/* counts has bound_count + 1 entries, not cumulative, the last for what is above all bounds. */
void prom_text_histogram(struct prom_text *text, const char *labels, const double *bounds,
                         size_t bound_count, const uint64_t *counts, double sum);
void prom_text_end(struct prom_text *text);

/* Label text in the making: `name="value",...` with values escaped and invalid UTF-8 replaced by
 * U+FFFD. To use a common beginning for many samples, keep len and go back to it with
 * prom_text_labels_cut. */
struct prom_text_labels {
    char *bytes; /* NULL while empty */
    size_t len;
    size_t capacity;
    bool failed;
};

void prom_text_labels_add(struct prom_text_labels *labels, const char *name, const char *value);
void prom_text_labels_cut(struct prom_text_labels *labels, size_t len);
void prom_text_labels_fini(struct prom_text_labels *labels);

#endif
