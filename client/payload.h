/* Payloads and headers as the options describe them. Main thread, except payload_message,
 * which any thread may call on an unchanging payload. Errors are said and -1 returned. */
#ifndef CLIENT_PAYLOAD_H
#define CLIENT_PAYLOAD_H

#include "client/options.h"

#include <nats/nats.h>

struct payload {
    struct span data;
    char *owned; /* what data points to, or NULL when it is borrowed */
    bool counts; /* holds {{count}} */
};

/* From the argument after the subject: text, "-" for stdin, nothing; or from --file. */
MUST_CHECK int payload_load(struct payload *payload, const struct options *options);
void payload_fini(struct payload *payload);

/* Every --header is "Name: value". */
MUST_CHECK int payload_check_headers(const struct options *options);

/* A new message with the headers, {{count}} replaced by count; *message is the caller's to destroy.
 */
MUST_CHECK natsStatus payload_message(natsMsg **message, const struct payload *payload,
                                      const struct options_list *headers, const char *subject,
                                      const char *reply, uint64_t count);

#endif
