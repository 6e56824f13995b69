/* One call of zlib over the whole text, into a block that is large enough for the worst case. The fastest level: what is packed
 * here has much repetition, and somebody waits for it. */
#include "monitor/gzip.h"

#include <zlib.h>

#include "broker/base/mem.h"

/* Of deflateInit2: the largest window, and gzip's header around it. */
enum { GZIP_WINDOW_BITS = 15 + 16, GZIP_MEMORY_LEVEL = 8 };

char *gzip_pack(struct span plain, size_t *out_len)
{
    z_stream stream = {0};
    if (plain.len > UINT32_MAX || deflateInit2(&stream, Z_BEST_SPEED, Z_DEFLATED, GZIP_WINDOW_BITS,
                                               GZIP_MEMORY_LEVEL, Z_DEFAULT_STRATEGY) != Z_OK)
        return NULL;
    size_t room = deflateBound(&stream, plain.len);
    unsigned char *out = room <= UINT32_MAX ? mem_alloc(room) : NULL;
    union {
        const char *text;
        Bytef *bytes;
    } in = {.text = plain.ptr}; /* zlib 1.2's next_in is not const */
    stream.next_in = in.bytes;
    stream.avail_in = (uInt)plain.len;
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
