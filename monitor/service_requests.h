/* The answers to requests of the system account's services. The services' thread. */
#ifndef MONITOR_SERVICE_REQUESTS_H
#define MONITOR_SERVICE_REQUESTS_H

#include "broker/system_task.h"
#include "monitor/endpoints.h"

/* Answers, or does what is asked for, or stays silent where nats-server does. counts: as varz_write wants them. */
void service_requests_answer(const struct system_task *task, const struct endpoint_counts *counts);

#endif
