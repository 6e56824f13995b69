/* The option table for people: --help and --list-options. Main thread. */
#ifndef BROKER_OPTIONS_HELP_H
#define BROKER_OPTIONS_HELP_H

#include <stdio.h>

/* The usage text, with every flag. */
void options_help_print(FILE *out);
/* One line per option: long flag, short flags, value name, key of the configuration file, default
 * and meaning, separated by tabs; "-" where there is none. Shell completions and the documentation
 * are made from it. */
void options_help_list(FILE *out);

#endif
