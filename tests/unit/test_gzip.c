/* Who accepts packed answers, and that they unpack to what they were. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <zlib.h>

#include "broker/base/mem.h"
#include "monitor/gzip.h"

static void who_accepts(void **state)
{
    (void)state;
    static const char *const yes[] = {
        "gzip", "GZIP", "x-gzip", "gzip, deflate, br", "deflate,gzip", " gzip ;q=0.5", "gzip;q=1.000", "gzip; Q=0.001", "*",
        "*;q=0.1", "identity;q=0.5, gzip", "identity;q=0.5,gzip;q=0.5", "br;q=1.0, gzip;q=0.8, *;q=0.1", "gzip,identity;q=0",
        ",,gzip,,", "deflate;q=x, gzip", "\tgzip\t,",
    };
    static const char *const no[] = {
        "", "identity", "deflate", "gzip;q=0", "gzip;q=0.000", "*;q=0", "gzip;q=0, *", "gzip;q=0,*;q=1", "identity, gzip;q=0.9",
        "gzi", "gzipp", "g zip", "gzip;q=", "gzip;q=2", "gzip;q=-1", "gzip;q=0.0001", "gzip;q=1.5", "gzip;q=.5", "gzip;q=x",
        "gzip;level=1", "gzip;", ";q=1", "q=1", "gzip;q=1;q=1", ",", ";", "gzip;q=1 1",
    };
    assert_false(gzip_accepted(NULL));
    for (size_t i = 0; i < array_length(yes); i++)
        if (!gzip_accepted(yes[i]))
            fail_msg("should be accepted: %s", yes[i]);
    for (size_t i = 0; i < array_length(no); i++)
        if (gzip_accepted(no[i]))
            fail_msg("should not be accepted: %s", no[i]);
}

static void assert_unpacks(char *packed, size_t packed_len, const char *text, size_t len)
{
    z_stream stream = {.next_in = (unsigned char *)packed, .avail_in = (unsigned)packed_len};
    char *again = malloc(len + 1);
    assert_int_equal(inflateInit2(&stream, 15 + 16), Z_OK);
    stream.next_out = (unsigned char *)again;
    stream.avail_out = (unsigned)len + 1;
    assert_int_equal(inflate(&stream, Z_FINISH), Z_STREAM_END);
    assert_int_equal(stream.total_in, packed_len);
    assert_int_equal(stream.total_out, len);
    assert_memory_equal(again, text, len);
    inflateEnd(&stream);
    free(again);
}

static void pack(const char *text, size_t len)
{
    size_t packed_len;
    char *packed = gzip_pack((struct span){text, len}, &packed_len);
    assert_non_null(packed);
    assert_unpacks(packed, packed_len, text, len);
    mem_free(packed);
}

/* The same in pieces, into room bytes at a time. */
static void pack_pieces(const char *text, size_t len, size_t piece, size_t room)
{
    struct gzip_stream *stream = gzip_stream_new();
    char *packed = malloc(len + len / 100 + 4096);
    size_t packed_len = 0, given = 0;
    struct span rest = {text, 0};
    assert_non_null(stream);
    for (;;) {
        size_t written = gzip_stream_pack(stream, &rest, given == len, packed + packed_len, room);
        packed_len += written;
        if (written > 0)
            continue;
        assert_int_equal(rest.len, 0);
        if (given == len)
            break;
        rest = (struct span){text + given, min_size(piece, len - given)};
        given += rest.len;
    }
    assert_int_equal(gzip_stream_pack(stream, &rest, true, packed + packed_len, room), 0);
    gzip_stream_free(&stream);
    assert_null(stream);
    gzip_stream_free(&stream);
    assert_unpacks(packed, packed_len, text, len);
    free(packed);
}

static void what_comes_out_is_what_went_in(void **state)
{
    (void)state;
    size_t len = 3 << 20;
    char *text = malloc(len);
    uint32_t random = 1;
    for (size_t i = 0; i < len; i++) {
        random = random * 1664525 + 1013904223;
        text[i] = i < len / 2 ? "{\"cid\": 0123456789}"[i % 19] : (char)(random >> 24);
    }
    pack(text, len);
    pack(text + len / 2, len / 2);
    pack(text, 1);
    pack("", 0);
    pack_pieces(text, len, 64 << 10, 2048);
    pack_pieces(text, len, 1000, 16 << 10);
    pack_pieces(text, len, len, 100);
    pack_pieces(text, 5000, 1, 1);
    pack_pieces("", 0, 1, 64);
    free(text);
}

static void without_memory(void **state)
{
    (void)state;
    uint64_t live = mem_live_blocks();
    size_t len;
    mem_fail_at(1);
    assert_null(gzip_pack(SPAN_LITERAL("text"), &len));
    mem_fail_at(1);
    assert_null(gzip_stream_new());
    mem_fail_at(0);
    assert_int_equal(mem_live_blocks(), live);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(who_accepts),
        cmocka_unit_test(what_comes_out_is_what_went_in),
        cmocka_unit_test(without_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
