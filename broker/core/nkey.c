/* nkeys: prefix byte, 32 bytes of key, CRC-16/XMODEM little endian, all in base32 (RFC 4648, no padding). The prefix
 * byte is chosen so that the first letter tells what the key is for: 13 << 3 gives N, a server. */
#include "broker/core/nkey.h"

#include <sodium.h>

enum { PREFIX_SERVER = 13 << 3, RAW_LEN = 1 + 32 + 2 };

static uint16_t crc16(const unsigned char *bytes, size_t len)
{
    uint16_t crc = 0;
    for (size_t i = 0; i < len; i++) {
        crc = (uint16_t)(crc ^ (bytes[i] << 8));
        for (int bit = 0; bit < 8; bit++)
            crc = (uint16_t)(crc & 0x8000 ? (crc << 1) ^ 0x1021 : crc << 1);
    }
    return crc;
}

void nkey_encode(unsigned char prefix, const unsigned char key[32], char out[NKEY_TEXT_LEN + 1])
{
    static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
    unsigned char raw[RAW_LEN];
    raw[0] = prefix;
    memcpy(raw + 1, key, 32);
    uint16_t crc = crc16(raw, 33);
    raw[33] = (unsigned char)(crc & 0xff);
    raw[34] = (unsigned char)(crc >> 8);
    for (size_t i = 0; i < NKEY_TEXT_LEN; i++) {
        size_t bit = i * 5, byte = bit / 8;
        unsigned pair = (unsigned)raw[byte] << 8 | (byte + 1 < RAW_LEN ? raw[byte + 1] : 0);
        out[i] = alphabet[pair >> (11 - bit % 8) & 31];
    }
    out[NKEY_TEXT_LEN] = '\0';
}

void nkey_new_server(char out[NKEY_TEXT_LEN + 1], unsigned char *secret)
{
    unsigned char public_key[crypto_sign_PUBLICKEYBYTES], private_key[crypto_sign_SECRETKEYBYTES];
    crypto_sign_keypair(public_key, private_key);
    nkey_encode(PREFIX_SERVER, public_key, out);
    if (secret)
        memcpy(secret, private_key, sizeof private_key);
    sodium_memzero(private_key, sizeof private_key);
}
