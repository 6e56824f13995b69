/* From a request to text: fetches the targets, maps them by the options, writes the exposition.
 *
 * Any thread. The text is the caller's, freed with mem_free; NULL when out of memory. */
#ifndef EXPORTER_COLLECT_H
#define EXPORTER_COLLECT_H

#include "exporter/scrape.h"
#include "monitor/prom_text.h"

struct collect_request {
    struct scrape_target *const *targets;
    size_t target_count;
    unsigned collect; /* enum options_collect */
    int64_t timeout_ms;
    enum prom_text_format format;
};

MUST_CHECK char *collect_text(const struct options *options, const struct collect_request *request,
                              size_t *len);

#endif
