/* The program is built twice. The second time, with BROKEN_POINTS naming the generated list, its
 * core asks at some points whether to go wrong there; `broken_point` says at which. */
#include "tests/sim/broken.h"

#include <stdio.h>
#include <string.h>

#ifdef BROKEN_POINTS
#include BROKEN_POINTS

int broken_point;

static const char *const names[] = {
#define POINT(name) #name,
    BROKEN_POINT_LIST
#undef POINT
};

bool broken_choose(const char *name)
{
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        if (strcmp(names[i], name) == 0)
            broken_point = (int)i + 1;
    return broken_point > 0;
}

const char *broken_names(void)
{
    static char all[1024];
    size_t len = 0;
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        len +=
            (size_t)snprintf(all + len, sizeof all - len, "%s%s", i ? ", " : "one of ", names[i]);
    return all;
}

const char *broken_arguments(void)
{
    static char text[64];
    if (broken_point > 0)
        snprintf(text, sizeof text, "-broken --break %s", names[broken_point - 1]);
    return text;
}
#else
bool broken_choose(const char *name)
{
    (void)name;
    return false;
}

const char *broken_names(void)
{
    return "it to clearwing-sim-broken";
}

const char *broken_arguments(void)
{
    return "";
}
#endif
