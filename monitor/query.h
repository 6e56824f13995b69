/* The request target as Go's net/http reads it: the path decoded, the query a list of pairs of
 * which the first of a name wins, pairs that cannot be decoded dropped.
 *
 * One thread at a time. The texts belong to the query until query_fini. */
#ifndef MONITOR_QUERY_H
#define MONITOR_QUERY_H

#include "broker/base/base.h"

enum { QUERY_PAIRS_MAX = 64 }; /* later ones are ignored */

struct query {
    char *
        path; /* decoded; empty or with a slash at the front; NULL when the target cannot be read */
    const char *raw; /* after the question mark, as it came; "" when there is none */
    struct {
        const char *name, *value;
    } pair[QUERY_PAIRS_MAX];
    size_t pairs;
    char *storage; /* private */
};

/* target is the second word of the request line. Returns 0, ERR_MEMORY, or ERR_INVALID for a path
 * that is none. */
MUST_CHECK int query_parse(struct query *query, const char *target);
void query_fini(struct query *query);

/* The first value of that name, "" when there is none. */
const char *query_value(const struct query *query, const char *name);

/* Go's ParseBool, Atoi and ParseUint, where an empty text is the zero value. false: fault says what
 * Go says. */
struct query_fault {
    const char *function, *problem;
};
MUST_CHECK bool query_bool(const char *text, bool *out, struct query_fault *fault);
MUST_CHECK bool query_int(const char *text, int64_t *out, struct query_fault *fault);
MUST_CHECK bool query_unsigned(const char *text, uint64_t *out, struct query_fault *fault);

/* path.Clean with a final slash kept, as Go's ServeMux wants paths; out needs strlen(path) + 2
 * bytes. */
void query_clean_path(const char *path, char *out);

#endif
