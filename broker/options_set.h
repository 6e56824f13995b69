/* Values into struct options, whether they come as text (flags, defaults) or typed (the
 * configuration file).
 *
 * Start-up only, main thread. Strings are copied. Each setter returns 0, or ERR_INVALID with what
 * would have been right in expected (EXPECTED_MAX bytes); the options are then unchanged. */
#ifndef BROKER_OPTIONS_SET_H
#define BROKER_OPTIONS_SET_H

#include "broker/options.h"
#include "broker/options_table.h"

enum { EXPECTED_MAX = 128 };

/* All defaults; the rest is zero. */
void options_set_defaults(struct options *options);

MUST_CHECK int options_set_text(struct options *options, const struct option_row *row,
                                const char *text, char expected[EXPECTED_MAX]);
/* Of every number, in the unit of the field. */
MUST_CHECK int options_set_number(struct options *options, const struct option_row *row,
                                  int64_t number, char expected[EXPECTED_MAX]);
void options_set_string(struct options *options, const struct option_row *row, const char *text);
/* BOOL and COMBINED; verbose trace takes trace with it. */
void options_set_bool(struct options *options, const struct option_row *row, bool on);
/* SECONDS; 0 and less are the default. */
void options_set_seconds(struct options *options, const struct option_row *row, double seconds);

/* "1m30s", as Go reads it: 0, or ERR_INVALID; what does not fit 64 bits is invalid. */
MUST_CHECK int options_set_parse_duration(const char *text, int64_t *ns);
/* A decimal, octal (0) or hexadecimal (0x) whole number and nothing else. */
MUST_CHECK int options_set_parse_number(const char *text, int64_t *number);

#endif
