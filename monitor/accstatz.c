/* /accstatz: connections and traffic of each account. `sent` is what the server delivered to the
 * account's clients, `received` what they published. Accounts that nobody is connected to are
 * listed only with unused=1. */
#include "broker/inspect.h"
#include "monitor/request.h"

struct listing {
    struct json_writer *json;
    bool unused;
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

static void write_one(void *context, const struct inspect_account *account)
{
    struct listing *listing = context;
    struct json_writer *json = listing->json;
    if (!listing->unused && account->connections == 0)
        return;
    json_write_object(json, NULL);
    json_write_text(json, "acc", account->name);
    json_write_text(json, "name", account->name);
    json_write_unsigned(json, "conns", account->connections);
    json_write_unsigned(json, "leafnodes", 0);
    json_write_unsigned(json, "total_conns", account->connections);
    json_write_unsigned(json, "num_subscriptions", account->subscriptions);
    write_all_traffic(json, "sent", account->out_msgs, account->out_bytes);
    write_all_traffic(json, "received", account->in_msgs, account->in_bytes);
    json_write_unsigned(json, "slow_consumers", account->slow_consumers);
    json_write_end(json);
}

void accstatz_answer(struct request *request)
{
    struct listing listing;
    if (!request_bool(request, "unused", &listing.unused))
        return;
    struct inspect_server server;
    inspect_server(&server);
    listing.json = request_json(request, 2);
    json_write_object(listing.json, NULL);
    request_json_identity(listing.json, server.server_id, server.now_wall_ns);
    json_write_array(listing.json, "account_statz");
    inspect_accounts(NULL, write_one, &listing);
    json_write_end(listing.json);
    json_write_end(listing.json);
    request_json_end(request);
}
