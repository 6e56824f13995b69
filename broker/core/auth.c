/* Credentials from the options: plain, or bcrypt's. A plain comparison is of two hashes of fixed length, so neither the
 * place of the first difference nor the length of the secret shows in the time it takes. */
#include "broker/core/auth.h"

#include <crypt.h>
#include <ctype.h>
#include <sodium.h>

#include "broker/base/mem.h"

enum { SECRET_MAX = 4096 };

bool auth_required(const struct options *options)
{
    return options->username || options->password || options->token || options->user_count > 0;
}

/* $2a$10$..., as nats-server tells a hash from a plain secret. */
bool auth_secret_is_hashed(const char *secret)
{
    return secret[0] == '$' && secret[1] == '2' && secret[2] != '\0' && strchr("abxy", secret[2]) &&
           secret[3] == '$' && isdigit((unsigned char)secret[4]) &&
           isdigit((unsigned char)secret[5]) && secret[6] == '$';
}

static bool same(struct span expected, struct span given)
{
    unsigned char a[crypto_generichash_BYTES], b[crypto_generichash_BYTES];
    crypto_generichash(a, sizeof a, (const unsigned char *)expected.ptr, expected.len, NULL, 0);
    crypto_generichash(b, sizeof b, (const unsigned char *)given.ptr, given.len, NULL, 0);
    bool equal = sodium_memcmp(a, b, sizeof a) == 0;
    sodium_memzero(a, sizeof a);
    sodium_memzero(b, sizeof b);
    return equal;
}

static bool same_hashed(const char *hash, struct span given)
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
    bool equal = result && same(span_of(hash), span_of(result));
    sodium_memzero(secret, sizeof secret);
    sodium_memzero(data, sizeof *data);
    mem_free(data);
    return equal;
}

static bool accepts_secret(const char *expected, struct span given)
{
    if (expected && auth_secret_is_hashed(expected))
        return same_hashed(expected, given);
    return same(span_of(expected), given);
}

bool auth_without(const struct options *options, struct auth_identity *out)
{
    if (!options->no_auth_user)
        return false;
    const struct options_user *user = options_user(options, span_of(options->no_auth_user));
    *out = (struct auth_identity){user->name, user->account};
    return true;
}

/* An unknown user costs as much as a wrong password, if passwords are plain. */
static bool accepts_user(const struct options *options, const struct auth_credentials *given,
                         struct auth_identity *out)
{
    if (given->user.len == 0 && given->password.len == 0 && given->token.len == 0)
        return auth_without(options, out);
    const struct options_user *user = options_user(options, given->user);
    bool good = accepts_secret(user ? user->password : "", given->password) && user;
    if (good)
        out->account = user->account;
    return good;
}

bool auth_accepts(const struct options *options, const struct auth_credentials *given,
                  struct auth_identity *out)
{
    *out = (struct auth_identity){.account = OPTIONS_GLOBAL_ACCOUNT};
    if (!auth_required(options))
        return true;
    if (options->user_count > 0)
        return accepts_user(options, given, out);
    if (options->token)
        return accepts_secret(options->token, given->token);
    bool user = same(span_of(options->username), given->user);
    bool password = accepts_secret(options->password, given->password);
    return user && password;
}
