/* Who may connect: nobody has to say who they are, or all give the one token, or the one user and password, or
 * each is one of several users, who are in accounts.
 * Any thread; options are constant.
 * A secret in the options may be a bcrypt hash; checking one takes as long as its cost says. */
#ifndef BROKER_CORE_AUTH_H
#define BROKER_CORE_AUTH_H

#include "broker/base/base.h"
#include "broker/options.h"

struct auth_credentials {
    struct span user, password, token; /* len 0: not given */
};

/* Who somebody is. */
struct auth_identity {
    const char *user; /* if not as it was given: who is meant where nobody was named; else NULL */
    int account;      /* a place in struct options, or OPTIONS_GLOBAL_ACCOUNT */
};

bool auth_required(const struct options *options);
/* Whether the credentials are good, and whose they are. Compares in a time that does not depend on where the texts differ. */
bool auth_accepts(const struct options *options, const struct auth_credentials *given,
                  struct auth_identity *out);
/* Those who give no credentials are taken for this user, even before CONNECT; false: they are not let in. */
bool auth_without(const struct options *options, struct auth_identity *out);

#endif
