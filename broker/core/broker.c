/* What all workers share: accounts, identity, the INFO line. */
#include "broker/core/broker.h"

#include <jansson.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>

#include "broker/base/clock.h"
#include "broker/base/err.h"
#include "broker/base/hash.h"
#include "broker/base/mem.h"
#include "broker/core/auth.h"
#include "broker/core/delivery.h"
#include "broker/core/nkey.h"

uint64_t hash_seed;

static int init_deliveries(struct broker *broker)
{
    broker->deliveries = mem_zalloc(broker->worker_count * sizeof(struct delivery *));
    if (!broker->deliveries)
        return ERR_MEMORY;
    for (unsigned i = 0; i < broker->worker_count; i++) {
        broker->deliveries[i] = mem_zalloc_aligned(sizeof(struct delivery));
        if (!broker->deliveries[i] || delivery_init(broker->deliveries[i], broker, i) != 0)
            return ERR_MEMORY;
    }
    return 0;
}

static struct account *add_account(struct broker *broker, const char *name)
{
    const char *system = broker->options->system_account;
    bool is_system = strcmp(name, system ? system : "$SYS") == 0;
    struct account *account = account_new(name, is_system, broker->worker_count);
    if (account)
        broker->accounts[broker->account_count++] = account;
    if (is_system)
        broker->system_account = account;
    return account;
}

static int init_accounts(struct broker *broker)
{
    const struct options *options = broker->options;
    broker->accounts = mem_zalloc((options->account_count + 2) * sizeof(struct account *));
    if (!broker->accounts)
        return ERR_MEMORY;
    broker->global_account = add_account(broker, "$G");
    if (!broker->global_account)
        return ERR_MEMORY;
    for (size_t i = 0; i < options->account_count; i++)
        if (!add_account(broker, options->accounts[i]))
            return ERR_MEMORY;
    if (!broker->system_account)
        add_account(broker, "$SYS");
    return broker->system_account ? 0 : ERR_MEMORY;
}

struct account *broker_account_of(const struct broker *broker, const struct auth_identity *identity)
{
    return identity->account == OPTIONS_GLOBAL_ACCOUNT ? broker->global_account
                                                       : broker->accounts[1 + identity->account];
}

struct account *broker_account(const struct broker *broker, const char *name)
{
    for (unsigned i = 0; i < broker->account_count; i++)
        if (strcmp(broker->accounts[i]->name, name) == 0)
            return broker->accounts[i];
    return NULL;
}

int broker_init(struct broker *broker, const struct options *options, unsigned workers)
{
    *broker = (struct broker){.options = options, .worker_count = workers};
    if (sodium_init() < 0)
        return ERR_SYSTEM;
    randombytes_buf(&hash_seed, sizeof hash_seed);
    nkey_new_server(broker->server_id, NULL);
    broker->server_name = options->server_name ? options->server_name : broker->server_id;
    broker->start_wall_ns = clock_wall_ns();
    broker->start_mono_ns = clock_mono_ns();
    broker->auth_required = auth_required(options);
    /* nats-server's own internal clients take the first few; clients' ids start behind them. */
    atomic_init(&broker->last_cid, 3);
    closed_ring_init(&broker->closed, (uint32_t)options->max_closed_clients);
    int error = init_accounts(broker);
    if (!error)
        error = init_deliveries(broker);
    if (error)
        broker_fini(broker);
    return error;
}

void broker_fini(struct broker *broker)
{
    for (unsigned i = 0; broker->deliveries && i < broker->worker_count; i++) {
        if (broker->deliveries[i])
            delivery_fini(broker->deliveries[i]);
        mem_free(broker->deliveries[i]);
    }
    mem_free(broker->deliveries);
    broker->deliveries = NULL;
    for (unsigned i = 0; i < broker->account_count; i++)
        account_free(&broker->accounts[i]);
    mem_free(broker->accounts);
    broker->accounts = NULL;
    broker->account_count = 0;
    closed_ring_fini(&broker->closed);
    mem_free(broker->info_head);
    broker->info_head = NULL;
}

/* Where clients are told to find us: client_advertise as host[:port] or [v6]:port, else where we listen. */
static void advertised(const struct broker *broker, char *host, size_t size, int *port)
{
    const char *text = broker->options->client_advertise;
    *port = broker->port;
    if (!text) {
        snprintf(host, size, "%s", broker->options->host);
        return;
    }
    const char *colon = strrchr(text, ':');
    bool has_port = colon && (strchr(text, ':') == colon || (colon > text && colon[-1] == ']'));
    size_t len = has_port ? (size_t)(colon - text) : strlen(text);
    bool bracketed = len >= 2 && text[0] == '[' && text[len - 1] == ']';
    snprintf(host, size, "%.*s", (int)(len - 2 * bracketed), text + bracketed);
    if (has_port)
        *port = atoi(colon + 1);
}

int broker_compose_info(struct broker *broker)
{
    const struct options *options = broker->options;
    char host[256];
    int port;
    advertised(broker, host, sizeof host, &port);
    json_t *info = json_pack(
        "{s:s, s:s, s:s, s:s, s:i, s:s, s:s, s:i, s:b, s:I}", "server_id", broker->server_id,
        "server_name", broker->server_name, "version", CLEARWING_NATS_VERSION, "clearwing_version",
        CLEARWING_VERSION, "proto", 1, "go", "none", "host", host, "port", port, "headers",
        !options->no_header_support, "max_payload", (json_int_t)options->max_payload);
    if (!info)
        return ERR_MEMORY;
    if (broker->auth_required && !options->no_auth_user)
        json_object_set_new(info, "auth_required", json_true());
    char *text = json_dumps(info, JSON_COMPACT);
    json_decref(info);
    if (!text)
        return ERR_MEMORY;
    size_t len = strlen(text) - 1; /* the last brace comes behind the connection's own fields */
    broker->info_head = mem_alloc(5 + len + 1);
    if (broker->info_head) {
        memcpy(broker->info_head, "INFO ", 5);
        memcpy(broker->info_head + 5, text, len);
        broker->info_head[5 + len] = '\0';
    }
    free(text);
    return broker->info_head ? 0 : ERR_MEMORY;
}
