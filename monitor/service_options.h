/* What the body of a request to a service asks for: the options of the documents, and which servers are meant.
 *
 * The services' thread. Texts belong to the options until service_options_fini. */
#ifndef MONITOR_SERVICE_OPTIONS_H
#define MONITOR_SERVICE_OPTIONS_H

#include "broker/system_task.h"
#include "monitor/connz.h"
#include "monitor/healthz.h"
#include "monitor/subsz.h"

struct service_texts {
    const char **all;
    size_t count;
};

struct service_options {
    /* Which servers; "" or NULL: any. */
    struct {
        const char *server_name, *cluster, *host, *domain;
        struct service_texts tags; /* all of them */
        bool exact_match;          /* else the first three are parts of the names */
    } filter;

    /* Of each service those that it has; zero for the others. */
    struct connz_options connz;
    int64_t state; /* of connz, as a number */
    struct subsz_options subsz;
    struct healthz_options healthz;
    const char *account, *subject;
    struct service_texts accounts;
    bool include_unused, leader_only;
    uint64_t cid;

    /* What nats-server knows and what has no meaning here: only its type is looked at. */
    struct {
        const char *text;
        bool flag;
        int64_t number;
    } unused;

    char *storage; /* private: the texts */
};

/* Keys count in any case, unknown ones do not, null is as if it were not there. An empty body asks for nothing. 0; ERR_INVALID
 * with Go's words for it in error; ERR_MEMORY. To be given to service_options_fini in any case. */
MUST_CHECK int service_options_read(enum system_what what, struct span body,
                                    struct service_options *out, struct text_buffer *error);
void service_options_fini(struct service_options *options);

#endif
