/* Debian's static libmicrohttpd, linked into the broker, leaves GnuTLS's functions undefined. They are defined here, under
 * their own names, and pass on to the library that gnutls_load has opened; certificate.c goes the same way:
 *
 *     libmicrohttpd.a -> gnutls_handshake (here) -> library.handshake -> libgnutls.so.30
 *
 * Linked at build time, GnuTLS and what it needs in turn are mapped and relocated at each start, half of its time and of
 * an idle broker's memory, for encryption that a plain port has no use for.
 *
 * Invariants: either all of gnutls.def is resolved or nothing is. A call before gnutls_load is our own mistake. The file
 * is compiled with hidden visibility, so that no other library can take these functions for GnuTLS's. */
#include "monitor/gnutls.h"

#include <dlfcn.h>
#include <gnutls/abstract.h>
#include <gnutls/gnutls.h>
#include <gnutls/x509.h>
#include <stdio.h>

#include "broker/base/err.h"

/* The same since GnuTLS 3.4. */
#define GNUTLS_FILE "libgnutls.so.30"

struct library {
#define GNUTLS_CALL(type, name, takes, passes) type(*name) takes;
#define GNUTLS_ORDER(name, takes, passes)      void(*name) takes;
#include "monitor/gnutls.def"
#undef GNUTLS_CALL
#undef GNUTLS_ORDER
};

static struct library library;
static bool loaded;

static const struct {
    const char *name;
    size_t offset;
} functions[] = {
#define GNUTLS_CALL(type, name, takes, passes) {"gnutls_" #name, offsetof(struct library, name)},
#define GNUTLS_ORDER(name, takes, passes)      {"gnutls_" #name, offsetof(struct library, name)},
#include "monitor/gnutls.def"
#undef GNUTLS_CALL
#undef GNUTLS_ORDER
};

#define GNUTLS_CALL(type, name, takes, passes)                                                     \
    type gnutls_##name takes                                                                       \
    {                                                                                              \
        check(loaded);                                                                             \
        return library.name passes;                                                                \
    }
#define GNUTLS_ORDER(name, takes, passes)                                                          \
    void gnutls_##name takes                                                                       \
    {                                                                                              \
        check(loaded);                                                                             \
        library.name passes;                                                                       \
    }
#include "monitor/gnutls.def"
#undef GNUTLS_CALL
#undef GNUTLS_ORDER

/* The one variable of GnuTLS that libmicrohttpd uses. */
gnutls_alloc_function gnutls_malloc;

/* libmicrohttpd calls these two whether it will encrypt or not; GnuTLS does their work itself when it is opened and
 * when the process ends. */
int gnutls_global_init(void)
{
    return GNUTLS_E_SUCCESS;
}

void gnutls_global_deinit(void)
{
}

COLD static int cannot_load(char *error, size_t error_size)
{
    snprintf(error, error_size, "TLS needs GnuTLS 3 (Debian's libgnutls30): %s", dlerror());
    return ERR_MISSING;
}

int gnutls_load(char *error, size_t error_size)
{
    if (loaded)
        return 0;
    void *file = dlopen(GNUTLS_FILE, RTLD_NOW | RTLD_LOCAL);
    if (!file)
        return cannot_load(error, error_size);
    struct library found;
    for (size_t i = 0; i < array_length(functions); i++) {
        void *function = dlsym(file, functions[i].name);
        if (!function)
            return cannot_load(error, error_size);
        memcpy((char *)&found + functions[i].offset, &function, sizeof function);
    }
    const gnutls_alloc_function *allocate = dlsym(file, "gnutls_malloc");
    if (!allocate)
        return cannot_load(error, error_size);
    gnutls_malloc = *allocate;
    library = found;
    loaded = true;
    return 0;
}
