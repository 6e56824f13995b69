/* /healthz: one compact line. What nats-server checks of JetStream is accepted and passes, as it does there when JetStream is
 * not configured; only a question about a stream or consumer that does not say where it belongs is refused. */
#include "monitor/healthz.h"

#include "broker/inspect.h"
#include "monitor/request.h"

/* With details: a list of problems, else the one. */
static unsigned write_problem(const struct healthz_options *options, struct json_writer *json,
                              unsigned status, const char *type, const char *text)
{
    json_write_object(json, NULL);
    json_write_text(json, "status", "error");
    if (options->with_code)
        json_write_unsigned(json, "status_code", status);
    if (options->details) {
        json_write_array(json, "errors");
        json_write_object(json, NULL);
        json_write_text(json, "type", type);
    }
    json_write_text(json, "error", text);
    if (options->details) {
        json_write_end(json);
        json_write_end(json);
    }
    json_write_end(json);
    return status;
}

static bool is_given(const char *text)
{
    return text && *text;
}

unsigned healthz_write(const struct healthz_options *options, struct json_writer *json)
{
    if (is_given(options->stream) && !is_given(options->account))
        return write_problem(options, json, 400, "BAD_REQUEST",
                             "\"account\" must not be empty when checking stream health");
    if (is_given(options->consumer) && !is_given(options->stream))
        return write_problem(options, json, 400, "BAD_REQUEST",
                             "\"stream\" must not be empty when checking consumer health");
    if (!inspect_ready())
        return write_problem(options, json, 503, "CONNECTION",
                             "failed to be ready for connections after 1ms: server");
    json_write_object(json, NULL);
    json_write_text(json, "status", "ok");
    if (options->with_code)
        json_write_unsigned(json, "status_code", 200);
    json_write_end(json);
    return 200;
}

void healthz_answer(struct request *request)
{
    static const char *const checks[] = {"js-enabled", "js-enabled-only", "js-server-only",
                                         "js-meta-only", "details"};
    struct healthz_options options = {
        .account = request_text(request, "account"),
        .stream = request_text(request, "stream"),
        .consumer = request_text(request, "consumer"),
    };
    for (size_t i = 0; i < array_length(checks); i++)
        if (!request_bool(request, checks[i], &options.details))
            return;
    request->status = healthz_write(&options, request_json(request, 0));
    request_json_end(request);
}
