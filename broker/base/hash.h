/* A fast hash of bytes for tables in memory, seeded at start so that a peer cannot choose collisions. Any thread. */
#ifndef BROKER_BASE_HASH_H
#define BROKER_BASE_HASH_H

#include "broker/base/base.h"

extern uint64_t hash_seed; /* set once before threads start */

static inline uint64_t hash_mix(uint64_t a)
{
    __extension__ unsigned __int128 product = (unsigned __int128)a * 0x9e3779b97f4a7c15u;
    return (uint64_t)product ^ (uint64_t)(product >> 64);
}

static inline uint64_t hash_load(const char *bytes, size_t len)
{
    uint64_t word = 0;
    memcpy(&word, bytes, len);
    return word;
}

/* The last, short words overlap what came before them: no loop over single bytes. */
static inline uint64_t hash_bytes(const char *bytes, size_t len)
{
    uint64_t hash = hash_seed ^ len;
    const char *end = bytes + len;
    if (len > 8) {
        for (; end - bytes > 8; bytes += 8)
            hash = hash_mix(hash ^ hash_load(bytes, 8));
        return hash_mix(hash ^ hash_load(end - 8, 8) ^ 0xa0761d6478bd642fu);
    }
    uint64_t word = 0;
    if (len >= 4)
        word = hash_load(bytes, 4) | hash_load(end - 4, 4) << 32;
    else if (len > 0)
        word = (uint64_t)(unsigned char)bytes[0] | (uint64_t)(unsigned char)bytes[len / 2] << 8 |
               (uint64_t)(unsigned char)end[-1] << 16;
    return hash_mix(hash ^ word ^ 0xa0761d6478bd642fu);
}

#endif
