/* GnuTLS, loaded by who needs it: libmicrohttpd links it for HTTPS, and a broker whose monitoring port speaks plain HTTP
 * would carry it and eight more libraries for nothing.
 *
 * gnutls_load is for the main thread, before it starts an HTTP server with MHD_USE_TLS; without that flag nothing of
 * GnuTLS is called. Once loaded it stays. */
#ifndef MONITOR_GNUTLS_H
#define MONITOR_GNUTLS_H

#include "broker/base/base.h"

/* Returns 0, or ERR_MISSING with one line for people in error. */
MUST_CHECK int gnutls_load(char *error, size_t error_size);

#endif
