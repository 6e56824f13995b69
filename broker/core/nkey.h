/* NATS keys: Ed25519 keys in the ecosystem's base32 form. Any thread, after sodium_init. */
#ifndef BROKER_CORE_NKEY_H
#define BROKER_CORE_NKEY_H

#include "broker/base/base.h"

enum { NKEY_TEXT_LEN = 56 };

/* A fresh server key pair; the public key's text (N..., 56 characters and NUL) goes to out. The private half, 64 bytes,
 * goes to secret if that is not NULL. */
void nkey_new_server(char out[NKEY_TEXT_LEN + 1], unsigned char *secret);
/* Encodes a 32-byte key with its prefix byte and CRC-16. */
void nkey_encode(unsigned char prefix, const unsigned char key[32], char out[NKEY_TEXT_LEN + 1]);

#endif
