/* The documents of what this server does not have (routes, gateways, leaf nodes, JetStream, Raft,
 * queues between its parts): the same shape, names and argument errors as nats-server's, and truthfully
 * empty. */
#include "monitor/absent.h"

#include <strings.h>

#include "broker/inspect.h"
#include "monitor/request.h"

enum { ABSENT_INDENT = 2, ABSENT_QUEUES_INDENT = 3 };

/* Reads all the boolean arguments; false when one was answered with 400. */
static bool booleans_are_readable(struct request *request, const char *const *names, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        bool ignored;
        if (!request_bool(request, names[i], &ignored))
            return false;
    }
    return true;
}

/* subs, which may also be the word "detail". */
static bool subs_is_readable(struct request *request)
{
    bool ignored;
    return strcasecmp(request_text(request, "subs"), "detail") == 0 ||
           request_bool(request, "subs", &ignored);
}

/* Answers with a document that no argument changes. */
static void answer(struct request *request, void (*write)(struct json_writer *json))
{
    write(request_json(request, ABSENT_INDENT));
    request_json_end(request);
}

static struct inspect_server begin(struct json_writer *json)
{
    struct inspect_server server;
    inspect_server(&server);
    json_write_object(json, NULL);
    return server;
}

void absent_write_routez(struct json_writer *json)
{
    struct inspect_server server = begin(json);
    json_write_text(json, "server_id", server.server_id);
    json_write_text(json, "server_name", server.server_name);
    json_write_time(json, "now", server.now_wall_ns);
    json_write_unsigned(json, "num_routes", 0);
    json_write_array(json, "routes");
    json_write_end(json);
    json_write_end(json);
}

void absent_routez(struct request *request)
{
    if (!subs_is_readable(request))
        return;
    request_count(request);
    answer(request, absent_write_routez);
}

void absent_write_gatewayz(struct json_writer *json)
{
    struct inspect_server server = begin(json);
    request_json_identity(json, server.server_id, server.now_wall_ns);
    json_write_object(json, "outbound_gateways");
    json_write_end(json);
    json_write_object(json, "inbound_gateways");
    json_write_end(json);
    json_write_end(json);
}

void absent_gatewayz(struct request *request)
{
    static const char *const names[] = {"accs"};
    if (subs_is_readable(request) && booleans_are_readable(request, names, array_length(names)))
        answer(request, absent_write_gatewayz);
}

void absent_write_leafz(struct json_writer *json)
{
    struct inspect_server server = begin(json);
    request_json_identity(json, server.server_id, server.now_wall_ns);
    json_write_unsigned(json, "leafnodes", 0);
    json_write_array(json, "leafs");
    json_write_end(json);
    json_write_end(json);
}

void absent_leafz(struct request *request)
{
    static const char *const names[] = {"subs"};
    if (booleans_are_readable(request, names, array_length(names)))
        answer(request, absent_write_leafz);
}

static void write_zeros(struct json_writer *json, const char *const *keys, size_t count)
{
    for (size_t i = 0; i < count; i++)
        json_write_unsigned(json, keys[i], 0);
}

void absent_write_jsz(struct json_writer *json)
{
    static const char *const limits[] = {"max_memory", "max_storage"};
    static const char *const usage[] = {"memory",           "storage",  "reserved_memory",
                                        "reserved_storage", "accounts", "ha_assets"};
    static const char *const requests[] = {"level", "total", "errors"};
    static const char *const content[] = {"streams", "consumers", "messages", "bytes", "total"};
    struct inspect_server server = begin(json);
    request_json_identity(json, server.server_id, server.now_wall_ns);
    json_write_bool(json, "disabled", true);
    json_write_object(json, "config");
    write_zeros(json, limits, array_length(limits));
    json_write_end(json);
    write_zeros(json, usage, array_length(usage));
    json_write_object(json, "api");
    write_zeros(json, requests, array_length(requests));
    json_write_end(json);
    write_zeros(json, content, array_length(content));
    json_write_end(json);
}

void absent_jsz(struct request *request)
{
    static const char *const names[] = {"accounts", "streams", "consumers", "direct-consumers",
                                        "config"};
    static const char *const more_names[] = {"raft", "stream-leader-only"};
    uint64_t offset, limit;
    bool leader_only;
    if (!booleans_are_readable(request, names, array_length(names)) ||
        !request_page(request, &offset, &limit) ||
        !request_bool(request, "leader-only", &leader_only) ||
        !booleans_are_readable(request, more_names, array_length(more_names)))
        return;
    if (leader_only)
        request_error(request, 400, "filtered response: not leader");
    else
        answer(request, absent_write_jsz);
}

void absent_raftz(struct request *request)
{
    request_error(request, 404, "No Raft nodes registered");
}

void absent_ipqueuesz(struct request *request)
{
    static const char *const names[] = {"all"};
    if (!booleans_are_readable(request, names, array_length(names)))
        return;
    struct json_writer *json = request_json(request, ABSENT_QUEUES_INDENT);
    json_write_object(json, NULL);
    json_write_end(json);
    request_json_end(request);
}
