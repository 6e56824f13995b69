/* The configuration file into struct options. Start-up only, main thread. */
#ifndef BROKER_OPTIONS_FILE_H
#define BROKER_OPTIONS_FILE_H

#include <stdio.h>

#include "broker/options.h"

/* Reads options->config_file over what options holds and sets the digest. 0, or ERR_INVALID after
 * one line on out for each thing that is wrong. Warnings are lines on out too; they fail only where
 * they are errors. */
MUST_CHECK int options_file_read(struct options *options, bool warnings_are_errors, FILE *out);

#endif
