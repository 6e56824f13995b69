/* Families in the order of their first sample, samples in the order they were added.
 *
 * Two hash tables, open addressing, grown at half full: family names to families, and (family,
 * labels) to samples for the duplicate check. Slots hold index + 1; 0 is empty. */
#include "exporter/series.h"

#include <stdio.h>

#include "broker/base/mem.h"

struct sample {
    uint32_t family;
    char *labels; /* NULL: none */
    struct prom_text_value value;
    struct distribution *distribution; /* NULL: value counts */
};

struct distribution {
    const double *bounds;
    size_t bound_count;
    double sum;
    uint64_t counts[];
};

struct family {
    char *name;
    char *help;
    const char *unit;
    enum prom_text_kind kind;
    uint64_t here;    /* samples of the present server */
    uint64_t dropped; /* of the present server */
};

struct table {
    uint32_t *slots;
    size_t size; /* a power of two, or 0 */
    size_t used;
};

struct series_set {
    struct family *families;
    size_t family_count, family_capacity;
    struct sample *samples;
    size_t sample_count, sample_capacity;
    struct table by_name, by_labels;
    uint64_t limit;
    bool failed;
};

static uint64_t hash_text(uint64_t hash, const char *text)
{
    for (; *text; text++)
        hash = (hash ^ (unsigned char)*text) * 0x100000001b3ULL;
    return hash ^ (hash >> 29);
}

static uint64_t family_hash(const struct series_set *set, size_t i)
{
    return hash_text(0xcbf29ce484222325ULL, set->families[i].name);
}

static uint64_t labels_hash(uint32_t family, const char *labels)
{
    return hash_text(0xcbf29ce484222325ULL + family * 0x9e3779b97f4a7c15ULL, labels);
}

static uint64_t sample_hash(const struct series_set *set, size_t i)
{
    const struct sample *sample = &set->samples[i];
    return labels_hash(sample->family, sample->labels ? sample->labels : "");
}

/* Room for one more entry; hash_of gives the hash of those already in. */
static bool table_grow(struct series_set *set, struct table *table,
                       uint64_t (*hash_of)(const struct series_set *, size_t))
{
    if (table->size > table->used * 2)
        return true;
    size_t size = max_size(table->size * 2, 64);
    uint32_t *slots = mem_zalloc(size * sizeof *slots);
    if (!slots)
        return false;
    for (size_t i = 0; i < table->used; i++) {
        size_t at = hash_of(set, i) & (size - 1);
        while (slots[at])
            at = (at + 1) & (size - 1);
        slots[at] = (uint32_t)i + 1;
    }
    mem_free(table->slots);
    *table = (struct table){slots, size, table->used};
    return true;
}

static bool array_grow(void **array, size_t count, size_t *capacity, size_t item_bytes)
{
    if (count < *capacity)
        return true;
    size_t wanted = max_size(*capacity * 2, 64);
    void *grown = mem_realloc(*array, wanted * item_bytes);
    if (!grown)
        return false;
    *array = grown;
    *capacity = wanted;
    return true;
}

struct series_set *series_new(void)
{
    struct series_set *set = mem_zalloc(sizeof *set);
    if (set)
        set->limit = UINT64_MAX;
    return set;
}

void series_free(struct series_set **pointer)
{
    struct series_set *set = *pointer;
    if (!set)
        return;
    for (size_t i = 0; i < set->family_count; i++) {
        mem_free(set->families[i].name);
        mem_free(set->families[i].help);
    }
    for (size_t i = 0; i < set->sample_count; i++) {
        mem_free(set->samples[i].labels);
        mem_free(set->samples[i].distribution);
    }
    mem_free(set->families);
    mem_free(set->samples);
    mem_free(set->by_name.slots);
    mem_free(set->by_labels.slots);
    mem_free(set);
    *pointer = NULL;
}

void series_server(struct series_set *set, uint64_t limit)
{
    set->limit = limit;
    for (size_t i = 0; i < set->family_count; i++)
        set->families[i].here = set->families[i].dropped = 0;
}

/* The family's index, added when it is new; false when out of memory. */
static bool family_find(struct series_set *set, const struct series_family_name *name,
                        uint32_t *out)
{
    if (!table_grow(set, &set->by_name, family_hash))
        return false;
    size_t at = hash_text(0xcbf29ce484222325ULL, name->name) & (set->by_name.size - 1);
    for (; set->by_name.slots[at]; at = (at + 1) & (set->by_name.size - 1)) {
        *out = set->by_name.slots[at] - 1;
        if (strcmp(set->families[*out].name, name->name) == 0)
            return true;
    }
    void *array = set->families;
    bool room = array_grow(&array, set->family_count, &set->family_capacity, sizeof *set->families);
    set->families = array;
    if (!room)
        return false;
    struct family family = {mem_copy_string(span_of(name->name)),
                            mem_copy_string(span_of(name->help)),
                            name->unit,
                            name->kind,
                            0,
                            0};
    if (!family.name || !family.help) {
        mem_free(family.name);
        mem_free(family.help);
        return false;
    }
    *out = (uint32_t)set->family_count;
    set->families[set->family_count++] = family;
    set->by_name.slots[at] = *out + 1;
    set->by_name.used++;
    return true;
}

/* The new sample, or NULL when it is left out or memory ran out. */
static struct sample *sample_add(struct series_set *set, const struct series_family_name *name,
                                 const char *labels)
{
    uint32_t index;
    labels = labels ? labels : "";
    if (set->failed || !family_find(set, name, &index) ||
        !table_grow(set, &set->by_labels, sample_hash))
        goto failed;
    struct family *family = &set->families[index];
    size_t at = labels_hash(index, labels) & (set->by_labels.size - 1);
    bool duplicate = false;
    for (; set->by_labels.slots[at] && !duplicate; at = (at + 1) & (set->by_labels.size - 1)) {
        const struct sample *other = &set->samples[set->by_labels.slots[at] - 1];
        duplicate =
            other->family == index && strcmp(other->labels ? other->labels : "", labels) == 0;
    }
    if (duplicate || family->here >= set->limit) {
        family->dropped++;
        return NULL;
    }
    void *array = set->samples;
    bool room = array_grow(&array, set->sample_count, &set->sample_capacity, sizeof *set->samples);
    set->samples = array;
    char *copy = labels[0] ? mem_copy_string(span_of(labels)) : NULL;
    if (!room || (labels[0] && !copy)) {
        mem_free(copy);
        goto failed;
    }
    struct sample *sample = &set->samples[set->sample_count++];
    *sample = (struct sample){.family = index, .labels = copy};
    set->by_labels.slots[at] = (uint32_t)set->sample_count;
    set->by_labels.used++;
    family->here++;
    return sample;
failed:
    set->failed = true;
    return NULL;
}

void series_add(struct series_set *set, const struct series_family_name *family, const char *labels,
                struct prom_text_value value)
{
    struct sample *sample = sample_add(set, family, labels);
    if (sample)
        sample->value = value;
}

static struct series_family_name row_name(const struct metric_descriptor *row,
                                          enum prom_text_kind kind, char *name)
{
    return (struct series_family_name){metrics_family_name(row, name), kind,
                                       metrics_unit_name(row->unit), row->help};
}

void series_add_row(struct series_set *set, const struct metric_descriptor *row, const char *labels,
                    struct prom_text_value value)
{
    char name[METRIC_NAME_MAX];
    struct series_family_name family =
        row_name(row, row->kind == METRIC_KIND_COUNTER ? PROM_TEXT_COUNTER : PROM_TEXT_GAUGE, name);
    series_add(set, &family, labels, value);
}

void series_add_distribution(struct series_set *set, const struct metric_descriptor *row,
                             const char *labels, const double *bounds, size_t bound_count,
                             const uint64_t *counts, double sum)
{
    char name[METRIC_NAME_MAX];
    struct series_family_name family = row_name(row, PROM_TEXT_GAUGE_HISTOGRAM, name);
    struct sample *sample = sample_add(set, &family, labels);
    if (!sample)
        return;
    size_t counts_bytes = (bound_count + 1) * sizeof *counts;
    struct distribution *distribution = mem_alloc(sizeof *distribution + counts_bytes);
    if (!distribution) {
        set->failed = true;
        return;
    }
    distribution->bounds = bounds;
    distribution->bound_count = bound_count;
    distribution->sum = sum;
    memcpy(distribution->counts, counts, counts_bytes);
    sample->distribution = distribution;
}

void series_each_dropped(struct series_set *set, series_dropped_fn *each, void *context)
{
    size_t count = set->family_count; /* `each` may add one */
    for (size_t i = 0; i < count; i++) {
        char name[METRIC_NAME_MAX + 8];
        uint64_t dropped = set->families[i].dropped;
        snprintf(name, sizeof name, "%s%s", set->families[i].name,
                 set->families[i].kind == PROM_TEXT_COUNTER ? "_total" : "");
        if (dropped > 0)
            each(context, name, dropped);
    }
}

bool series_write(const struct series_set *set, struct prom_text *text)
{
    /* Samples chained by family, so that writing is linear in their number. */
    size_t *next = mem_alloc((set->sample_count + 1) * sizeof *next);
    size_t *first = mem_alloc((set->family_count + 1) * sizeof *first);
    bool room = next && first && !set->failed;
    for (size_t i = 0; room && i < set->family_count; i++)
        first[i] = SIZE_MAX;
    for (size_t i = set->sample_count; room && i-- > 0;) {
        next[i] = first[set->samples[i].family];
        first[set->samples[i].family] = i;
    }
    for (size_t f = 0; room && f < set->family_count; f++) {
        const struct family *family = &set->families[f];
        if (first[f] == SIZE_MAX)
            continue;
        prom_text_family(text, family->name, family->kind, family->unit, family->help);
        for (size_t i = first[f]; i != SIZE_MAX; i = next[i]) {
            const struct sample *sample = &set->samples[i];
            if (sample->distribution)
                prom_text_histogram(text, sample->labels, sample->distribution->bounds,
                                    sample->distribution->bound_count, sample->distribution->counts,
                                    sample->distribution->sum);
            else
                prom_text_sample(text, sample->labels, sample->value);
        }
    }
    mem_free(next);
    mem_free(first);
    return room;
}
