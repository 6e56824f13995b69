/* The certificate and key that HTTPS is served with: two PEM files, read once and found good before a port is opened.
 *
 * Main thread; loads GnuTLS. The texts belong to the struct until certificate_fini, which wipes the key. */
#ifndef MONITOR_CERTIFICATE_H
#define MONITOR_CERTIFICATE_H

#include "broker/base/base.h"

struct certificate {
    char *chain; /* the server's certificate first */
    char *key;
};

/* Returns 0, or a negative ERR_* with one line for people in error, which names the file. */
MUST_CHECK int certificate_read(const char *cert_file, const char *key_file,
                                struct certificate *out, char *error, size_t error_size);
void certificate_fini(struct certificate *certificate);

#endif
