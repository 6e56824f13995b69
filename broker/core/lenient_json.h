/* JSON as Go's decoder accepts it, read by jansson. Any thread. */
#ifndef BROKER_CORE_LENIENT_JSON_H
#define BROKER_CORE_LENIENT_JSON_H

#include <jansson.h>

#include "broker/base/base.h"

/* The value, any kind, owned by the caller. 0, ERR_INVALID when it is not JSON, ERR_MEMORY. */
MUST_CHECK int lenient_json_read(struct span text, json_t **out);

#endif
