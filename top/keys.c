/* keys.def twice: as rows of words and as rows of codes. The terminal library is needed for its key
 * codes only. */
#include "top/keys.h"

#include <ncurses.h>
#include <stdio.h>

#define CONTROL(letter) ((letter)&0x1f)

enum { KEY_CODES_MAX = 5 };

static const struct key_row rows[] = {
#define KEY(action, group, names, hint, help, ...) {KEY_ACTION_##action, group, names, hint, help},
#include "top/keys.def"
#undef KEY
};

static const int codes[][KEY_CODES_MAX] = {
#define KEY(action, group, names, hint, help, ...) {__VA_ARGS__},
#include "top/keys.def"
#undef KEY
};

enum key_action keys_action(int code)
{
    for (size_t i = 0; i < array_length(rows); i++)
        for (size_t j = 0; j < KEY_CODES_MAX && codes[i][j]; j++)
            if (codes[i][j] == code)
                return rows[i].action;
    return KEY_ACTION_NONE;
}

const struct key_row *keys_rows(size_t *count)
{
    *count = array_length(rows);
    return rows;
}

void keys_list(void)
{
    puts("| | key | action |\n|---|---|---|");
    const char *group = "";
    for (size_t i = 0; i < array_length(rows); i++) {
        const char *shown = strcmp(group, rows[i].group) == 0 ? "" : rows[i].group;
        group = rows[i].group;
        printf("| %s |", shown);
        char names[64], *rest = names, *name;
        snprintf(names, sizeof names, "%s", rows[i].names);
        while ((name = strsep(&rest, " ")) != NULL)
            printf(" `%s`", name);
        printf(" | %s |\n", rows[i].help);
    }
}
