/* The few words every module uses: checked assertions, borrowed byte ranges, array sizes, branch attributes.
 *
 * check(x) guards against our own mistakes (arguments, state, ownership, thread) and stays on in every
 * build; what a peer sends is never checked with it, that ends in a close reason and a counter.
 * check_slow(x) is for tests and simulation, compiled in with -DCHECK_SLOW.
 * Any thread may use all of this. Nothing here owns memory. */
#ifndef BROKER_BASE_BASE_H
#define BROKER_BASE_BASE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define COLD                         __attribute__((cold, noinline))
#define ALWAYS_INLINE                inline __attribute__((always_inline))
#define NOINLINE                     __attribute__((noinline))
#define MUST_CHECK                   __attribute__((warn_unused_result))
#define NORETURN                     __attribute__((noreturn))
#define PRINTF(format_at, values_at) __attribute__((format(printf, format_at, values_at)))

#define array_length(a) (sizeof(a) / sizeof((a)[0]))

#define container_of(pointer, type, member)                                                        \
    ((type *)(void *)((char *)(pointer)-offsetof(type, member)))

NORETURN COLD void check_failed(const char *expression, const char *file, int line);

#define check(x) ((x) ? (void)0 : check_failed(#x, __FILE__, __LINE__))
#ifdef CHECK_SLOW
#define check_slow(x) check(x)
#else
#define check_slow(x) ((void)0)
#endif

/* Borrowed bytes: valid until the callback that received them returns, unless the header says otherwise. */
struct span {
    const char *ptr;
    size_t len;
};

#define SPAN_LITERAL(text) ((struct span){text, sizeof(text) - 1})

static inline struct span span_of(const char *text)
{
    return (struct span){text, text ? strlen(text) : 0};
}

static inline bool span_equal(struct span a, struct span b)
{
    return a.len == b.len && (a.len == 0 || memcmp(a.ptr, b.ptr, a.len) == 0);
}

/* Copies the bytes to `at`; returns their end there. Short ones, as most are, in two moves that may overlap and no call. */
static ALWAYS_INLINE char *append_bytes(char *at, struct span bytes)
{
    const char *from = bytes.ptr;
    size_t len = bytes.len;
    if (len >= 16 && len <= 32) {
        memcpy(at, from, 16);
        memcpy(at + len - 16, from + len - 16, 16);
    } else if (len >= 8 && len < 16) {
        memcpy(at, from, 8);
        memcpy(at + len - 8, from + len - 8, 8);
    } else if (len > 0) {
        memcpy(at, from, len);
    }
    return at + len;
}

static inline uint64_t load_u64(const char *at)
{
    uint64_t value;
    memcpy(&value, at, sizeof value);
    return value;
}

/* As memcmp(a, b, len) == 0, without a call where the bytes are few, as most are: the halves may overlap. */
static inline bool bytes_equal(const char *a, const char *b, size_t len)
{
    if (len < 8 || len > 32)
        return memcmp(a, b, len) == 0;
    uint64_t different =
        (load_u64(a) ^ load_u64(b)) | (load_u64(a + len - 8) ^ load_u64(b + len - 8));
    if (len > 16)
        different |=
            (load_u64(a + 8) ^ load_u64(b + 8)) | (load_u64(a + len - 16) ^ load_u64(b + len - 16));
    return different == 0;
}

static inline size_t min_size(size_t a, size_t b)
{
    return a < b ? a : b;
}

static inline size_t max_size(size_t a, size_t b)
{
    return a > b ? a : b;
}

#endif
