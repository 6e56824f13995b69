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

static void add(_Atomic uint64_t *count, uint64_t n)
{
    atomic_fetch_add_explicit(count, n, memory_order_relaxed);
}

static uint64_t get(const _Atomic uint64_t *count)
{
    return atomic_load_explicit(count, memory_order_relaxed);
}

void endpoints_count(struct endpoint_counts *counts, const struct endpoint *endpoint)
{
    if (endpoint->counted)
        add(&counts->asked[counting_row(endpoint->counted)], 1);
}

void endpoints_spend(struct endpoint_counts *counts, const struct endpoint *endpoint,
                     uint64_t spent_ns, uint64_t sent_bytes)
{
    if (!endpoint->counted)
        return;
    size_t row = counting_row(endpoint->counted);
    add(&counts->spent_ns[row], spent_ns);
    add(&counts->sent_bytes[row], sent_bytes);
}

void endpoints_turn_away(struct endpoint_counts *counts, enum endpoint_refusal refusal)
{
    add(&counts->turned_away[refusal], 1);
}

bool endpoints_counted(const struct endpoint_counts *counts, size_t n, struct endpoint_usage *out)
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
        *out = (struct endpoint_usage){name, get(&counts->asked[i]), get(&counts->spent_ns[i]),
                                       get(&counts->sent_bytes[i])};
        return true;
    }
    return false;
}

const char *endpoints_state_label(enum endpoint_state state)
{
    static const char *const labels[] = {
        [ENDPOINT_ASKING] = "asking", [ENDPOINT_ANSWERING] = "answering", [ENDPOINT_IDLE] = "idle"};
    return labels[state];
}

const char *endpoints_refusal_label(enum endpoint_refusal refusal)
{
    static const char *const labels[] = {[ENDPOINT_CREDENTIALS] = "credentials",
                                         [ENDPOINT_GUESSING] = "guessing",
                                         [ENDPOINT_DEADLINE] = "deadline",
                                         [ENDPOINT_NOT_HTTP] = "not_http",
                                         [ENDPOINT_BUSY] = "busy"};
    return labels[refusal];
}
