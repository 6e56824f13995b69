/* A model as the JSON document "top/1", for scripts and for the viewer's snapshot key. Its owner's
 * thread. */
#ifndef TOP_BATCH_JSON_H
#define TOP_BATCH_JSON_H

#include <stdio.h>

#include "top/rows.h"

/* One document and a newline; on a single line if `line`. False when out of memory or when writing
 * failed. */
MUST_CHECK bool batch_json_write(FILE *out, const struct model *model, const struct rows *rows,
                                 bool line);

#endif
