/* The option table as C: constants, any thread. See options.def for what a row means. */
#ifndef BROKER_OPTIONS_TABLE_H
#define BROKER_OPTIONS_TABLE_H

#include "broker/base/base.h"

enum option_type {
    OPTION_STRING,
    OPTION_SECRET,   /* char *; wiped, and hidden from ps */
    OPTION_PORT,     /* int */
    OPTION_INTEGER,  /* int64_t */
    OPTION_DURATION, /* int64_t, nanoseconds */
    OPTION_SECONDS,  /* double */
    OPTION_BOOL,
    OPTION_WORKERS, /* int64_t; the word auto is 0 */
    OPTION_ADDRESS, /* char * and int */
    OPTION_COMBINED,
    OPTION_SECTION,
    OPTION_ABSENT,
    /* Commands. */
    OPTION_TEST,
    OPTION_SIGNAL,
    OPTION_HEALTH_CHECK, /* a switch behind which a word may stand */
    OPTION_HELP,
    OPTION_VERSION,
    OPTION_LIST_OPTIONS,
    OPTION_LIST_METRICS
};

enum option_block {
    OPTION_BLOCK_TOP,
    OPTION_BLOCK_AUTHORIZATION,
    OPTION_BLOCK_USER,
    OPTION_BLOCK_ACCOUNT,
    OPTION_BLOCK_MONITOR_TLS,
    OPTION_BLOCK_NOWHERE
};

/* Texts that do not apply to a row are "", but for initial, which is NULL. Lists are separated by
 * commas. */
struct option_row {
    const char *name; /* the field; of ABSENT what is absent, of COMBINED the fields, of SECTION the
                         heading */
    enum option_type type;
    enum option_block block;
    size_t offset, port_offset; /* in struct options; the second one of ADDRESS only */
    const char *keys, *flags, *value;
    const char *initial; /* the default as it would be written on the command line, NULL: none */
    int64_t min, max;
    const char *help;
};

extern const struct option_row option_rows[];
extern const size_t option_row_count;

/* The row of a flag, without its dashes; NULL if there is none. */
const struct option_row *options_table_find_flag(struct span flag);
/* The row of a configuration key, any case; NULL if there is none. */
const struct option_row *options_table_find_key(enum option_block block, const char *key);
/* The key of a block that stands in the file's outermost level, "" for the others. */
const char *options_table_block_key(enum option_block block);
/* The block of that key, any case; NOWHERE if there is none. */
enum option_block options_table_find_block(const char *key);
/* The row of a field; there must be one. */
const struct option_row *options_table_find_field(struct span field);
/* The row of the port that an ADDRESS sets. */
const struct option_row *options_table_find_port(const struct option_row *address);
/* Whether the flag takes no value of its own (but may be given one with =). */
bool options_table_is_switch(const struct option_row *row);
/* How a flag is written: long names with two dashes, short ones (-p, -DVV) with one. */
const char *options_table_dashes(struct span flag);
/* Takes the next word off a list separated by commas; false at its end. */
bool options_table_next_word(const char **list, struct span *word);

#endif
