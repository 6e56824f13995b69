/* JSON from strangers: what jansson takes, the lenient reader takes too; and CONNECT and INFO end in an answer or a reason. */
#include "tests/fuzz/fuzz.h"

#include <stdlib.h>

#include "broker/core/lenient_json.h"
#include "tests/unit/core_harness.h"

static void read_both_ways(struct span text)
{
    json_t *strict = json_loadb(text.ptr, text.len, JSON_DECODE_ANY | JSON_ALLOW_NUL, NULL);
    json_t *lenient = NULL;
    int error = lenient_json_read(text, &lenient);
    check(!strict || error == 0);
    check(!strict || json_typeof(strict) == json_typeof(lenient) || json_is_number(strict));
    if (strict && !memchr(text.ptr, '.', text.len) && !memchr(text.ptr, 'e', text.len) &&
        !memchr(text.ptr, 'E', text.len) && text.len < 19)
        check(json_equal(strict, lenient));
    json_decref(strict);
    json_decref(lenient);
}

static void connect_with(struct span text, bool with_credentials)
{
    struct harness *harness = malloc(sizeof *harness);
    struct options options = harness_options();
    static char user[] = "ann", password[] = "pw";
    if (with_credentials) {
        options.username = user;
        options.password = password;
    }
    check(harness_open(harness, &options, 1) == 0);
    struct harness_client *client = harness_connect(harness, 0);
    harness_send(client, "CONNECT ");
    harness_feed(client, text.ptr, text.len);
    harness_send(client, "\r\nPING\r\n");
    harness_feed(client, "INFO ", 5);
    harness_feed(client, text.ptr, text.len);
    harness_send(client, "\r\nPING\r\n");
    bool answered = client->output && strstr(client->output, "PONG\r\n");
    check(answered || !client->session);
    check(client->session || client->reason != CLOSE_NONE);
    harness_close(harness);
    free(harness);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
    struct span text = {(const char *)bytes, len};
    read_both_ways(text);
    if (memchr(bytes, '\n', len))
        return 0;
    connect_with(text, false);
    connect_with(text, true);
    return 0;
}
