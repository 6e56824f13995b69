/* The CPUs of the affinity mask, or fewer where a control group grants less time than that. */
#include "broker/net/parallelism.h"

#include <stdio.h>
#include <uv.h>

/* Whole CPUs granted by a version 2 control group, rounded up; 0: no limit. */
static unsigned granted_cpus(void)
{
    long long quota, period;
    FILE *file = fopen("/sys/fs/cgroup/cpu.max", "r");
    if (!file)
        return 0;
    int fields = fscanf(file, "%lld %lld", &quota, &period); /* "max 100000" gives none */
    fclose(file);
    return fields == 2 && quota > 0 && period > 0 ? (unsigned)((quota + period - 1) / period) : 0;
}

unsigned parallelism_workers(void)
{
    unsigned cpus = uv_available_parallelism(), granted = granted_cpus();
    if (granted > 0 && granted < cpus)
        cpus = granted;
    return (cpus + 1) / 2;
}
