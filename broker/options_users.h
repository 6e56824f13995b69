/* Reads accounts { ... }, and users [ ... ] of an account or of the authorization block, into struct options.
 *
 * Start-up only, main thread. Mistakes are told through the binding. */
#ifndef BROKER_OPTIONS_USERS_H
#define BROKER_OPTIONS_USERS_H

#include "broker/options_binding.h"

void options_users_bind_accounts(struct binding *binding, const struct config_entry *entry);
void options_users_bind_users(struct binding *binding, const struct config_entry *entry);
/* What only the whole file can tell: users named twice, users beside a token or a single user. Sorts the users. */
void options_users_check(struct binding *binding);

#endif
