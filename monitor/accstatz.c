/* /accstatz: connections and traffic of each account. `sent` is what the server delivered to the
 * account's clients, `received` what they published. Accounts that nobody is connected to are
 * listed only with unused=1. */
#include "monitor/accstatz.h"

#include "broker/inspect.h"
#include "monitor/request.h"

struct listing {
    struct json_writer *json;
    const struct accstatz_options *options;
    unsigned listed;
};

/* Left open. */
static void write_traffic(struct json_writer *json, const char *key, uint64_t msgs, uint64_t bytes)
{
    json_write_object(json, key);
    json_write_unsigned(json, "msgs", msgs);
    json_write_unsigned(json, "bytes", bytes);
}

/* All of it, then what came from or went to other servers: nothing, as there are none. */
static void write_all_traffic(struct json_writer *json, const char *key, uint64_t msgs,
                              uint64_t bytes)
{
    static const char *const servers[] = {"gateways", "routes", "leafs"};
    write_traffic(json, key, msgs, bytes);
    for (size_t i = 0; i < array_length(servers); i++) {
        write_traffic(json, servers[i], 0, 0);
        json_write_end(json);
    }
    json_write_end(json);
}

void accstatz_write_fields(const struct inspect_account *account, struct json_writer *json)
{
    json_write_text(json, "acc", account->name);
    json_write_text(json, "name", account->name);
    json_write_unsigned(json, "conns", account->connections);
    json_write_unsigned(json, "leafnodes", 0);
    json_write_unsigned(json, "total_conns", account->connections);
    json_write_unsigned(json, "num_subscriptions", account->subscriptions);
    write_all_traffic(json, "sent", account->out_msgs, account->out_bytes);
    write_all_traffic(json, "received", account->in_msgs, account->in_bytes);
    json_write_unsigned(json, "slow_consumers", account->slow_consumers);
}

static void write_one(void *context, const struct inspect_account *account)
{
    struct listing *listing = context;
    if (!listing->options->unused && account->connections == 0)
        return;
    json_write_object(listing->json, NULL);
    accstatz_write_fields(account, listing->json);
    json_write_end(listing->json);
    listing->listed++;
}

unsigned accstatz_write(const struct accstatz_options *options, struct json_writer *json)
{
    struct listing listing = {json, options, 0};
    struct inspect_server server;
    inspect_server(&server);
    json_write_object(json, NULL);
    request_json_identity(json, server.server_id, server.now_wall_ns);
    json_write_array(json, "account_statz");
    if (options->account_count == 0)
        inspect_accounts(NULL, write_one, &listing);
    for (size_t i = 0; i < options->account_count; i++)
        inspect_accounts(options->accounts[i], write_one, &listing);
    json_write_end(json);
    json_write_end(json);
    return listing.listed;
}

void accstatz_answer(struct request *request)
{
    struct accstatz_options options = {0};
    if (!request_bool(request, "unused", &options.unused))
        return;
    accstatz_write(&options, request_json(request, 2));
    request_json_end(request);
}
