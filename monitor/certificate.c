/* libmicrohttpd says nothing but "no" to a certificate it cannot use, and says it late. So each file is read and parsed by itself
 * here, to tell which one is wrong and why, and then both are tried together as the server will use them. */
#include "monitor/certificate.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <gnutls/gnutls.h>
#include <gnutls/x509.h>
#include <stdio.h>
#include <unistd.h>

#include "broker/base/err.h"
#include "broker/base/mem.h"
#include "monitor/gnutls.h"

enum { FILE_BYTES_MAX = 1 << 20 };
/* nats-server's words. */
#define PROBLEM "error parsing X509 certificate/key pair: "

static int fill(int fd, char *text, size_t size, size_t *len)
{
    ssize_t got = 1;
    *len = 0;
    while (*len < size && got > 0) {
        got = read(fd, text + *len, size - *len);
        if (got < 0 && errno == EINTR)
            got = 1;
        else if (got > 0)
            *len += (size_t)got;
    }
    return got < 0 ? errno : *len == size ? EFBIG : 0;
}

/* The whole file with a final NUL, to be wiped with wipe. */
static int read_text(const char *path, char **out, char *error, size_t error_size)
{
    char *text = mem_zalloc(FILE_BYTES_MAX + 1);
    size_t len = 0;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    int problem = !text ? ENOMEM : fd < 0 ? errno : fill(fd, text, FILE_BYTES_MAX, &len);
    if (fd >= 0)
        close(fd);
    if (!problem)
        *out = mem_copy_string((struct span){text, len});
    if (text)
        explicit_bzero(text, len);
    mem_free(text);
    if (!problem && *out)
        return 0;
    const char *words = strerror(problem ? problem : ENOMEM);
    snprintf(error, error_size, PROBLEM "open %s: %c%s", path, tolower((unsigned char)words[0]),
             words + 1);
    return ERR_INVALID;
}

static gnutls_datum_t datum(const char *text)
{
    return (gnutls_datum_t){(unsigned char *)(uintptr_t)text, (unsigned)strlen(text)};
}

static int parse_chain(const char *text)
{
    gnutls_x509_crt_t parsed;
    gnutls_datum_t data = datum(text);
    int status = gnutls_x509_crt_init(&parsed);
    if (status != 0)
        return status;
    status = gnutls_x509_crt_import(parsed, &data, GNUTLS_X509_FMT_PEM);
    gnutls_x509_crt_deinit(parsed);
    return status;
}

static int parse_key(const char *text)
{
    gnutls_x509_privkey_t parsed;
    gnutls_datum_t data = datum(text);
    int status = gnutls_x509_privkey_init(&parsed);
    if (status != 0)
        return status;
    status = gnutls_x509_privkey_import2(parsed, &data, GNUTLS_X509_FMT_PEM, NULL, 0);
    gnutls_x509_privkey_deinit(parsed);
    return status;
}

static int try_both(const struct certificate *certificate)
{
    gnutls_certificate_credentials_t credentials;
    gnutls_datum_t chain = datum(certificate->chain), key = datum(certificate->key);
    int status = gnutls_certificate_allocate_credentials(&credentials);
    if (status != 0)
        return status;
    status = gnutls_certificate_set_x509_key_mem(credentials, &chain, &key, GNUTLS_X509_FMT_PEM);
    gnutls_certificate_free_credentials(credentials);
    return status < 0 ? status : 0;
}

static int refuse(const char *what, const char *path, int status, char *error, size_t error_size)
{
    snprintf(error, error_size, PROBLEM "%s %s: %s", what, path, gnutls_strerror(status));
    return ERR_INVALID;
}

/* 0, or ERR_INVALID with the error said. */
static int judge(const struct certificate *certificate, const char *cert_file, const char *key_file,
                 char *error, size_t error_size)
{
    int status = parse_chain(certificate->chain);
    if (status != 0)
        return refuse("no PEM certificate in", cert_file, status, error, error_size);
    status = parse_key(certificate->key);
    if (status != 0)
        return refuse("no PEM key without a password in", key_file, status, error, error_size);
    status = try_both(certificate);
    if (status != 0)
        return refuse("the key does not go with", cert_file, status, error, error_size);
    return 0;
}

int certificate_read(const char *cert_file, const char *key_file, struct certificate *out,
                     char *error, size_t error_size)
{
    struct certificate certificate = {0};
    int status = gnutls_load(error, error_size);
    if (status == 0)
        status = read_text(cert_file, &certificate.chain, error, error_size);
    if (status == 0)
        status = read_text(key_file, &certificate.key, error, error_size);
    if (status == 0)
        status = judge(&certificate, cert_file, key_file, error, error_size);
    if (status == 0)
        *out = certificate;
    else
        certificate_fini(&certificate);
    return status;
}

void certificate_fini(struct certificate *certificate)
{
    if (certificate->key)
        explicit_bzero(certificate->key, strlen(certificate->key));
    mem_free(certificate->key);
    mem_free(certificate->chain);
    *certificate = (struct certificate){0};
}
