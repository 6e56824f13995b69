/* Credentials from the options; user and password are both looked at whatever the first comparison says. */
#include "broker/core/auth.h"

#include "broker/base/secret.h"

bool auth_required(const struct options *options)
{
    return options->username || options->password || options->token || options->user_count > 0;
}

/* NULL: there is none of that name. */
static const struct options_user *find_user(const struct options *options, struct span name)
{
    size_t first = 0, end = options->user_count;
    while (first < end) {
        size_t middle = first + (end - first) / 2;
        struct span own = span_of(options->users[middle].name);
        size_t both = min_size(own.len, name.len);
        int order = both > 0 ? memcmp(own.ptr, name.ptr, both) : 0;
        if (order == 0 && own.len == name.len)
            return &options->users[middle];
        if (order < 0 || (order == 0 && own.len < name.len))
            first = middle + 1;
        else
            end = middle;
    }
    return NULL;
}

bool auth_without(const struct options *options, struct auth_identity *out)
{
    if (!options->no_auth_user)
        return false;
    const struct options_user *user = find_user(options, span_of(options->no_auth_user));
    *out = (struct auth_identity){user->name, user->account};
    return true;
}

/* An unknown user costs as much as a wrong password, if passwords are plain. */
static bool accepts_user(const struct options *options, const struct auth_credentials *given,
                         struct auth_identity *out)
{
    if (given->user.len == 0 && given->password.len == 0 && given->token.len == 0)
        return auth_without(options, out);
    const struct options_user *user = find_user(options, given->user);
    bool good = secret_accepts(user ? user->password : "", given->password) && user;
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
        return secret_accepts(options->token, given->token);
    bool user = secret_same(span_of(options->username), given->user);
    bool password = secret_accepts(options->password, given->password);
    return user && password;
}
