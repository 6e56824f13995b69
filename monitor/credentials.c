/* A scraper sends the same header each few seconds, and checking a bcrypt hash takes a core tens of milliseconds: so the last
 * header that was right is remembered for each scheme, as a digest under a key made at start, and found right again at
 * the price of one short hash. What was never seen is checked in full, WRONG_PER_S_MAX times a second at most when the
 * answers are wrong; beyond that strangers are put off unheard, and those who are remembered notice nothing.
 *
 * Invariants: a digest in `remembered` is of a header that was checked and right. The lock is held for comparing and
 * copying only, never while a secret is checked. */
#include "monitor/credentials.h"

#include <pthread.h>
#include <sodium.h>
#include <strings.h>

#include "broker/base/clock.h"
#include "broker/base/err.h"
#include "broker/base/mem.h"
#include "broker/base/secret.h"

enum { WRONG_PER_S_MAX = 10, PAIR_BYTES_MAX = 8 << 10 };
enum scheme { SCHEME_BASIC, SCHEME_BEARER, SCHEME_NONE };

struct digest {
    unsigned char bytes[crypto_generichash_BYTES];
};

struct credentials {
    char *user, *password, *token;
    unsigned char key[crypto_generichash_KEYBYTES];
    pthread_mutex_t lock;
    /* Under the lock. */
    struct digest remembered[SCHEME_NONE];
    bool has_remembered[SCHEME_NONE];
    int64_t second_ns; /* since when wrong ones are counted */
    unsigned wrong;
};

static char *copy(const char *text, bool *failed)
{
    char *copied = text ? mem_copy_string(span_of(text)) : NULL;
    *failed |= text && !copied;
    return copied;
}

int credentials_new(const char *user, const char *password, const char *token,
                    struct credentials **out)
{
    bool failed = false;
    *out = NULL;
    if (!user && !token)
        return 0;
    check(!user == !password);
    struct credentials *made = mem_zalloc(sizeof *made);
    if (!made)
        return ERR_MEMORY;
    pthread_mutex_init(&made->lock, NULL);
    randombytes_buf(made->key, sizeof made->key);
    made->user = copy(user, &failed);
    made->password = copy(password, &failed);
    made->token = copy(token, &failed);
    if (failed)
        credentials_free(&made);
    *out = made;
    return failed ? ERR_MEMORY : 0;
}

static void forget(char *secret)
{
    if (secret)
        sodium_memzero(secret, strlen(secret));
    mem_free(secret);
}

void credentials_free(struct credentials **credentials)
{
    struct credentials *gone = *credentials;
    if (!gone)
        return;
    *credentials = NULL;
    pthread_mutex_destroy(&gone->lock);
    forget(gone->user);
    forget(gone->password);
    forget(gone->token);
    sodium_memzero(gone, sizeof *gone);
    mem_free(gone);
}

bool credentials_has_user(const struct credentials *credentials)
{
    return credentials->user != NULL;
}

bool credentials_has_token(const struct credentials *credentials)
{
    return credentials->token != NULL;
}

/* What follows the scheme's name, and which it is. */
static enum scheme split(const char *authorization, struct span *given)
{
    static const char *const names[SCHEME_NONE] = {"Basic", "Bearer"};
    size_t len = strcspn(authorization, " ");
    *given = span_of(authorization + len + strspn(authorization + len, " "));
    while (given->len > 0 && given->ptr[given->len - 1] == ' ')
        given->len--;
    for (enum scheme scheme = 0; scheme < SCHEME_NONE; scheme++)
        if (strlen(names[scheme]) == len && strncasecmp(names[scheme], authorization, len) == 0)
            return scheme;
    return SCHEME_NONE;
}

/* Base64 of "user:password". */
static bool accepts_pair(const struct credentials *credentials, struct span given)
{
    unsigned char pair[PAIR_BYTES_MAX];
    size_t len;
    if (sodium_base642bin(pair, sizeof pair, given.ptr, given.len, NULL, &len, NULL,
                          sodium_base64_VARIANT_ORIGINAL) != 0)
        return false;
    const unsigned char *colon = memchr(pair, ':', len);
    bool right = false;
    if (colon) {
        size_t user_len = (size_t)(colon - pair);
        bool user =
            secret_same(span_of(credentials->user), (struct span){(const char *)pair, user_len});
        bool password = secret_accepts(credentials->password,
                                       (struct span){(const char *)colon + 1, len - user_len - 1});
        right = user && password;
    }
    sodium_memzero(pair, sizeof pair);
    return right;
}

static bool is_remembered(struct credentials *credentials, enum scheme scheme,
                          const struct digest *digest)
{
    return credentials->has_remembered[scheme] &&
           sodium_memcmp(&credentials->remembered[scheme], digest, sizeof *digest) == 0;
}

/* Takes one of the checks that may end badly in this second; false when there is none left. Under the lock. */
static bool may_be_wrong(struct credentials *credentials)
{
    int64_t now_ns = clock_mono_ns();
    if (now_ns - credentials->second_ns >= NS_PER_SEC) {
        credentials->second_ns = now_ns;
        credentials->wrong = 0;
    }
    if (credentials->wrong >= WRONG_PER_S_MAX)
        return false;
    credentials->wrong++;
    return true;
}

static bool accepts(struct credentials *credentials, enum scheme scheme, struct span given,
                    const struct digest *digest)
{
    bool right = scheme == SCHEME_BASIC ? accepts_pair(credentials, given)
                                        : secret_accepts(credentials->token, given);
    if (!right)
        return false;
    pthread_mutex_lock(&credentials->lock);
    credentials->remembered[scheme] = *digest;
    credentials->has_remembered[scheme] = true;
    if (credentials->wrong > 0)
        credentials->wrong--;
    pthread_mutex_unlock(&credentials->lock);
    return true;
}

enum credentials_verdict credentials_check(struct credentials *credentials,
                                           const char *authorization)
{
    struct span given;
    struct digest digest;
    if (!credentials)
        return CREDENTIALS_RIGHT;
    enum scheme scheme = authorization ? split(authorization, &given) : SCHEME_NONE;
    if (scheme == SCHEME_NONE || (scheme == SCHEME_BASIC && !credentials->user) ||
        (scheme == SCHEME_BEARER && !credentials->token))
        return CREDENTIALS_MISSING;
    crypto_generichash(digest.bytes, sizeof digest.bytes, (const unsigned char *)authorization,
                       strlen(authorization), credentials->key, sizeof credentials->key);
    pthread_mutex_lock(&credentials->lock);
    bool known = is_remembered(credentials, scheme, &digest);
    bool heard = known || may_be_wrong(credentials);
    pthread_mutex_unlock(&credentials->lock);
    if (!heard)
        return CREDENTIALS_LATER;
    return known || accepts(credentials, scheme, given, &digest) ? CREDENTIALS_RIGHT
                                                                 : CREDENTIALS_WRONG;
}
