/* /healthz: one compact line. The JetStream checks of nats-server are accepted and pass, as they do
 * there when JetStream is not configured. */
#include "broker/inspect.h"
#include "monitor/request.h"

void healthz_answer(struct request *request)
{
    static const char *const checks[] = {"js-enabled", "js-enabled-only", "js-server-only"};
    for (size_t i = 0; i < array_length(checks); i++) {
        bool ignored;
        if (!request_bool(request, checks[i], &ignored))
            return;
    }
    bool ready = inspect_ready();
    struct json_writer *json = request_json(request, 0);
    json_write_object(json, NULL);
    json_write_text(json, "status", ready ? "ok" : "error");
    if (!ready) {
        request->status = 503;
        json_write_text(json, "error", "failed to be ready for connections after 1ms: server");
    }
    json_write_end(json);
    request_json_end(request);
}
