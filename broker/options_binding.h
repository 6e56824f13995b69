/* What the parts that read the configuration file share: where its values go, and how mistakes are told.
 *
 * Start-up only, main thread. Nothing stops at the first mistake: a file is corrected in one go. */
#ifndef BROKER_OPTIONS_BINDING_H
#define BROKER_OPTIONS_BINDING_H

#include <stdio.h>

#include "broker/config.h"
#include "broker/options.h"

struct binding {
    struct options *options;
    FILE *out;
    unsigned errors, warnings;
    const struct config_entry *authorization; /* the block, once it was seen; else NULL */
};

/* One line naming file, line and column; the file is refused in the end. */
PRINTF(3, 4)
void options_binding_refuse(struct binding *binding, const struct config_entry *entry,
                            const char *format, ...);
/* "<key>: expected <wanted>, not <what it is>" */
void options_binding_refuse_kind(struct binding *binding, const struct config_entry *entry,
                                 const char *wanted);
/* The text of a string entry; NULL after an error. */
const char *options_binding_string(struct binding *binding, const struct config_entry *entry);

#endif
