/* One-shot runs for scripts: poll, print, leave. The main thread; blocking is what they are for. */
#ifndef TOP_BATCH_H
#define TOP_BATCH_H

#include "top/options.h"

/* The exit status: 0, or 1 with one line on standard error. */
MUST_CHECK int batch_run(const struct options *options);

#endif
