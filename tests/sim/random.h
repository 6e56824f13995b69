/* Random numbers from a seed (splitmix64): the same on every machine, so that a failing run can be
 * run again. */
#ifndef TESTS_SIM_RANDOM_H
#define TESTS_SIM_RANDOM_H

#include "broker/base/base.h"

struct random {
    uint64_t state;
};

static inline uint64_t random_next(struct random *random)
{
    uint64_t z = random->state += 0x9e3779b97f4a7c15u;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

/* Less than limit, which is not 0. */
static inline uint64_t random_below(struct random *random, uint64_t limit)
{
    return random_next(random) % limit;
}

/* True once in n times. */
static inline bool random_one_in(struct random *random, uint64_t n)
{
    return random_below(random, n) == 0;
}

/* Between 0 and most, small ones as likely as large ones. */
static inline size_t random_up_to(struct random *random, size_t most)
{
    size_t bits = 0;
    while (bits < 63 && most >> bits)
        bits++;
    uint64_t scale = (uint64_t)1 << random_below(random, bits + 1);
    return (size_t)(random_next(random) % (min_size(most, (size_t)scale) + 1));
}

#endif
