/* The interest is a tree of tokens:
 *
 *     root -- orders -- eu   {plain: s1 s2} {group q: s3 s4}
 *          |         +- *    {plain: s5}
 *          |         +- >    {plain: s6}
 *          +- *    -- x      {plain: s7}
 *
 * A node has a table of literal children, one `*` child, one `>` child, a set of plain subscriptions, and one set for each
 * queue group. Readers walk it with no lock, writers hold the tree's mutex. Invariants:
 *
 *  1. A reader can reach only complete objects: every pointer a reader follows is stored with release after what it
 *     points to is filled in, and loaded with acquire.
 *  2. What a reader may hold is never changed in place, except that a slot of a table or set goes from empty to
 *     filled, or from filled to vacant; a set's count only grows. Otherwise a copy replaces the whole (table_grow,
 *     set_copy) and the old one becomes garbage.
 *  3. A node without subscriptions and children is unlinked, up to the root.
 *  4. A subscription knows its node, set and slot; set->slots[slot] is it.
 *  5. A generation is raised after the change and under the lock. A reader that loads the generation, then
 *     matches, can therefore only under-date its result: it is thrown away too early, never kept too long.
 *
 * Vacant slots of a set are squeezed out when they are the majority, so removal costs constant time on average and a
 * set takes at most four times the room of its members.
 */
#include "broker/core/sublist.h"

#include <pthread.h>

#include "broker/base/err.h"
#include "broker/base/hash.h"
#include "broker/base/mem.h"
#include "broker/core/subject.h"

enum { TABLE_CAPACITY_MIN = 4, SET_CAPACITY_MIN = 2 };

struct sublist_set {
    struct garbage garbage;
    struct sublist_set *_Atomic next_group; /* of the same node */
    uint32_t capacity, live;                /* writer's */
    _Atomic uint32_t count;                 /* slots in use or vacant */
    uint32_t queue_len;                     /* 0: the plain set */
    const char *queue;                      /* behind the slots */
    struct sub *_Atomic slots[];
};

struct table {
    struct garbage garbage;
    uint32_t capacity, used, live; /* a power of two; used counts vacant slots too */
    struct sublist_node *_Atomic slots[];
};

struct sublist_node {
    struct garbage garbage;
    struct sublist_node *parent;
    struct table *_Atomic children;
    struct sublist_node *_Atomic star;  /* `*` */
    struct sublist_node *_Atomic tail;  /* `>` */
    struct sublist_set *_Atomic plain;  /* NULL: none */
    struct sublist_set *_Atomic groups; /* a list */
    uint64_t hash;
    uint32_t token_len;
    char token[];
};

struct sublist {
    struct sublist_generations generations; /* first: sublist_generation_is */
    pthread_mutex_t lock;
    struct sublist_node *root;
    _Atomic uint64_t subscriptions, inserts, removes;
};

/* Marks a slot whose child was removed: a search goes on past it. */
static struct sublist_node vacant_child;

#define load(pointer)         atomic_load_explicit(&(pointer), memory_order_acquire)
#define store(pointer, value) atomic_store_explicit(&(pointer), value, memory_order_release)

/* ---- nodes and their tables of children ---- */

static void free_node(struct garbage *garbage)
{
    mem_free(container_of(garbage, struct sublist_node, garbage));
}

static void free_table(struct garbage *garbage)
{
    mem_free(container_of(garbage, struct table, garbage));
}

static void free_set(struct garbage *garbage)
{
    mem_free(container_of(garbage, struct sublist_set, garbage));
}

static struct sublist_node *node_new(struct sublist_node *parent, struct span token)
{
    struct sublist_node *node = mem_zalloc(sizeof *node + token.len);
    if (!node)
        return NULL;
    node->parent = parent;
    node->hash = hash_bytes(token.ptr, token.len);
    node->token_len = (uint32_t)token.len;
    memcpy(node->token, token.ptr, token.len);
    return node;
}

static struct sublist_node *table_find(const struct table *table, struct span token, uint64_t hash)
{
    for (uint32_t i = (uint32_t)hash;; i++) {
        struct sublist_node *child = load(table->slots[i & (table->capacity - 1)]);
        if (!child)
            return NULL;
        if (child != &vacant_child && child->hash == hash && child->token_len == token.len &&
            memcmp(child->token, token.ptr, token.len) == 0)
            return child;
    }
}

static void table_place(struct table *table, struct sublist_node *child)
{
    for (uint32_t i = (uint32_t)child->hash;; i++) {
        struct sublist_node *_Atomic *slot = &table->slots[i & (table->capacity - 1)];
        struct sublist_node *there = load(*slot);
        if (there && there != &vacant_child)
            continue;
        if (!there)
            table->used++;
        table->live++;
        store(*slot, child);
        return;
    }
}

/* Makes room for one more child: at least a quarter of the slots stays empty, so that searches end. */
static int table_grow(struct sublist_node *node, struct garbage_list *garbage)
{
    struct table *old = load(node->children);
    if (old && (old->used + 1) * 4 <= old->capacity * 3)
        return 0;
    uint32_t capacity = TABLE_CAPACITY_MIN;
    while (old && (old->live + 1) * 2 > capacity)
        capacity *= 2;
    struct table *table = mem_zalloc(sizeof *table + capacity * sizeof table->slots[0]);
    if (!table)
        return ERR_MEMORY;
    table->capacity = capacity;
    for (uint32_t i = 0; old && i < old->capacity; i++) {
        struct sublist_node *child = load(old->slots[i]);
        if (child && child != &vacant_child)
            table_place(table, child);
    }
    store(node->children, table);
    if (old)
        garbage_put(garbage, &old->garbage, free_table);
    return 0;
}

static struct sublist_node *find_child(const struct sublist_node *node, struct span token)
{
    if (subject_token_is(token, '*'))
        return load(node->star);
    if (subject_token_is(token, '>'))
        return load(node->tail);
    struct table *table = load(node->children);
    return table ? table_find(table, token, hash_bytes(token.ptr, token.len)) : NULL;
}

static struct sublist_node *add_child(struct sublist_node *node, struct span token,
                                      struct garbage_list *garbage)
{
    struct sublist_node *child = node_new(node, token);
    if (!child)
        return NULL;
    if (subject_token_is(token, '*')) {
        store(node->star, child);
    } else if (subject_token_is(token, '>')) {
        store(node->tail, child);
    } else if (table_grow(node, garbage) == 0) {
        table_place(load(node->children), child);
    } else {
        mem_free(child);
        return NULL;
    }
    return child;
}

static void remove_child(struct sublist_node *node, struct sublist_node *child,
                         struct garbage_list *garbage)
{
    if (load(node->star) == child) {
        store(node->star, NULL);
    } else if (load(node->tail) == child) {
        store(node->tail, NULL);
    } else {
        struct table *table = load(node->children);
        uint32_t i = (uint32_t)child->hash;
        while (load(table->slots[i & (table->capacity - 1)]) != child)
            i++;
        store(table->slots[i & (table->capacity - 1)], &vacant_child);
        if (--table->live == 0) {
            store(node->children, NULL);
            garbage_put(garbage, &table->garbage, free_table);
        }
    }
    garbage_put(garbage, &child->garbage, free_node);
}

static bool node_is_empty(const struct sublist_node *node)
{
    return !load(node->plain) && !load(node->groups) && !load(node->star) && !load(node->tail) &&
           !load(node->children);
}

/* Unlinks the node and every ancestor that is of no more use. */
static void prune(struct sublist_node *node, struct garbage_list *garbage)
{
    while (node->parent && node_is_empty(node)) {
        struct sublist_node *parent = node->parent;
        remove_child(parent, node, garbage);
        node = parent;
    }
}

/* ---- sets of subscriptions ---- */

static struct sublist_set *set_new(uint32_t capacity, struct span queue)
{
    size_t slots = capacity * sizeof(struct sub *);
    struct sublist_set *set = mem_zalloc(sizeof *set + slots + queue.len);
    if (!set)
        return NULL;
    set->capacity = capacity;
    set->queue_len = (uint32_t)queue.len;
    char *text = (char *)set + sizeof *set + slots;
    if (queue.len > 0)
        memcpy(text, queue.ptr, queue.len);
    set->queue = text;
    return set;
}

static void set_append(struct sublist_set *set, struct sub *sub)
{
    uint32_t slot = atomic_load_explicit(&set->count, memory_order_relaxed);
    check(slot < set->capacity);
    sub->set = set;
    sub->slot = slot;
    store(set->slots[slot], sub);
    set->live++;
    atomic_store_explicit(&set->count, slot + 1, memory_order_release);
}

/* A copy without the vacant slots, with room for one more. */
static struct sublist_set *set_copy(struct sublist_set *old)
{
    uint32_t capacity = SET_CAPACITY_MIN;
    while (capacity <= old->live)
        capacity *= 2;
    struct sublist_set *set = set_new(capacity, (struct span){old->queue, old->queue_len});
    if (!set)
        return NULL;
    for (uint32_t i = 0; i < atomic_load_explicit(&old->count, memory_order_relaxed); i++) {
        struct sub *sub = load(old->slots[i]);
        if (sub)
            set_append(set, sub);
    }
    return set;
}

/* The place that points to the set of this queue in the node: the plain one, or one in the list of groups. */
static struct sublist_set *_Atomic *set_place(struct sublist_node *node, struct span queue)
{
    if (queue.len == 0)
        return &node->plain;
    struct sublist_set *_Atomic *place = &node->groups;
    for (struct sublist_set *set; (set = load(*place)) != NULL; place = &set->next_group)
        if (span_equal((struct span){set->queue, set->queue_len}, queue))
            break;
    return place;
}

static void replace_set(struct sublist_set *_Atomic *place, struct sublist_set *old,
                        struct sublist_set *new, struct garbage_list *garbage)
{
    if (new)
        store(new->next_group, load(old->next_group));
    store(*place, new ? new : load(old->next_group));
    garbage_put(garbage, &old->garbage, free_set);
}

static int set_add(struct sublist_node *node, struct sub *sub, struct garbage_list *garbage)
{
    struct sublist_set *_Atomic *place = set_place(node, sub_queue(sub));
    struct sublist_set *set = load(*place);
    if (!set) {
        set = set_new(SET_CAPACITY_MIN, sub_queue(sub));
        if (!set)
            return ERR_MEMORY;
        set_append(set, sub);
        store(*place, set);
        return 0;
    }
    if (atomic_load_explicit(&set->count, memory_order_relaxed) == set->capacity) {
        struct sublist_set *copy = set_copy(set);
        if (!copy)
            return ERR_MEMORY;
        replace_set(place, set, copy, garbage);
        set = copy;
    }
    set_append(set, sub);
    return 0;
}

static void set_take(struct sublist_node *node, struct sub *sub, struct garbage_list *garbage)
{
    struct sublist_set *set = sub->set;
    check(load(set->slots[sub->slot]) == sub);
    store(set->slots[sub->slot], NULL);
    set->live--;
    uint32_t count = atomic_load_explicit(&set->count, memory_order_relaxed);
    if (set->live == 0) {
        replace_set(set_place(node, sub_queue(sub)), set, NULL, garbage);
    } else if (set->live * 2 < count && count > 8) {
        struct sublist_set *copy = set_copy(set); /* without memory it stays as roomy as it is */
        if (copy)
            replace_set(set_place(node, sub_queue(sub)), set, copy, garbage);
    }
}

/* ---- writers ---- */

static void raise_generation(struct sublist *list, struct span subject)
{
    struct subject_tokens rest = subject_tokens(subject);
    struct span first;
    subject_next_token(&rest, &first);
    _Atomic uint64_t *generation =
        subject_token_is(first, '*') || subject_token_is(first, '>')
            ? &list->generations.wildcard
            : &list->generations.first_token[sublist_generation_slot(subject)];
    atomic_fetch_add_explicit(generation, 1, memory_order_acq_rel);
}

static int insert_locked(struct sublist *list, struct sub *sub, struct garbage_list *garbage)
{
    struct sublist_node *node = list->root;
    struct subject_tokens rest = subject_tokens(sub_subject(sub));
    struct span token;
    int error = 0;
    while (subject_next_token(&rest, &token)) {
        struct sublist_node *child = find_child(node, token);
        if (!child)
            child = add_child(node, token, garbage);
        if (!child) {
            error = ERR_MEMORY;
            break;
        }
        node = child;
    }
    if (!error)
        error = set_add(node, sub, garbage);
    if (error) {
        prune(node, garbage);
        return error;
    }
    sub->node = node;
    return 0;
}

int sublist_insert(struct sublist *list, struct sub *sub, struct garbage_list *garbage)
{
    pthread_mutex_lock(&list->lock);
    int error = insert_locked(list, sub, garbage);
    if (!error) {
        atomic_fetch_add_explicit(&list->subscriptions, 1, memory_order_relaxed);
        atomic_fetch_add_explicit(&list->inserts, 1, memory_order_relaxed);
        raise_generation(list, sub_subject(sub));
    }
    pthread_mutex_unlock(&list->lock);
    return error;
}

void sublist_remove(struct sublist *list, struct sub *sub, struct garbage_list *garbage)
{
    pthread_mutex_lock(&list->lock);
    set_take(sub->node, sub, garbage);
    prune(sub->node, garbage);
    sub->node = NULL;
    sub->set = NULL;
    atomic_fetch_sub_explicit(&list->subscriptions, 1, memory_order_relaxed);
    atomic_fetch_add_explicit(&list->removes, 1, memory_order_relaxed);
    raise_generation(list, sub_subject(sub));
    pthread_mutex_unlock(&list->lock);
}

/* ---- readers ---- */

unsigned sublist_generation_slot(struct span subject)
{
    struct subject_tokens rest = subject_tokens(subject);
    struct span first = {NULL, 0};
    subject_next_token(&rest, &first);
    return (unsigned)hash_bytes(first.ptr, first.len) % SUBLIST_GENERATION_SLOTS;
}

struct sublist_generation sublist_generation(const struct sublist *list, unsigned slot)
{
    return (struct sublist_generation){
        atomic_load_explicit(&list->generations.first_token[slot], memory_order_acquire),
        atomic_load_explicit(&list->generations.wildcard, memory_order_acquire)};
}

/* The sets a subject reaches, each with the count of slots it had when it was met. */
struct found {
    uint32_t count, capacity;
    bool failed;
    struct found_set {
        struct sublist_set *set;
        uint32_t count;
    } * sets;
    struct found_set few[32];
};

static void found_add(struct found *found, struct sublist_set *set)
{
    if (found->count == found->capacity) {
        struct found_set *more = mem_alloc(2 * found->capacity * sizeof *more);
        if (!more) {
            found->failed = true;
            return;
        }
        memcpy(more, found->sets, found->count * sizeof *more);
        if (found->sets != found->few)
            mem_free(found->sets);
        found->sets = more;
        found->capacity *= 2;
    }
    found->sets[found->count++] = (struct found_set){set, load(set->count)};
}

static void collect_node(const struct sublist_node *node, struct found *found)
{
    struct sublist_set *set = load(node->plain);
    if (set)
        found_add(found, set);
    for (set = load(node->groups); set; set = load(set->next_group))
        found_add(found, set);
}

/* Follows the remaining tokens below node. Recursion is as deep as the tree on this path: one level a token, and a
 * subject has at most as many tokens as a control line has bytes. */
static void collect(const struct sublist_node *node, struct subject_tokens rest,
                    struct found *found)
{
    struct span token;
    for (;;) {
        if (!subject_next_token(&rest, &token)) {
            collect_node(node, found);
            return;
        }
        struct sublist_node *tail = load(node->tail);
        if (tail)
            collect_node(tail, found);
        struct sublist_node *star = load(node->star);
        struct table *table = load(node->children);
        struct sublist_node *child =
            table ? table_find(table, token, hash_bytes(token.ptr, token.len)) : NULL;
        if (star && child)
            collect(star, rest, found);
        else if (star)
            child = star;
        if (!child)
            return;
        node = child;
    }
}

static bool same_group(const struct found_set *a, const struct found_set *b)
{
    return a->set->queue_len == b->set->queue_len &&
           memcmp(a->set->queue, b->set->queue, a->set->queue_len) == 0;
}

/* Copies the members of a set behind those already in the match. */
static void match_fill(struct match *match, const struct found_set *from)
{
    for (uint32_t i = 0; i < from->count; i++) {
        struct sub *sub = load(from->set->slots[i]);
        if (sub)
            match->subs[match->sub_count++] = sub;
    }
}

/* Lays the sets out: plain ones first, then each group with the members from all its patterns together. */
static void match_lay_out(struct match *match, struct found *found)
{
    for (uint32_t i = 0; i < found->count; i++)
        if (found->sets[i].set->queue_len == 0)
            match_fill(match, &found->sets[i]);
    match->plain_count = match->sub_count;
    for (uint32_t i = 0; i < found->count; i++) {
        if (!found->sets[i].set || found->sets[i].set->queue_len == 0)
            continue;
        uint32_t first = match->sub_count;
        match_fill(match, &found->sets[i]);
        for (uint32_t j = i + 1; j < found->count; j++) {
            if (found->sets[j].set && same_group(&found->sets[i], &found->sets[j])) {
                match_fill(match, &found->sets[j]);
                found->sets[j].set = NULL;
            }
        }
        if (match->sub_count > first)
            match->groups[match->group_count++] =
                (struct match_group){first, match->sub_count - first};
    }
}

static int build_match(struct found *found, struct match **match, size_t *capacity)
{
    size_t subs = 0, groups = 0;
    for (uint32_t i = 0; i < found->count; i++) {
        subs += found->sets[i].count;
        groups += found->sets[i].set->queue_len > 0;
    }
    size_t head = sizeof(struct match) + groups * sizeof(struct match_group);
    size_t needed = head + subs * sizeof(struct sub *);
    if (needed > *capacity) {
        struct match *larger = mem_realloc(*match, needed);
        if (!larger)
            return ERR_MEMORY;
        *match = larger;
        *capacity = needed;
    }
    struct match *result = *match;
    memset(result, 0, sizeof *result);
    result->subs = (struct sub **)(void *)((char *)result + head);
    match_lay_out(result, found);
    return 0;
}

int sublist_match(const struct sublist *list, struct span subject, struct match **match,
                  size_t *capacity)
{
    struct found found;
    found.count = 0;
    found.capacity = array_length(found.few);
    found.failed = false;
    found.sets = found.few;

    struct subject_tokens rest = subject_tokens(subject);
    struct span token;
    bool empty_token = false;
    while (subject_next_token(&rest, &token))
        empty_token |= token.len == 0;
    if (!empty_token)
        collect(list->root, subject_tokens(subject), &found);
    int error = found.failed ? ERR_MEMORY : build_match(&found, match, capacity);
    if (found.sets != found.few)
        mem_free(found.sets);
    return error;
}

struct sublist_counts sublist_counts(const struct sublist *list)
{
    return (struct sublist_counts){atomic_load_explicit(&list->subscriptions, memory_order_relaxed),
                                   atomic_load_explicit(&list->inserts, memory_order_relaxed),
                                   atomic_load_explicit(&list->removes, memory_order_relaxed)};
}

/* ---- life ---- */

struct sublist *sublist_new(void)
{
    struct sublist *list = mem_zalloc(sizeof *list);
    if (!list)
        return NULL;
    list->root = node_new(NULL, (struct span){"", 0});
    if (!list->root) {
        mem_free(list);
        return NULL;
    }
    pthread_mutex_init(&list->lock, NULL);
    return list;
}

/* Frees a node and all below it; depth first, without recursion: a chain may be as long as a control line. */
static void free_tree(struct sublist_node *root)
{
    struct sublist_node *todo = root;
    root->parent = NULL;
    while (todo) {
        struct sublist_node *node = todo;
        todo = node->parent; /* reused as the link of the list of nodes to free */
        struct table *table = load(node->children);
        struct sublist_node *wildcards[] = {load(node->star), load(node->tail)};
        for (uint32_t i = 0; table && i < table->capacity; i++) {
            struct sublist_node *child = load(table->slots[i]);
            if (child && child != &vacant_child) {
                child->parent = todo;
                todo = child;
            }
        }
        for (size_t i = 0; i < array_length(wildcards); i++) {
            if (wildcards[i]) {
                wildcards[i]->parent = todo;
                todo = wildcards[i];
            }
        }
        struct sublist_set *group = load(node->groups);
        while (group) {
            struct sublist_set *next = load(group->next_group);
            mem_free(group);
            group = next;
        }
        mem_free(load(node->plain));
        mem_free(table);
        mem_free(node);
    }
}

void sublist_free(struct sublist **list)
{
    if (!*list)
        return;
    free_tree((*list)->root);
    pthread_mutex_destroy(&(*list)->lock);
    mem_free(*list);
    *list = NULL;
}

static uint64_t verify_set(struct sublist_node *node, struct sublist_set *set)
{
    uint32_t live = 0;
    for (uint32_t i = 0; i < load(set->count); i++) {
        struct sub *sub = load(set->slots[i]);
        if (!sub)
            continue;
        check(sub->node == node && sub->set == set && sub->slot == i);
        live++;
    }
    check(live == set->live && live > 0);
    return live;
}

static uint64_t verify_node(struct sublist_node *node)
{
    check(!node->parent || !node_is_empty(node));
    uint64_t subs = 0;
    if (load(node->plain))
        subs += verify_set(node, load(node->plain));
    for (struct sublist_set *set = load(node->groups); set; set = load(set->next_group))
        subs += verify_set(node, set);
    struct sublist_node *wildcards[] = {load(node->star), load(node->tail)};
    for (size_t i = 0; i < array_length(wildcards); i++) {
        if (wildcards[i]) {
            check(wildcards[i]->parent == node);
            subs += verify_node(wildcards[i]);
        }
    }
    struct table *table = load(node->children);
    uint32_t live = 0;
    for (uint32_t i = 0; table && i < table->capacity; i++) {
        struct sublist_node *child = load(table->slots[i]);
        if (!child || child == &vacant_child)
            continue;
        check(child->parent == node);
        check(table_find(table, (struct span){child->token, child->token_len}, child->hash) ==
              child);
        subs += verify_node(child);
        live++;
    }
    check(!table || (live == table->live && table->used < table->capacity));
    return subs;
}

void sublist_verify(struct sublist *list)
{
    pthread_mutex_lock(&list->lock);
    check(verify_node(list->root) == sublist_counts(list).subscriptions);
    pthread_mutex_unlock(&list->lock);
}
