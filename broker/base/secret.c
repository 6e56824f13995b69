/* A plain comparison is of two hashes of fixed length, so neither the place of the first difference nor the length of the
 * secret shows in the time it takes. */
#include "broker/base/secret.h"

#include <crypt.h>
#include <ctype.h>
#include <sodium.h>

#include "broker/base/mem.h"

enum { SECRET_MAX = 4096 };

bool secret_is_hashed(const char *expected)
{
    return expected[0] == '$' && expected[1] == '2' && expected[2] != '\0' &&
           strchr("abxy", expected[2]) && expected[3] == '$' &&
           isdigit((unsigned char)expected[4]) && isdigit((unsigned char)expected[5]) &&
           expected[6] == '$';
}

bool secret_same(struct span expected, struct span given)
{
    unsigned char a[crypto_generichash_BYTES], b[crypto_generichash_BYTES];
    crypto_generichash(a, sizeof a, (const unsigned char *)expected.ptr, expected.len, NULL, 0);
    crypto_generichash(b, sizeof b, (const unsigned char *)given.ptr, given.len, NULL, 0);
    bool equal = sodium_memcmp(a, b, sizeof a) == 0;
    sodium_memzero(a, sizeof a);
    sodium_memzero(b, sizeof b);
    return equal;
}

static bool accepts_hashed(const char *hash, struct span given)
{
    struct crypt_data *data = mem_zalloc(sizeof *data);
    if (!data || given.len >= SECRET_MAX || (given.len > 0 && memchr(given.ptr, '\0', given.len))) {
        mem_free(data);
        return false;
    }
    char secret[SECRET_MAX];
    memcpy(secret, given.ptr ? given.ptr : "", given.len);
    secret[given.len] = '\0';
    const char *result = crypt_r(secret, hash, data);
    bool equal = result && secret_same(span_of(hash), span_of(result));
    sodium_memzero(secret, sizeof secret);
    sodium_memzero(data, sizeof *data);
    mem_free(data);
    return equal;
}

bool secret_accepts(const char *expected, struct span given)
{
    if (expected && secret_is_hashed(expected))
        return accepts_hashed(expected, given);
    return secret_same(span_of(expected), given);
}
