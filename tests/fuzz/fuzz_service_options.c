/* The body of a request to a system service: any bytes, for each service. What was refused says why; what was accepted is JSON to
 * another reader too, and its texts end. */
#include "tests/fuzz/fuzz.h"

#include <jansson.h>
#include <string.h>

#include "broker/base/err.h"
#include "monitor/go_json.h"
#include "monitor/service_options.h"

/* jansson refuses what Go takes (numbers out of range, bytes that are no UTF-8), so only one direction holds; and it steps over
 * a zero byte behind a number. */
static void is_json(const char *body, size_t len)
{
    json_error_t why;
    if (memchr(body, '\0', len))
        return;
    json_t *value = json_loadb(body, len, JSON_DECODE_ANY | JSON_ALLOW_NUL, &why);
    if (!value)
        return;
    json_decref(value);
    struct text_buffer error;
    text_buffer_init(&error, 1 << 16);
    check(go_json_check((struct span){body, len}, &error));
    text_buffer_fini(&error);
}

static void read_for(enum system_what what, struct span body)
{
    struct service_options options;
    struct text_buffer error;
    text_buffer_init(&error, 1 << 16);
    int status = service_options_read(what, body, &options, &error);
    check(status == 0 || status == ERR_INVALID);
    check((status == ERR_INVALID) == (error.len > 0));
    const char *texts[] = {options.account, options.subject, options.filter.server_name,
                           options.connz.user, options.subsz.account, options.healthz.account};
    for (size_t i = 0; status == 0 && i < array_length(texts); i++)
        check(!texts[i] || strlen(texts[i]) <= 3 * body.len);
    for (size_t i = 0; status == 0 && i < options.accounts.count; i++)
        check(strlen(options.accounts.all[i]) <= 3 * body.len);
    service_options_fini(&options);
    text_buffer_fini(&error);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
    const char *body = (const char *)bytes;
    if (len > 0)
        is_json(body, len);
    for (int what = 0; what < SYSTEM_WHATS; what++)
        read_for((enum system_what)what, (struct span){body, len});
    return 0;
}
