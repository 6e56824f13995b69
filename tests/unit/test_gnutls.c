/* libmicrohttpd as the broker has it: plain HTTP loads no GnuTLS, and with it loaded HTTPS is served. The client is
 * `openssl s_client`, which shares no code with the server. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <microhttpd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "monitor/gnutls.h"

enum { TEXT_MAX = 16 << 10 };

static char folder[] = "/tmp/test-gnutls-XXXXXX";

/* What a command writes to its standard output. */
static void run(const char *command, char *text)
{
    FILE *pipe = popen(command, "r");
    assert_non_null(pipe);
    size_t len = fread(text, 1, TEXT_MAX - 1, pipe);
    text[len] = '\0';
    assert_true(len < TEXT_MAX - 1);
    assert_int_equal(pclose(pipe), 0);
}

static bool has_gnutls(void)
{
    char line[TEXT_MAX];
    bool found = false;
    FILE *maps = fopen("/proc/self/maps", "r");
    assert_non_null(maps);
    while (fgets(line, sizeof line, maps))
        found |= strstr(line, "libgnutls") != NULL;
    fclose(maps);
    return found;
}

static enum MHD_Result answer(void *context, struct MHD_Connection *connection, const char *url,
                              const char *method, const char *version, const char *upload, size_t *upload_size,
                              void **slot)
{
    static char text[] = "seen through\n";
    (void)context, (void)url, (void)method, (void)version, (void)upload, (void)upload_size, (void)slot;
    struct MHD_Response *response = MHD_create_response_from_buffer(sizeof text - 1, text, MHD_RESPMEM_PERSISTENT);
    enum MHD_Result result = MHD_queue_response(connection, 200, response);
    MHD_destroy_response(response);
    return result;
}

static int port_of(struct MHD_Daemon *daemon)
{
    return MHD_get_daemon_info(daemon, MHD_DAEMON_INFO_BIND_PORT)->port;
}

static void test_plain_http_loads_nothing(void **state)
{
    (void)state;
    char command[256], text[TEXT_MAX];
    struct MHD_Daemon *daemon =
        MHD_start_daemon(MHD_USE_POLL_INTERNAL_THREAD, 0, NULL, NULL, answer, NULL, MHD_OPTION_END);
    assert_non_null(daemon);
    snprintf(command, sizeof command,
             "bash -c 'exec 3<>/dev/tcp/127.0.0.1/%d; printf \"GET / HTTP/1.0\\r\\n\\r\\n\" >&3; cat <&3'", port_of(daemon));
    run(command, text);
    assert_non_null(strstr(text, "200 OK"));
    assert_non_null(strstr(text, "seen through"));
    MHD_stop_daemon(daemon);
    assert_false(has_gnutls());
}

static void test_https_is_served(void **state)
{
    (void)state;
    char command[512], key[TEXT_MAX], certificate[TEXT_MAX], text[TEXT_MAX], error[256];
    assert_int_equal(gnutls_load(error, sizeof error), 0);
    assert_int_equal(gnutls_load(error, sizeof error), 0);
    assert_true(has_gnutls());
    snprintf(command, sizeof command,
             "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -subj /CN=test -days 2 "
             "-keyout %s/key -out %s/certificate 2>/dev/null && cat %s/key",
             folder, folder, folder);
    run(command, key);
    snprintf(command, sizeof command, "cat %s/certificate", folder);
    run(command, certificate);
    struct MHD_Daemon *daemon =
        MHD_start_daemon(MHD_USE_POLL_INTERNAL_THREAD | MHD_USE_TLS, 0, NULL, NULL, answer, NULL,
                         MHD_OPTION_HTTPS_MEM_KEY, key, MHD_OPTION_HTTPS_MEM_CERT, certificate, MHD_OPTION_END);
    assert_non_null(daemon);
    snprintf(command, sizeof command,
             "printf 'GET / HTTP/1.0\\r\\n\\r\\n' | openssl s_client -quiet -verify_return_error -CAfile %s/certificate "
             "-connect 127.0.0.1:%d 2>/dev/null",
             folder, port_of(daemon));
    run(command, text);
    assert_non_null(strstr(text, "200 OK"));
    assert_non_null(strstr(text, "seen through"));
    MHD_stop_daemon(daemon);
}

static int make_folder(void **state)
{
    (void)state;
    return mkdtemp(folder) ? 0 : -1;
}

static int remove_folder(void **state)
{
    (void)state;
    char path[sizeof folder + 16];
    static const char *const names[] = {"key", "certificate"};
    for (size_t i = 0; i < array_length(names); i++) {
        snprintf(path, sizeof path, "%s/%s", folder, names[i]);
        unlink(path);
    }
    return rmdir(folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_plain_http_loads_nothing), /* first: what is loaded stays */
        cmocka_unit_test(test_https_is_served),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
