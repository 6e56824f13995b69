/* Exposition text.
 *
 * The two formats differ in five places, and all five are here: OpenMetrics names a counter's
 * family without "_total", has "# UNIT" and "# EOF", escapes quotes in HELP, and knows gauge
 * histograms ("_gcount", "_gsum"). Sample lines are the same otherwise, `le` values included, so
 * that a series keeps its identity when a scraper changes format.
 * "_created" lines are not written: Prometheus 2 stores them as series of their own. */
#include "monitor/prom_text.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

#include "broker/base/mem.h"

/* ---- growing ---- */

static bool reserve(char **bytes, size_t *capacity, size_t need)
{
    if (need <= *capacity)
        return true;
    if (need > PROM_TEXT_BYTES_MAX)
        return false;
    size_t wanted = max_size(need, max_size(*capacity * 2, 256));
    char *grown = mem_realloc(*bytes, wanted);
    if (!grown)
        return false;
    *bytes = grown;
    *capacity = wanted;
    return true;
}

static void put(struct prom_text *text, const char *bytes, size_t len)
{
    if (text->failed || !reserve(&text->bytes, &text->capacity, text->len + len + 1)) {
        text->failed = true;
        return;
    }
    memcpy(text->bytes + text->len, bytes, len);
    text->len += len;
    text->bytes[text->len] = '\0';
}

static void put_string(struct prom_text *text, const char *string)
{
    put(text, string, strlen(string));
}

void prom_text_init(struct prom_text *text, enum prom_text_format format)
{
    *text = (struct prom_text){.format = format};
}

void prom_text_fini(struct prom_text *text)
{
    mem_free(text->bytes);
    *text = (struct prom_text){.format = text->format};
}

char *prom_text_take(struct prom_text *text, size_t *len)
{
    put(text, "", 0);
    if (text->failed) {
        prom_text_fini(text);
        return NULL;
    }
    char *bytes = text->bytes;
    *len = text->len;
    *text = (struct prom_text){.format = text->format};
    return bytes;
}

/* ---- numbers ---- */

struct prom_text_value prom_text_scaled_real(enum metric_unit unit, double value)
{
    /* Dividing by the whole number is exact where multiplying with its inverse is not: 10 s
     * stays 10. */
    double factor = metrics_unit_factor(unit);
    return prom_text_real(factor < 1 ? value / (double)(int64_t)(1 / factor + 0.5)
                                     : value * factor);
}

struct prom_text_value prom_text_scaled(enum metric_unit unit, int64_t value)
{
    return metrics_unit_factor(unit) < 1 ? prom_text_scaled_real(unit, (double)value)
                                         : prom_text_signed(value);
}

/* The shortest decimal that reads back as the same double. */
static void real_format(double value, char *out, size_t out_bytes)
{
    if (isnan(value)) {
        snprintf(out, out_bytes, "NaN");
    } else if (isinf(value)) {
        snprintf(out, out_bytes, value > 0 ? "+Inf" : "-Inf");
    } else {
        for (int digits = 15; digits <= 17; digits++) {
            snprintf(out, out_bytes, "%.*g", digits, value);
            double back = strtod(out, NULL);
            if (back <= value && back >= value)
                break;
        }
    }
}

static void put_value(struct prom_text *text, struct prom_text_value value)
{
    char number[40];
    switch (value.form) {
    case PROM_TEXT_VALUE_UNSIGNED:
        snprintf(number, sizeof number, "%llu", (unsigned long long)value.u);
        break;
    case PROM_TEXT_VALUE_SIGNED: snprintf(number, sizeof number, "%lld", (long long)value.i); break;
    case PROM_TEXT_VALUE_REAL: real_format(value.d, number, sizeof number); break;
    }
    put_string(text, number);
}

/* ---- families and samples ---- */

static const char *kind_name(enum prom_text_format format, enum prom_text_kind kind)
{
    bool open = format == PROM_TEXT_OPENMETRICS;
    switch (kind) {
    case PROM_TEXT_GAUGE: return "gauge";
    case PROM_TEXT_COUNTER: return "counter";
    case PROM_TEXT_HISTOGRAM: return "histogram";
    case PROM_TEXT_GAUGE_HISTOGRAM: return open ? "gaugehistogram" : "histogram";
    case PROM_TEXT_BARE_COUNTER: return open ? "unknown" : "counter";
    case PROM_TEXT_UNTYPED: break;
    }
    return open ? "unknown" : "untyped";
}

static void put_help(struct prom_text *text, const char *help)
{
    for (; *help; help++) {
        if (*help == '\\')
            put(text, "\\\\", 2);
        else if (*help == '\n')
            put(text, "\\n", 2);
        else if (*help == '"' && text->format == PROM_TEXT_OPENMETRICS)
            put(text, "\\\"", 2);
        else
            put(text, help, 1);
    }
}

static void put_metadata(struct prom_text *text, const char *word)
{
    bool total = text->kind == PROM_TEXT_COUNTER && text->format == PROM_TEXT_PLAIN;
    put_string(text, word);
    put_string(text, text->name);
    put_string(text, total ? "_total " : " ");
}

void prom_text_family(struct prom_text *text, const char *name, enum prom_text_kind kind,
                      const char *unit, const char *help)
{
    snprintf(text->name, sizeof text->name, "%s", name);
    text->kind = kind;
    put_metadata(text, "# HELP ");
    put_help(text, help);
    put(text, "\n", 1);
    if (unit[0] && text->format == PROM_TEXT_OPENMETRICS) {
        put_metadata(text, "# UNIT ");
        put_string(text, unit);
        put(text, "\n", 1);
    }
    put_metadata(text, "# TYPE ");
    put_string(text, kind_name(text->format, kind));
    put(text, "\n", 1);
}

void prom_text_row(struct prom_text *text, const struct metric_descriptor *row)
{
    char name[METRIC_NAME_MAX];
    prom_text_family(text, metrics_family_name(row, name),
                     row->kind == METRIC_KIND_COUNTER ? PROM_TEXT_COUNTER : PROM_TEXT_GAUGE,
                     metrics_unit_name(row->unit), row->help);
}

/* One line; `le` is a bucket's bound or NULL. */
static void put_line(struct prom_text *text, const char *suffix, const char *labels, const char *le,
                     struct prom_text_value value)
{
    bool labelled = labels && labels[0];
    put_string(text, text->name);
    put_string(text, suffix);
    if (labelled || le) {
        put(text, "{", 1);
        if (labelled)
            put_string(text, labels);
        if (le) {
            put_string(text, labelled ? ",le=\"" : "le=\"");
            put_string(text, le);
            put(text, "\"", 1);
        }
        put(text, "}", 1);
    }
    put(text, " ", 1);
    put_value(text, value);
    put(text, "\n", 1);
}

void prom_text_sample(struct prom_text *text, const char *labels, struct prom_text_value value)
{
    put_line(text, text->kind == PROM_TEXT_COUNTER ? "_total" : "", labels, NULL, value);
}

void prom_text_histogram(struct prom_text *text, const char *labels, const double *bounds,
                         size_t bound_count, const uint64_t *counts, double sum)
{
    bool gauge = text->kind == PROM_TEXT_GAUGE_HISTOGRAM && text->format == PROM_TEXT_OPENMETRICS;
    uint64_t below = 0;
    for (size_t i = 0; i <= bound_count; i++) {
        char number[40], le[44] = "+Inf";
        if (i < bound_count) {
            real_format(bounds[i], number, sizeof number);
            snprintf(le, sizeof le, "%s%s", number, strpbrk(number, ".e") ? "" : ".0");
        }
        below += counts[i];
        put_line(text, "_bucket", labels, le, prom_text_unsigned(below));
    }
    put_line(text, gauge ? "_gcount" : "_count", labels, NULL, prom_text_unsigned(below));
    put_line(text, gauge ? "_gsum" : "_sum", labels, NULL, prom_text_real(sum));
}

void prom_text_end(struct prom_text *text)
{
    if (text->format == PROM_TEXT_OPENMETRICS)
        put_string(text, "# EOF\n");
}

/* ---- labels ---- */

static void label_put(struct prom_text_labels *labels, const char *bytes, size_t len)
{
    if (labels->failed || !reserve(&labels->bytes, &labels->capacity, labels->len + len + 1)) {
        labels->failed = true;
        return;
    }
    memcpy(labels->bytes + labels->len, bytes, len);
    labels->len += len;
    labels->bytes[labels->len] = '\0';
}

/* Length of the valid UTF-8 character at s, 0 when there is none. */
static size_t character_length(const unsigned char *s)
{
    size_t len = s[0] < 0x80 ? 1 : s[0] >= 0xf0 ? 4 : s[0] >= 0xe0 ? 3 : 2;
    if (len == 1)
        return 1;
    if (s[0] < 0xc2 || s[0] > 0xf4)
        return 0;
    for (size_t i = 1; i < len; i++)
        if ((s[i] & 0xc0) != 0x80)
            return 0;
    bool overlong = (s[0] == 0xe0 && s[1] < 0xa0) || (s[0] == 0xf0 && s[1] < 0x90);
    bool outside = (s[0] == 0xed && s[1] > 0x9f) || (s[0] == 0xf4 && s[1] > 0x8f);
    return overlong || outside ? 0 : len;
}

static void label_value_put(struct prom_text_labels *labels, const char *value)
{
    while (*value) {
        size_t len = character_length((const unsigned char *)value);
        if (len == 0)
            label_put(labels, "\xef\xbf\xbd", 3);
        else if (*value == '\n')
            label_put(labels, "\\n", 2);
        else {
            if (*value == '\\' || *value == '"')
                label_put(labels, "\\", 1);
            label_put(labels, value, len);
        }
        value += len ? len : 1;
    }
}

void prom_text_labels_add(struct prom_text_labels *labels, const char *name, const char *value)
{
    if (labels->len > 0)
        label_put(labels, ",", 1);
    label_put(labels, name, strlen(name));
    label_put(labels, "=\"", 2);
    label_value_put(labels, value);
    label_put(labels, "\"", 1);
}

void prom_text_labels_cut(struct prom_text_labels *labels, size_t len)
{
    check(len <= labels->len);
    labels->len = len;
    if (labels->bytes)
        labels->bytes[len] = '\0';
}

void prom_text_labels_fini(struct prom_text_labels *labels)
{
    mem_free(labels->bytes);
    *labels = (struct prom_text_labels){0};
}

/* ---- the Accept header ---- */

struct media_range {
    char type[64];
    char version[16];
    double quality;
};

/* Reads "type; name=value; ..." up to the comma; returns where it ended. */
static const char *media_range_read(const char *at, struct media_range *out)
{
    *out = (struct media_range){.quality = 1};
    at += strspn(at, " \t,");
    size_t len = strcspn(at, ",; \t");
    snprintf(out->type, sizeof out->type, "%.*s", (int)min_size(len, sizeof out->type), at);
    at += len;
    while ((at += strspn(at, " \t")), *at == ';') {
        at += 1 + strspn(at + 1, " \t");
        len = strcspn(at, ",;");
        if (strncasecmp(at, "q=", 2) == 0)
            out->quality = strtod(at + 2, NULL);
        else if (strncasecmp(at, "version=", 8) == 0)
            snprintf(out->version, sizeof out->version, "%.*s",
                     (int)min_size(strcspn(at + 8, ",; \t"), 15), at + 8);
        at += len;
    }
    return at + strcspn(at, ",");
}

static bool version_fits(const struct media_range *range, const char *ours)
{
    return range->version[0] == '\0' || strcmp(range->version, ours) == 0;
}

enum prom_text_format prom_text_negotiate(const char *accept)
{
    double open = 0, plain = 0;
    for (const char *at = accept ? accept : ""; *at;) {
        struct media_range range;
        at = media_range_read(at, &range);
        bool wildcard = strcmp(range.type, "*/*") == 0 || strcasecmp(range.type, "text/*") == 0;
        if (strcasecmp(range.type, "application/openmetrics-text") == 0) {
            if (version_fits(&range, "1.0.0") && range.quality > open)
                open = range.quality;
        } else if (wildcard ||
                   (strcasecmp(range.type, "text/plain") == 0 && version_fits(&range, "0.0.4"))) {
            if (range.quality > plain)
                plain = range.quality;
        }
    }
    return open > 0 && open >= plain ? PROM_TEXT_OPENMETRICS : PROM_TEXT_PLAIN;
}

const char *prom_text_content_type(enum prom_text_format format)
{
    return format == PROM_TEXT_OPENMETRICS
               ? "application/openmetrics-text; version=1.0.0; charset=utf-8"
               : "text/plain; version=0.0.4; charset=utf-8";
}
