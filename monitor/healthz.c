/* /healthz: one compact line. What nats-server checks of JetStream is accepted and passes, as it does there when JetStream is
 * not configured; only a question about a stream or consumer that does not say where it belongs is refused. */
#include "broker/inspect.h"
#include "monitor/request.h"

/* With details: a list of problems, else the one. */
static void answer_problem(struct request *request, unsigned status, bool details, const char *type,
                           const char *text)
{
    struct json_writer *json = request_json(request, 0);
    json_write_object(json, NULL);
    json_write_text(json, "status", "error");
    if (details) {
        json_write_array(json, "errors");
        json_write_object(json, NULL);
        json_write_text(json, "type", type);
    }
    json_write_text(json, "error", text);
    while (json->depth > 0)
        json_write_end(json);
    request->status = status;
    request_json_end(request);
}

void healthz_answer(struct request *request)
{
    static const char *const checks[] = {"js-enabled", "js-enabled-only", "js-server-only",
                                         "js-meta-only", "details"};
    bool details = false;
    for (size_t i = 0; i < array_length(checks); i++)
        if (!request_bool(request, checks[i], &details))
            return;
    if (*request_text(request, "stream") && !*request_text(request, "account")) {
        answer_problem(request, 400, details, "BAD_REQUEST",
                       "\"account\" must not be empty when checking stream health");
        return;
    }
    if (*request_text(request, "consumer") && !*request_text(request, "stream")) {
        answer_problem(request, 400, details, "BAD_REQUEST",
                       "\"stream\" must not be empty when checking consumer health");
        return;
    }
    if (!inspect_ready()) {
        answer_problem(request, 503, details, "CONNECTION",
                       "failed to be ready for connections after 1ms: server");
        return;
    }
    struct json_writer *json = request_json(request, 0);
    json_write_object(json, NULL);
    json_write_text(json, "status", "ok");
    json_write_end(json);
    request_json_end(request);
}
