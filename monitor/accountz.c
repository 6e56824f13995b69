/* /accountz: the names of all accounts, or one account in detail. */
#include "monitor/accountz.h"

#include "broker/base/err.h"
#include "broker/inspect.h"
#include "monitor/request.h"
#include "monitor/subscription_json.h"

enum { ACCOUNTZ_ERROR_BYTES_MAX = 64 << 10 };

static void write_name(void *context, const struct inspect_account *account)
{
    json_write_text(context, NULL, account->name);
}

static void write_import(void *context, const struct inspect_import *import)
{
    struct json_writer *json = context;
    json_write_object(json, NULL);
    json_write_text(json, "subject", import->subject);
    json_write_text(json, "account", import->system_account);
    json_write_text(json, "to", import->to);
    json_write_text(json, "type", "service");
    json_write_bool(json, "invalid", false);
    json_write_bool(json, "share", import->shares_client);
    json_write_bool(json, "tracking", false);
    json_write_end(json);
}

static void write_fields(void *context, const struct inspect_account *account)
{
    struct json_writer *json = context;
    json_write_text(json, "account_name", account->name);
    json_write_time(json, "update_time", account->update_wall_ns);
    json_write_true_if(json, "is_system", account->is_system);
    json_write_bool(json, "expired", false);
    json_write_bool(json, "complete", true);
    json_write_bool(json, "jetstream_enabled", false);
    json_write_unsigned(json, "leafnode_connections", 0);
    json_write_unsigned(json, "client_connections", account->connections);
    json_write_unsigned(json, "subscriptions", account->subscriptions);
    if (!account->is_system) {
        json_write_array(json, "imports");
        inspect_account_imports(account, write_import, json);
        json_write_end(json);
    }
    json_write_text(json, "name_tag", account->name); /* tags are there for accounts by JWT only */
    json_write_object(json, "sublist_stats");
    subscription_json_statistics(json, &account->statistics);
    json_write_end(json);
}

static void write_under_key(void *context, const struct inspect_account *account)
{
    json_write_object(context, "account_detail");
    write_fields(context, account);
    json_write_end(context);
}

static void write_alone(void *context, const struct inspect_account *account)
{
    json_write_object(context, NULL);
    write_fields(context, account);
    json_write_end(context);
}

static int write_account(const char *name, inspect_account_fn *write, struct json_writer *json,
                         struct text_buffer *error)
{
    if (inspect_accounts(name, write, json) > 0)
        return 0;
    text_buffer_printf(error, "Account %s does not exist", name);
    return ERR_INVALID;
}

int accountz_write_detail(const char *account, struct json_writer *json, struct text_buffer *error)
{
    return write_account(account, write_alone, json, error);
}

int accountz_write(const char *account, struct json_writer *json, struct text_buffer *error)
{
    struct inspect_server server;
    inspect_server(&server);
    json_write_object(json, NULL);
    request_json_identity(json, server.server_id, server.now_wall_ns);
    json_write_text_if(json, "system_account", server.system_account);
    if (account && *account) {
        int status = write_account(account, write_under_key, json, error);
        if (status != 0)
            return status;
    } else {
        json_write_array(json, "accounts");
        inspect_accounts(NULL, write_name, json);
        json_write_end(json);
    }
    json_write_end(json);
    return 0;
}

void accountz_answer(struct request *request)
{
    struct text_buffer error;
    text_buffer_init(&error, ACCOUNTZ_ERROR_BYTES_MAX);
    int status = accountz_write(request_text(request, "acc"), request_json(request, 2), &error);
    if (status == 0)
        request_json_end(request);
    else
        request_refuse(request, status, &error);
    text_buffer_fini(&error);
}
