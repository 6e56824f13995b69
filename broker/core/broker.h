/* What all workers share. Filled in before they start; constant afterwards except the atomics and the closed ring. */
#ifndef BROKER_CORE_BROKER_H
#define BROKER_CORE_BROKER_H

#include "broker/core/account.h"
#include "broker/core/closed_ring.h"
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

    struct account *global_account, *system_account;

    unsigned worker_count;
    struct delivery **deliveries; /* by worker */

    _Atomic uint64_t last_cid;
    _Atomic uint64_t connections; /* open ones that count against max_connections */
    struct closed_ring closed;

    char *info_head; /* the INFO line up to what differs between connections */
};

/* Makes the accounts, the workers' parts and the server's identity; 0 or ERR_MEMORY. options is borrowed. */
MUST_CHECK int broker_init(struct broker *broker, const struct options *options, unsigned workers);
void broker_fini(struct broker *broker);

/* Once the port is known, before the first connection: 0 or ERR_MEMORY. */
MUST_CHECK int broker_compose_info(struct broker *broker);

#endif
