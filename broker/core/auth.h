/* Who may connect: nobody has to say who they are, or all give the one token, or the one user and password.
 * Any thread; options are constant.
 * A secret in the options may be a bcrypt hash; checking one takes as long as its cost says. */
#ifndef BROKER_CORE_AUTH_H
#define BROKER_CORE_AUTH_H

#include "broker/base/base.h"
#include "broker/options.h"

struct auth_credentials {
    struct span user, password, token; /* len 0: not given */
};

bool auth_secret_is_hashed(const char *secret);
bool auth_required(const struct options *options);
/* Compares in a time that does not depend on where the texts differ. */
bool auth_accepts(const struct options *options, const struct auth_credentials *given);

#endif
