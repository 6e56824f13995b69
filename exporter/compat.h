/* The metric names of prometheus-nats-exporter, for dashboards and alerts that are written for
 * them.
 *
 * compat_map is called once per server and scrape, by the thread that answers it; nothing is kept.
 * Names, labels, units and types are copied, faults are not (docs/exporter.md lists the
 * differences). The rest is shared with compat_jetstream.c. */
#ifndef EXPORTER_COMPAT_H
#define EXPORTER_COMPAT_H

#include "exporter/scrape.h"
#include "exporter/series.h"

/* with_up: add nats_up, which the native set has already otherwise. only_target: there is exactly
 * one server, so that its own id or name may be its label. */
void compat_map(struct series_set *set, const struct options *options,
                const struct scrape_result *result, bool with_up, bool only_target);

/* ---- shared ---- */

struct compat {
    struct series_set *set;
    const struct options *options;
    const struct scrape_result *result;
    const char *prefix;
    const char *server_id;
    struct prom_text_labels labels;
};

struct compat_label {
    const char *name, *value;
};

/* Replaces the labels; a NULL name ends the list. */
void compat_labels(struct compat *compat, const struct compat_label *list);
/* PREFIX_area_name, with the present labels. help may be NULL: the name. */
void compat_add(struct compat *compat, const char *prefix, const char *area, const char *name,
                enum prom_text_kind kind, struct prom_text_value value);
/* A number of the object, as it is; nothing when it is not there. */
void compat_add_number(struct compat *compat, const char *prefix, const char *area,
                       const char *name, enum prom_text_kind kind, const json_t *object,
                       const char *key);

void compat_jetstream_map(struct compat *compat, const json_t *jsz, const json_t *varz);

#endif
