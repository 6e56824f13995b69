/* options.def turned into rows, and the ways to find one. There are under a hundred, looked up a
 * few times at start: a walk over all of them is fast enough. */
#include "broker/options_table.h"

#include <strings.h>

#include "broker/options.h"

#define AT(field) offsetof(struct options, field)

const struct option_row option_rows[] = {
#define SECTION(text)                                                                              \
    {text, OPTION_SECTION, OPTION_BLOCK_NOWHERE, 0, 0, "", "", "", NULL, 0, 0, ""},
#define OPTION(field, type, block, keys, flags, value, initial, min, max, help)                    \
    {#field, OPTION_##type, OPTION_BLOCK_##block, AT(field), 0, keys, flags, value, initial, min,  \
     max,    help},
#define ADDRESS(host_field, port_field, block, keys, help)                                         \
    {#host_field,                                                                                  \
     OPTION_ADDRESS,                                                                               \
     OPTION_BLOCK_##block,                                                                         \
     AT(host_field),                                                                               \
     AT(port_field),                                                                               \
     keys,                                                                                         \
     "",                                                                                           \
     "HOST:PORT",                                                                                  \
     NULL,                                                                                         \
     0,                                                                                            \
     0,                                                                                            \
     help},
#define COMBINED(fields, flags, help)                                                              \
    {fields, OPTION_COMBINED, OPTION_BLOCK_NOWHERE, 0, 0, "", flags, "", NULL, 0, 0, help},
#define COMMAND(type, flags, value, help)                                                          \
    {#type, OPTION_##type, OPTION_BLOCK_NOWHERE, 0, 0, "", flags, value, NULL, 0, 0, help},
#define ABSENT(what, block, keys, flags)                                                           \
    {what, OPTION_ABSENT, OPTION_BLOCK_##block, 0, 0, keys, flags, "", NULL, 0, 0, ""},
#include "broker/options.def"
};

const size_t option_row_count = array_length(option_rows);

bool options_table_next_word(const char **list, struct span *word)
{
    if (**list == '\0')
        return false;
    const char *end = strchrnul(*list, ',');
    *word = (struct span){*list, (size_t)(end - *list)};
    *list = *end ? end + 1 : end;
    return true;
}

static bool holds(const char *list, struct span wanted, bool any_case)
{
    struct span word;
    while (options_table_next_word(&list, &word)) {
        if (word.len == wanted.len && (any_case ? strncasecmp(word.ptr, wanted.ptr, word.len) == 0
                                                : memcmp(word.ptr, wanted.ptr, word.len) == 0))
            return true;
    }
    return false;
}

const char *options_table_dashes(struct span flag)
{
    bool is_long = flag.len > 2 && flag.ptr[0] >= 'a' && flag.ptr[0] <= 'z';
    return is_long ? "--" : "-";
}

const struct option_row *options_table_find_flag(struct span flag)
{
    for (size_t i = 0; i < option_row_count; i++)
        if (holds(option_rows[i].flags, flag, false))
            return &option_rows[i];
    return NULL;
}

const struct option_row *options_table_find_key(enum option_block block, const char *key)
{
    for (size_t i = 0; i < option_row_count; i++)
        if (option_rows[i].block == block && holds(option_rows[i].keys, span_of(key), true))
            return &option_rows[i];
    return NULL;
}

static const char *const block_keys[] = {
    [OPTION_BLOCK_AUTHORIZATION] = "authorization", [OPTION_BLOCK_MONITOR_TLS] = "monitor_tls"};

const char *options_table_block_key(enum option_block block)
{
    return block < array_length(block_keys) && block_keys[block] ? block_keys[block] : "";
}

enum option_block options_table_find_block(const char *key)
{
    for (size_t block = 0; block < array_length(block_keys); block++)
        if (block_keys[block] && strcasecmp(block_keys[block], key) == 0)
            return (enum option_block)block;
    return OPTION_BLOCK_NOWHERE;
}

const struct option_row *options_table_find_field(struct span field)
{
    for (size_t i = 0; i < option_row_count; i++)
        if (option_rows[i].type < OPTION_ADDRESS && span_equal(span_of(option_rows[i].name), field))
            return &option_rows[i];
    check(!"a field without a row");
    return NULL;
}

const struct option_row *options_table_find_port(const struct option_row *address)
{
    for (size_t i = 0; i < option_row_count; i++)
        if (option_rows[i].type == OPTION_PORT && option_rows[i].offset == address->port_offset)
            return &option_rows[i];
    check(!"an address without a port");
    return NULL;
}

bool options_table_is_switch(const struct option_row *row)
{
    return row->type == OPTION_BOOL || row->type == OPTION_COMBINED ||
           (row->type >= OPTION_TEST && row->type != OPTION_SIGNAL);
}
