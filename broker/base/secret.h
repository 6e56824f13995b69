/* Passwords and tokens that the operator set, plain or hashed by bcrypt, against what a stranger gives.
 *
 * Any thread, after sodium_init. Comparing takes a time that depends neither on where the texts differ nor on how long the
 * expected one is; a hash takes as long as its cost says. Texts are borrowed. */
#ifndef BROKER_BASE_SECRET_H
#define BROKER_BASE_SECRET_H

#include "broker/base/base.h"

/* $2a$10$..., as nats-server tells a hash from a plain secret. */
bool secret_is_hashed(const char *expected);
/* Two plain texts. */
bool secret_same(struct span expected, struct span given);
/* expected may be a hash; NULL stands for an empty text. */
bool secret_accepts(const char *expected, struct span given);

#endif
