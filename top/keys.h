/* The key table: what each key does, and the words for it. Constants; any thread. */
#ifndef TOP_KEYS_H
#define TOP_KEYS_H

#include "broker/base/base.h"

enum key_action {
    KEY_ACTION_NONE,
#define KEY(action, ...) KEY_ACTION_##action,
#include "top/keys.def"
#undef KEY
    KEY_ACTION_COUNT
};

struct key_row {
    enum key_action action;
    const char *group, *names, *hint, *help;
};

/* What a curses key code does, or KEY_ACTION_NONE. */
enum key_action keys_action(int code);
/* Rows in table order; index from 0 to count - 1. */
const struct key_row *keys_rows(size_t *count);
/* The table as Markdown. */
void keys_list(void);

#endif
