/* The public key of an nkey seed file, which libnats wants beside the seed. Any thread; seed bytes
 * are wiped. */
#ifndef CLIENT_NKEY_H
#define CLIENT_NKEY_H

#include "broker/base/base.h"

enum { NKEY_TEXT_LEN = 56 };

/* Reads the first user seed (SU...) in the file. Says what is wrong and returns -1 on failure. */
MUST_CHECK int nkey_public_of_file(const char *path, char public_text[NKEY_TEXT_LEN + 1]);

#endif
