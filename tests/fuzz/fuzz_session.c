/* Hostile bytes into sessions. An input is a row of steps, each a control byte and its bytes:
 *
 *     [c lllll .s] [l bytes] ...    c: which client, l: how many bytes, s: settle afterwards
 *
 * First two clients on two workers take turns. Then the first one's bytes go, alone, to a session whole and to another in
 * the input's pieces: both must hear the same and end the same way. */
#include "tests/fuzz/fuzz.h"

#include <stdlib.h>

#include "broker/base/log.h"
#include "tests/unit/core_harness.h"

struct steps {
    const uint8_t *at, *end;
};

struct step {
    bool second, settle;
    const char *bytes;
    size_t len;
};

static bool next_step(struct steps *steps, struct step *step)
{
    if (steps->at == steps->end)
        return false;
    uint8_t control = *steps->at++;
    step->second = control & 1;
    step->settle = control & 2;
    step->bytes = (const char *)steps->at;
    step->len = min_size(control >> 2, (size_t)(steps->end - steps->at));
    steps->at += step->len;
    return true;
}

static struct harness *open_harness(const uint8_t *bytes, size_t len)
{
    static const struct log_settings silent = {.file = "/dev/null"};
    static bool log_is_open;
    if (!log_is_open)
        check(log_open(&silent) == 0);
    log_is_open = true;
    struct harness *harness = malloc(sizeof *harness);
    struct options options = harness_options();
    options.max_payload = 300;
    options.max_pending = 20000;
    options.max_subscriptions = len % 3 ? 0 : 5;
    options.max_subscription_tokens = len % 5 ? 0 : 4;
    static char token[] = "t";
    options.token = bytes[0] % 16 == 7 ? token : NULL;
    check(harness_open(harness, &options, 2) == 0);
    return harness;
}

static void close_harness(struct harness *harness)
{
    harness_close(harness);
    free(harness);
}

static void talk_in_turns(const uint8_t *bytes, size_t len)
{
    struct harness *harness = open_harness(bytes, len);
    struct harness_client *clients[] = {harness_connect(harness, 0), harness_connect(harness, 1)};
    struct steps steps = {bytes, bytes + len};
    struct step step;
    while (next_step(&steps, &step)) {
        harness_feed_room(clients[step.second], step.bytes, step.len);
        if (step.settle)
            harness_settle(harness);
    }
    harness_settle(harness);
    harness_hang_up(clients[len % 2]);
    harness_settle(harness);
    close_harness(harness);
}

/* What the first client hears; the caller frees it. */
static struct harness_client monologue(const uint8_t *bytes, size_t len, bool in_pieces)
{
    struct harness *harness = open_harness(bytes, len);
    struct harness_client *client = harness_connect(harness, 0);
    char *all = malloc(len);
    size_t all_len = 0;
    struct steps steps = {bytes, bytes + len};
    struct step step;
    while (next_step(&steps, &step)) {
        if (in_pieces)
            harness_feed_room(client, step.bytes, step.len);
        if (in_pieces && step.settle)
            harness_settle(harness);
        memcpy(all + all_len, step.bytes, step.len);
        all_len += step.len;
    }
    if (!in_pieces)
        harness_feed(client, all, all_len);
    harness_settle(harness);
    struct harness_client result = *client;
    result.output = harness_take(client);
    result.output_len = strlen(result.output);
    close_harness(harness);
    free(all);
    return result;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
    if (len == 0)
        return 0;
    talk_in_turns(bytes, len);
    struct harness_client whole = monologue(bytes, len, false), cut = monologue(bytes, len, true);
    /* How much is pending depends on when it is written, and a slow consumer is closed for it. */
    if (whole.reason != CLOSE_SLOW_PENDING) {
        check(whole.reason == cut.reason);
        check(strcmp(whole.output, cut.output) == 0);
    }
    free(whole.output);
    free(cut.output);
    return 0;
}
