/* What Go accepts and jansson refuses is rewritten before jansson sees it:
 *
 *     invalid UTF-8 in a string        -> U+FFFD
 *     half a surrogate pair (\ud800)   -> \ufffd
 *     a number that fits no C type     -> 1.5, which is a number, and like the original no integer
 *
 * Everything else is copied, so what is no JSON stays none. A rewritten text is at most three times as long.
 */
#include "broker/core/lenient_json.h"

#include <ctype.h>
#include <errno.h>

#include "broker/base/err.h"
#include "broker/base/mem.h"
#include "broker/base/utf8.h"

struct rewrite {
    const char *at, *end;
    char *out;
};

static void put(struct rewrite *rewrite, const char *bytes, size_t len)
{
    memcpy(rewrite->out, bytes, len);
    rewrite->out += len;
}

static void copy(struct rewrite *rewrite, size_t len)
{
    put(rewrite, rewrite->at, len);
    rewrite->at += len;
}

static void copy_character(struct rewrite *rewrite)
{
    size_t len = utf8_sequence(rewrite->at, (size_t)(rewrite->end - rewrite->at));
    if (len > 0) {
        copy(rewrite, len);
        return;
    }
    put(rewrite, "\xef\xbf\xbd", 3);
    rewrite->at++;
}

/* The code unit of \uXXXX at this place, or -1. */
static int code_unit(const char *at, const char *end)
{
    if (end - at < 6 || at[0] != '\\' || at[1] != 'u')
        return -1;
    int unit = 0;
    for (int i = 2; i < 6; i++) {
        if (!isxdigit((unsigned char)at[i]))
            return -1;
        int digit = isdigit((unsigned char)at[i]) ? at[i] - '0' : (at[i] | 0x20) - 'a' + 10;
        unit = unit * 16 + digit;
    }
    return unit;
}

static void copy_escape(struct rewrite *rewrite)
{
    int unit = code_unit(rewrite->at, rewrite->end);
    if (unit < 0xd800 || unit > 0xdfff) {
        copy(rewrite, rewrite->end - rewrite->at >= 2 ? 2 : 1);
        return;
    }
    int next = code_unit(rewrite->at + 6, rewrite->end);
    if (unit < 0xdc00 && next >= 0xdc00 && next <= 0xdfff) {
        copy(rewrite, 12);
        return;
    }
    put(rewrite, "\\ufffd", 6);
    rewrite->at += 6;
}

static void copy_string(struct rewrite *rewrite)
{
    copy(rewrite, 1);
    while (rewrite->at < rewrite->end && *rewrite->at != '"') {
        if (*rewrite->at == '\\')
            copy_escape(rewrite);
        else
            copy_character(rewrite);
    }
    if (rewrite->at < rewrite->end)
        copy(rewrite, 1);
}

static const char *skip_digits(const char *at, const char *end)
{
    while (at < end && isdigit((unsigned char)*at))
        at++;
    return at;
}

/* The end of a well-formed number, or NULL. */
static const char *number_end(const char *at, const char *end, bool *plain)
{
    at += *at == '-';
    const char *start = at;
    at = skip_digits(at, end);
    if (at == start || (*start == '0' && at - start > 1))
        return NULL;
    *plain = at - start < 19;
    if (at < end && *at == '.') {
        start = at + 1;
        at = skip_digits(start, end);
        if (at == start)
            return NULL;
    }
    if (at < end && (*at | 0x20) == 'e') {
        start = at + 1;
        start += start < end && (*start == '+' || *start == '-');
        at = skip_digits(start, end);
        if (at == start)
            return NULL;
        *plain = false;
    }
    return at;
}

static void copy_number(struct rewrite *rewrite)
{
    bool plain = true;
    const char *end = number_end(rewrite->at, rewrite->end, &plain);
    if (!end || plain) {
        copy(rewrite, end ? (size_t)(end - rewrite->at) : 1);
        return;
    }
    put(rewrite, "1.5", 3);
    rewrite->at = end;
}

int lenient_json_read(struct span text, json_t **out)
{
    char *clean = mem_alloc(text.len * 3 + 1);
    if (!clean)
        return ERR_MEMORY;
    struct rewrite rewrite = {text.ptr, text.ptr + text.len, clean};
    while (rewrite.at < rewrite.end) {
        if (*rewrite.at == '"')
            copy_string(&rewrite);
        else if (*rewrite.at == '-' || isdigit((unsigned char)*rewrite.at))
            copy_number(&rewrite);
        else
            copy(&rewrite, 1);
    }
    errno = 0;
    json_t *value =
        json_loadb(clean, (size_t)(rewrite.out - clean), JSON_DECODE_ANY | JSON_ALLOW_NUL, NULL);
    int error = value             ? 0
                : errno == ENOMEM ? ERR_MEMORY
                                  : ERR_INVALID;          /* jansson calls both bad syntax */
    explicit_bzero(clean, (size_t)(rewrite.out - clean)); /* CONNECT's holds secrets */
    mem_free(clean);
    if (!error)
        *out = value;
    return error;
}
