/* The exporter's own HTTP side: /metrics, /probe, /healthz and a landing page.
 *
 * Start and stop from the main thread; requests run in threads of libmicrohttpd, one per
 * connection, at most SERVE_CONNECTIONS_MAX. The options must outlive the server. */
#ifndef EXPORTER_SERVE_H
#define EXPORTER_SERVE_H

#include "exporter/options.h"

enum { SERVE_CONNECTIONS_MAX = 64 };

struct serve;

/* NULL after saying on stderr what is wrong. */
MUST_CHECK struct serve *serve_start(const struct options *options);
/* The port in use, also when 0 (any) was asked for. */
uint16_t serve_port(const struct serve *serve);
/* Waits for requests under way. */
void serve_stop(struct serve **serve);

#endif
