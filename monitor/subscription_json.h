/* One subscription as JSON, as /connz and /subsz write it. Monitor threads. */
#ifndef MONITOR_SUBSCRIPTION_JSON_H
#define MONITOR_SUBSCRIPTION_JSON_H

#include "broker/inspect.h"
#include "monitor/json_write.h"

void subscription_json_write(struct json_writer *json,
                             const struct inspect_subscription *subscription, bool with_account);
/* The eight fields of /subsz, from the table's SUBS rows. */
void subscription_json_statistics(struct json_writer *json,
                                  const struct inspect_subscriptions *statistics);

#endif
