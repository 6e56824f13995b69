/* Both texts walk the table in its order, so that a new row shows up in them by itself. */
#include "broker/options_help.h"

#include "broker/options_table.h"

enum { COLUMN = 34, TEXT_MAX = 256 };

/* "-p, --port PORT": short flags have one dash, long ones two. */
static void write_flags(const struct option_row *row, char out[TEXT_MAX])
{
    const char *list = row->flags;
    struct span flag;
    int len = 0;
    while (options_table_next_word(&list, &flag))
        len += snprintf(out + len, TEXT_MAX - (size_t)len, "%s%s%.*s", len ? ", " : "",
                        options_table_dashes(flag), (int)flag.len, flag.ptr);
    if (*row->value)
        snprintf(out + len, TEXT_MAX - (size_t)len, " %s", row->value);
}

static bool has_shown_default(const struct option_row *row)
{
    return row->initial && strcmp(row->initial, "false") != 0 && strcmp(row->initial, "0") != 0;
}

void options_help_print(FILE *out)
{
    fputs("Usage: clearwing [options]\n"
          "       clearwing VERB [options]       (top, exporter, publish, subscribe, ...)\n",
          out);
    const char *heading = NULL;
    for (size_t i = 0; i < option_row_count; i++) {
        const struct option_row *row = &option_rows[i];
        if (row->type == OPTION_SECTION)
            heading = row->name;
        if (!*row->flags || row->type == OPTION_ABSENT)
            continue;
        char flags[TEXT_MAX] = "";
        write_flags(row, flags);
        if (heading)
            fprintf(out, "\n%s:\n", heading);
        heading = NULL;
        fprintf(out, "  %-*s %s", COLUMN, flags, row->help);
        if (has_shown_default(row))
            fprintf(out, " (default: %s)", row->initial);
        fputc('\n', out);
    }
    fputs("\nFlags work with one dash or two and win over the configuration file, whose keys "
          "--list-options shows.\n",
          out);
}

/* The flags of a row that are long, or those that are short, separated by commas. */
static void write_some_flags(FILE *out, const struct option_row *row, bool is_long)
{
    const char *list = row->flags, *separator = "";
    struct span flag;
    while (options_table_next_word(&list, &flag)) {
        const char *dashes = options_table_dashes(flag);
        if ((strcmp(dashes, "--") == 0) != is_long)
            continue;
        fprintf(out, "%s%s%.*s", separator, dashes, (int)flag.len, flag.ptr);
        separator = ",";
    }
    fputs(*separator ? "\t" : "-\t", out);
}

void options_help_list(FILE *out)
{
    for (size_t i = 0; i < option_row_count; i++) {
        const struct option_row *row = &option_rows[i];
        if (row->type == OPTION_SECTION || row->type == OPTION_ABSENT)
            continue;
        write_some_flags(out, row, true);
        write_some_flags(out, row, false);
        const char *block = options_table_block_key(row->block);
        fprintf(out, "%s\t%s%s%.*s\t%s\t%s\n", *row->value ? row->value : "-", block,
                *block ? "." : "", *row->keys ? (int)strcspn(row->keys, ",") : 1,
                *row->keys ? row->keys : "-", row->initial ? row->initial : "-", row->help);
    }
}
