/* Exposition text goes row by row, accounts are read one by one: so they are read first, into a list, and each row of the
 * table's scope ACCOUNT walks that. Names live as long as the process. */
#include "monitor/metrics_accounts.h"

#include "broker/base/mem.h"
#include "broker/inspect.h"
#include "monitor/values.h"

struct accounts {
    struct inspect_account *all; /* the last one may stand for the others */
    size_t count, capacity;
    bool failed;
};

static void add_up(struct inspect_account *sum, const struct inspect_account *account)
{
    sum->connections += account->connections;
    sum->subscriptions += account->subscriptions;
    sum->in_msgs += account->in_msgs;
    sum->in_bytes += account->in_bytes;
    sum->out_msgs += account->out_msgs;
    sum->out_bytes += account->out_bytes;
    sum->slow_consumers += account->slow_consumers;
}

static bool has_room(struct accounts *accounts)
{
    if (accounts->count < accounts->capacity)
        return true;
    size_t capacity = accounts->capacity ? accounts->capacity * 2 : 8;
    struct inspect_account *all = mem_realloc(accounts->all, capacity * sizeof *all);
    if (!all)
        return false;
    accounts->all = all;
    accounts->capacity = capacity;
    return true;
}

static void collect(void *context, const struct inspect_account *account)
{
    struct accounts *accounts = context;
    if (accounts->failed || !has_room(accounts)) {
        accounts->failed = true;
        return;
    }
    if (accounts->count < METRICS_ACCOUNTS_MAX) {
        accounts->all[accounts->count++] = *account;
        return;
    }
    if (accounts->count == METRICS_ACCOUNTS_MAX)
        accounts->all[accounts->count++] = (struct inspect_account){.name = "other"};
    add_up(&accounts->all[METRICS_ACCOUNTS_MAX], account);
}

static void write_one(struct prom_text *text, struct prom_text_labels *labels, enum metric_id id,
                      const struct inspect_account *account)
{
    size_t common = labels->len;
    struct value value = {VALUE_INTEGER, {1}};
    prom_text_labels_add(labels, "account", account->name);
    if (id == METRIC_account_info) {
        prom_text_labels_add(labels, "account_name", account->name);
        prom_text_labels_add(labels, "is_system", account->is_system ? "true" : "false");
        prom_text_labels_add(labels, "jetstream", "false");
        prom_text_labels_add(labels, "expired", "false");
    } else {
        value = values_account(account, id);
    }
    if (value.form == VALUE_INTEGER)
        prom_text_sample(text, labels->bytes, prom_text_unsigned(value.integer));
    prom_text_labels_cut(labels, common);
}

bool metrics_accounts_write(struct prom_text *text, struct prom_text_labels *labels)
{
    struct accounts accounts = {.all = NULL};
    inspect_accounts(NULL, collect, &accounts);
    for (enum metric_id id = 0; id < METRIC_COUNT && !accounts.failed; id++) {
        if (metric_descriptors[id].scope != METRIC_SCOPE_ACCOUNT || id == METRIC_account_limit)
            continue; /* limits: there are none */
        prom_text_row(text, &metric_descriptors[id]);
        for (size_t i = 0; i < accounts.count; i++)
            write_one(text, labels, id, &accounts.all[i]);
    }
    mem_free(accounts.all);
    return !accounts.failed;
}
