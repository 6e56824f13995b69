/* A metric's value as its JSON field: times as RFC 3339, durations as nanoseconds or Go's text, as
 * the row's unit says. An absent value leaves the field out. Monitor threads. */
#ifndef MONITOR_VALUE_JSON_H
#define MONITOR_VALUE_JSON_H

#include "monitor/json_write.h"
#include "monitor/values.h"

void value_json_write(struct json_writer *json, enum metric_id id, struct value value);

#endif
