/* JSON that somebody sent, read as Go's encoding/json reads it, with its words for what is wrong.
 *
 * Nothing is built: a text is checked once as a whole, then walked in place. Pure functions, any thread; values are borrowed
 * from the text. */
#ifndef MONITOR_GO_JSON_H
#define MONITOR_GO_JSON_H

#include "monitor/text_buffer.h"

/* As Go has it; deeper is an error. */
enum { GO_JSON_DEPTH_MAX = 10000 };

enum go_json_kind {
    GO_JSON_NULL,
    GO_JSON_BOOL,
    GO_JSON_NUMBER,
    GO_JSON_STRING,
    GO_JSON_ARRAY,
    GO_JSON_OBJECT
};

struct go_json_value {
    enum go_json_kind kind;
    struct span text; /* as it stands there, quotes and brackets included */
};

/* Whether it is one value and nothing else; if not, error says what is wrong. The rest of this header wants texts that passed. */
MUST_CHECK bool go_json_check(struct span text, struct text_buffer *error);

struct go_json_value go_json_root(struct span text);

/* The members of an object or the elements of an array, in order; *rest starts out as the value's text. false after the last.
 * key: a string as it stands there; empty in an array. */
MUST_CHECK bool go_json_next(struct span *rest, struct span *key, struct go_json_value *value);

/* What a string says: out gets up to three times its length, without a final NUL. Returns the bytes. Invalid UTF-8, lone
 * surrogates, and NUL, which would cut a C string, become U+FFFD. */
size_t go_json_decode(struct span quoted, char *out);

#endif
