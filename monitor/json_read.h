/* Reading monitoring documents: the reverse of what the server writes, with "absent stays absent".
 *
 * Every reader returns true and stores a value, or returns false and leaves *out untouched: a
 * missing field, a null and a value of another type are all "not there". Any thread; nothing is
 * owned, strings are borrowed from the document. Times are nanoseconds since 1970 (UTC), durations
 * nanoseconds. */
#ifndef MONITOR_JSON_READ_H
#define MONITOR_JSON_READ_H

#include <jansson.h>

#include "broker/base/base.h"

/* Parses a whole document; NULL with a reason in error (of error_bytes) when it is not JSON.
 * Integers beyond int64, which nats-server writes for "unlimited" (2^64-1), become reals. The
 * caller gives it back with json_decref. */
MUST_CHECK json_t *json_read_document(const char *text, size_t len, char *error,
                                      size_t error_bytes);

/* The value at a key; a dot steps into an object ("jetstream.stats.api.total"). NULL when any step
 * is missing. */
json_t *json_read_at(const json_t *object, const char *key);

bool json_read_integer(const json_t *object, const char *key, int64_t *out);
bool json_read_unsigned(const json_t *object, const char *key, uint64_t *out); /* not negative */
bool json_read_double(const json_t *object, const char *key, double *out);     /* integers too */
bool json_read_boolean(const json_t *object, const char *key, bool *out);
bool json_read_string(const json_t *object, const char *key, const char **out);
bool json_read_time(const json_t *object, const char *key, int64_t *out_ns);        /* RFC 3339 */
bool json_read_go_duration(const json_t *object, const char *key, int64_t *out_ns); /* "1.5s" */
bool json_read_uptime(const json_t *object, const char *key, int64_t *out_ns);      /* "1d2h3m4s" */
/* The string, or "" when there is none. */
const char *json_read_text(const json_t *object, const char *key);

/* The same three on plain text. Go's zero time ("0001-01-01T00:00:00Z") means never, so it is not
 * there. */
bool json_read_parse_time(const char *text, int64_t *out_ns);
bool json_read_parse_go_duration(const char *text, int64_t *out_ns);
bool json_read_parse_uptime(const char *text, int64_t *out_ns);

#endif
