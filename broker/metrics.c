/* Descriptors made from metrics.def, and the names that follow from unit and kind: base name, then
 * the unit, then
 * "_total" for a counter, so that a name can never disagree with its type. */
#include "broker/metrics.h"

const struct metric_descriptor metric_descriptors[METRIC_COUNT] = {
#define ROW(field, source, scope, kind, unit, combine, name, key, column, label, help)             \
    [METRIC_##field] = {#field,                                                                    \
                        METRIC_SOURCE_##source,                                                    \
                        METRIC_SCOPE_##scope,                                                      \
                        METRIC_KIND_##kind,                                                        \
                        METRIC_UNIT_##unit,                                                        \
                        METRIC_COMBINE_##combine,                                                  \
                        name,                                                                      \
                        key,                                                                       \
                        column,                                                                    \
                        label,                                                                     \
                        help},
#define METRIC_WORKER(field, kind, unit, combine, name, key, column, help)                         \
    ROW(field, WORKER, NONE, kind, unit, combine, name, key, column, NULL, help)
#define METRIC_READ(field, kind, unit, name, key, column, help)                                    \
    ROW(field, READ, NONE, kind, unit, SUM, name, key, column, NULL, help)
#define METRIC_CONN(field, kind, unit, name, key, column, help)                                    \
    ROW(field, CONN, NONE, kind, unit, SUM, name, key, column, NULL, help)
#define METRIC_SUBS(field, kind, unit, name, key, column, help)                                    \
    ROW(field, SUBS, NONE, kind, unit, SUM, name, key, column, NULL, help)
#define METRIC_FAMILY(field, kind, unit, name, key, label, help)                                   \
    ROW(field, FAMILY, NONE, kind, unit, SUM, name, key, NULL, label, help)
#define METRIC_JSON(field, scope, kind, unit, name, key, label, help)                              \
    ROW(field, JSON, scope, kind, unit, SUM, name, key, NULL, label, help)
#include "broker/metrics.def"
};

const char *metrics_unit_name(enum metric_unit unit)
{
    switch (unit) {
    case METRIC_UNIT_BYTES: return "bytes";
    case METRIC_UNIT_SECONDS:
    case METRIC_UNIT_NS:
    case METRIC_UNIT_DURATION:
    case METRIC_UNIT_TIME: return "seconds";
    case METRIC_UNIT_PERCENT:
    case METRIC_UNIT_CORES: return "cores";
    case METRIC_UNIT_RATIO: return "ratio";
    case METRIC_UNIT_NONE: break;
    }
    return "";
}

double metrics_unit_factor(enum metric_unit unit)
{
    switch (unit) {
    case METRIC_UNIT_NS:
    case METRIC_UNIT_DURATION:
    case METRIC_UNIT_TIME: return 1e-9;
    case METRIC_UNIT_PERCENT: return 0.01;
    default: return 1;
    }
}

char *metrics_family_name(const struct metric_descriptor *row, char *out)
{
    const char *unit = metrics_unit_name(row->unit);
    snprintf(out, METRIC_NAME_MAX, "%s%s%s", row->name, unit[0] ? "_" : "", unit);
    return out;
}

const struct metric_descriptor *metrics_find(const char *field)
{
    for (size_t i = 0; i < METRIC_COUNT; i++)
        if (strcmp(metric_descriptors[i].field, field) == 0)
            return &metric_descriptors[i];
    return NULL;
}

void metrics_list(FILE *out)
{
    static const char *const documents[] = {"/varz", "/varz", "/connz", "/subsz", "/varz", NULL};
    static const char *const scopes[] = {NULL,     NULL,        NULL,     "/varz",   "/healthz",
                                         "/connz", "/connz",    "/subsz", "/routez", "/gatewayz",
                                         "/leafz", "/accstatz", "/jsz",   "/jsz",    "/jsz",
                                         "/jsz",   "/jsz",      "/jsz"};
    fputs("# Metrics\n\nMade from `broker/metrics.def` by `clearwing --list-metrics`.\n\n"
          "| Prometheus name | type | label | JSON | meaning |\n|---|---|---|---|---|\n",
          out);
    for (size_t i = 0; i < METRIC_COUNT; i++) {
        const struct metric_descriptor *row = &metric_descriptors[i];
        char name[METRIC_NAME_MAX];
        bool counter = row->kind == METRIC_KIND_COUNTER;
        fprintf(out, "| `%s%s` | %s | %s | ", metrics_family_name(row, name),
                counter ? "_total" : "", counter ? "counter" : "gauge",
                row->label                          ? row->label
                : row->source == METRIC_SOURCE_CONN ? "cid"
                                                    : "-");
        const char *document = row->scope ? scopes[row->scope] : documents[row->source];
        if (row->key)
            fprintf(out, "`%s` `%s`", document, row->key);
        else if (row->scope && document)
            fprintf(out, "`%s`", document);
        else
            fputs("-", out);
        fprintf(out, " | %s |\n", row->help);
    }
}
