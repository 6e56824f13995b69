/* /subsz: statistics of all subscription lists, and on request a page of the subscriptions.
 *
 * How many there are is known after the walk but written before the list, so the list is written
 * aside first. (nats-server before 2.12 cut a document that lists nothing down to the statistics.) */
#include "monitor/subsz.h"

#include "broker/base/err.h"
#include "monitor/request.h"
#include "monitor/subscription_json.h"

enum { ERROR_BYTES_MAX = 64 << 10 };

struct page {
    struct json_writer list;
    bool any;
};

static void write_one(void *context, const struct inspect_subscription *subscription)
{
    struct page *page = context;
    page->any = true;
    subscription_json_write(&page->list, subscription, true);
}

static const char *given(const char *text)
{
    return text && *text ? text : NULL;
}

int subsz_write(const struct subsz_options *options, struct json_writer *json,
                struct text_buffer *error)
{
    const char *account = given(options->account), *test = given(options->test);
    if (test && !inspect_subject_is_literal(test)) {
        text_buffer_printf(error, "invalid test subject, must be valid publish subject: %s", test);
        return ERR_INVALID;
    }
    uint64_t offset, limit, total = 0;
    request_clamp_page(options->offset, options->limit, &offset, &limit);
    struct inspect_server server;
    inspect_server(&server);
    struct inspect_subscriptions statistics;
    inspect_subscription_statistics(account, &statistics);

    json_write_object(json, NULL);
    struct text_buffer elements;
    text_buffer_init(&elements, REQUEST_ANSWER_BYTES_MAX);
    struct page page = {0};
    json_write_nest_array(&page.list, json, &elements);
    if (options->list)
        total = inspect_subscriptions_list(account, test, offset, limit, write_one, &page);
    request_json_identity(json, server.server_id, server.now_wall_ns);
    subscription_json_statistics(json, &statistics);
    json_write_unsigned(json, "total", total);
    json_write_unsigned(json, "offset", offset);
    json_write_unsigned(json, "limit", limit);
    if (page.any)
        json_write_raw_array(json, "subscriptions_list", &elements);
    text_buffer_fini(&elements);
    json_write_end(json);
    return 0;
}

void subsz_answer(struct request *request)
{
    struct subsz_options options = {.account = request_text(request, "acc"),
                                    .test = request_text(request, "test")};
    if (!request_bool(request, "subs", &options.list) ||
        !request_int(request, "offset", &options.offset) ||
        !request_int(request, "limit", &options.limit))
        return;
    struct text_buffer error;
    text_buffer_init(&error, ERROR_BYTES_MAX);
    int status = subsz_write(&options, request_json(request, 2), &error);
    if (status == 0)
        request_json_end(request);
    else
        request_refuse(request, status, &error);
    text_buffer_fini(&error);
}
