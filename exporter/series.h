/* The series of one scrape, grouped by family, before they become text.
 *
 * Servers are mapped one after the other, yet the text needs all samples of a family together; so
 * samples are collected here first. One thread at a time. The set owns everything put into it. A
 * family is named by a row of the table or, for the older names, by its own texts. Two samples of a
 * family with the same labels cannot stand in one text: the second is left out and counted as
 * dropped, as are those beyond the limit per family and server. */
#ifndef EXPORTER_SERIES_H
#define EXPORTER_SERIES_H

#include "monitor/prom_text.h"

struct series_set;

struct series_family_name {
    const char *name; /* without "_total" for PROM_TEXT_COUNTER */
    enum prom_text_kind kind;
    const char *unit;
    const char *help;
};

/* NULL when out of memory. */
MUST_CHECK struct series_set *series_new(void);
void series_free(struct series_set **set);

/* Begins the next server, of which each family takes up to limit series. */
void series_server(struct series_set *set, uint64_t limit);
void series_add(struct series_set *set, const struct series_family_name *family, const char *labels,
                struct prom_text_value value);
void series_add_row(struct series_set *set, const struct metric_descriptor *row, const char *labels,
                    struct prom_text_value value);
/* A distribution of current values. counts has bound_count + 1 entries and is copied; bounds must
 * outlive the set. */
void series_add_distribution(struct series_set *set, const struct metric_descriptor *row,
                             const char *labels, const double *bounds, size_t bound_count,
                             const uint64_t *counts, double sum);
/* Calls each for every family of which samples were left out since series_server. name is as in the
 * text. */
typedef void series_dropped_fn(void *context, const char *name, uint64_t count);
void series_each_dropped(struct series_set *set, series_dropped_fn *each, void *context);

/* Writes all of it; false when memory ran out here or while adding. */
MUST_CHECK bool series_write(const struct series_set *set, struct prom_text *text);

#endif
