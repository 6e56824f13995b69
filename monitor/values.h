/* The value of a metric table row: one place for the JSON documents and for /metrics, so that they
 * cannot disagree.
 *
 * Pure functions of what inspect.h copied out. Monitor threads. */
#ifndef MONITOR_VALUES_H
#define MONITOR_VALUES_H

#include "broker/inspect.h"
#include "monitor/endpoints.h"

/* Integers are exact; times and durations are nanoseconds. UNLIMITED is -1 in a document and no sample in
 * /metrics. */
struct value {
    enum { VALUE_ABSENT, VALUE_UNLIMITED, VALUE_INTEGER, VALUE_REAL } form;
    union {
        uint64_t integer;
        double real;
    };
};

/* A WORKER or READ row, or a JSON row of /varz: absent when this server does not offer it. */
struct value values_server(const struct inspect_server *server, enum metric_id id);
/* A CONN row. */
struct value values_connection(const struct inspect_connection *connection, enum metric_id id);
/* A SUBS row. */
struct value values_subscriptions(const struct inspect_subscriptions *statistics,
                                  enum metric_id id);
/* A JSON row whose scope is an account; absent: this server has no such thing. */
struct value values_account(const struct inspect_account *account, enum metric_id id);

/* One series of a FAMILY row: the label's value in /metrics, the key in the JSON object. */
struct value_series {
    const char *label, *key;
    uint64_t value;
};

/* The n-th series of a FAMILY row; false after the last. */
MUST_CHECK bool values_family(const struct inspect_server *server,
                              const struct endpoint_counts *counts, enum metric_id id, size_t n,
                              struct value_series *out);

#endif
