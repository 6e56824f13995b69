/* jansson plus the three text forms of time that nats-server uses.
 *
 * jansson refuses integers beyond int64, and one field of 2^64-1 ("unlimited") would lose the whole
 * document. So a document that does not parse is looked through once for such integers outside
 * strings, each gets ".0" appended, which makes it a real, and it is parsed again. Documents
 * without them never pay for this. */
#include "monitor/json_read.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "broker/base/clock.h"
#include "broker/base/mem.h"

/* An integer of this many digits fits an int64 for certain. */
enum { SAFE_DIGITS = 18 };

static bool in_number(char c)
{
    return isdigit((unsigned char)c) || c == '.' || c == 'e' || c == 'E' || c == '+' || c == '-';
}

/* Copies a number token; returns the bytes written to out, which has room for two more. */
static size_t number_copy(const char *token, size_t len, char *out)
{
    bool integer = true;
    for (size_t i = 0; i < len; i++)
        integer = integer && (isdigit((unsigned char)token[i]) || token[i] == '-');
    memcpy(out, token, len);
    if (!integer || len <= SAFE_DIGITS)
        return len;
    out[len] = '\0';
    errno = 0;
    strtoll(out, NULL, 10);
    if (errno != ERANGE)
        return len;
    memcpy(out + len, ".0", 2);
    return len + 2;
}

/* A copy of text in which large integers are reals; NULL when out of memory. The caller frees it.
 */
static char *large_integers_to_reals(const char *text, size_t len, size_t *out_len)
{
    char *out = mem_alloc(len + len / (SAFE_DIGITS + 1) * 2 + 3);
    bool in_string = false;
    size_t used = 0;
    for (size_t i = 0; out && i < len;) {
        if (!in_string && in_number(text[i])) {
            size_t start = i;
            while (i < len && in_number(text[i]))
                i++;
            used += number_copy(text + start, i - start, out + used);
            continue;
        }
        if (in_string && text[i] == '\\' && i + 1 < len)
            out[used++] = text[i++];
        else if (text[i] == '"')
            in_string = !in_string;
        out[used++] = text[i++];
    }
    *out_len = used;
    return out;
}

json_t *json_read_document(const char *text, size_t len, char *error, size_t error_bytes)
{
    json_error_t details;
    json_t *document = json_loadb(text, len, 0, &details);
    if (!document && json_error_code(&details) == json_error_numeric_overflow) {
        size_t rewritten_len;
        char *rewritten = large_integers_to_reals(text, len, &rewritten_len);
        if (rewritten)
            document = json_loadb(rewritten, rewritten_len, 0, &details);
        mem_free(rewritten);
    }
    if (!document && error_bytes > 0)
        snprintf(error, error_bytes, "line %d: %s", details.line, details.text);
    return document;
}

json_t *json_read_at(const json_t *object, const char *key)
{
    const char *dot;
    while (object && (dot = strchr(key, '.'))) {
        object = json_object_getn(object, key, (size_t)(dot - key));
        key = dot + 1;
    }
    return object ? json_object_get(object, key) : NULL;
}

bool json_read_integer(const json_t *object, const char *key, int64_t *out)
{
    const json_t *value = json_read_at(object, key);
    if (!json_is_integer(value))
        return false;
    *out = json_integer_value(value);
    return true;
}

bool json_read_unsigned(const json_t *object, const char *key, uint64_t *out)
{
    int64_t value;
    if (!json_read_integer(object, key, &value) || value < 0)
        return false;
    *out = (uint64_t)value;
    return true;
}

bool json_read_double(const json_t *object, const char *key, double *out)
{
    const json_t *value = json_read_at(object, key);
    if (!json_is_number(value))
        return false;
    *out = json_number_value(value);
    return true;
}

bool json_read_boolean(const json_t *object, const char *key, bool *out)
{
    const json_t *value = json_read_at(object, key);
    if (!json_is_boolean(value))
        return false;
    *out = json_is_true(value);
    return true;
}

bool json_read_string(const json_t *object, const char *key, const char **out)
{
    const char *text = json_string_value(json_read_at(object, key));
    if (text)
        *out = text;
    return text != NULL;
}

const char *json_read_text(const json_t *object, const char *key)
{
    const char *text = "";
    json_read_string(object, key, &text);
    return text;
}

bool json_read_time(const json_t *object, const char *key, int64_t *out_ns)
{
    const char *text;
    return json_read_string(object, key, &text) && json_read_parse_time(text, out_ns);
}

bool json_read_go_duration(const json_t *object, const char *key, int64_t *out_ns)
{
    const char *text;
    return json_read_string(object, key, &text) && json_read_parse_go_duration(text, out_ns);
}

bool json_read_uptime(const json_t *object, const char *key, int64_t *out_ns)
{
    const char *text;
    return json_read_string(object, key, &text) && json_read_parse_uptime(text, out_ns);
}

/* ---- text forms ---- */

/* Reads exactly `digits` digits and the character after them (0: any); advances *text. */
static bool digits_read(const char **text, int digits, char after, int *out)
{
    int value = 0;
    for (int i = 0; i < digits; i++, (*text)++) {
        if (!isdigit((unsigned char)**text))
            return false;
        value = value * 10 + (**text - '0');
    }
    *out = value;
    if (after == 0)
        return true;
    return *(*text)++ == after;
}

/* ".123" as nanoseconds; digits beyond the ninth are dropped. */
static bool fraction_read(const char **text, int64_t *out_ns)
{
    int64_t scale = NS_PER_SEC / 10;
    if (**text != '.')
        return true;
    (*text)++;
    if (!isdigit((unsigned char)**text))
        return false;
    for (; isdigit((unsigned char)**text); (*text)++, scale /= 10)
        *out_ns += (**text - '0') * scale;
    return true;
}

static bool zone_read(const char **text, int64_t *out_seconds)
{
    char sign = *(*text)++;
    if (sign == 'Z' || sign == 'z')
        return true;
    int hours, minutes;
    if ((sign != '+' && sign != '-') || !digits_read(text, 2, ':', &hours) ||
        !digits_read(text, 2, 0, &minutes))
        return false;
    *out_seconds = (sign == '+' ? 1 : -1) * (hours * 3600LL + minutes * 60LL);
    return true;
}

bool json_read_parse_time(const char *text, int64_t *out_ns)
{
    struct tm parts = {0};
    int year, month;
    if (!digits_read(&text, 4, '-', &year) || !digits_read(&text, 2, '-', &month) ||
        !digits_read(&text, 2, 'T', &parts.tm_mday) ||
        !digits_read(&text, 2, ':', &parts.tm_hour) || !digits_read(&text, 2, ':', &parts.tm_min) ||
        !digits_read(&text, 2, 0, &parts.tm_sec))
        return false;
    int64_t fraction_ns = 0, zone_seconds = 0;
    if (!fraction_read(&text, &fraction_ns) || !zone_read(&text, &zone_seconds) || *text != '\0')
        return false;
    /* What nanoseconds in int64 can hold; Go's zero time is below it. */
    if (year < 1678 || year > 2261 || month < 1 || month > 12 || parts.tm_mday < 1 ||
        parts.tm_mday > 31 || parts.tm_hour > 23 || parts.tm_min > 59 || parts.tm_sec > 60)
        return false;
    parts.tm_year = year - 1900;
    parts.tm_mon = month - 1;
    *out_ns = ((int64_t)timegm(&parts) - zone_seconds) * NS_PER_SEC + fraction_ns;
    return true;
}

struct time_unit {
    const char *name; /* a longer name stands before its own prefix: "ms" before "m" */
    int64_t ns;
};

static const struct time_unit duration_units[] = {
    {"ns", 1},           {"us", 1000},      {"\xc2\xb5s", 1000}, /* micro sign */
    {"\xce\xbcs", 1000},                                         /* Greek mu */
    {"ms", NS_PER_MS},   {"s", NS_PER_SEC}, {"m", 60 * NS_PER_SEC}, {"h", 3600 * NS_PER_SEC}};

static const struct time_unit uptime_units[] = {{"y", 365 * 86400 * NS_PER_SEC},
                                                {"d", 86400 * NS_PER_SEC},
                                                {"h", 3600 * NS_PER_SEC},
                                                {"m", 60 * NS_PER_SEC},
                                                {"s", NS_PER_SEC}};

/* One "12.5ms"; adds it to *sum and advances *text. False when it is not one or the sum overflows.
 */
static bool term_read(const char **text, const struct time_unit *units, size_t count, int64_t *sum)
{
    int64_t whole = 0, scaled;
    double fraction = 0, scale = 0.1;
    const char *at = *text;
    if (!isdigit((unsigned char)*at))
        return false;
    for (; isdigit((unsigned char)*at); at++)
        if (__builtin_mul_overflow(whole, (int64_t)10, &whole) ||
            __builtin_add_overflow(whole, (int64_t)(*at - '0'), &whole))
            return false;
    if (*at == '.')
        for (at++; isdigit((unsigned char)*at); at++, scale /= 10)
            fraction += (*at - '0') * scale;
    for (size_t i = 0; i < count; i++) {
        size_t len = strlen(units[i].name);
        if (strncmp(at, units[i].name, len) != 0)
            continue;
        if (__builtin_mul_overflow(whole, units[i].ns, &scaled) ||
            __builtin_add_overflow(scaled, (int64_t)(fraction * (double)units[i].ns + 0.5),
                                   &scaled) ||
            __builtin_add_overflow(*sum, scaled, sum))
            return false;
        *text = at + len;
        return true;
    }
    return false;
}

static bool terms_read(const char *text, const struct time_unit *units, size_t count,
                       int64_t *out_ns)
{
    int64_t sum = 0;
    do {
        if (!term_read(&text, units, count, &sum))
            return false;
    } while (*text != '\0');
    *out_ns = sum;
    return true;
}

bool json_read_parse_go_duration(const char *text, int64_t *out_ns)
{
    bool negative = *text == '-';
    int64_t magnitude;
    if (!terms_read(text + (negative ? 1 : 0), duration_units, array_length(duration_units),
                    &magnitude))
        return false;
    *out_ns = negative ? -magnitude : magnitude;
    return true;
}

bool json_read_parse_uptime(const char *text, int64_t *out_ns)
{
    return terms_read(text, uptime_units, array_length(uptime_units), out_ns);
}
