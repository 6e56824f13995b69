/* Where a value meets its field. All ways in end in the same few setters, so that a default, a flag
 * and a line of the configuration file are held to the same range; the row tells the field's place
 * and type. */
#include "broker/options_set.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>

#include "broker/base/clock.h"
#include "broker/base/err.h"
#include "broker/base/mem.h"

static void *field_of(struct options *options, const struct option_row *row)
{
    return (char *)options + row->offset;
}

/* ---- reading text ---- */

int options_set_parse_number(const char *text, int64_t *number)
{
    char *end;
    errno = 0;
    long long value = strtoll(text, &end, 0);
    bool starts_well = strspn(text, "+-0123456789") > 0;
    if (!starts_well || *end || errno)
        return ERR_INVALID;
    *number = value;
    return 0;
}

/* The unit at *at in nanoseconds, stepping over it; 0 if there is none. */
static int64_t take_unit(const char **at)
{
    static const struct {
        const char *name;
        int64_t ns;
    } units[] = {
        {"ns", 1},         {"us", 1000},      {"\u00b5s", 1000},      {"\u03bcs", 1000},
        {"ms", NS_PER_MS}, {"s", NS_PER_SEC}, {"m", 60 * NS_PER_SEC}, {"h", 3600 * NS_PER_SEC}};
    size_t len = strcspn(*at, "+-.0123456789");
    for (size_t i = 0; i < array_length(units); i++) {
        if (strlen(units[i].name) == len && memcmp(units[i].name, *at, len) == 0) {
            *at += len;
            return units[i].ns;
        }
    }
    return 0;
}

/* Digits, perhaps a point and more digits, and a unit; added to *total. */
static bool take_part(const char **at, int64_t *total)
{
    int64_t whole = 0, fraction = 0, scale = 1;
    const char *start = *at;
    for (; **at >= '0' && **at <= '9'; ++*at)
        if (__builtin_mul_overflow(whole, 10, &whole) ||
            __builtin_add_overflow(whole, **at - '0', &whole))
            return false;
    bool digits = *at > start;
    if (**at == '.') {
        for (++*at; **at >= '0' && **at <= '9'; ++*at) {
            digits = true;
            if (scale <
                INT64_C(100000000000000000)) { /* more digits than that are below a nanosecond */
                fraction = fraction * 10 + (**at - '0');
                scale *= 10;
            }
        }
    }
    int64_t unit = digits ? take_unit(at) : 0;
    int64_t below = (int64_t)((double)fraction * ((double)unit / (double)scale));
    return unit > 0 && !__builtin_mul_overflow(whole, unit, &whole) &&
           !__builtin_add_overflow(*total, whole, total) &&
           !__builtin_add_overflow(*total, below, total);
}

int options_set_parse_duration(const char *text, int64_t *ns)
{
    const char *at = text;
    bool negative = *at == '-';
    if (*at == '-' || *at == '+')
        at++;
    int64_t total = 0;
    if (*at == '\0')
        return ERR_INVALID;
    if (strcmp(at, "0") != 0)
        while (*at)
            if (!take_part(&at, &total))
                return ERR_INVALID;
    *ns = negative ? -total : total;
    return 0;
}

/* Go's spellings. */
static int parse_bool(const char *text, bool *on)
{
    static const char *const words[] = {"1", "t", "T", "true",  "TRUE",  "True",
                                        "0", "f", "F", "false", "FALSE", "False"};
    for (size_t i = 0; i < array_length(words); i++) {
        if (strcmp(words[i], text) == 0) {
            *on = i < array_length(words) / 2;
            return 0;
        }
    }
    return ERR_INVALID;
}

/* A number of the row's type as text. */
static int parse_for(const struct option_row *row, const char *text, int64_t *number)
{
    if (row->type == OPTION_DURATION)
        return options_set_parse_duration(text, number);
    if (row->type == OPTION_WORKERS && strcmp(text, "auto") == 0) {
        *number = 0;
        return 0;
    }
    return options_set_parse_number(text, number);
}

/* ---- setting ---- */

static int say_expected(const struct option_row *row, char expected[EXPECTED_MAX])
{
    const char *what = row->type == OPTION_WORKERS ? "auto or a whole number" : "a whole number";
    if (row->type == OPTION_DURATION && row->min > 1)
        snprintf(expected, EXPECTED_MAX, "minimum is %g seconds",
                 (double)row->min / (double)NS_PER_SEC);
    else if (row->type == OPTION_DURATION)
        snprintf(expected, EXPECTED_MAX,
                 "expected a duration above zero, such as \"10s\" or \"1m30s\"");
    else if (row->max == INT64_MAX)
        snprintf(expected, EXPECTED_MAX, "expected %s of at least %" PRId64, what, row->min);
    else
        snprintf(expected, EXPECTED_MAX, "expected %s from %" PRId64 " to %" PRId64, what, row->min,
                 row->max);
    return ERR_INVALID;
}

int options_set_number(struct options *options, const struct option_row *row, int64_t number,
                       char expected[EXPECTED_MAX])
{
    if (number == 0)
        check(parse_for(row, row->initial, &number) == 0);
    else if (number < row->min || number > row->max)
        return say_expected(row, expected);
    if (row->type == OPTION_PORT)
        *(int *)field_of(options, row) = (int)number;
    else
        *(int64_t *)field_of(options, row) = number;
    return 0;
}

void options_set_string(struct options *options, const struct option_row *row, const char *text)
{
    char **field = field_of(options, row);
    size_t bytes = strlen(text) + 1;
    char *copy = memcpy(mem_zalloc_or_exit(bytes), text, bytes);
    if (*field && row->type == OPTION_SECRET)
        explicit_bzero(*field, strlen(*field));
    mem_free(*field);
    *field = copy;
}

void options_set_bool(struct options *options, const struct option_row *row, bool on)
{
    if (row->type == OPTION_COMBINED) {
        const char *fields = row->name;
        struct span field;
        while (options_table_next_word(&fields, &field))
            options_set_bool(options, options_table_find_field(field), on);
        return;
    }
    *(bool *)field_of(options, row) = on;
    if (on && row->offset == offsetof(struct options, trace_verbose))
        options->trace = true;
}

void options_set_seconds(struct options *options, const struct option_row *row, double seconds)
{
    double *field = field_of(options, row);
    *field = seconds > 0 ? seconds : strtod(row->initial, NULL);
}

int options_set_text(struct options *options, const struct option_row *row, const char *text,
                     char expected[EXPECTED_MAX])
{
    int64_t number;
    bool on;
    switch (row->type) {
    case OPTION_STRING:
    case OPTION_SECRET: options_set_string(options, row, text); return 0;
    case OPTION_SECONDS: options_set_seconds(options, row, strtod(text, NULL)); return 0;
    case OPTION_BOOL:
    case OPTION_COMBINED:
        if (parse_bool(text, &on) != 0) {
            snprintf(expected, EXPECTED_MAX, "expected true or false");
            return ERR_INVALID;
        }
        options_set_bool(options, row, on);
        return 0;
    case OPTION_PORT:
    case OPTION_INTEGER:
    case OPTION_DURATION:
    case OPTION_WORKERS:
        if (parse_for(row, text, &number) != 0)
            return say_expected(row, expected);
        return options_set_number(options, row, number, expected);
    default: check(!"a type that takes no text"); return ERR_INVALID;
    }
}

void options_set_defaults(struct options *options)
{
    *options = (struct options){0};
    for (size_t i = 0; i < option_row_count; i++) {
        char expected[EXPECTED_MAX];
        if (option_rows[i].initial)
            check(options_set_text(options, &option_rows[i], option_rows[i].initial, expected) ==
                  0);
    }
}
