/* A file in nats-server's configuration language as a tree. What the keys mean is not known here.
 *
 * Start-up only, main thread; out of memory ends the process. The tree and all its texts belong to
 * struct config. Variables and includes are resolved: a value may hang in several places. */
#ifndef BROKER_CONFIG_H
#define BROKER_CONFIG_H

#include "broker/base/base.h"

enum { CONFIG_ERROR_MAX = 1024, CONFIG_DIGEST_BYTES = 72 };

enum config_kind {
    CONFIG_STRING,
    CONFIG_INTEGER,
    CONFIG_FLOAT,
    CONFIG_BOOL,
    CONFIG_TIME, /* text as written, 2006-01-02T15:04:05Z */
    CONFIG_ARRAY,
    CONFIG_MAP
};

struct config_value {
    enum config_kind kind;
    bool boolean;
    int64_t integer; /* the size suffix is worked in */
    double real;
    struct span text; /* with a final NUL that is not counted */
    /* Of an array or a map, in order; of equal keys the last one's value is there. */
    struct config_entry *entries, *last;
};

struct config_entry {
    struct config_entry *next;
    const struct config_value *value;
    const char *key; /* NULL in an array */
    /* Where the key is; of an array's element, the element. Lines count from 1; columns from 0 on
     * the first line and from 1 on the others, as nats-server's. */
    const char *file;
    int line, column;
    bool used_as_variable;
};

struct config;

/* 0, or ERR_SYSTEM or ERR_INVALID with one line for people in error. */
MUST_CHECK int config_read(const char *path, struct config **out, char error[CONFIG_ERROR_MAX]);
void config_free(struct config **config);

/* The outermost map. */
const struct config_value *config_root(const struct config *config);
/* "a string", "a map", ... */
const char *config_kind_name(enum config_kind kind);

/* "sha256:" and the hash of the tree as JSON with sorted keys: comments and layout do not change
 * it. */
void config_digest(const struct config *config, char out[CONFIG_DIGEST_BYTES]);

#endif
