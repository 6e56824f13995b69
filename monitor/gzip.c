/* One call of zlib over the whole text, into a block that is large enough for the worst case; or, for a text that nobody holds
 * as a whole, into whatever room the caller has. The fastest level: what is packed here has much repetition, and somebody
 * waits for it. */
#include "monitor/gzip.h"

#include <strings.h>
#include <zlib.h>

#include "broker/base/mem.h"

/* Of deflateInit2: the largest window, and gzip's header around it. */
enum { GZIP_WINDOW_BITS = 15 + 16, GZIP_MEMORY_LEVEL = 8 };
enum { GZIP_WEIGHT_MAX = 1000 };

/* ---- who accepts it ---- */

static struct span trimmed(const char *from, const char *to)
{
    while (from < to && (*from == ' ' || *from == '\t'))
        from++;
    while (from < to && (to[-1] == ' ' || to[-1] == '\t'))
        to--;
    return (struct span){from, (size_t)(to - from)};
}

static bool is_word(struct span text, const char *word)
{
    return text.len == strlen(word) && strncasecmp(text.ptr, word, text.len) == 0;
}

/* 0, 0.5, 1.000 in thousandths; -1 for what is no weight. */
static int weight(struct span text)
{
    int value = 0, scale = GZIP_WEIGHT_MAX;
    if (text.len == 0 || text.len > 5 || (text.ptr[0] != '0' && text.ptr[0] != '1') ||
        (text.len > 1 && text.ptr[1] != '.'))
        return -1;
    for (size_t i = 0; i < text.len; i++) {
        if (i == 1)
            continue;
        if (text.ptr[i] < '0' || text.ptr[i] > '9')
            return -1;
        value += (text.ptr[i] - '0') * scale;
        scale /= 10;
    }
    return value <= GZIP_WEIGHT_MAX ? value : -1;
}

/* One member of the list: its name, and its weight of 1 unless it says otherwise. */
static int read_member(const char *from, const char *to, struct span *name)
{
    const char *semicolon = memchr(from, ';', (size_t)(to - from));
    *name = trimmed(from, semicolon ? semicolon : to);
    if (!semicolon)
        return GZIP_WEIGHT_MAX;
    struct span parameter = trimmed(semicolon + 1, to);
    if (parameter.len < 2 || (parameter.ptr[0] | 0x20) != 'q' || parameter.ptr[1] != '=')
        return -1;
    return weight((struct span){parameter.ptr + 2, parameter.len - 2});
}

bool gzip_accepted(const char *accept_encoding)
{
    int packed = -1, any = -1, plain = -1;
    for (const char *at = accept_encoding ? accept_encoding : ""; *at;) {
        const char *end = strchrnul(at, ',');
        struct span name;
        int q = read_member(at, end, &name);
        if (is_word(name, "gzip") || is_word(name, "x-gzip"))
            packed = q;
        else if (is_word(name, "*"))
            any = q;
        else if (is_word(name, "identity"))
            plain = q;
        at = *end ? end + 1 : end;
    }
    int q = packed >= 0 ? packed : any;
    return q > 0 && q >= plain;
}

/* ---- packing ---- */

static bool begin(z_stream *stream)
{
    *stream = (z_stream){0};
    return deflateInit2(stream, Z_BEST_SPEED, Z_DEFLATED, GZIP_WINDOW_BITS, GZIP_MEMORY_LEVEL,
                        Z_DEFAULT_STRATEGY) == Z_OK;
}

static void set_input(z_stream *stream, struct span plain)
{
    union {
        const char *text;
        Bytef *bytes;
    } in = {.text = plain.ptr}; /* zlib 1.2's next_in is not const */
    stream->next_in = in.bytes;
    stream->avail_in = (uInt)plain.len;
}

char *gzip_pack(struct span plain, size_t *out_len)
{
    z_stream stream;
    if (plain.len > UINT32_MAX || !begin(&stream))
        return NULL;
    size_t room = deflateBound(&stream, plain.len);
    unsigned char *out = room <= UINT32_MAX ? mem_alloc(room) : NULL;
    set_input(&stream, plain);
    stream.next_out = out;
    stream.avail_out = (uInt)room;
    bool done = out && deflate(&stream, Z_FINISH) == Z_STREAM_END;
    *out_len = stream.total_out;
    deflateEnd(&stream);
    if (!done) {
        mem_free(out);
        return NULL;
    }
    return (char *)out;
}

struct gzip_stream {
    z_stream zlib;
};

struct gzip_stream *gzip_stream_new(void)
{
    struct gzip_stream *stream = mem_zalloc(sizeof *stream);
    if (stream && !begin(&stream->zlib)) {
        mem_free(stream);
        return NULL;
    }
    return stream;
}

size_t gzip_stream_pack(struct gzip_stream *stream, struct span *plain, bool last, char *out,
                        size_t room)
{
    check(plain->len <= UINT32_MAX && room > 0 && room <= UINT32_MAX);
    set_input(&stream->zlib, *plain);
    stream->zlib.next_out = (Bytef *)out;
    stream->zlib.avail_out = (uInt)room;
    /* Z_BUF_ERROR: there was nothing to do. */
    int status = deflate(&stream->zlib, last ? Z_FINISH : Z_NO_FLUSH);
    check(status == Z_OK || status == Z_STREAM_END || status == Z_BUF_ERROR);
    size_t taken = plain->len - stream->zlib.avail_in;
    if (taken > 0)
        *plain = (struct span){plain->ptr + taken, plain->len - taken};
    return room - stream->zlib.avail_out;
}

void gzip_stream_free(struct gzip_stream **stream)
{
    if (!*stream)
        return;
    deflateEnd(&(*stream)->zlib);
    mem_free(*stream);
    *stream = NULL;
}
