/* What stands around the answer of a service: which server it is from, then the data or what was wrong.
 *
 * The services' thread, and main for what the server tells by itself. The buffer is the caller's. */
#ifndef MONITOR_SERVICE_ENVELOPE_H
#define MONITOR_SERVICE_ENVELOPE_H

#include "broker/system_task.h"
#include "monitor/json_write.h"

/* An answer larger than this becomes an error that says so. */
#define SERVICE_ANSWER_BYTES_MAX ((size_t)64 << 20)

/* The server's identity under a key, or alone for NULL; takes the next number of the server's own messages. */
void service_envelope_server(struct json_writer *json, const char *key);

struct service_envelope {
    struct text_buffer body;
    size_t prefix; /* private: the bytes up to behind the server */
};

void service_envelope_init(struct service_envelope *envelope);
void service_envelope_fini(struct service_envelope *envelope);
/* Begins the data: the caller writes one value with the writer. key: "data", or nats-server's exception from it. */
struct json_writer service_envelope_data(struct service_envelope *envelope, const char *key);
/* Instead of the data. null_data: as nats-server does where the question was right and the answer failed. Everything that does
 * not fit is left out of the text. */
void service_envelope_error(struct service_envelope *envelope, unsigned code, const char *text,
                            bool null_data);
/* Closes it. One that got too large is replaced by the error that says so. */
void service_envelope_end(struct service_envelope *envelope);
/* Sends it to where the task wants it. packed: in the encoding that the request accepts. */
void service_envelope_answer(const struct service_envelope *envelope,
                             const struct system_task *task, bool packed);

#endif
