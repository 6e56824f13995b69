/* /livez, /readyz, /startupz: what a container platform asks before it restarts a server (livez), sends clients to it (readyz)
 * and begins to ask the other two (startupz). One compact line: 200 when all checks of that question are passed, else 503 and,
 * with each check that is not, why. /healthz stays nats-server's. */
#include "broker/health.h"
#include "monitor/request.h"

struct named_check {
    const char *name;
    enum health_check check;
};

/* Only what a restart mends: a full server that is killed is of no use to those it serves. */
static const struct named_check live[] = {
    {"main_loop", HEALTH_MAIN_LOOP},
    {"workers", HEALTH_WORKERS},
};
static const struct named_check ready[] = {
    {"started", HEALTH_STARTED},         {"shutdown", HEALTH_SHUTDOWN},
    {"listener", HEALTH_LISTENER},       {"main_loop", HEALTH_MAIN_LOOP},
    {"workers", HEALTH_WORKERS},         {"connections", HEALTH_CONNECTIONS},
    {"descriptors", HEALTH_DESCRIPTORS}, {"memory", HEALTH_MEMORY},
};
static const struct named_check begun[] = {
    {"started", HEALTH_STARTED},
};

static const char *word(bool well)
{
    return well ? "ok" : "unavailable";
}

static void answer(struct request *request, const struct named_check *checks, size_t count)
{
    char reasons[array_length(ready)][HEALTH_REASON_MAX] = {""};
    bool well[array_length(ready)], all_well = true;
    for (size_t i = 0; i < count; i++) {
        well[i] = health_ask(checks[i].check, reasons[i]);
        all_well = all_well && well[i];
    }
    struct json_writer *json = request_json(request, 0);
    json_write_object(json, NULL);
    json_write_text(json, "status", word(all_well));
    json_write_array(json, "checks");
    for (size_t i = 0; i < count; i++) {
        json_write_object(json, NULL);
        json_write_text(json, "name", checks[i].name);
        json_write_text(json, "status", word(well[i]));
        json_write_text_if(json, "reason", reasons[i]);
        json_write_end(json);
    }
    json_write_end(json);
    json_write_end(json);
    request->status = all_well ? 200 : 503;
    request_json_end(request);
}

void livez_answer(struct request *request)
{
    answer(request, live, array_length(live));
}

void livez_ready(struct request *request)
{
    answer(request, ready, array_length(ready));
}

void livez_startup(struct request *request)
{
    answer(request, begun, array_length(begun));
}
