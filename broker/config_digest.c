/* The tree as JSON, hashed while it is written. Bytes must be those of Go's encoder, so that the
 * digest is the one that nats-server logs for the same file: sorted keys, shortest floats, <>&
 * escaped, one newline at the end. */
#include <inttypes.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>

#include "broker/base/mem.h"
#include "broker/base/utf8.h"
#include "broker/config.h"

struct hash {
    crypto_hash_sha256_state state;
};

static void put(struct hash *hash, const char *bytes, size_t len)
{
    crypto_hash_sha256_update(&hash->state, (const unsigned char *)bytes, len);
}

static void put_text(struct hash *hash, const char *text)
{
    put(hash, text, strlen(text));
}

/* ---- strings ---- */

static void put_escape(struct hash *hash, unsigned byte)
{
    static const char named[] = "\bb\ff\nn\rr\tt\"\"\\\\";
    char text[8];
    for (size_t i = 0; i + 1 < sizeof named; i += 2) {
        if (byte == (unsigned char)named[i]) {
            snprintf(text, sizeof text, "\\%c", named[i + 1]);
            put_text(hash, text);
            return;
        }
    }
    snprintf(text, sizeof text, "\\u%04x", byte & 0xffff);
    put_text(hash, text);
}

static void put_string(struct hash *hash, struct span text)
{
    put_text(hash, "\"");
    for (size_t i = 0; i < text.len;) {
        const unsigned char *at = (const unsigned char *)text.ptr + i;
        size_t len = utf8_sequence(text.ptr + i, text.len - i);
        bool separator = len == 3 && at[0] == 0xe2 && at[1] == 0x80 && (at[2] & 0xfe) == 0xa8;
        if (len == 0)
            put_text(hash, "\\ufffd");
        else if (separator)
            put_escape(hash, 0x2000U + at[2] - 0x80);
        else if (len == 1 && (*at < 0x20 || strchr("\"\\<>&", *at)))
            put_escape(hash, *at);
        else
            put(hash, text.ptr + i, len);
        i += len ? len : 1;
    }
    put_text(hash, "\"");
}

/* ---- values ---- */

/* The fewest digits that read back the same; an exponent only for the very small and the very
 * large. */
static void put_float(struct hash *hash, double real)
{
    char text[64], zeros[32];
    int digits = 0;
    do {
        snprintf(text, sizeof text, "%.*e", digits, real);
    } while (strtod(text, NULL) != real && digits++ < 17);
    double size = real < 0 ? -real : real;
    char *exponent = strchr(text, 'e');
    int power = atoi(exponent + 1), missing = power - digits;
    if (size != 0 && (size < 1e-6 || size >= 1e21)) {
        if (exponent[1] == '-' && exponent[2] == '0') /* e-09 is e-9 */
            memmove(exponent + 2, exponent + 3, strlen(exponent + 3) + 1);
        put_text(hash, text);
    } else if (missing <= 0) {
        snprintf(text, sizeof text, "%.*f", -missing, real);
        put_text(hash, text);
    } else { /* all digits are in front of the point, and zeros follow */
        *exponent = '\0';
        char *point = strchr(text, '.');
        if (point)
            memmove(point, point + 1, strlen(point));
        put_text(hash, text);
        snprintf(zeros, sizeof zeros, "%0*d", missing, 0);
        put_text(hash, zeros);
    }
}

static void put_value(struct hash *hash, const struct config_value *value);

static int by_key(const void *a, const void *b)
{
    const struct config_entry *const *one = a, *const *other = b;
    return strcmp((*one)->key, (*other)->key);
}

static void put_map(struct hash *hash, const struct config_value *map)
{
    size_t count = 0;
    for (const struct config_entry *entry = map->entries; entry; entry = entry->next)
        count++;
    const struct config_entry **sorted = mem_zalloc_or_exit((count + 1) * sizeof *sorted);
    size_t at = 0;
    for (const struct config_entry *entry = map->entries; entry; entry = entry->next)
        sorted[at++] = entry;
    qsort(sorted, count, sizeof *sorted, by_key);
    put_text(hash, "{");
    for (size_t i = 0; i < count; i++) {
        put_text(hash, i ? "," : "");
        put_string(hash, span_of(sorted[i]->key));
        put_text(hash, ":");
        put_value(hash, sorted[i]->value);
    }
    put_text(hash, "}");
    mem_free(sorted);
}

static void put_value(struct hash *hash, const struct config_value *value)
{
    char text[32];
    switch (value->kind) {
    case CONFIG_STRING:
    case CONFIG_TIME: put_string(hash, value->text); return;
    case CONFIG_INTEGER:
        snprintf(text, sizeof text, "%" PRId64, value->integer);
        put_text(hash, text);
        return;
    case CONFIG_FLOAT: put_float(hash, value->real); return;
    case CONFIG_BOOL: put_text(hash, value->boolean ? "true" : "false"); return;
    case CONFIG_MAP: put_map(hash, value); return;
    case CONFIG_ARRAY: break;
    }
    put_text(hash, "[");
    for (const struct config_entry *entry = value->entries; entry; entry = entry->next) {
        put_text(hash, entry == value->entries ? "" : ",");
        put_value(hash, entry->value);
    }
    put_text(hash, "]");
}

void config_digest(const struct config *config, char out[CONFIG_DIGEST_BYTES])
{
    struct hash hash;
    unsigned char bytes[crypto_hash_sha256_BYTES];
    crypto_hash_sha256_init(&hash.state);
    put_value(&hash, config_root(config));
    put_text(&hash, "\n");
    crypto_hash_sha256_final(&hash.state, bytes);
    int len = snprintf(out, CONFIG_DIGEST_BYTES, "sha256:");
    for (size_t i = 0; i < sizeof bytes; i++)
        len += snprintf(out + len, (size_t)(CONFIG_DIGEST_BYTES - len), "%02x", bytes[i]);
}
