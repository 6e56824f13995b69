/* Payloads. Loaded once, before connecting, so that a missing file costs no connection. {{count}}
 * is the only thing ever replaced; a payload without it is sent as it is, byte for byte. */
#include "client/payload.h"

#include "broker/base/mem.h"
#include "client/input.h"
#include "client/say.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <unistd.h>

static const struct span count_word = {"{{count}}", 9};

static int read_all(struct payload *payload, int fd, const char *name)
{
    struct input input;
    input_init(&input, fd, name);
    int result = input_all(&input, &payload->owned, &payload->data.len);
    input_fini(&input);
    return result;
}

static int load_file(struct payload *payload, const char *path)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        say_line("--file %s: %s", path, strerror(errno));
        return -1;
    }
    int result = read_all(payload, fd, path);
    close(fd);
    return result;
}

int payload_load(struct payload *payload, const struct options *options)
{
    const char *text = options->arguments.count > 1 ? options->arguments.items[1] : NULL;
    memset(payload, 0, sizeof *payload);
    int result = 0;
    if (text && options->file) {
        say_line("--file and a payload argument exclude each other: give one");
        return -1;
    }
    if (options->file) {
        result = load_file(payload, options->file);
    } else if (text && strcmp(text, "-") == 0) {
        result = read_all(payload, STDIN_FILENO, "stdin");
    } else if (text) {
        payload->data = span_of(text);
    }
    if (payload->owned)
        payload->data.ptr = payload->owned;
    if (result == 0 && payload->data.len > 0)
        payload->counts =
            memmem(payload->data.ptr, payload->data.len, count_word.ptr, count_word.len) != NULL;
    return result;
}

void payload_fini(struct payload *payload)
{
    mem_free(payload->owned);
    memset(payload, 0, sizeof *payload);
}

/* --- headers
 * ------------------------------------------------------------------------------------------ */

static int check_header(const char *header)
{
    const char *colon = strchr(header, ':');
    bool good = colon && colon != header;
    for (const char *at = header; good && at < colon; at++)
        good = *at > ' ' && *at < 0x7f;
    if (!good) {
        say_line("--header \"%s\": write 'Name: value', the name without spaces", header);
        return -1;
    }
    if (strpbrk(colon, "\r\n")) {
        say_line("--header %.*s: the value has a line break, which a header cannot hold",
                 (int)(colon - header), header);
        return -1;
    }
    return 0;
}

int payload_check_headers(const struct options *options)
{
    for (size_t i = 0; i < options->header.count; i++) {
        if (check_header(options->header.items[i]) != 0)
            return -1;
    }
    return 0;
}

static natsStatus add_header(natsMsg *message, const char *header)
{
    const char *colon = strchr(header, ':');
    char *name = mem_copy_string((struct span){header, (size_t)(colon - header)});
    if (!name)
        return NATS_NO_MEMORY;
    natsStatus status = natsMsgHeader_Add(message, name, colon + 1 + strspn(colon + 1, " \t"));
    mem_free(name);
    return status;
}

/* --- messages
 * ----------------------------------------------------------------------------------------- */

/* The payload with {{count}} replaced; NULL when out of memory. */
static char *expand(const struct payload *payload, uint64_t count, size_t *len)
{
    char digits[24];
    size_t digits_len = (size_t)snprintf(digits, sizeof digits, "%" PRIu64, count);
    /* A number longer than the nine letters it replaces makes the text grow. */
    size_t growth = digits_len > count_word.len ? digits_len - count_word.len : 0;
    char *out = mem_alloc(payload->data.len + (payload->data.len / count_word.len) * growth + 1);
    if (!out)
        return NULL;
    const char *at = payload->data.ptr, *end = payload->data.ptr + payload->data.len;
    size_t used = 0;
    while (at < end) {
        const char *word = memmem(at, (size_t)(end - at), count_word.ptr, count_word.len);
        size_t plain = (size_t)((word ? word : end) - at);
        memcpy(out + used, at, plain);
        used += plain;
        at += plain;
        if (word) {
            memcpy(out + used, digits, digits_len);
            used += digits_len;
            at += count_word.len;
        }
    }
    *len = used;
    return out;
}

natsStatus payload_message(natsMsg **message, const struct payload *payload,
                           const struct options_list *headers, const char *subject,
                           const char *reply, uint64_t count)
{
    char *expanded = NULL;
    size_t len = payload->data.len;
    if (payload->counts) {
        expanded = expand(payload, count, &len);
        if (!expanded)
            return NATS_NO_MEMORY;
    }
    natsMsg *made = NULL;
    natsStatus status =
        natsMsg_Create(&made, subject, reply, expanded ? expanded : payload->data.ptr, (int)len);
    for (size_t i = 0; status == NATS_OK && i < headers->count; i++)
        status = add_header(made, headers->items[i]);
    mem_free(expanded);
    if (status != NATS_OK) {
        natsMsg_Destroy(made);
        return status;
    }
    *message = made;
    return NATS_OK;
}
