/* How many workers `workers: auto` means here. Any thread. */
#ifndef BROKER_NET_PARALLELISM_H
#define BROKER_NET_PARALLELISM_H

/* Half the CPUs this process may use, at least one; docs/performance.md says why half. */
unsigned parallelism_workers(void);

#endif
