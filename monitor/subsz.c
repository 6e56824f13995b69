/* /subsz: statistics of all subscription lists, and on request a page of the subscriptions.
 *
 * As in nats-server 2.9, a document that lists nothing is only the eight statistics fields. How
 * many there are is known after the walk but written before the list, so the list is written aside
 * first. */
#include "monitor/request.h"
#include "monitor/subscription_json.h"

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

static void answer(struct request *request, bool list, uint64_t offset, uint64_t limit)
{
    const char *account = request_text(request, "acc"), *test = request_text(request, "test");
    account = *account ? account : NULL;
    struct inspect_server server;
    inspect_server(&server);
    struct inspect_subscriptions statistics;
    inspect_subscription_statistics(account, &statistics);

    struct json_writer *json = request_json(request, 2);
    json_write_object(json, NULL);
    struct text_buffer elements;
    text_buffer_init(&elements, REQUEST_ANSWER_BYTES_MAX);
    struct page page = {0};
    json_write_nest_array(&page.list, json, &elements);
    uint64_t total = 0;
    if (list)
        total = inspect_subscriptions_list(account, *test ? test : NULL, offset, limit, write_one,
                                           &page);
    if (page.any)
        request_json_identity(json, server.server_id, server.now_wall_ns);
    subscription_json_statistics(json, &statistics);
    if (page.any) {
        json_write_unsigned(json, "total", total);
        json_write_unsigned(json, "offset", offset);
        json_write_unsigned(json, "limit", limit);
        json_write_raw_array(json, "subscriptions_list", &elements);
    }
    text_buffer_fini(&elements);
    json_write_end(json);
    request_json_end(request);
}

void subsz_answer(struct request *request)
{
    bool list;
    uint64_t offset, limit;
    if (!request_bool(request, "subs", &list) || !request_page(request, &offset, &limit))
        return;
    const char *test = request_text(request, "test");
    if (*test && !inspect_subject_is_literal(test)) {
        request_error(request, 400, "invalid test subject, must be valid publish subject: %s",
                      test);
        return;
    }
    answer(request, list, offset, limit);
}
