/* accounts { NAME { users [ ... ] } } and authorization { users [ ... ] } of the configuration file.
 *
 * Both end in two flat lists of struct options: names of accounts, and users who each know the place of their account.
 * Once the file is read the users are sorted by name, so that a login is found by halving. Duplicates are then neighbours. The
 * words of the errors are nats-server's where it has one. */
#include "broker/options_users.h"

#include <stdlib.h>
#include <strings.h>

#include "broker/base/mem.h"
#include "broker/options_table.h"

/* Room for one more in a list that doubles at powers of two. */
static void *grow(void *list, size_t count, size_t size)
{
    return count & (count - 1) ? list : mem_realloc_or_exit(list, (count ? count * 2 : 1) * size);
}

static char *copy(const char *text)
{
    size_t bytes = strlen(text) + 1;
    return memcpy(mem_zalloc_or_exit(bytes), text, bytes);
}

/* ---- users ---- */

/* Keys of an entry that this broker does not act on. */
static void refuse_other_key(struct binding *binding, const struct config_entry *entry,
                             enum option_block block)
{
    const struct option_row *row = options_table_find_key(block, entry->key);
    if (row)
        options_binding_refuse(binding, entry, "\"%s\" is not supported by this broker",
                               entry->key);
    else if (!entry->used_as_variable)
        options_binding_refuse(binding, entry, "unknown field \"%s\"", entry->key);
}

static bool is_one_of(const char *key, const char *first, const char *second)
{
    return strcasecmp(key, first) == 0 || strcasecmp(key, second) == 0;
}

static void bind_user(struct binding *binding, const struct config_entry *element, int account)
{
    if (element->value->kind != CONFIG_MAP) {
        options_binding_refuse(binding, element, "Expected user entry to be a map/struct, not %s",
                               config_kind_name(element->value->kind));
        return;
    }
    const char *name = NULL, *password = "";
    unsigned errors = binding->errors;
    for (const struct config_entry *entry = element->value->entries; entry; entry = entry->next) {
        if (is_one_of(entry->key, "user", "username"))
            name = options_binding_string(binding, entry);
        else if (is_one_of(entry->key, "pass", "password"))
            password = options_binding_string(binding, entry);
        else
            refuse_other_key(binding, entry, OPTION_BLOCK_USER);
    }
    if (binding->errors > errors)
        return;
    if (!name || !*name) {
        options_binding_refuse(binding, element, "User entry requires a user");
        return;
    }
    struct options *options = binding->options;
    options->users = grow(options->users, options->user_count, sizeof *options->users);
    options->users[options->user_count++] = (struct options_user){
        copy(name), copy(password), account, (unsigned)element->line, (unsigned)element->column};
}

static void bind_users(struct binding *binding, const struct config_entry *entry, int account)
{
    if (entry->value->kind != CONFIG_ARRAY) {
        options_binding_refuse(binding, entry, "Expected users field to be an array, got %s",
                               config_kind_name(entry->value->kind));
        return;
    }
    for (const struct config_entry *element = entry->value->entries; element;
         element = element->next)
        bind_user(binding, element, account);
}

void options_users_bind_users(struct binding *binding, const struct config_entry *entry)
{
    bind_users(binding, entry, OPTIONS_GLOBAL_ACCOUNT);
}

/* ---- accounts ---- */

/* The account's place, or OPTIONS_GLOBAL_ACCOUNT after an error. */
static int add_account(struct binding *binding, const struct config_entry *entry, const char *name)
{
    struct options *options = binding->options;
    if (strcmp(name, "$G") == 0) {
        options_binding_refuse(binding, entry, "\"$G\" is a Reserved Account");
        return OPTIONS_GLOBAL_ACCOUNT;
    }
    for (size_t i = 0; i < options->account_count; i++)
        if (strcmp(options->accounts[i], name) == 0) {
            options_binding_refuse(binding, entry, "Duplicate Account Entry: %s", name);
            return OPTIONS_GLOBAL_ACCOUNT;
        }
    options->accounts = grow(options->accounts, options->account_count, sizeof *options->accounts);
    options->accounts[options->account_count] = copy(name);
    return (int)options->account_count++;
}

static void bind_account(struct binding *binding, const struct config_entry *entry)
{
    if (entry->value->kind != CONFIG_MAP) {
        options_binding_refuse(binding, entry, "Expected map entries for accounts");
        return;
    }
    int account = add_account(binding, entry, entry->key);
    if (account == OPTIONS_GLOBAL_ACCOUNT)
        return;
    for (const struct config_entry *inner = entry->value->entries; inner; inner = inner->next) {
        if (strcasecmp(inner->key, "users") == 0)
            bind_users(binding, inner, account);
        else
            refuse_other_key(binding, inner, OPTION_BLOCK_ACCOUNT);
    }
}

void options_users_bind_accounts(struct binding *binding, const struct config_entry *entry)
{
    const struct config_value *value = entry->value;
    if (value->kind != CONFIG_MAP && value->kind != CONFIG_ARRAY) {
        options_binding_refuse_kind(binding, entry, "a map of accounts or a list of their names");
        return;
    }
    for (const struct config_entry *inner = value->entries; inner; inner = inner->next) {
        if (value->kind == CONFIG_MAP) {
            bind_account(binding, inner);
            continue;
        }
        if (inner->value->kind == CONFIG_STRING)
            (void)add_account(binding, inner, inner->value->text.ptr);
        else
            options_binding_refuse(binding, inner, "Expected account name to be a string, not %s",
                                   config_kind_name(inner->value->kind));
    }
}

/* ---- the whole ---- */

static int compare_users(const void *left, const void *right)
{
    const struct options_user *a = left, *b = right;
    int order = strcmp(a->name, b->name);
    return order != 0 ? order : (int)a->line - (int)b->line;
}

void options_users_check(struct binding *binding)
{
    struct options *options = binding->options;
    if (options->user_count == 0)
        return;
    qsort(options->users, options->user_count, sizeof *options->users, compare_users);
    /* A mistake in the whole has no place of its own: the authorization block, or the file's first line. */
    struct config_entry place = {.key = "users", .file = options->config_file, .line = 1};
    if (binding->authorization)
        place = *binding->authorization;
    if (options->token)
        options_binding_refuse(binding, &place, "Can not have a token and a users array");
    if (options->username || options->password)
        options_binding_refuse(binding, &place, "Can not have a single user/pass and %s",
                               options->account_count > 0 ? "accounts" : "a users array");
    for (size_t i = 1; i < options->user_count; i++) {
        const struct options_user *user = &options->users[i];
        if (strcmp(user->name, user[-1].name) != 0)
            continue;
        if (user->account != OPTIONS_GLOBAL_ACCOUNT) {
            place.line = (int)user->line;
            place.column = (int)user->column;
        }
        options_binding_refuse(binding, &place, "Duplicate user \"%s\" detected", user->name);
    }
}
