/* The accounts' rows of /metrics. Monitor threads. */
#ifndef MONITOR_METRICS_ACCOUNTS_H
#define MONITOR_METRICS_ACCOUNTS_H

#include "monitor/prom_text.h"

/* The first so many accounts have series of their own; what the others have is added up under "other". */
enum { METRICS_ACCOUNTS_MAX = 1000 };

/* labels: what each sample begins with. False: out of memory. */
MUST_CHECK bool metrics_accounts_write(struct prom_text *text, struct prom_text_labels *labels);

#endif
