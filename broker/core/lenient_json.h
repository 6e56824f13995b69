/* JSON as Go's decoder accepts it, read by jansson. Any thread. */
#ifndef BROKER_CORE_LENIENT_JSON_H
#define BROKER_CORE_LENIENT_JSON_H

#include <jansson.h>

#include "broker/base/base.h"

/* The value, any kind, owned by the caller; NULL when it is not JSON or memory is out. */
json_t *lenient_json_read(struct span text);

#endif
