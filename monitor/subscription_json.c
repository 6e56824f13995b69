/* The parts that several documents share about subscriptions; `sid` is a string, because the client
 * chose it. */
#include "monitor/subscription_json.h"

#include "monitor/value_json.h"

void subscription_json_write(struct json_writer *json,
                             const struct inspect_subscription *subscription, bool with_account)
{
    json_write_object(json, NULL);
    if (with_account) {
        json_write_text_if(json, "account", subscription->account);
        json_write_text_if(json, "account_tag", subscription->account);
    }
    json_write_span(json, "subject", subscription->subject);
    if (subscription->queue.len > 0)
        json_write_span(json, "qgroup", subscription->queue);
    json_write_span(json, "sid", subscription->sid);
    json_write_unsigned(json, "msgs", subscription->msgs);
    if (subscription->max > 0)
        json_write_unsigned(json, "max", subscription->max);
    json_write_unsigned(json, "cid", subscription->cid);
    json_write_end(json);
}

void subscription_json_statistics(struct json_writer *json,
                                  const struct inspect_subscriptions *statistics)
{
    for (enum metric_id id = 0; id < METRIC_COUNT; id++)
        if (metric_descriptors[id].source == METRIC_SOURCE_SUBS && metric_descriptors[id].key)
            value_json_write(json, id, values_subscriptions(statistics, id));
}
