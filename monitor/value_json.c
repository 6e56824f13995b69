/* The unit of a row fixes the JSON form, so that no document decides it on its own. */
#include "monitor/value_json.h"

#include "broker/base/clock.h"

void value_json_write(struct json_writer *json, enum metric_id id, struct value value)
{
    const struct metric_descriptor *row = &metric_descriptors[id];
    char text[CLOCK_TEXT_MAX];
    if (value.form == VALUE_ABSENT)
        return;
    if (value.form == VALUE_UNLIMITED)
        json_write_signed(json, row->key, -1);
    else if (value.form == VALUE_REAL)
        json_write_real(json, row->key, value.real);
    else if (row->unit == METRIC_UNIT_TIME)
        json_write_time(json, row->key, (int64_t)value.integer);
    else if (row->unit == METRIC_UNIT_DURATION)
        json_write_text(json, row->key, clock_rtt((int64_t)value.integer, text));
    else
        json_write_unsigned(json, row->key, value.integer);
}
