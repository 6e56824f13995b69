/* What all workers share. Filled in before they start; constant afterwards except the atomics and the closed ring. */
#ifndef BROKER_CORE_BROKER_H
#define BROKER_CORE_BROKER_H

#include "broker/core/account.h"
#include "broker/core/closed_ring.h"
#include "broker/core/system.h"
#include "broker/options.h"

enum { SERVER_ID_LEN = 56 };

struct broker {
    const struct options *options;
    char server_id[SERVER_ID_LEN + 1];
    const char *server_name;
    int port; /* the real one */
    int http_port;
    int64_t start_wall_ns, start_mono_ns;
    bool auth_required;

    /* All of them; those two have a place of their own besides. */
    struct account *
        *accounts; /* $G, then those of struct options, then $SYS if it is none of them */
    unsigned account_count;
    struct account *global_account, *system_account;
    struct system system;

    unsigned worker_count;
    struct delivery **deliveries; /* by worker */

    _Atomic uint64_t last_cid;
    _Atomic uint64_t connections; /* open ones that count against max_connections */
    struct closed_ring closed;

    _Atomic bool lame_duck; /* no new connections, and the old ones are asked to go */
    char *info_head;        /* the INFO line up to what differs between connections */
};

/* Makes the accounts, the workers' parts and the server's identity; 0 or ERR_MEMORY. options is borrowed. */
MUST_CHECK int broker_init(struct broker *broker, const struct options *options, unsigned workers);
void broker_fini(struct broker *broker);

/* Where somebody of this identity is. */
struct auth_identity;
struct account *broker_account_of(const struct broker *broker,
                                  const struct auth_identity *identity);
/* NULL: there is none of that name. */
struct account *broker_account(const struct broker *broker, const char *name);

/* Once the port is known, before the first connection: 0 or ERR_MEMORY. */
MUST_CHECK int broker_compose_info(struct broker *broker);

#endif
