/* Native metrics: from the documents of one scrape to series named by the table.
 *
 * native_map is called once per server and scrape, by the thread that answers it; nothing is kept.
 * The rest is for the files that share the work: native_connections.c, native_jetstream.c. */
#ifndef EXPORTER_NATIVE_H
#define EXPORTER_NATIVE_H

#include "exporter/scrape.h"
#include "exporter/series.h"

/* server: the identity label, unique among the servers of this scrape. */
void native_map(struct series_set *set, const struct options *options, unsigned collect,
                const struct scrape_result *result, const char *server);
/* What the exporter says about itself, once per scrape. */
void native_map_exporter(struct series_set *set);

/* ---- shared ---- */

struct native {
    struct series_set *set;
    const struct options *options;
    const struct scrape_result *result;
    struct prom_text_labels labels; /* begins with the identity labels, base_len bytes */
    size_t base_len;
};

/* The object behind a series, and label values that are not in it (a NULL name ends them). */
struct native_label {
    const char *name, *value;
};
struct native_entry {
    const json_t *object;
    const struct native_label *extra; /* or NULL */
};

/* Adds every row of a scope that the entry has a value for; rows called *_info get 1. */
void native_add_scope(struct native *native, enum metric_scope scope, struct native_entry entry);
/* Adds one computed value with the row's labels. */
void native_add(struct native *native, enum metric_id id, struct native_entry entry,
                struct prom_text_value value);
/* Identity labels and the row's, valid until the next call. */
const char *native_labels(struct native *native, const char *names, struct native_entry entry);
/* A row's value in the object, in the Prometheus unit; false: absent or unlimited. */
bool native_value(const json_t *object, const struct metric_descriptor *row,
                  struct prom_text_value *out);

void native_connections_map(struct native *native, const json_t *connz);
void native_jetstream_map(struct native *native, const json_t *jsz, const json_t *varz);

#endif
