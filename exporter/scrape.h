/* Fetching: what one server answered in one scrape, shared by scrapes that come close together.
 *
 * scrape_target is one server and what must outlive a scrape: its last known name, counters of
 * failures, the closed connections already counted. scrape_fetch asks for all wanted documents at
 * once, each in a thread of its own, and returns when all have answered or run out of time. Any
 * thread may fetch; those who come while another fetches the same target, or within
 * SCRAPE_SHARED_NS after, get its result. A result is read-only and counted: scrape_result_unref.
 */
#ifndef EXPORTER_SCRAPE_H
#define EXPORTER_SCRAPE_H

#include <jansson.h>

#include "broker/base/base.h"
#include "exporter/options.h"

enum scrape_endpoint {
    SCRAPE_VARZ,
    SCRAPE_CONNZ,  /* all pages in one document, with accounts and users */
    SCRAPE_CLOSED, /* connections closed lately */
    SCRAPE_SUBSZ,
    SCRAPE_ROUTEZ,
    SCRAPE_GATEWAYZ,
    SCRAPE_LEAFZ,
    SCRAPE_ACCSTATZ,
    SCRAPE_ACCOUNTZ, /* with "details": {NAME: account_detail} added */
    SCRAPE_HEALTHZ,
    SCRAPE_HEALTHZ_JS_ENABLED,
    SCRAPE_HEALTHZ_JS_SERVER,
    SCRAPE_JSZ,
    SCRAPE_ENDPOINTS
};

enum scrape_reason {
    SCRAPE_OK,
    SCRAPE_CONNECT,
    SCRAPE_TIMEOUT,
    SCRAPE_STATUS,
    SCRAPE_DECODE,
    SCRAPE_TOO_LARGE,
    SCRAPE_REASONS
};

#define SCRAPE_SHARED_NS 1000000000LL

struct scrape_target;

struct scrape_document {
    bool wanted;
    enum scrape_reason reason; /* SCRAPE_OK: root is there */
    double seconds;            /* to fetch and decode */
    int64_t local_wall_ns;     /* our clock when the answer had arrived */
    char error[160];           /* what went wrong, for people */
    json_t *root;
};

/* Sums over the open connections plus what closed ones had counted, so that they never fall (in the
 * order in_msgs, out_msgs, in_bytes, out_bytes). */
enum { SCRAPE_CONN_SUMS = 4 };
extern const char *const scrape_conn_sum_keys[SCRAPE_CONN_SUMS];

struct scrape_result {
    const char *label;   /* given name, or scheme and host of the URL: the older names' server_id */
    const char *address; /* host:port */
    char *server, *cluster; /* last known, for the identity labels; server "" when never known */
    bool up;
    struct scrape_document documents[SCRAPE_ENDPOINTS];
    uint64_t errors[SCRAPE_ENDPOINTS][SCRAPE_REASONS]; /* since the exporter started */
    json_t *closed_by_reason; /* {reason: count}, since the exporter started */
    uint64_t conn_sums[SCRAPE_CONN_SUMS];
};

/* text is "URL" or "NAME,URL" and must outlive the target. NULL when out of memory. */
MUST_CHECK struct scrape_target *scrape_target_new(const struct options *options, const char *text);
/* No fetch may be under way. */
void scrape_target_free(struct scrape_target **target);

/* Which documents the options need, as bits 1 << enum scrape_endpoint. */
unsigned scrape_wanted(const struct options *options, unsigned collect);

/* Fetches from several targets at once: results[i] is targets[i]'s, NULL when out of memory. A
 * deadline that is shorter than that of a fetch under way is kept by answering "timeout" for
 * everything. */
void scrape_fetch(struct scrape_target *const *targets, size_t count, unsigned wanted,
                  int64_t timeout_ms, struct scrape_result **results);
void scrape_result_unref(struct scrape_result *result);

/* "varz", "connz_closed", ...; the reasons' names ("connect", "http_status", ...). */
const char *scrape_endpoint_name(enum scrape_endpoint endpoint);
const char *scrape_reason_name(enum scrape_reason reason);

#endif
