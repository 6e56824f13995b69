/* One scrape. The servers' identity labels must differ, or their series would be the same: the
 * second of two servers that call themselves alike is called by its address. */
#include "exporter/collect.h"

#include "exporter/compat.h"
#include "exporter/native.h"

static const char *identity(struct scrape_result *const *results, size_t at)
{
    for (size_t i = 0; i < at; i++)
        if (results[i] && strcmp(results[i]->server, results[at]->server) == 0)
            return results[at]->address;
    return results[at]->server;
}

char *collect_text(const struct options *options, const struct collect_request *request,
                   size_t *len)
{
    struct scrape_result *results[OPTIONS_TARGETS_MAX] = {NULL};
    struct series_set *set = series_new();
    bool native = options->names & OPTIONS_NATIVE, legacy = options->names & OPTIONS_LEGACY;
    struct prom_text text;
    char *bytes = NULL;
    if (!set)
        return NULL;
    scrape_fetch(request->targets, request->target_count, scrape_wanted(options, request->collect),
                 request->timeout_ms, results);
    if (native)
        native_map_exporter(set);
    bool complete = true;
    for (size_t i = 0; i < request->target_count; i++) {
        complete = complete && results[i] && results[i]->server && results[i]->cluster;
        if (!complete)
            break;
        if (native)
            native_map(set, options, request->collect, results[i], identity(results, i));
        if (legacy)
            compat_map(set, options, results[i], !native, request->target_count == 1);
    }
    prom_text_init(&text, request->format);
    if (complete && series_write(set, &text)) {
        prom_text_end(&text);
        bytes = prom_text_take(&text, len);
    } else {
        prom_text_fini(&text);
    }
    for (size_t i = 0; i < request->target_count; i++)
        scrape_result_unref(results[i]);
    series_free(&set);
    return bytes;
}
