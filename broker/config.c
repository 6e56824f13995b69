/* Entries into a tree: recursive descent over config_lex.c.
 *
 * Everything made while reading lives in chunks that are freed together. A scope is a map under
 * construction and the scopes around it; a variable is looked for in them from the inside out, so
 * it must have been set further up in the file. Then in the environment, whose text is read like a
 * value. An included file starts with no scopes, and its entries are laid over the map that names
 * it.
 *
 * Limits: nested maps and arrays, included files and variables inside variables go NESTING_MAX
 * deep, a file has at most FILE_BYTES_MAX bytes. None of these is nats-server's, and no sane file
 * meets them.
 */
#include "broker/config.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>
#include <time.h>
#include <unistd.h>

#include "broker/base/err.h"
#include "broker/base/mem.h"
#include "broker/config_lex.h"

enum { CHUNK_BYTES = 16384, NESTING_MAX = 64, FILE_BYTES_MAX = 16 << 20 };

struct chunk {
    struct chunk *next;
    size_t used, size;
    max_align_t bytes[];
};

struct config {
    struct chunk *chunks;
    const struct config_value *root;
};

struct scope {
    const struct scope *outer;
    struct config_value *map; /* NULL for an array, which has no names */
};

/* One file, or one variable of the environment. */
struct reader {
    struct config *config;
    struct config_lex lex;
    const char *file; /* "" for the environment */
    const char *variable;
    const struct reader *parent;
    int depth; /* of maps and arrays, with those of the parents */
    char *error;
};

/* ---- memory ---- */

static void *take(struct config *config, size_t bytes)
{
    size_t rounded = (bytes + sizeof(max_align_t) - 1) & ~(sizeof(max_align_t) - 1);
    struct chunk *chunk = config->chunks;
    if (!chunk || chunk->size - chunk->used < rounded) {
        size_t size = max_size(rounded, CHUNK_BYTES);
        chunk = mem_zalloc_or_exit(sizeof *chunk + size);
        *chunk = (struct chunk){.next = config->chunks, .size = size};
        config->chunks = chunk;
    }
    void *block = (char *)chunk->bytes + chunk->used;
    chunk->used += rounded;
    return block;
}

static char *copy_text(struct config *config, struct span text)
{
    char *copy = take(config, text.len + 1);
    if (text.len)
        memcpy(copy, text.ptr, text.len);
    return copy;
}

static struct config_value *new_value(struct config *config, enum config_kind kind)
{
    struct config_value *value = take(config, sizeof *value);
    value->kind = kind;
    return value;
}

/* ---- errors ---- */

static int fail_at_line(struct reader *reader)
{
    snprintf(reader->error, CONFIG_ERROR_MAX, "Parse error on line %d: '%s'", reader->lex.line,
             reader->lex.error);
    return ERR_INVALID;
}

static int fail_lexing(struct reader *reader, const char *text)
{
    config_lex_fail(&reader->lex, text);
    return fail_at_line(reader);
}

PRINTF(3, 4)
static int fail_at(struct reader *reader, const struct config_item *item, const char *format, ...)
{
    int len = snprintf(reader->error, CONFIG_ERROR_MAX, "%s:%d:%d: ", reader->file, item->line,
                       item->column);
    va_list values;
    va_start(values, format);
    if (len < CONFIG_ERROR_MAX)
        vsnprintf(reader->error + len, (size_t)(CONFIG_ERROR_MAX - len), format, values);
    va_end(values);
    return ERR_INVALID;
}

static int enter(struct reader *reader)
{
    if (++reader->depth <= NESTING_MAX)
        return 0;
    return fail_lexing(reader, "Nested too deeply");
}

/* ---- adding to maps and arrays ---- */

static struct config_entry *find(const struct config_value *map, const char *key)
{
    for (struct config_entry *entry = map->entries; entry; entry = entry->next)
        if (strcmp(entry->key, key) == 0)
            return entry;
    return NULL;
}

/* Of equal keys the last one counts, in the place of the first. */
static void add(struct config *config, struct config_value *to, const struct config_entry *wanted)
{
    struct config_entry *entry = to->kind == CONFIG_MAP ? find(to, wanted->key) : NULL;
    if (!entry) {
        entry = take(config, sizeof *entry);
        *(to->last ? &to->last->next : &to->entries) = entry;
        to->last = entry;
    }
    struct config_entry *next = entry->next;
    *entry = *wanted;
    entry->next = next;
}

/* ---- scalars ---- */

static bool number_suffix(struct span suffix, int64_t *factor)
{
    static const char letters[] = "kmgtpe";
    *factor = 1;
    if (suffix.len == 0)
        return true;
    const char *letter = strchr(letters, suffix.ptr[0] | 0x20);
    bool binary = suffix.len > 1;
    static const char *const endings[] = {"b", "i", "ib"};
    bool known = !binary;
    for (size_t i = 0; binary && i < array_length(endings); i++)
        known = known || (suffix.len - 1 == strlen(endings[i]) &&
                          strncasecmp(suffix.ptr + 1, endings[i], suffix.len - 1) == 0);
    for (const char *at = letters; known && letter && at <= letter; at++)
        *factor *= binary ? 1024 : 1000;
    return known && letter;
}

static int read_integer(struct reader *reader, const struct config_item *item, int64_t *out)
{
    int64_t number = 0, factor;
    bool negative = item->text.ptr[0] == '-', fits = true;
    size_t at = negative ? 1 : 0;
    for (; at < item->text.len && item->text.ptr[at] >= '0' && item->text.ptr[at] <= '9'; at++) {
        int digit = item->text.ptr[at] - '0';
        fits = fits && !__builtin_mul_overflow(number, 10, &number) &&
               !__builtin_add_overflow(number, negative ? -digit : digit, &number);
    }
    struct span suffix = {item->text.ptr + at, item->text.len - at};
    if (!number_suffix(suffix, &factor))
        return fail_at(reader, item, "expected integer, but got '%.*s'", (int)item->text.len,
                       item->text.ptr);
    if (!fits || __builtin_mul_overflow(number, factor, out))
        return fail_at(reader, item, "integer '%.*s' is out of the range", (int)item->text.len,
                       item->text.ptr);
    return 0;
}

static bool is_time(const char *text)
{
    struct tm parts = {0}, normal;
    const char *end = strptime(text, "%Y-%m-%dT%H:%M:%SZ", &parts);
    normal = parts;
    return end && *end == '\0' && parts.tm_sec < 60 && timegm(&normal) != -1 &&
           normal.tm_mday == parts.tm_mday;
}

static int make_scalar(struct reader *reader, enum config_item_kind kind,
                       const struct config_item *item, const struct config_value **out)
{
    static const enum config_kind kinds[] = {[CONFIG_ITEM_STRING] = CONFIG_STRING,
                                             [CONFIG_ITEM_BOOL] = CONFIG_BOOL,
                                             [CONFIG_ITEM_INTEGER] = CONFIG_INTEGER,
                                             [CONFIG_ITEM_FLOAT] = CONFIG_FLOAT,
                                             [CONFIG_ITEM_TIME] = CONFIG_TIME};
    struct config_value *value = new_value(reader->config, kinds[kind]);
    value->text = (struct span){copy_text(reader->config, item->text), item->text.len};
    *out = value;
    if (kind == CONFIG_ITEM_INTEGER)
        return read_integer(reader, item, &value->integer);
    if (kind == CONFIG_ITEM_FLOAT)
        value->real = strtod(value->text.ptr, NULL);
    if (kind == CONFIG_ITEM_BOOL)
        value->boolean = strcasecmp(value->text.ptr, "true") == 0 ||
                         strcasecmp(value->text.ptr, "yes") == 0 ||
                         strcasecmp(value->text.ptr, "on") == 0;
    if (kind == CONFIG_ITEM_TIME && !is_time(value->text.ptr))
        return fail_at(reader, item, "expected Zulu formatted DateTime, but got '%s'",
                       value->text.ptr);
    return 0;
}

/* ---- variables ---- */

static int read_top(struct reader *reader, struct config_value *map);

static bool is_being_read(const struct reader *reader, const char *variable)
{
    for (; reader; reader = reader->parent)
        if (reader->variable && strcmp(reader->variable, variable) == 0)
            return true;
    return false;
}

/* The environment's text as a value: read as a file of one entry. */
static int read_environment(struct reader *outer, const char *name, const char *text,
                            const struct config_value **out)
{
    static const char key[] = "value=";
    size_t key_len = sizeof key - 1, len = strlen(text);
    char *input = take(outer->config, key_len + len + 1);
    memcpy(input, key, key_len);
    memcpy(input + key_len, text, len);
    char error[CONFIG_ERROR_MAX] = "";
    struct reader reader = {.config = outer->config,
                            .file = name,
                            .variable = name,
                            .parent = outer,
                            .depth = outer->depth,
                            .error = error};
    config_lex_init(&reader.lex, input, key_len + len);
    struct config_value *map = new_value(outer->config, CONFIG_MAP);
    int failed = read_top(&reader, map);
    if (failed) {
        snprintf(outer->error, CONFIG_ERROR_MAX,
                 "variable reference for '%s' on line %d could not be parsed: %.700s", name,
                 outer->lex.line, error);
        return failed;
    }
    *out = find(map, "value")->value;
    return 0;
}

static int resolve(struct reader *reader, const struct scope *scope, const struct config_item *item,
                   const struct config_value **out)
{
    const char *name = copy_text(reader->config, item->text);
    if (strncmp(name, "2a$", 3) == 0) { /* a bcrypt hash, not a name */
        struct config_value *value = new_value(reader->config, CONFIG_STRING);
        value->text = (struct span){
            copy_text(reader->config, (struct span){item->text.ptr - 1, item->text.len + 1}),
            item->text.len + 1};
        *out = value;
        return 0;
    }
    for (; scope; scope = scope->outer) {
        struct config_entry *entry = scope->map ? find(scope->map, name) : NULL;
        if (entry) {
            entry->used_as_variable = true;
            *out = entry->value;
            return 0;
        }
    }
    const char *text = getenv(name);
    if (text && is_being_read(reader, name)) {
        snprintf(reader->error, CONFIG_ERROR_MAX, "variable reference cycle for '%s'", name);
        return ERR_INVALID;
    }
    if (text)
        return read_environment(reader, name, text, out);
    snprintf(reader->error, CONFIG_ERROR_MAX,
             "variable reference for '%s' on line %d can not be found", name, item->line);
    return ERR_INVALID;
}

/* ---- structure ---- */

static int read_map(struct reader *reader, const struct scope *outer,
                    const struct config_value **out);
static int read_array(struct reader *reader, const struct scope *outer,
                      const struct config_value **out);

static int read_value(struct reader *reader, const struct scope *scope, bool in_map,
                      struct config_item *item, const struct config_value **out)
{
    enum config_item_kind kind = config_lex_value(&reader->lex, in_map, item);
    switch (kind) {
    case CONFIG_ITEM_ERROR: return fail_at_line(reader);
    case CONFIG_ITEM_MAP: return read_map(reader, scope, out);
    case CONFIG_ITEM_ARRAY: return read_array(reader, scope, out);
    case CONFIG_ITEM_VARIABLE: return resolve(reader, scope, item, out);
    default: return make_scalar(reader, kind, item, out);
    }
}

static int read_file(struct config *config, const char *path, const struct reader *parent,
                     struct config_value *map, char error[CONFIG_ERROR_MAX]);

/* The path as seen from the folder of this file. */
static const char *include_path(struct reader *reader, struct span path)
{
    const char *slash = strrchr(reader->file, '/');
    int folder = slash ? (int)(slash - reader->file) + 1 : 0;
    while (path.len > 2 && path.ptr[0] == '.' && path.ptr[1] == '/')
        path = (struct span){path.ptr + 2, path.len - 2};
    while (path.len > 0 && path.ptr[0] == '/') /* never absolute */
        path = (struct span){path.ptr + 1, path.len - 1};
    size_t size = (size_t)folder + path.len + 1;
    char *joined = take(reader->config, size);
    snprintf(joined, size, "%.*s%.*s", folder, reader->file, (int)path.len, path.ptr);
    return joined;
}

static int include(struct reader *reader, const struct config_item *item, struct config_value *map)
{
    char reason[CONFIG_ERROR_MAX];
    const char *path = include_path(reader, item->text);
    struct config_value *included = new_value(reader->config, CONFIG_MAP);
    if (enter(reader) != 0)
        return ERR_INVALID;
    int failed = read_file(reader->config, path, reader, included, reason);
    reader->depth--;
    if (failed) {
        snprintf(reader->error, CONFIG_ERROR_MAX, "error parsing include file '%.*s', %.700s",
                 (int)min_size(item->text.len, 200), item->text.ptr, reason);
        return failed;
    }
    for (const struct config_entry *entry = included->entries; entry; entry = entry->next)
        add(reader->config, map, entry);
    return 0;
}

/* A key and its value, or an include, at the first byte of the key. At the top the file may end
 * after a key, which is an error here: nats-server leaves it out without a word. */
static int read_entry(struct reader *reader, const struct scope *scope, bool in_map)
{
    struct config_item key, item;
    struct config_entry entry = {.file = reader->file};
    switch (config_lex_key(&reader->lex, &key)) {
    case CONFIG_ITEM_INCLUDE: return include(reader, &key, scope->map);
    case CONFIG_ITEM_END:
        snprintf(reader->error, CONFIG_ERROR_MAX, "config is invalid (%s:%d:%d)", reader->file,
                 key.line, key.column);
        return ERR_INVALID;
    case CONFIG_ITEM_KEY: break;
    default: return fail_at_line(reader);
    }
    entry.key = copy_text(reader->config, key.text);
    entry.line = key.line;
    entry.column = key.column;
    int failed = read_value(reader, scope, in_map, &item, &entry.value);
    if (!failed)
        add(reader->config, scope->map, &entry);
    return failed;
}

/* To the end of a map's entry; *more tells whether another one may follow. */
static int end_map_entry(struct reader *reader, bool *more)
{
    for (;;) {
        int byte = config_lex_next(&reader->lex);
        if (config_lex_is_blank(byte) || config_lex_comment(&reader->lex, byte))
            continue;
        *more = byte != '}';
        if (!*more || byte == ';' || byte == ',' || config_lex_is_newline(byte))
            return 0;
        return fail_lexing(reader,
                           byte == CONFIG_LEX_END
                               ? "Unexpected EOF processing map."
                               : "Expected a map value terminator \",\" or a map terminator "
                                 "\"}\", but got '%s' instead.");
    }
}

static int read_map(struct reader *reader, const struct scope *outer,
                    const struct config_value **out)
{
    struct config_value *map = new_value(reader->config, CONFIG_MAP);
    const struct scope scope = {outer, map};
    bool more = true;
    if (enter(reader) != 0)
        return ERR_INVALID;
    while (more) {
        int byte = config_lex_next(&reader->lex);
        if (config_lex_is_space(byte) || config_lex_comment(&reader->lex, byte))
            continue;
        if (byte == '}')
            break;
        if (byte == CONFIG_LEX_END)
            return fail_lexing(reader, "Unexpected EOF processing map.");
        if (byte == ']')
            return fail_lexing(reader, "Unexpected array end '%s' processing map.");
        config_lex_back(&reader->lex);
        int failed = read_entry(reader, &scope, true);
        if (!failed)
            failed = end_map_entry(reader, &more);
        if (failed)
            return failed;
    }
    reader->depth--;
    *out = map;
    return 0;
}

static int end_element(struct reader *reader, bool *more)
{
    for (;;) {
        int byte = config_lex_next(&reader->lex);
        if (config_lex_is_blank(byte) || config_lex_comment(&reader->lex, byte))
            continue;
        *more = byte != ']';
        if (!*more || byte == ',' || config_lex_is_newline(byte))
            return 0;
        return fail_lexing(reader, byte == CONFIG_LEX_END
                                       ? "Unexpected EOF processing array."
                                       : "Expected an array value terminator \",\" or an array "
                                         "terminator \"]\", but got '%s' instead.");
    }
}

static int read_array(struct reader *reader, const struct scope *outer,
                      const struct config_value **out)
{
    struct config_value *array = new_value(reader->config, CONFIG_ARRAY);
    const struct scope scope = {outer, NULL};
    bool more = true;
    if (enter(reader) != 0)
        return ERR_INVALID;
    while (more) {
        struct config_item item = {.line = reader->lex.line};
        struct config_entry entry = {.file = reader->file};
        int byte = config_lex_next(&reader->lex);
        if (config_lex_is_space(byte) || config_lex_comment(&reader->lex, byte))
            continue;
        if (byte == ']')
            break;
        if (byte == CONFIG_LEX_END)
            return fail_lexing(reader, "Unexpected EOF processing array.");
        if (byte == ',')
            return fail_lexing(reader, "Unexpected array value terminator ','.");
        config_lex_back(&reader->lex);
        int failed = read_value(reader, &scope, false, &item, &entry.value);
        entry.line = item.line;
        entry.column = item.column;
        if (!failed) {
            entry.column +=
                entry.value->kind == CONFIG_MAP; /* nats-server's begins behind its brace */
            add(reader->config, array, &entry);
            failed = end_element(reader, &more);
        }
        if (failed)
            return failed;
    }
    reader->depth--;
    *out = array;
    return 0;
}

/* To the end of an entry of the outermost level. A brace ends one too, whether or not it has a
 * partner. */
static int end_top_entry(struct reader *reader, int *open_braces)
{
    for (;;) {
        int byte = config_lex_next(&reader->lex);
        if (config_lex_is_blank(byte) || config_lex_comment(&reader->lex, byte))
            continue;
        if (byte == '}' && *open_braces > 0)
            --*open_braces;
        if (byte == '}' || byte == ';' || byte == ',' || config_lex_is_newline(byte) ||
            byte == CONFIG_LEX_END)
            return 0;
        return fail_lexing(reader,
                           "Expected a top-level value to end with a new line, comment or EOF, "
                           "but got '%s' instead.");
    }
}

/* The whole input. There may be braces around entries, and one closing brace too many at the end.
 */
static int read_top(struct reader *reader, struct config_value *map)
{
    const struct scope scope = {NULL, map};
    int open_braces = 0;
    bool over = false;
    for (;;) {
        int byte = config_lex_next(&reader->lex);
        if (config_lex_is_space(byte) || config_lex_comment(&reader->lex, byte))
            continue;
        if (byte == CONFIG_LEX_END)
            return 0;
        if (over)
            return fail_lexing(reader, "Unexpected '%s' after the last closing brace");
        if (byte == '/')
            return fail_lexing(reader, "Unexpected '%s'");
        if (byte == '{') {
            open_braces++;
            continue;
        }
        if (byte == '}') {
            over = open_braces == 0;
            open_braces -= over ? 0 : 1;
            continue;
        }
        config_lex_back(&reader->lex);
        int failed = read_entry(reader, &scope, false);
        if (!failed)
            failed = end_top_entry(reader, &open_braces);
        if (failed)
            return failed;
    }
}

/* ---- files ---- */

static int fail_to_open(const char *path, int code, char error[CONFIG_ERROR_MAX])
{
    const char *why = code == ENOENT   ? "no such file or directory"
                      : code == EACCES ? "permission denied"
                      : code == EISDIR ? "is a directory"
                                       : strerror(code);
    snprintf(error, CONFIG_ERROR_MAX, "open %.700s: %s", path, why);
    return ERR_SYSTEM;
}

/* The whole file into the config's memory. */
static int load(struct config *config, const char *path, struct span *out,
                char error[CONFIG_ERROR_MAX])
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    size_t size = 1 << 16, len = 0;
    char *input = mem_zalloc_or_exit(size);
    ssize_t got = fd < 0 ? -1 : 0;
    while (fd >= 0 && (got = read(fd, input + len, size - len)) > 0 && len <= FILE_BYTES_MAX) {
        len += (size_t)got;
        if (len == size) {
            char *larger = mem_zalloc_or_exit(size *= 2);
            memcpy(larger, input, len);
            mem_free(input);
            input = larger;
        }
    }
    int code = got < 0 ? errno : got > 0 ? EFBIG : 0;
    if (fd >= 0)
        close(fd);
    if (!code)
        *out = (struct span){copy_text(config, (struct span){input, len}), len};
    mem_free(input);
    return code ? fail_to_open(path, code, error) : 0;
}

static int read_file(struct config *config, const char *path, const struct reader *parent,
                     struct config_value *map, char error[CONFIG_ERROR_MAX])
{
    struct span input;
    struct reader reader = {.config = config,
                            .file = copy_text(config, span_of(path)),
                            .parent = parent,
                            .depth = parent ? parent->depth : 0,
                            .error = error};
    int failed = load(config, path, &input, error);
    if (failed)
        return failed;
    char *text = copy_text(config, input);
    config_lex_init(&reader.lex, text, input.len);
    const char *nul = memchr(text, '\0', input.len);
    if (nul) {
        snprintf(error, CONFIG_ERROR_MAX, "%s: byte %zu is zero: not a text file", reader.file,
                 (size_t)(nul - text));
        return ERR_INVALID;
    }
    return read_top(&reader, map);
}

/* Texts of the file may hold anything; an error is one line. */
static void make_one_line(char *text)
{
    for (; *text; text++)
        if ((unsigned char)*text < ' ' || *text == 0x7f)
            *text = '?';
}

int config_read(const char *path, struct config **out, char error[CONFIG_ERROR_MAX])
{
    struct config *config = mem_zalloc_or_exit(sizeof *config);
    struct config_value *root = new_value(config, CONFIG_MAP);
    config->root = root;
    int failed = read_file(config, path, NULL, root, error);
    if (failed) {
        make_one_line(error);
        config_free(&config);
    } else {
        *out = config;
    }
    return failed;
}

void config_free(struct config **config)
{
    if (!*config)
        return;
    for (struct chunk *chunk = (*config)->chunks, *next; chunk; chunk = next) {
        next = chunk->next;
        explicit_bzero(chunk->bytes, chunk->used); /* there may have been passwords */
        mem_free(chunk);
    }
    mem_free(*config);
    *config = NULL;
}

const struct config_value *config_root(const struct config *config)
{
    return config->root;
}

const char *config_kind_name(enum config_kind kind)
{
    static const char *const names[] = {"a string",  "a whole number", "a number with a fraction",
                                        "a boolean", "a date",         "an array",
                                        "a map"};
    return names[kind];
}
