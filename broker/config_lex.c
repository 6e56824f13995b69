/* The lexical rules are nats-server's with their oddities, because files depend on them: what a
 * bare word may hold, which digits turn into a string when a letter follows, that 5m is five
 * million.
 *
 * The reader goes byte by byte and can step back once. Nothing above ASCII means anything to the
 * language, so UTF-8 passes through as it is. A line number is that of the last byte read, which
 * for a missing value at the end of a line is the next line, as nats-server counts. Where that
 * server loops for ever or forgets a key (a map or a string that the file ends in), this one
 * reports an error.
 */
#include "broker/config_lex.h"

#include <stdio.h>
#include <strings.h>

#define NOT_HEX "Expected two hexadecimal digits after '\\x', but "

void config_lex_init(struct config_lex *lex, char *input, size_t len)
{
    *lex = (struct config_lex){.input = input, .len = len, .line = 1};
}

/* ---- bytes ---- */

int config_lex_next(struct config_lex *lex)
{
    if (lex->at >= lex->len) {
        lex->width = 0;
        return CONFIG_LEX_END;
    }
    if (lex->input[lex->at] == '\n') {
        lex->line++;
        lex->line_start = lex->at;
    }
    lex->width = 1;
    return (unsigned char)lex->input[lex->at++];
}

void config_lex_back(struct config_lex *lex)
{
    lex->at -= lex->width;
    if (lex->width > 0 && lex->input[lex->at] == '\n')
        lex->line--;
    lex->width = 0;
}

static int peek(struct config_lex *lex)
{
    int byte = config_lex_next(lex);
    config_lex_back(lex);
    return byte;
}

void config_lex_skip(struct config_lex *lex)
{
    lex->start = lex->at;
    lex->item_line_start = lex->line_start;
}

bool config_lex_is_blank(int byte)
{
    return byte == ' ' || byte == '\t';
}

bool config_lex_is_newline(int byte)
{
    return byte == '\n' || byte == '\r';
}

bool config_lex_is_space(int byte)
{
    return config_lex_is_blank(byte) || config_lex_is_newline(byte) || byte == '\v' || byte == '\f';
}

static bool is_separator(int byte)
{
    return byte == '=' || byte == ':';
}

static bool is_digit(int byte)
{
    return byte >= '0' && byte <= '9';
}

bool config_lex_comment(struct config_lex *lex, int byte)
{
    bool slashes = byte == '/' && peek(lex) == '/';
    if (byte != '#' && !slashes)
        return false;
    while (!config_lex_is_newline(byte) && byte != CONFIG_LEX_END)
        byte = config_lex_next(lex);
    config_lex_back(lex);
    config_lex_skip(lex);
    return true;
}

/* ---- items and errors ---- */

/* The item from start to here. */
static void emit(struct config_lex *lex, struct config_item *item)
{
    item->text = (struct span){lex->input + lex->start, lex->at - lex->start};
    item->line = lex->line;
    item->column = (int)(lex->start - lex->item_line_start);
    config_lex_skip(lex);
}

/* emit, and steps over the byte that ended it. */
static void emit_and_pass(struct config_lex *lex, struct config_item *item)
{
    config_lex_back(lex);
    emit(lex, item);
    config_lex_next(lex);
    config_lex_skip(lex);
}

/* The byte last read, as it is shown: a whole UTF-8 sequence, or nothing at the end of the file. */
static void show_byte(const struct config_lex *lex, char out[8])
{
    size_t at = lex->at > 0 ? lex->at - 1 : 0, len = 1;
    if (lex->width == 0 && lex->at >= lex->len)
        len = 0;
    else if (lex->input[at] == '\n')
        memcpy(out, "\\n", 3);
    while (len > 0 && len < 4 && at + len < lex->len && (lex->input[at + len] & 0xc0) == 0x80)
        len++;
    if (len == 0 || lex->input[at] != '\n')
        snprintf(out, 8, "%.*s", (int)len, len ? lex->input + at : "");
}

enum config_item_kind config_lex_fail(struct config_lex *lex, const char *text)
{
    char byte[8];
    show_byte(lex, byte);
    const char *mark = strstr(text, "%s");
    if (mark)
        snprintf(lex->error, sizeof lex->error, "%.*s%s%s", (int)(mark - text), text, byte,
                 mark + 2);
    else
        snprintf(lex->error, sizeof lex->error, "%s", text);
    return CONFIG_ITEM_ERROR;
}

/* ---- keys ---- */

static enum config_item_kind lex_quoted_key(struct config_lex *lex, int quote,
                                            struct config_item *item)
{
    config_lex_skip(lex);
    int byte;
    do {
        byte = config_lex_next(lex);
        if (byte == CONFIG_LEX_END)
            return config_lex_fail(lex, "Unexpected EOF.");
    } while (byte != quote);
    emit_and_pass(lex, item);
    return CONFIG_ITEM_KEY;
}

static enum config_item_kind lex_include(struct config_lex *lex, struct config_item *item)
{
    int byte;
    do {
        config_lex_skip(lex);
        byte = config_lex_next(lex);
    } while (config_lex_is_blank(byte));
    if (config_lex_is_newline(byte) || byte == CONFIG_LEX_END)
        return config_lex_fail(lex, "Expected include value but found new line");
    static const char refused[] = "[{(\\-";
    static const char *const found[] = {"an array", "a map", "a block", "an escape sequence",
                                        "a number"};
    const char *mark = is_digit(byte) ? refused + 4 : strchr(refused, byte);
    if (mark) {
        snprintf(lex->error, sizeof lex->error, "Expected include value but found start of %s",
                 found[mark - refused]);
        return CONFIG_ITEM_ERROR;
    }
    int quote = byte == '\'' || byte == '"' ? byte : 0;
    if (quote)
        config_lex_skip(lex);
    for (byte = quote ? config_lex_next(lex) : byte;; byte = config_lex_next(lex)) {
        bool end = byte == CONFIG_LEX_END;
        if (quote && end)
            return config_lex_fail(lex, "Unexpected EOF in quoted include");
        if (quote ? byte == quote : byte == '\'') {
            emit_and_pass(lex, item);
            return CONFIG_ITEM_INCLUDE;
        }
        if (!quote && (end || config_lex_is_space(byte) || byte == ';' || byte == '}')) {
            config_lex_back(lex);
            emit(lex, item);
            return CONFIG_ITEM_INCLUDE;
        }
    }
}

enum config_item_kind config_lex_key(struct config_lex *lex, struct config_item *item)
{
    config_lex_skip(lex);
    int byte = config_lex_next(lex);
    if (byte == '"' || byte == '\'') {
        if (lex_quoted_key(lex, byte, item) == CONFIG_ITEM_ERROR)
            return CONFIG_ITEM_ERROR;
    } else {
        if (is_separator(byte))
            return config_lex_fail(lex, "Unexpected key separator '%s'");
        do {
            byte = config_lex_next(lex);
        } while (!config_lex_is_space(byte) && !is_separator(byte) && byte != CONFIG_LEX_END);
        config_lex_back(lex);
        emit(lex, item);
        if (config_lex_is_space(byte) && item->text.len == 7 &&
            strncasecmp(item->text.ptr, "include", 7) == 0)
            return lex_include(lex, item);
    }
    do {
        byte = config_lex_next(lex);
    } while (config_lex_is_space(byte));
    if (byte == CONFIG_LEX_END)
        return CONFIG_ITEM_END;
    if (!is_separator(byte))
        config_lex_back(lex);
    config_lex_skip(lex);
    return CONFIG_ITEM_KEY;
}

/* ---- strings ---- */

static int hex_digit(int byte)
{
    if (is_digit(byte))
        return byte - '0';
    int lower = byte | 0x20;
    return lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : -1;
}

/* The byte that the escape after a backslash stands for, or -1 after an error. */
static int read_escape(struct config_lex *lex)
{
    int byte = config_lex_next(lex);
    static const char escapes[] = "t\tn\nr\r\"\"\\\\";
    for (size_t i = 0; i + 1 < sizeof escapes; i += 2)
        if (escapes[i] == byte)
            return escapes[i + 1];
    if (byte != 'x') {
        config_lex_fail(lex,
                        "Invalid escape character '%s'. Only the following escape characters are "
                        "allowed: \\xXX, \\t, \\n, \\r, \\\", \\\\.");
        return -1;
    }
    int high = config_lex_next(lex);
    int low = config_lex_is_newline(high) ? high : config_lex_next(lex);
    if (config_lex_is_newline(low) || low == CONFIG_LEX_END)
        config_lex_fail(lex, NOT_HEX "hit end of line");
    else if (hex_digit(high) < 0 || hex_digit(low) < 0)
        snprintf(lex->error, sizeof lex->error, NOT_HEX "got '%c%c'", high, low);
    else
        return hex_digit(high) * 16 + hex_digit(low);
    return -1;
}

static bool ends_bare_string(int byte)
{
    return config_lex_is_newline(byte) || config_lex_is_blank(byte) || byte == CONFIG_LEX_END ||
           byte == ';' || byte == ',' || byte == ']' || byte == '}';
}

static enum config_item_kind kind_of_word(struct config_item *item)
{
    static const char *const words[] = {"true", "false", "on", "off", "yes", "no"};
    for (size_t i = 0; i < array_length(words); i++)
        if (item->text.len == strlen(words[i]) &&
            strncasecmp(item->text.ptr, words[i], item->text.len) == 0)
            return CONFIG_ITEM_BOOL;
    if (item->text.len == 0 || item->text.ptr[0] != '$')
        return CONFIG_ITEM_STRING;
    item->text.ptr++;
    item->text.len--;
    return CONFIG_ITEM_VARIABLE;
}

/* From start, of which some may be read already: up to the quote, or without one to what ends a
 * bare word. Escapes are resolved in place: the text only gets shorter, and to is where its next
 * byte goes. */
static enum config_item_kind lex_string(struct config_lex *lex, int quote, struct config_item *item)
{
    size_t to = lex->at;
    bool escaped = false;
    for (;;) {
        int byte = config_lex_next(lex);
        if (quote ? byte == quote : ends_bare_string(byte) || byte == '\'')
            break;
        if (byte == CONFIG_LEX_END)
            return config_lex_fail(lex, "Unexpected EOF.");
        if (byte == '\\' && quote != '\'') {
            escaped = true;
            byte = read_escape(lex);
            if (byte < 0)
                return CONFIG_ITEM_ERROR;
        }
        lex->input[to++] = (char)byte;
    }
    bool passed = lex->width > 0 && (quote || lex->input[lex->at - 1] == '\'');
    size_t len = to - lex->start;
    config_lex_back(lex);
    emit(lex, item);
    item->text.len = len;
    if (passed) {
        config_lex_next(lex);
        config_lex_skip(lex);
    }
    return quote || escaped || passed ? CONFIG_ITEM_STRING : kind_of_word(item);
}

/* After the opening parenthesis: all up to one that has a line of its own. */
static enum config_item_kind lex_block(struct config_lex *lex, struct config_item *item)
{
    int before = 0, byte = 0;
    for (;;) {
        before = byte;
        byte = config_lex_next(lex);
        if (byte == CONFIG_LEX_END)
            return config_lex_fail(lex, "Unexpected EOF processing block.");
        bool alone =
            byte == ')' && before == '\n' && (lex->at >= lex->len || lex->input[lex->at] == '\n');
        if (alone) {
            emit_and_pass(lex, item);
            return CONFIG_ITEM_STRING;
        }
    }
}

/* ---- numbers ---- */

static enum config_item_kind end_number(struct config_lex *lex, enum config_item_kind kind,
                                        struct config_item *item)
{
    config_lex_back(lex);
    emit(lex, item);
    return kind;
}

/* After the fourth digit and a dash. */
static enum config_item_kind lex_time(struct config_lex *lex, struct config_item *item)
{
    for (const char *form = "00-00T00:00:00Z"; *form; form++) {
        int byte = config_lex_next(lex);
        if (*form == '0' && !is_digit(byte))
            return config_lex_fail(lex,
                                   "Expected digit in ISO8601 datetime, but found '%s' instead.");
        if (*form != '0' && byte != *form) {
            char text[80];
            snprintf(text, sizeof text,
                     "Expected '%c' in ISO8601 datetime, but found '%%s' instead.", *form);
            return config_lex_fail(lex, text);
        }
    }
    emit(lex, item);
    return CONFIG_ITEM_TIME;
}

/* After the point: a float, or with a second point an address with or without a port. */
static enum config_item_kind lex_float(struct config_lex *lex, struct config_item *item)
{
    int byte = config_lex_next(lex);
    if (!is_digit(byte))
        return config_lex_fail(lex,
                               "Floats must have a digit after the '.', but got '%s' instead.");
    while (is_digit(byte))
        byte = config_lex_next(lex);
    if (byte != '.')
        return end_number(lex, CONFIG_ITEM_FLOAT, item);
    while (is_digit(byte) || byte == '.' || byte == ':' || byte == '-')
        byte = config_lex_next(lex);
    return end_number(lex, CONFIG_ITEM_STRING, item);
}

/* After the first digit or the sign. */
static enum config_item_kind lex_number(struct config_lex *lex, bool negative,
                                        struct config_item *item)
{
    int byte = config_lex_next(lex);
    if (negative && !is_digit(byte))
        return config_lex_fail(lex, byte == '.' ? "Floats must start with a digit, not '.'."
                                                : "Expected a digit but got '%s'.");
    while (is_digit(byte))
        byte = config_lex_next(lex);
    if (byte == '.')
        return lex_float(lex, item);
    if (byte == '-' && !negative) {
        if (lex->at - lex->start != 5)
            return config_lex_fail(lex, "All ISO8601 dates must be in full Zulu form.");
        return lex_time(lex, item);
    }
    bool suffix = byte != CONFIG_LEX_END && strchr("kmgtpeKMGTPE", byte);
    if (suffix)
        do {
            byte = config_lex_next(lex);
        } while (byte != CONFIG_LEX_END && strchr("bBiI", byte));
    if (ends_bare_string(byte) || (negative && !suffix) || is_digit(byte))
        return end_number(lex, CONFIG_ITEM_INTEGER, item);
    config_lex_back(lex);
    return lex_string(lex, 0, item);
}

/* ---- values ---- */

enum config_item_kind config_lex_value(struct config_lex *lex, bool in_map,
                                       struct config_item *item)
{
    int byte;
    do {
        config_lex_skip(lex);
        byte = config_lex_next(lex);
    } while (config_lex_is_blank(byte) || (in_map && config_lex_is_space(byte)));
    if (in_map && byte == ',')
        return config_lex_fail(lex, "Unexpected map value terminator \"%s\".");
    if (in_map && byte == '}')
        return config_lex_fail(lex, "Expected value but found the end of the map");
    switch (byte) {
    case '[': emit(lex, item); return CONFIG_ITEM_ARRAY;
    case '{': emit(lex, item); return CONFIG_ITEM_MAP;
    case '"':
    case '\'': config_lex_skip(lex); return lex_string(lex, byte, item);
    case '(': config_lex_skip(lex); return lex_block(lex, item);
    case '-': return lex_number(lex, true, item);
    case '.': return config_lex_fail(lex, "Floats must start with a digit");
    default: break;
    }
    if (config_lex_is_newline(byte))
        return config_lex_fail(lex, "Expected value but found new line");
    if (is_digit(byte))
        return lex_number(lex, false, item);
    config_lex_back(lex);
    return lex_string(lex, 0, item);
}
