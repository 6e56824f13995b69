/* An nkey is base32 text over: prefix, 32 bytes, CRC-16/XMODEM (low byte first). A seed's prefix is
 * two bytes that hold two 5-bit codes, "seed" (18) and the role, of which only "user" (20) can log
 * in. The public key is the ed25519 key of those 32 bytes under the role's one-byte prefix. */
#include "client/nkey.h"

#include "client/say.h"

#include <errno.h>
#include <sodium.h>
#include <stdio.h>

enum {
    PREFIX_SEED = 18 << 3,
    PREFIX_USER = 20 << 3,
    SEED_BYTES = 2 + 32 + 2,
    SEED_TEXT_LEN = 58,
    PUBLIC_BYTES = 1 + 32 + 2,
    FILE_BYTES_MAX = 8192,
};

static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";

static uint16_t crc16(const uint8_t *bytes, size_t len)
{
    uint16_t crc = 0;
    for (size_t i = 0; i < len; i++) {
        crc ^= (uint16_t)(bytes[i] << 8);
        for (int bit = 0; bit < 8; bit++)
            crc = (uint16_t)(crc & 0x8000 ? (crc << 1) ^ 0x1021 : crc << 1);
    }
    return crc;
}

static bool decode_seed(const char *text, uint8_t bytes[SEED_BYTES])
{
    uint32_t bits = 0;
    int held = 0;
    size_t out = 0;
    for (size_t i = 0; i < SEED_TEXT_LEN; i++) {
        const char *found = memchr(alphabet, text[i], 32);
        if (!found)
            return false;
        bits = bits << 5 | (uint32_t)(found - alphabet);
        held += 5;
        if (held >= 8) {
            held -= 8;
            bytes[out++] = (uint8_t)(bits >> held);
        }
    }
    uint16_t crc = crc16(bytes, SEED_BYTES - 2);
    return bytes[34] == (crc & 0xff) && bytes[35] == crc >> 8 && (bytes[0] & 0xf8) == PREFIX_SEED &&
           (((bytes[0] & 7) << 5) | ((bytes[1] & 0xf8) >> 3)) == PREFIX_USER;
}

static void encode_public(const uint8_t key[32], char text[NKEY_TEXT_LEN + 1])
{
    uint8_t bytes[PUBLIC_BYTES] = {PREFIX_USER};
    memcpy(bytes + 1, key, 32);
    uint16_t crc = crc16(bytes, PUBLIC_BYTES - 2);
    bytes[33] = (uint8_t)(crc & 0xff);
    bytes[34] = (uint8_t)(crc >> 8);
    uint32_t bits = 0;
    int held = 0;
    size_t out = 0;
    for (size_t i = 0; i < PUBLIC_BYTES; i++) {
        bits = bits << 8 | bytes[i];
        for (held += 8; held >= 5; held -= 5)
            text[out++] = alphabet[(bits >> (held - 5)) & 31];
    }
    text[out] = '\0';
}

/* The seed may stand alone or inside a credentials file. */
static bool find_seed(const char *text, uint8_t bytes[SEED_BYTES])
{
    for (const char *at = text; (at = strstr(at, "SU")) != NULL; at++) {
        if (strlen(at) >= SEED_TEXT_LEN && decode_seed(at, bytes))
            return true;
    }
    return false;
}

int nkey_public_of_file(const char *path, char public_text[NKEY_TEXT_LEN + 1])
{
    FILE *file = fopen(path, "re");
    if (!file) {
        say_line("--nkey %s: %s", path, strerror(errno));
        return -1;
    }
    char text[FILE_BYTES_MAX];
    size_t len = fread(text, 1, sizeof text - 1, file);
    fclose(file);
    text[len] = '\0';
    uint8_t seed[SEED_BYTES], key[32], secret[64];
    int result = -1;
    if (sodium_init() >= 0 && find_seed(text, seed)) {
        crypto_sign_seed_keypair(key, secret, seed + 2);
        encode_public(key, public_text);
        result = 0;
    } else {
        say_line(
            "--nkey %s: there is no user seed in it (58 letters and digits that begin with SU)",
            path);
    }
    sodium_memzero(text, sizeof text);
    sodium_memzero(seed, sizeof seed);
    sodium_memzero(secret, sizeof secret);
    return result;
}
