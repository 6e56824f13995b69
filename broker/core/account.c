/* Accounts: one interest, one part per worker. */
#include "broker/core/account.h"

#include "broker/base/clock.h"
#include "broker/base/mem.h"
#include "broker/core/system.h"

struct account *account_new(const char *name, bool is_system, unsigned workers)
{
    struct account *account = mem_zalloc(sizeof *account);
    if (!account)
        return NULL;
    account->name = name;
    account->is_system = is_system;
    account->update_wall_ns = clock_wall_ns();
    account->interest = sublist_new();
    account->workers = mem_zalloc(workers * sizeof(struct account_worker *));
    if (!account->interest || !account->workers) {
        account_free(&account);
        return NULL;
    }
    account->worker_count = workers;
    for (unsigned i = 0; i < workers; i++) {
        account->workers[i] = mem_zalloc_aligned(sizeof(struct account_worker));
        if (!account->workers[i]) {
            account_free(&account);
            return NULL;
        }
        match_cache_init(&account->workers[i]->cache, account->interest);
    }
    return account;
}

void account_free(struct account **account)
{
    if (!*account)
        return;
    for (unsigned i = 0; i < (*account)->worker_count; i++) {
        if ((*account)->workers[i])
            match_cache_fini(&(*account)->workers[i]->cache);
        mem_free((*account)->workers[i]);
    }
    mem_free((*account)->workers);
    system_stop(&(*account)->own_client);
    sublist_free(&(*account)->interest);
    mem_free(*account);
    *account = NULL;
}
