/* The filter language of the connection list, and its test of one connection.
 *
 *   text          any text column contains it, capital or small
 *   ~regex        any text column matches the extended regular expression
 *   key:text      that column contains it            key~regex
 *   key=value     that column is it                  key>number   key<number   with k M G KiB MiB
 * ms s m h !term         the opposite; terms are separated by spaces and must all hold
 *
 * Plain values, one thread. A term that makes no sense is left out of the test and named in
 * `error`. */
#ifndef TOP_FILTER_H
#define TOP_FILTER_H

#include <regex.h>

#include "top/columns.h"

enum { FILTER_TERMS_MAX = 16, FILTER_BYTES_MAX = 256 };

struct filter_term {
    const struct column *column; /* NULL: any text column */
    char relation;               /* ':' contains, '=' is, '~' matches, '>' '<' compare */
    bool negated;
    char text[FILTER_BYTES_MAX];
    double number; /* of text, for '>' '<' '=' on numbers; NAN if it is none */
    regex_t regex;
};

struct filter {
    struct filter_term terms[FILTER_TERMS_MAX];
    size_t count;
    char error[FILTER_BYTES_MAX + 64]; /* empty: every term made sense */
};

/* Replaces what filter held; it must have been zeroed or parsed before. False: see error. */
bool filter_parse(struct filter *filter, const char *text);
void filter_fini(struct filter *filter);
bool filter_match(const struct filter *filter, const struct column_view *view,
                  const struct model_conn *conn);

#endif
