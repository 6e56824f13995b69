/* Two paths may be counted under one name (/subsz and /subscriptionsz): the first row of that name
 * holds the count. nats-server writes http_req_stats from a map, with sorted keys, so names are
 * handed out in that order. */
#include "monitor/endpoints.h"

static const struct endpoint endpoints[] = {
#define FIRST  true
#define LATER  false
#define ANYONE true
#define KNOWN  false
#define ENDPOINT(function, path, counted, when, who, arguments, help)                              \
    {function, path, counted, when, who, arguments, help},
#include "monitor/endpoints.def"
#undef ENDPOINT
#undef FIRST
#undef LATER
#undef ANYONE
#undef KNOWN
};

_Static_assert(array_length(endpoints) <= ENDPOINTS_MAX, "raise ENDPOINTS_MAX");

const struct endpoint *endpoints_at(size_t n)
{
    return n < array_length(endpoints) ? &endpoints[n] : NULL;
}

const struct endpoint *endpoints_find(const char *path)
{
    for (size_t i = 0; i < array_length(endpoints); i++)
        if (strcmp(endpoints[i].path, path) == 0)
            return &endpoints[i];
    return NULL;
}

/* The row that counts for a name. */
static size_t counting_row(const char *counted)
{
    size_t i = 0;
    while (!endpoints[i].counted || strcmp(endpoints[i].counted, counted) != 0)
        i++;
    return i;
}

void endpoints_count(struct endpoint_counts *counts, const struct endpoint *endpoint)
{
    if (endpoint->counted)
        atomic_fetch_add_explicit(&counts->asked[counting_row(endpoint->counted)], 1,
                                  memory_order_relaxed);
}

bool endpoints_counted(const struct endpoint_counts *counts, size_t n, const char **path,
                       uint64_t *asked)
{
    for (size_t i = 0; i < array_length(endpoints); i++) {
        const char *name = endpoints[i].counted;
        if (!name || counting_row(name) != i)
            continue;
        size_t before = 0;
        for (size_t j = 0; j < array_length(endpoints); j++)
            if (endpoints[j].counted && counting_row(endpoints[j].counted) == j &&
                strcmp(endpoints[j].counted, name) < 0)
                before++;
        if (before != n)
            continue;
        *path = name;
        *asked = atomic_load_explicit(&counts->asked[i], memory_order_relaxed);
        return true;
    }
    return false;
}
