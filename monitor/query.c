/* Everything is decoded in one copy of the target (the raw query stands behind it in the same
 * block), where it can only shrink: a percent escape of three bytes gives one, and a NUL, which
 * would cut a C string and so make two different names equal, gives the three bytes of U+FFFD,
 * which no name has. */
#include "monitor/query.h"

#include <errno.h>
#include <stdlib.h>

#include "broker/base/err.h"
#include "broker/base/mem.h"

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c = (char)(c | 0x20);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* Decodes in place up to the final NUL. */
static bool decode(char *text, bool plus_is_space)
{
    char *to = text;
    for (const char *from = text; *from;) {
        if (*from == '+' && plus_is_space) {
            *to++ = ' ';
            from++;
        } else if (*from != '%') {
            *to++ = *from++;
        } else {
            int high = hex_digit(from[1]), low = high < 0 ? -1 : hex_digit(from[2]);
            if (low < 0)
                return false;
            from += 3;
            if (high * 16 + low == 0) {
                memcpy(to, "\xef\xbf\xbd", 3);
                to += 3;
            } else {
                *to++ = (char)(high * 16 + low);
            }
        }
    }
    *to = '\0';
    return true;
}

static void add_pair(struct query *query, char *text)
{
    if (!*text || strchr(text, ';') || query->pairs == QUERY_PAIRS_MAX)
        return;
    char *value = strchr(text, '=');
    if (value)
        *value++ = '\0';
    else
        value = text + strlen(text);
    if (!decode(text, true) || !decode(value, true))
        return;
    query->pair[query->pairs].name = text;
    query->pair[query->pairs].value = value;
    query->pairs++;
}

/* Where the path begins: behind scheme: or scheme://host, which may be any; it may be empty after a host. NULL: there is
 * none. */
static const char *path_start(const char *target)
{
    static const char scheme[] =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789+-.";
    if (*target == '/')
        return target;
    size_t len = strspn(target, scheme);
    const char *rest = target + len;
    if (len == 0 || strchr("0123456789+-.", *target) || strncmp(rest, ":/", 2) != 0)
        return NULL;
    return rest[2] == '/' ? rest + 3 + strcspn(rest + 3, "/?") : rest + 1;
}

int query_parse(struct query *query, const char *target)
{
    *query = (struct query){.raw = ""};
    const char *start = path_start(target);
    if (!start)
        return ERR_INVALID;
    const char *mark = strchr(start, '?');
    size_t len = strlen(start), raw_len = mark ? strlen(mark + 1) : 0;
    query->storage = mem_alloc(len + 1 + raw_len + 1);
    if (!query->storage)
        return ERR_MEMORY;
    memcpy(query->storage, start, len + 1);
    char *at = mark ? query->storage + (mark - start) : query->storage + len,
         *raw = query->storage + len + 1;
    if (mark)
        *at++ = '\0';
    memcpy(raw, at, raw_len + 1);
    query->raw = raw;
    while (*at) {
        char *text = at;
        at += strcspn(at, "&");
        if (*at)
            *at++ = '\0';
        add_pair(query, text);
    }
    if (!decode(query->storage, false))
        return ERR_INVALID;
    query->path = query->storage;
    return 0;
}

void query_fini(struct query *query)
{
    mem_free(query->storage);
    *query = (struct query){.raw = ""};
}

const char *query_value(const struct query *query, const char *name)
{
    for (size_t i = 0; i < query->pairs; i++)
        if (strcmp(query->pair[i].name, name) == 0)
            return query->pair[i].value;
    return "";
}

bool query_bool(const char *text, bool *out, struct query_fault *fault)
{
    static const char *const yes[] = {"1", "t", "T", "TRUE", "true", "True"};
    static const char *const no[] = {"", "0", "f", "F", "FALSE", "false", "False"};
    for (size_t i = 0; i < array_length(yes); i++)
        if (strcmp(text, yes[i]) == 0)
            return *out = true;
    for (size_t i = 0; i < array_length(no); i++)
        if (strcmp(text, no[i]) == 0) {
            *out = false;
            return true;
        }
    *fault = (struct query_fault){"strconv.ParseBool", "invalid syntax"};
    return false;
}

static bool all_digits(const char *text)
{
    return *text && text[strspn(text, "0123456789")] == '\0';
}

bool query_int(const char *text, int64_t *out, struct query_fault *fault)
{
    *fault = (struct query_fault){"strconv.Atoi", "invalid syntax"};
    if (!*text) {
        *out = 0;
        return true;
    }
    if (!all_digits(*text == '-' || *text == '+' ? text + 1 : text))
        return false;
    errno = 0;
    long long value = strtoll(text, NULL, 10);
    if (errno == ERANGE) {
        fault->problem = "value out of range";
        return false;
    }
    *out = value;
    return true;
}

bool query_unsigned(const char *text, uint64_t *out, struct query_fault *fault)
{
    *fault = (struct query_fault){"strconv.ParseUint", "invalid syntax"};
    if (!*text) {
        *out = 0;
        return true;
    }
    if (!all_digits(text))
        return false;
    errno = 0;
    unsigned long long value = strtoull(text, NULL, 10);
    if (errno == ERANGE) {
        fault->problem = "value out of range";
        return false;
    }
    *out = value;
    return true;
}

void query_clean_path(const char *path, char *out)
{
    char *end = out;
    for (const char *at = path; *at;) {
        at += strspn(at, "/");
        size_t len = strcspn(at, "/");
        if (len == 2 && memcmp(at, "..", 2) == 0) {
            while (end > out && *--end != '/')
                ;
        } else if (len > 0 && !(len == 1 && *at == '.')) {
            *end++ = '/';
            memcpy(end, at, len);
            end += len;
        }
        at += len;
    }
    size_t len = strlen(path);
    if (end == out || (len > 0 && path[len - 1] == '/'))
        *end++ = '/';
    *end = '\0';
}
