/* Plain credentials from the options. Each comparison is of two hashes of fixed length, so neither the place of the first
 * difference nor the length of the secret shows in the time it takes. */
#include "broker/core/auth.h"

#include <sodium.h>

bool auth_required(const struct options *options)
{
    return options->username || options->password || options->token;
}

static bool same(const char *expected, const char *given)
{
    unsigned char a[crypto_generichash_BYTES], b[crypto_generichash_BYTES];
    crypto_generichash(a, sizeof a, (const unsigned char *)expected, strlen(expected), NULL, 0);
    crypto_generichash(b, sizeof b, (const unsigned char *)given, strlen(given), NULL, 0);
    bool equal = sodium_memcmp(a, b, sizeof a) == 0;
    sodium_memzero(a, sizeof a);
    sodium_memzero(b, sizeof b);
    return equal;
}

bool auth_accepts(const struct options *options, const struct auth_credentials *given)
{
    if (!auth_required(options))
        return true;
    if (options->token)
        return same(options->token, given->token);
    bool user = same(options->username ? options->username : "", given->user);
    bool password = same(options->password ? options->password : "", given->password);
    return user && password;
}
