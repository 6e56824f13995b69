/* Printing messages.
 *
 * What comes over the wire was written by strangers, and a terminal obeys escape sequences: the
 * form for people shows control characters as \xNN. --raw changes nothing. JSON carries a payload
 * as "data" if it is UTF-8 and as "data_base64" if not, and headers as lists, since a name may
 * occur twice. */
#include "client/output.h"

#include "broker/base/mem.h"
#include "client/interrupt.h"
#include "client/say.h"
#include "client/verbs.h"

#include <errno.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdlib.h>

void output_flush(void)
{
    if (fflush(stdout) == 0 && !ferror(stdout))
        return;
    if (errno != EPIPE && !interrupt_stopped())
        say_line("cannot write to stdout: %s", strerror(errno));
    interrupt_stop(EXIT_STATUS_FAILED);
}

const char *output_header(natsMsg *message, const char *name)
{
    const char *value = NULL;
    return natsMsgHeader_Get(message, name, &value) == NATS_OK ? value : NULL;
}

/* --- headers
 * ------------------------------------------------------------------------------------------ */

static int compare_names(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* The library keeps headers in a hash: sorting gives them an order. The array is the caller's to
 * release, by free because the library allocated it. */
static int sorted_names(natsMsg *message, const char ***names)
{
    int count = 0;
    *names = NULL;
    if (natsMsgHeader_Keys(message, names, &count) != NATS_OK)
        return 0;
    qsort(*names, (size_t)count, sizeof **names, compare_names);
    return count;
}

/* Escapes C0 controls, DEL, and the C1 controls in their UTF-8 form (0xc2 and 0x80 to 0x9f). */
static void print_safe(struct span text)
{
    for (size_t i = 0; i < text.len; i++) {
        unsigned char c = (unsigned char)text.ptr[i];
        unsigned char next = i + 1 < text.len ? (unsigned char)text.ptr[i + 1] : 0;
        bool c1 = c == 0xc2 && next >= 0x80 && next <= 0x9f;
        if ((c < ' ' && c != '\n' && c != '\t') || c == 0x7f || c1)
            printf("\\x%02x", c);
        else
            putchar(c);
    }
}

static void print_headers(natsMsg *message)
{
    const char **names;
    int count = sorted_names(message, &names);
    for (int i = 0; i < count; i++) {
        const char **values = NULL;
        int value_count = 0;
        if (natsMsgHeader_Values(message, names[i], &values, &value_count) != NATS_OK)
            continue;
        for (int v = 0; v < value_count; v++) {
            print_safe(span_of(names[i]));
            fputs(": ", stdout);
            print_safe(span_of(values[v]));
            putchar('\n');
        }
        free((void *)values);
    }
    free((void *)names);
}

static json_t *text_to_json(const char *text)
{
    json_t *value = json_string(text);
    return value ? value : json_string("");
}

static json_t *headers_to_json(natsMsg *message)
{
    const char **names;
    int count = sorted_names(message, &names);
    json_t *headers = count > 0 ? json_object() : NULL;
    for (int i = 0; i < count; i++) {
        const char **values = NULL;
        int value_count = 0;
        if (natsMsgHeader_Values(message, names[i], &values, &value_count) != NATS_OK)
            continue;
        json_t *list = json_array();
        for (int v = 0; v < value_count; v++)
            json_array_append_new(list, text_to_json(values[v]));
        json_object_set_new(headers, names[i], list);
        free((void *)values);
    }
    free((void *)names);
    return headers;
}

/* --- the three forms
 * ---------------------------------------------------------------------------------- */

static json_t *base64_to_json(struct span data)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    const unsigned char *bytes = (const unsigned char *)data.ptr;
    char *text = mem_alloc((data.len + 2) / 3 * 4 + 1);
    if (!text)
        return NULL;
    size_t out = 0;
    for (size_t i = 0; i < data.len; i += 3) {
        size_t left = data.len - i;
        uint32_t group = (uint32_t)bytes[i] << 16 | (left > 1 ? (uint32_t)bytes[i + 1] << 8 : 0) |
                         (left > 2 ? bytes[i + 2] : 0);
        text[out++] = digits[group >> 18];
        text[out++] = digits[group >> 12 & 63];
        text[out++] = left > 1 ? digits[group >> 6 & 63] : '=';
        text[out++] = left > 2 ? digits[group & 63] : '=';
    }
    json_t *value = json_stringn(text, out);
    mem_free(text);
    return value;
}

static void print_json(natsMsg *message, struct span data, uint64_t number, int64_t latency_ns)
{
    json_t *document = json_object();
    json_object_set_new(document, "number", json_integer((json_int_t)number));
    json_object_set_new(document, "subject", text_to_json(natsMsg_GetSubject(message)));
    if (natsMsg_GetReply(message))
        json_object_set_new(document, "reply", text_to_json(natsMsg_GetReply(message)));
    json_t *headers = headers_to_json(message);
    if (headers)
        json_object_set_new(document, "headers", headers);
    json_object_set_new(document, "size", json_integer((json_int_t)data.len));
    json_t *text = json_stringn(data.ptr, data.len);
    if (text)
        json_object_set_new(document, "data", text);
    else
        json_object_set_new(document, "data_base64", base64_to_json(data));
    if (latency_ns >= 0)
        json_object_set_new(document, "latency_us", json_real((double)latency_ns / 1e3));
    json_dumpf(document, stdout, JSON_COMPACT | JSON_REAL_PRECISION(12));
    putchar('\n');
    json_decref(document);
}

static void print_for_people(natsMsg *message, struct span data, uint64_t number,
                             int64_t latency_ns)
{
    char time[CLOCK_TEXT_MAX];
    printf("#%" PRIu64 " ", number);
    print_safe(span_of(natsMsg_GetSubject(message)));
    printf(", %zu bytes", data.len);
    if (latency_ns >= 0)
        printf(", in %s", clock_rtt(latency_ns, time));
    if (natsMsg_GetReply(message)) {
        fputs(", reply to ", stdout);
        print_safe(span_of(natsMsg_GetReply(message)));
    }
    putchar('\n');
    print_headers(message);
    print_safe(data);
    putchar('\n');
}

void output_message(const struct options *options, natsMsg *message, uint64_t number,
                    int64_t latency_ns)
{
    const char *bytes = natsMsg_GetData(message);
    struct span data = {bytes ? bytes : "", (size_t)natsMsg_GetDataLength(message)};
    if (options->json) {
        print_json(message, data, number, latency_ns);
    } else if (options->raw) {
        fwrite(data.ptr, 1, data.len, stdout);
        putchar('\n');
    } else {
        print_for_people(message, data, number, latency_ns);
    }
    output_flush();
}
