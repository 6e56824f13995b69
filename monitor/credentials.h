/* Who may read the monitoring port: anyone, or who shows a user and password (HTTP's Basic) or a token (Bearer).
 *
 * credentials_new and credentials_free are for the main thread, credentials_check is for any. Passwords and tokens may be
 * bcrypt hashes. */
#ifndef MONITOR_CREDENTIALS_H
#define MONITOR_CREDENTIALS_H

#include "broker/base/base.h"

struct credentials;

enum credentials_verdict {
    CREDENTIALS_RIGHT,
    CREDENTIALS_MISSING,
    CREDENTIALS_WRONG,
    CREDENTIALS_LATER /* too many wrong ones lately: not looked at */
};

/* Copies the texts. user and password are both set or both NULL. Returns 0 or ERR_MEMORY; *out stays NULL when nothing is set. */
MUST_CHECK int credentials_new(const char *user, const char *password, const char *token,
                               struct credentials **out);
/* authorization is the header's value or NULL. NULL credentials: anyone is right. */
enum credentials_verdict credentials_check(struct credentials *credentials,
                                           const char *authorization);
/* Which schemes the owner of the port has set. */
bool credentials_has_user(const struct credentials *credentials);
bool credentials_has_token(const struct credentials *credentials);
/* Wipes them and clears the caller's pointer. NULL is fine. */
void credentials_free(struct credentials **credentials);

#endif
