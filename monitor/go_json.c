/* The check is one pass over the bytes: what may stand next is the state, what is open is a stack of one byte for each level.
 *
 *     VALUE           a value                       after `[` `:` and `,`, and at the start
 *     FIRST_ELEMENT   a value or `]`                after `[`
 *     FIRST_KEY       a key or `}`                  after `{`
 *     KEY             a key                         after `,` in an object
 *     COLON           `:`
 *     AFTER           what may follow a value: `,`, the closing bracket, or at the top the end
 *
 * Go's scanner looks at the end of the text as at one more blank, so a number or word that ends there too early is an invalid
 * character ' '. The walk later knows that the text is right, and only counts brackets.
 */
#include "monitor/go_json.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>

#include "broker/base/utf8.h"

enum state { VALUE, FIRST_ELEMENT, FIRST_KEY, KEY, COLON, AFTER };

struct scan {
    const char *at, *end;
    struct text_buffer *error;
    size_t depth;
    char open[GO_JSON_DEPTH_MAX]; /* the closing brackets that are due */
};

/* ---- the check ---- */

/* The byte at this place; past the end a blank. */
static char here(const struct scan *scan)
{
    return scan->at < scan->end ? *scan->at : ' ';
}

/* Go shows the byte as the character of that number, quoted. */
static void append_character(struct text_buffer *out, unsigned char byte)
{
    static const char letters[] = "\a\b\f\n\r\t\v\\'", names[] = "abfnrtv\\'";
    const char *letter = byte ? strchr(letters, byte) : NULL;
    bool hidden = (byte >= 0x80 && byte <= 0xa0) || byte == 0xad;
    if (letter)
        text_buffer_printf(out, "'\\%c'", names[letter - letters]);
    else if (hidden)
        text_buffer_printf(out, "'\\u%04x'", byte);
    else if (byte < 0x20 || byte == 0x7f)
        text_buffer_printf(out, "'\\x%02x'", byte);
    else if (byte < 0x80)
        text_buffer_printf(out, "'%c'", byte);
    else
        text_buffer_printf(out, "'%c%c'", 0xc0 | byte >> 6, 0x80 | (byte & 0x3f));
}

static bool invalid(struct scan *scan, const char *where)
{
    text_buffer_text(scan->error, "invalid character ");
    append_character(scan->error, (unsigned char)here(scan));
    text_buffer_printf(scan->error, " %s", where);
    return false;
}

static bool ended(struct scan *scan)
{
    text_buffer_text(scan->error, "unexpected end of JSON input");
    return false;
}

static bool read_escape(struct scan *scan)
{
    if (here(scan) != 'u') {
        if (!strchr("bfnrt\\/\"", here(scan)) || here(scan) == '\0')
            return invalid(scan, "in string escape code");
        scan->at++;
        return true;
    }
    scan->at++;
    for (int i = 0; i < 4; i++, scan->at++)
        if (!isxdigit((unsigned char)here(scan)))
            return invalid(scan, "in \\u hexadecimal character escape");
    return true;
}

static bool read_string(struct scan *scan)
{
    for (scan->at++; scan->at < scan->end;) {
        if ((unsigned char)*scan->at < 0x20)
            return invalid(scan, "in string literal");
        char byte = *scan->at++;
        if (byte == '"')
            return true;
        if (byte == '\\' && !read_escape(scan))
            return false;
    }
    return ended(scan);
}

static bool read_digits(struct scan *scan, const char *where)
{
    if (!isdigit((unsigned char)here(scan)))
        return invalid(scan, where);
    while (isdigit((unsigned char)here(scan)))
        scan->at++;
    return true;
}

static bool read_number(struct scan *scan)
{
    if (here(scan) == '-')
        scan->at++;
    if (here(scan) == '0')
        scan->at++;
    else if (!read_digits(scan, "in numeric literal"))
        return false;
    if (here(scan) == '.') {
        scan->at++;
        if (!read_digits(scan, "after decimal point in numeric literal"))
            return false;
    }
    if (here(scan) != 'e' && here(scan) != 'E')
        return true;
    scan->at++;
    if (here(scan) == '+' || here(scan) == '-')
        scan->at++;
    return read_digits(scan, "in exponent of numeric literal");
}

static bool read_word(struct scan *scan, const char *word)
{
    for (const char *expected = word; *expected; expected++, scan->at++) {
        char where[64];
        if (here(scan) == *expected)
            continue;
        snprintf(where, sizeof where, "in literal %s (expecting '%c')", word, *expected);
        return invalid(scan, where);
    }
    return true;
}

static bool open_level(struct scan *scan, char close)
{
    if (scan->depth == GO_JSON_DEPTH_MAX) {
        text_buffer_text(scan->error, "exceeded max depth");
        return false;
    }
    scan->open[scan->depth++] = close;
    scan->at++;
    return true;
}

static bool read_value(struct scan *scan, enum state *next)
{
    *next = AFTER;
    switch (*scan->at) {
    case '{': *next = FIRST_KEY; return open_level(scan, '}');
    case '[': *next = FIRST_ELEMENT; return open_level(scan, ']');
    case '"': return read_string(scan);
    case 't': return read_word(scan, "true");
    case 'f': return read_word(scan, "false");
    case 'n': return read_word(scan, "null");
    default:
        if (*scan->at == '-' || isdigit((unsigned char)*scan->at))
            return read_number(scan);
        return invalid(scan, "looking for beginning of value");
    }
}

/* What follows a value inside something. */
static bool read_after(struct scan *scan, enum state *next)
{
    bool in_object = scan->open[scan->depth - 1] == '}';
    if (*scan->at == ',')
        *next = in_object ? KEY : VALUE;
    else if (*scan->at == scan->open[scan->depth - 1])
        scan->depth--;
    else
        return invalid(scan, in_object ? "after object key:value pair" : "after array element");
    scan->at++;
    return true;
}

static bool is_blank(char byte)
{
    return byte == ' ' || byte == '\t' || byte == '\r' || byte == '\n';
}

/* One word or sign of the text. */
static bool step(struct scan *scan, enum state *state)
{
    bool closes = scan->depth > 0 && *scan->at == scan->open[scan->depth - 1];
    switch (*state) {
    case FIRST_ELEMENT:
    case FIRST_KEY:
        if (closes) {
            *state = AFTER;
            return read_after(scan, state);
        }
        if (*state == FIRST_ELEMENT)
            return read_value(scan, state);
        __attribute__((fallthrough));
    case KEY:
        if (*scan->at != '"')
            return invalid(scan, "looking for beginning of object key string");
        *state = COLON;
        return read_string(scan);
    case COLON:
        if (*scan->at != ':')
            return invalid(scan, "after object key");
        *state = VALUE;
        scan->at++;
        return true;
    case VALUE: return read_value(scan, state);
    case AFTER: break;
    }
    return scan->depth > 0 ? read_after(scan, state) : invalid(scan, "after top-level value");
}

bool go_json_check(struct span text, struct text_buffer *error)
{
    struct scan scan = {.error = error};
    scan.at = text.ptr;
    scan.end = text.ptr + text.len;
    enum state state = VALUE;
    for (;;) {
        while (scan.at < scan.end && is_blank(*scan.at))
            scan.at++;
        if (scan.at == scan.end)
            return (state == AFTER && scan.depth == 0) || ended(&scan);
        if (!step(&scan, &state))
            return false;
    }
}

/* ---- the walk ---- */

static const char *skip_blanks(const char *at, const char *end)
{
    while (at < end && is_blank(*at))
        at++;
    return at;
}

static const char *skip_string(const char *at)
{
    for (at++; *at != '"'; at++)
        if (*at == '\\')
            at++;
    return at + 1;
}

static const char *skip_value(const char *at, const char *end)
{
    size_t depth = 0;
    do {
        if (*at == '"') {
            at = skip_string(at);
            continue;
        }
        if (*at == '{' || *at == '[')
            depth++;
        else if (*at == '}' || *at == ']')
            depth--;
        at++;
    } while (at < end && (depth > 0 || (!is_blank(*at) && !strchr(",]}", *at))));
    return at;
}

static struct go_json_value value_at(const char *at, const char *end)
{
    struct go_json_value value = {.text = {at, (size_t)(skip_value(at, end) - at)}};
    switch (*at) {
    case '{': value.kind = GO_JSON_OBJECT; break;
    case '[': value.kind = GO_JSON_ARRAY; break;
    case '"': value.kind = GO_JSON_STRING; break;
    case 't':
    case 'f': value.kind = GO_JSON_BOOL; break;
    case 'n': value.kind = GO_JSON_NULL; break;
    default: value.kind = GO_JSON_NUMBER;
    }
    return value;
}

struct go_json_value go_json_root(struct span text)
{
    const char *end = text.ptr + text.len;
    return value_at(skip_blanks(text.ptr, end), end);
}

bool go_json_next(struct span *rest, struct span *key, struct go_json_value *value)
{
    const char *end = rest->ptr + rest->len;
    const char *at = rest->ptr;
    bool in_object = end[-1] == '}';
    if (*at == '{' || *at == '[' || *at == ',')
        at++;
    at = skip_blanks(at, end);
    if (at == end - 1)
        return false;
    *key = (struct span){at, 0};
    if (in_object) {
        key->len = (size_t)(skip_string(at) - at);
        at = skip_blanks(at + key->len, end) + 1; /* the colon */
        at = skip_blanks(at, end);
    }
    *value = value_at(at, end);
    at = skip_blanks(at + value->text.len, end);
    *rest = (struct span){at, (size_t)(end - at)};
    return true;
}

/* ---- strings ---- */

static unsigned code_unit(const char *digits)
{
    char text[5] = {digits[0], digits[1], digits[2], digits[3], '\0'};
    return (unsigned)strtoul(text, NULL, 16);
}

static char *append_utf8(char *out, unsigned code)
{
    bool surrogate = code >= 0xd800 && code < 0xe000;
    if (surrogate || code == 0)
        code = 0xfffd;
    if (code < 0x80) {
        *out++ = (char)code;
        return out;
    }
    int more = code < 0x800 ? 1 : code < 0x10000 ? 2 : 3;
    static const unsigned char heads[] = {0, 0xc0, 0xe0, 0xf0};
    *out++ = (char)(heads[more] | code >> (6 * more));
    while (more-- > 0)
        *out++ = (char)(0x80 | (code >> (6 * more) & 0x3f));
    return out;
}

/* at: behind the backslash. */
static const char *decode_escape(const char *at, char **out)
{
    static const char letters[] = "bfnrt", values[] = "\b\f\n\r\t";
    if (*at != 'u') {
        const char *letter = strchr(letters, *at);
        *(*out)++ = letter ? values[letter - letters] : *at;
        return at + 1;
    }
    unsigned code = code_unit(at + 1);
    at += 5;
    if (code >= 0xd800 && code < 0xdc00 && at[0] == '\\' && at[1] == 'u') {
        unsigned low = code_unit(at + 2);
        if (low >= 0xdc00 && low < 0xe000) {
            code = 0x10000 + ((code - 0xd800) << 10) + (low - 0xdc00);
            at += 6;
        }
    }
    *out = append_utf8(*out, code);
    return at;
}

size_t go_json_decode(struct span quoted, char *out)
{
    char *start = out;
    const char *at = quoted.ptr + 1, *end = quoted.ptr + quoted.len - 1;
    while (at < end) {
        if (*at == '\\') {
            at = decode_escape(at + 1, &out);
            continue;
        }
        size_t width = utf8_sequence(at, (size_t)(end - at));
        if (width == 0)
            out = append_utf8(out, 0);
        else
            out = append_bytes(out, (struct span){at, width});
        at += max_size(width, 1);
    }
    return (size_t)(out - start);
}
