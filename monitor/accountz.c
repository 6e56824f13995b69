/* /accountz: the names of all accounts, or one account in detail. */
#include "broker/inspect.h"
#include "monitor/request.h"
#include "monitor/subscription_json.h"

static void write_name(void *context, const struct inspect_account *account)
{
    json_write_text(context, NULL, account->name);
}

static void write_detail(void *context, const struct inspect_account *account)
{
    struct json_writer *json = context;
    json_write_object(json, "account_detail");
    json_write_text(json, "account_name", account->name);
    json_write_time(json, "update_time", account->update_wall_ns);
    json_write_true_if(json, "is_system", account->is_system);
    json_write_bool(json, "expired", false);
    json_write_bool(json, "complete", true);
    json_write_bool(json, "jetstream_enabled", false);
    json_write_unsigned(json, "leafnode_connections", 0);
    json_write_unsigned(json, "client_connections", account->connections);
    json_write_unsigned(json, "subscriptions", account->subscriptions);
    json_write_text(json, "name_tag", account->name); /* tags are there for accounts by JWT only */
    json_write_object(json, "sublist_stats");
    subscription_json_statistics(json, &account->statistics);
    json_write_end(json);
    json_write_end(json);
}

void accountz_answer(struct request *request)
{
    const char *name = request_text(request, "acc");
    struct inspect_server server;
    inspect_server(&server);
    struct json_writer *json = request_json(request, 2);
    json_write_object(json, NULL);
    request_json_identity(json, server.server_id, server.now_wall_ns);
    json_write_text_if(json, "system_account", server.system_account);
    if (*name) {
        if (inspect_accounts(name, write_detail, json) == 0) {
            request_error(request, 400, "Account %s does not exist", name);
            return;
        }
    } else {
        json_write_array(json, "accounts");
        inspect_accounts(NULL, write_name, json);
        json_write_end(json);
    }
    json_write_end(json);
    request_json_end(request);
}
