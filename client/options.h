/* Options of the verbs, parsed from the rows of options.def. Main thread only.
 *
 * Texts and lists borrow argv and the environment; options_fini frees the lists' arrays. Durations
 * are nanoseconds. A bad option, value or argument is reported with one line on stderr, and -1
 * returned. */
#ifndef CLIENT_OPTIONS_H
#define CLIENT_OPTIONS_H

#include "broker/base/base.h"
#include "broker/base/clock.h"

#include <stdio.h>

enum verb_bit {
    VERB_PUBLISH = 1,
    VERB_SUBSCRIBE = 2,
    VERB_REQUEST = 4,
    VERB_REPLY = 8,
    VERB_BENCH = 16,
    VERB_ALL = 31,
};

struct options_list {
    const char **items;
    size_t count;
};

struct options {
    struct options_list arguments; /* what is not an option */

#define OPTION_FIELD_FLAG        bool
#define OPTION_FIELD_TEXT        const char *
#define OPTION_FIELD_NUMBER      uint64_t
#define OPTION_FIELD_DURATION    int64_t
#define OPTION_FIELD_LIST        struct options_list
#define OPTION(kind, field, ...) OPTION_FIELD_##kind field;
#include "client/options.def"
#undef OPTION
};

/* Fills *options from defaults, then the environment, then the arguments (without the program's
 * name). *options is valid for options_fini whatever is returned. */
MUST_CHECK int options_parse(struct options *options, enum verb_bit verb, int count,
                             char **arguments);
void options_fini(struct options *options);

/* The verb's options for people, and one per line for completions: --name, argument, help, by tabs.
 */
void options_help(FILE *out, enum verb_bit verb);
void options_print_list(FILE *out, enum verb_bit verb);

#endif
