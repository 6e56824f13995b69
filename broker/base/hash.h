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

static inline uint64_t hash_bytes(const char *bytes, size_t len)
{
    uint64_t hash = hash_seed ^ len;
    uint64_t word;
    while (len >= 8) {
        memcpy(&word, bytes, 8);
        hash = hash_mix(hash ^ word);
        bytes += 8;
        len -= 8;
    }
    word = 0;
    memcpy(&word, bytes, len);
    return hash_mix(hash ^ word ^ 0xa0761d6478bd642fu);
}

#endif
