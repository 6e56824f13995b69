/* Keys in their text form: the alphabet, the checksum, the letter in front, known keys. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <sodium.h>

#include "broker/core/nkey.h"

enum { RAW_LEN = 35 };

static void decode(const char *text, unsigned char raw[RAW_LEN])
{
    static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
    unsigned buffer = 0, bits = 0;
    size_t len = 0;
    assert_int_equal(strlen(text), NKEY_TEXT_LEN);
    for (; *text; text++) {
        const char *place = strchr(alphabet, *text);
        assert_non_null(place);
        buffer = buffer << 5 | (unsigned)(place - alphabet);
        bits += 5;
        if (bits >= 8) {
            bits -= 8;
            raw[len++] = (unsigned char)(buffer >> bits);
        }
    }
    assert_int_equal(len, RAW_LEN);
}

/* CRC-16/XMODEM, by the definition: the remainder of a division, bit by bit. */
static unsigned checksum(const unsigned char *bytes, size_t len)
{
    unsigned crc = 0;
    for (size_t bit = 0; bit < len * 8 + 16; bit++) {
        unsigned next = bit < len * 8 ? bytes[bit / 8] >> (7 - bit % 8) & 1u : 0;
        unsigned out = crc >> 15 & 1u;
        crc = (crc << 1 | next) & 0xffffu;
        if (out)
            crc ^= 0x1021;
    }
    return crc;
}

static void checksum_of_the_test_itself(void **state)
{
    (void)state;
    assert_int_equal(checksum((const unsigned char *)"123456789", 9), 0x31c3);
}

static void server_keys(void **state)
{
    (void)state;
    char first[NKEY_TEXT_LEN + 1] = "";
    for (int i = 0; i < 20; i++) {
        char text[NKEY_TEXT_LEN + 1];
        unsigned char raw[RAW_LEN], secret[64], signature[64];
        nkey_new_server(text, secret);
        assert_int_equal(text[0], 'N');
        assert_string_not_equal(text, first);
        memcpy(first, text, sizeof first);
        decode(text, raw);
        assert_int_equal(raw[0], 13 << 3);
        assert_int_equal(raw[33] | raw[34] << 8, checksum(raw, 33));
        /* The private half belongs to the public one. */
        crypto_sign_detached(signature, NULL, (const unsigned char *)"nonce", 5, secret);
        assert_int_equal(crypto_sign_verify_detached(signature, (const unsigned char *)"nonce", 5, raw + 1), 0);
    }
    nkey_new_server(first, NULL);
}

static void prefixes(void **state)
{
    (void)state;
    static const struct {
        unsigned char prefix;
        char letter;
    } rows[] = {{20 << 3, 'U'}, {0, 'A'}, {2 << 3, 'C'}, {13 << 3, 'N'}, {14 << 3, 'O'}, {23 << 3, 'X'}};
    for (size_t i = 0; i < array_length(rows); i++) {
        unsigned char key[32], raw[RAW_LEN];
        char text[NKEY_TEXT_LEN + 1];
        memset(key, (int)(i * 37), sizeof key);
        nkey_encode(rows[i].prefix, key, text);
        assert_int_equal(text[0], rows[i].letter);
        decode(text, raw);
        assert_memory_equal(raw + 1, key, sizeof key);
        assert_int_equal(raw[33] | raw[34] << 8, checksum(raw, 33));
    }
}

/* Keys that others made: the texts from the documentation of nats.io and from the nkeys library's tests. */
static void known_keys(void **state)
{
    (void)state;
    static const char *const keys[] = {
        "UDXU4RCSJNZOIQHZNWXHXORDPRTGNJAHAHFRGZNEEJCPQTT2M7NLCNF4",
        "UCNGL4W5QX66CFX6A6DCBVDH5VOHMI7B2UZZU7TXAUQQSI2JPHULCKBR",
        "NDJWE4SOUJOJT2TY5Y2YQEOAHGAK5VIGXTGKWJSFHVCII4ITI3LBHBUV",
    };
    for (size_t i = 0; i < array_length(keys); i++) {
        unsigned char raw[RAW_LEN];
        char text[NKEY_TEXT_LEN + 1];
        decode(keys[i], raw);
        if ((raw[33] | (unsigned)raw[34] << 8) != checksum(raw, 33))
            fail_msg("the vector itself is wrong: %s", keys[i]);
        nkey_encode(raw[0], raw + 1, text);
        assert_string_equal(text, keys[i]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(checksum_of_the_test_itself),
        cmocka_unit_test(server_keys),
        cmocka_unit_test(prefixes),
        cmocka_unit_test(known_keys),
    };
    return sodium_init() < 0 ? 1 : cmocka_run_group_tests(tests, NULL, NULL);
}
