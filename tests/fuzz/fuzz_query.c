/* What a stranger asks of the monitoring port: the second word of the request line on the input's first line, then the
 * Authorization header, which is also tried as Accept-Encoding. The target is read as the server reads it and by a slow
 * obvious reader; whatever endpoint it names answers from constants, and the answer is JSON, or one line of text. */
#include "tests/fuzz/fuzz.h"

#include <jansson.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>

#include "broker/base/clock.h"
#include "broker/base/utf8.h"
#include "broker/inspect.h"
#include "monitor/credentials.h"
#include "monitor/gzip.h"
#include "monitor/query.h"
#include "monitor/request.h"

/* ---- the slow readers ---- */

/* A new text, or NULL when there is a bad escape. */
static char *decode(const char *text, size_t len, bool plus_is_space)
{
    char *out = malloc(3 * len + 1), *to = out;
    for (size_t i = 0; i < len; i++) {
        unsigned value;
        char digits[3] = {0};
        if (text[i] == '+' && plus_is_space) {
            *to++ = ' ';
        } else if (text[i] != '%') {
            *to++ = text[i];
        } else {
            memcpy(digits, text + i + 1, min_size(2, len - i - 1));
            if (strspn(digits, "0123456789abcdefABCDEF") != 2) {
                free(out);
                return NULL;
            }
            value = (unsigned)strtoul(digits, NULL, 16);
            memcpy(to, value ? (char[]){(char)value, 0, 0} : "\xef\xbf\xbd", 3);
            to += value ? 1 : 3;
            i += 2;
        }
    }
    *to = '\0';
    return out;
}

/* The pairs one by one, as Go reads them. */
static void compare_pairs(const struct query *query, const char *raw)
{
    size_t found = 0;
    for (const char *at = raw; found < QUERY_PAIRS_MAX;) {
        size_t len = strcspn(at, "&");
        const char *equals = memchr(at, '=', len);
        size_t name_len = equals ? (size_t)(equals - at) : len;
        char *name = decode(at, name_len, true);
        char *value = equals ? decode(equals + 1, len - name_len - 1, true) : decode("", 0, true);
        if (len > 0 && !memchr(at, ';', len) && name && value) {
            check(found < query->pairs);
            check(strcmp(query->pair[found].name, name) == 0);
            check(strcmp(query->pair[found].value, value) == 0);
            found++;
        }
        free(name);
        free(value);
        if (!at[len])
            break;
        at += len + 1;
    }
    check(query->pairs == found);
}

/* No empty part, no dots; a final slash is kept. */
static void clean_both_ways(const char *path)
{
    size_t len = strlen(path), parts = 0;
    char *fast = malloc(len + 2), *again = malloc(len + 3), *slow = calloc(1, len + 2);
    struct span *part = malloc((len + 1) * sizeof *part);
    query_clean_path(path, fast);
    check(strlen(fast) <= len + 1 && fast[0] == '/');
    query_clean_path(fast, again);
    check(strcmp(fast, again) == 0);
    for (const char *at = path; *at; at += strspn(at, "/")) {
        struct span one = {at, strcspn(at, "/")};
        at += one.len;
        if (span_equal(one, SPAN_LITERAL("..")))
            parts -= parts > 0;
        else if (one.len > 0 && !span_equal(one, SPAN_LITERAL(".")))
            part[parts++] = one;
    }
    char *to = slow;
    for (size_t i = 0; i < parts; i++) {
        *to++ = '/';
        to = mempcpy(to, part[i].ptr, part[i].len);
    }
    if (parts == 0 || (len > 0 && path[len - 1] == '/'))
        *to++ = '/';
    check(strcmp(fast, slow) == 0);
    free(fast);
    free(again);
    free(slow);
    free(part);
}

/* A number of digits only, saturated far above 64 bits. */
static __int128 slow_number(const char *digits)
{
    __int128 value = 0;
    for (; *digits; digits++)
        if (value < (__int128)1 << 100)
            value = value * 10 + (*digits - '0');
    return value;
}

static void read_both_ways(const char *text)
{
    struct query_fault fault;
    int64_t number;
    uint64_t count;
    bool yes;
    const char *digits = *text == '-' || *text == '+' ? text + 1 : text;
    bool is_number = *digits && digits[strspn(digits, "0123456789")] == '\0';
    __int128 value = is_number ? slow_number(digits) : 0;
    __int128 with_sign = *text == '-' ? -value : value;
    bool fits = with_sign >= INT64_MIN && with_sign <= INT64_MAX;
    check(query_int(text, &number, &fault) == (!*text || (is_number && fits)));
    check(!is_number || !fits || number == (int64_t)with_sign);
    bool is_count = is_number && digits == text;
    check(query_unsigned(text, &count, &fault) == (!*text || (is_count && value <= UINT64_MAX)));
    check(!is_count || value > UINT64_MAX || count == (uint64_t)value);
    if (query_bool(text, &yes, &fault))
        check(!*text || strchr("1tT0fF", *text));
}

/* ---- answers ---- */

static bool is_line(const struct text_buffer *body)
{
    const char *end = memchr(body->bytes, '\n', body->len);
    return end && end + 1 == body->bytes + body->len;
}

static void check_answer(const struct request *request)
{
    const struct text_buffer *body = &request->body;
    check(request->content_type && (request->status == 200 || request->status == 400 ||
                                    request->status == 404 || request->status == 503));
    /* /stacksz is text under that name, as nats-server's is. */
    if (strcmp(request->content_type, "application/json") == 0 && request->endpoint->answer != stacksz_answer) {
        json_error_t error;
        json_t *document = json_loadb(body->bytes, body->len,
                                       JSON_DECODE_ANY | JSON_ALLOW_NUL | JSON_DECODE_INT_AS_REAL, &error);
        if (!document)
            fprintf(stderr, "%s at %d in\n%.*s\n", error.text, error.position, (int)body->len, body->bytes);
        check(document);
        json_decref(document);
    } else if (request->status == 400) {
        /* Words of the request that are not quoted, as nats-server's are not, may hold line feeds of their own. */
        check(body->len > 0 && body->bytes[body->len - 1] == '\n');
    }
}

static void answer(struct request *request)
{
    static struct endpoint_counts counts;
    request->base_path = "";
    request->counts = &counts;
    request->endpoint = endpoints_find(request->query.path);
    if (!request->endpoint)
        return;
    if (request->endpoint->counted_first)
        request_count(request);
    inspect_thread_enter();
    request->endpoint->answer(request);
    inspect_thread_leave();
    check(!request->body.failed);
    check_answer(request);
}

static void check_quote(const char *text)
{
    struct text_buffer quoted;
    text_buffer_init(&quoted, 1 << 20);
    request_quote(&quoted, text);
    check(quoted.len >= 2 && quoted.bytes[0] == '"' && quoted.bytes[quoted.len - 1] == '"');
    for (size_t i = 0; i < quoted.len;) {
        size_t width = utf8_sequence(quoted.bytes + i, quoted.len - i);
        check(width > 0 && (unsigned char)quoted.bytes[i] >= ' ' && quoted.bytes[i] != 0x7f);
        i += width;
    }
    text_buffer_append(&quoted, "\n", 1);
    check(is_line(&quoted));
    text_buffer_fini(&quoted);
}

static void read_target(const char *target)
{
    struct request request;
    request_init(&request);
    if (query_parse(&request.query, target) == 0) {
        const struct query *query = &request.query;
        const char *mark = strchr(target, '?');
        check(query->path[0] == '/' || (!query->path[0] && strstr(target, "://")));
        check(strcmp(query->raw, mark ? mark + 1 : "") == 0 || *target != '/');
        compare_pairs(query, query->raw);
        clean_both_ways(query->path);
        for (size_t i = 0; i < query->pairs; i++) {
            const char *first = query_value(query, query->pair[i].name);
            check(first <= query->pair[i].value);
            read_both_ways(query->pair[i].value);
            check_quote(query->pair[i].value);
        }
        answer(&request);
    }
    request_fini(&request);
}

/* ---- credentials ---- */

static bool is_right(const char *authorization)
{
    static const char pair[] = "Basic YW5uOnB3", token[] = "Bearer t0ken";
    char text[64] = "";
    size_t scheme = strcspn(authorization, " "), blanks = strspn(authorization + scheme, " ");
    snprintf(text, sizeof text, "%.*s %s", (int)min_size(scheme, 32), authorization,
             authorization + scheme + blanks);
    for (size_t len = strlen(text); len > 0 && text[len - 1] == ' ';)
        text[--len] = '\0';
    return strcasecmp(text, pair) == 0 ? strcmp(strchr(text, ' '), strchr(pair, ' ')) == 0
                                       : strncasecmp(text, token, 7) == 0 && strcmp(text + 7, token + 7) == 0;
}

static void show_credentials(const char *authorization)
{
    static struct credentials *credentials;
    static int64_t now_ns = NS_PER_SEC;
    if (!credentials) {
        check(sodium_init() >= 0);
        check(credentials_new("ann", "pw", "t0ken", &credentials) == 0);
    }
    for (int i = 0; i < 2; i++) {
        clock_set_fake(now_ns += NS_PER_SEC);
        enum credentials_verdict verdict = credentials_check(credentials, authorization);
        check(verdict != CREDENTIALS_LATER);
        check((verdict == CREDENTIALS_RIGHT) == (strlen(authorization) < 60 && is_right(authorization)));
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
    char *text = malloc(len + 1);
    memcpy(text, bytes, len);
    text[len] = '\0';
    char *second = strchr(text, '\n');
    if (second)
        *second++ = '\0';
    read_target(text);
    if (second) {
        show_credentials(second);
        check(!gzip_accepted(second) || strchr(second, '*') || strcasestr(second, "gzip"));
    }
    free(text);
    return 0;
}
