/* Options from one table.
 *
 * A row of options.def makes a field of struct options and a descriptor here; the descriptor's kind
 * says how text becomes the field's value. Defaults and environment variables are applied by the
 * same function as what is typed, so all three obey the same limits.
 *
 * "--name value" and "--name=value" mean the same. "--" ends the options; "-" alone is an argument.
 */
#include "client/options.h"

#include "broker/base/mem.h"
#include "client/say.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>

enum kind { KIND_FLAG, KIND_TEXT, KIND_NUMBER, KIND_DURATION, KIND_LIST };

struct option_row {
    enum kind kind;
    unsigned verbs;
    size_t offset;
    const char *name, *argument, *environment, *preset, *help;
    int64_t minimum, maximum;
};

static const struct option_row rows[] = {
#define OPTION(kind, field, verbs, name, argument, environment, preset, minimum, maximum, help)    \
    {KIND_##kind, verbs,    offsetof(struct options, field),                                       \
     name,        argument, environment,                                                           \
     preset,      help,     minimum,                                                               \
     maximum},
#include "client/options.def"
#undef OPTION
};

/* --- values
 * ------------------------------------------------------------------------------------------- */

static int parse_number(const struct option_row *row, const char *from, const char *text,
                        uint64_t *value)
{
    char *end = NULL;
    errno = 0;
    unsigned long long number = strtoull(text, &end, 10);
    if (text[0] < '0' || text[0] > '9' || *end != '\0' || errno == ERANGE ||
        number < (uint64_t)row->minimum || number > (uint64_t)row->maximum) {
        say_line("%s: \"%s\" is not a whole number from %" PRId64 " to %" PRId64, from, text,
                 row->minimum, row->maximum);
        return -1;
    }
    *value = number;
    return 0;
}

static int parse_duration(const struct option_row *row, const char *from, const char *text,
                          int64_t *value)
{
    static const struct {
        const char *name;
        double ns;
    } units[] = {{"ns", 1},  {"us", 1e3}, {"µs", 1e3},  {"ms", 1e6},
                 {"s", 1e9}, {"m", 60e9}, {"h", 3600e9}};
    char *end = NULL;
    double number = strtod(text, &end);
    bool digit_first = text[0] >= '0' && text[0] <= '9';
    bool decimal = strspn(text, "0123456789.") == (size_t)(end - text);
    for (size_t i = 0; digit_first && decimal && i < array_length(units); i++) {
        if (strcmp(end, units[i].name) != 0)
            continue;
        double ns = number * units[i].ns;
        if (ns >= (double)row->minimum && ns <= (double)row->maximum) {
            *value = (int64_t)ns;
            return 0;
        }
        char least[CLOCK_TEXT_MAX], most[CLOCK_TEXT_MAX];
        say_line("%s: \"%s\" is out of range: from %s to %s", from, text,
                 clock_go_duration(row->minimum, least), clock_go_duration(row->maximum, most));
        return -1;
    }
    say_line("%s: \"%s\" is not a duration: write a number and a unit, such as 500ms, 2s or 1m",
             from, text);
    return -1;
}

static int list_append(struct options_list *list, const char *item)
{
    const char **grown = mem_realloc(list->items, (list->count + 1) * sizeof *grown);
    if (!grown) {
        say_line("out of memory");
        return -1;
    }
    grown[list->count++] = item;
    list->items = grown;
    return 0;
}

/* from names the value's origin in an error: "--count", "NATS_TIMEOUT". */
static int set_value(struct options *options, const struct option_row *row, const char *from,
                     const char *text)
{
    void *field = (char *)options + row->offset;
    switch (row->kind) {
    case KIND_FLAG: *(bool *)field = true; return 0;
    case KIND_TEXT:
        if (text[0] == '\0') {
            say_line("%s: the value is empty; it needs %s", from, row->argument);
            return -1;
        }
        *(const char **)field = text;
        return 0;
    case KIND_NUMBER: return parse_number(row, from, text, field);
    case KIND_DURATION: return parse_duration(row, from, text, field);
    case KIND_LIST: return list_append(field, text);
    }
    return -1;
}

/* --- finding the row
 * ---------------------------------------------------------------------------------- */

static const struct option_row *find_row(enum verb_bit verb, const char *name, size_t len)
{
    for (size_t i = 0; i < array_length(rows); i++) {
        if ((rows[i].verbs & verb) && strlen(rows[i].name) == len &&
            memcmp(rows[i].name, name, len) == 0)
            return &rows[i];
    }
    return NULL;
}

/* Letters to add, drop or change to get from a to b (Levenshtein); names longer than the table's
 * are far. */
static size_t edit_distance(const char *a, size_t a_len, const char *b)
{
    size_t row[64];
    size_t b_len = strlen(b);
    if (a_len >= array_length(row) || b_len >= array_length(row))
        return SIZE_MAX;
    for (size_t j = 0; j <= b_len; j++)
        row[j] = j;
    for (size_t i = 1; i <= a_len; i++) {
        size_t diagonal = row[0];
        row[0] = i;
        for (size_t j = 1; j <= b_len; j++) {
            size_t change = diagonal + (a[i - 1] != b[j - 1]);
            diagonal = row[j];
            row[j] = min_size(change, min_size(row[j], row[j - 1]) + 1);
        }
    }
    return row[b_len];
}

static COLD void say_unknown(enum verb_bit verb, const char *name, size_t len)
{
    const char *nearest = NULL;
    size_t least = 3;
    for (size_t i = 0; i < array_length(rows); i++) {
        size_t distance = (rows[i].verbs & verb) && rows[i].help
                              ? edit_distance(name, len, rows[i].name)
                              : SIZE_MAX;
        if (distance < least) {
            least = distance;
            nearest = rows[i].name;
        }
    }
    if (nearest)
        say_line("unknown option --%.*s; did you mean --%s?", (int)len, name, nearest);
    else
        say_line("unknown option --%.*s; see %s --help", (int)len, name, say_program());
}

/* --- parsing
 * ------------------------------------------------------------------------------------------ */

/* arguments[0] begins with "--"; returns how many arguments were used, or -1. */
static int parse_option(struct options *options, enum verb_bit verb, int count, char **arguments)
{
    const char *name = arguments[0] + 2;
    const char *equals = strchr(name, '=');
    size_t len = equals ? (size_t)(equals - name) : strlen(name);
    const struct option_row *row = find_row(verb, name, len);
    if (!row) {
        say_unknown(verb, name, len);
        return -1;
    }
    char from[64];
    snprintf(from, sizeof from, "--%s", row->name);
    if (row->kind == KIND_FLAG) {
        if (equals) {
            say_line("%s takes no value; drop \"%s\"", from, equals);
            return -1;
        }
        return set_value(options, row, from, "") == 0 ? 1 : -1;
    }
    if (!equals && count < 2) {
        say_line("%s needs a value: %s %s", from, from, row->argument);
        return -1;
    }
    const char *text = equals ? equals + 1 : arguments[1];
    return set_value(options, row, from, text) == 0 ? (equals ? 1 : 2) : -1;
}

static int apply_presets(struct options *options, enum verb_bit verb)
{
    for (size_t i = 0; i < array_length(rows); i++) {
        const struct option_row *row = &rows[i];
        if (!(row->verbs & verb))
            continue;
        const char *text = row->environment ? getenv(row->environment) : NULL;
        const char *from = row->environment;
        if (!text || text[0] == '\0') {
            text = row->preset;
            from = row->name;
        }
        if (text && set_value(options, row, from, text) != 0)
            return -1;
    }
    return 0;
}

int options_parse(struct options *options, enum verb_bit verb, int count, char **arguments)
{
    memset(options, 0, sizeof *options);
    if (apply_presets(options, verb) != 0)
        return -1;
    bool only_arguments = false;
    for (int i = 0; i < count;) {
        const char *text = arguments[i];
        if (!only_arguments && strcmp(text, "--") == 0) {
            only_arguments = true;
            i++;
        } else if (!only_arguments && strcmp(text, "-h") == 0) {
            options->help = true;
            i++;
        } else if (!only_arguments && strncmp(text, "--", 2) == 0) {
            int used = parse_option(options, verb, count - i, arguments + i);
            if (used < 0)
                return -1;
            i += used;
        } else if (!only_arguments && text[0] == '-' && text[1] != '\0') {
            say_line("unknown option %s; options are full words (%s --help), and -- goes before a "
                     "payload that begins with -",
                     text, say_program());
            return -1;
        } else {
            if (list_append(&options->arguments, text) != 0)
                return -1;
            i++;
        }
    }
    return 0;
}

void options_fini(struct options *options)
{
    for (size_t i = 0; i < array_length(rows); i++) {
        if (rows[i].kind == KIND_LIST)
            mem_free(((struct options_list *)(void *)((char *)options + rows[i].offset))->items);
    }
    mem_free(options->arguments.items);
    memset(options, 0, sizeof *options);
}

/* --- what the table says
 * ------------------------------------------------------------------------------ */

void options_help(FILE *out, enum verb_bit verb)
{
    for (size_t i = 0; i < array_length(rows); i++) {
        const struct option_row *row = &rows[i];
        if (!(row->verbs & verb) || !row->help)
            continue;
        char left[64];
        snprintf(left, sizeof left, "--%s%s%s", row->name, row->argument ? " " : "",
                 row->argument ? row->argument : "");
        fprintf(out, "  %-30s %s", left, row->help);
        if (row->preset && row->environment)
            fprintf(out, " (default: $%s or %s)", row->environment, row->preset);
        else if (row->preset)
            fprintf(out, " (default: %s)", row->preset);
        else if (row->environment)
            fprintf(out, " (default: $%s)", row->environment);
        fputc('\n', out);
    }
}

void options_print_list(FILE *out, enum verb_bit verb)
{
    for (size_t i = 0; i < array_length(rows); i++) {
        const struct option_row *row = &rows[i];
        if ((row->verbs & verb) && row->help)
            fprintf(out, "--%s\t%s\t%s\n", row->name, row->argument ? row->argument : "",
                    row->help);
    }
}
