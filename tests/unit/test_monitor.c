/* The monitoring port against a broker made of constants: documents byte for byte, argument rules,
 * status texts, routing, limits, and the metric table held against both surfaces. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "broker/base/err.h"
#include "broker/base/mem.h"
#include "broker/health.h"
#include "broker/inspect.h"
#include "monitor/http.h"
#include "monitor/json_write.h"
#include "monitor/query.h"
#include "monitor/values.h"
#include "tests/unit/fake_inspect.h"
#include "tests/unit/monitor_client.h"

static void assert_answer(const struct monitor *monitor, const char *target, int status,
                          const char *body)
{
    struct monitor_reply reply = monitor_client_ask(monitor, "GET", target, "");
    assert_string_equal(reply.body, body);
    assert_int_equal(reply.status, status);
    free(reply.all);
}

static void assert_in(const struct monitor *monitor, const char *target, const char *part,
                      bool there)
{
    struct monitor_reply reply = monitor_client_ask(monitor, "GET", target, "");
    if ((strstr(reply.body, part) != NULL) != there)
        fail_msg("%s: \"%s\" should %sbe in\n%s", target, part, there ? "" : "not ", reply.body);
    free(reply.all);
}

#define IDENTITY                                                                                   \
    "{\n  \"server_id\": \"" FAKE_SERVER_ID "\",\n  \"now\": "                                     \
    "\"2026-11-23T01:11:26.261746898Z\",\n"

static void connz_document(void **state)
{
    struct monitor *monitor = *state;
    assert_answer(
        monitor, "/connz?subs=detail&auth=1&limit=2", 200,
        IDENTITY
        "  \"num_connections\": 2,\n  \"total\": 2,\n  \"offset\": 0,\n  \"limit\": 2,\n"
        "  \"connections\": [\n"
        "    {\n      \"cid\": 4,\n      \"kind\": \"Client\",\n      \"type\": \"nats\",\n"
        "      \"ip\": \"127.0.0.1\",\n      \"port\": 56584,\n"
        "      \"start\": \"2026-11-23T01:11:23.603348008Z\",\n"
        "      \"last_activity\": \"2026-11-23T01:11:25.261746898Z\",\n"
        "      \"rtt\": \"813µs\",\n      \"uptime\": \"2s\",\n      \"idle\": \"1s\",\n"
        "      \"pending_bytes\": 0,\n      \"in_msgs\": 11,\n      \"out_msgs\": 0,\n"
        "      \"in_bytes\": 0,\n      \"out_bytes\": 0,\n      \"subscriptions\": 0,\n"
        "      \"lang\": \"go\",\n      \"version\": \"1.20.0\",\n      \"name_tag\": \"$G\"\n    "
        "},\n"
        "    {\n      \"cid\": 5,\n      \"kind\": \"Client\",\n      \"type\": \"nats\",\n"
        "      \"ip\": \"::1\",\n      \"port\": 56585,\n"
        "      \"start\": \"2026-11-23T01:11:23.603348008Z\",\n"
        "      \"last_activity\": \"2026-11-23T01:11:25.261746898Z\",\n"
        "      \"rtt\": \"3.329238ms\",\n      \"uptime\": \"2s\",\n      \"idle\": \"1s\",\n"
        "      \"pending_bytes\": 2000,\n      \"in_msgs\": 0,\n      \"out_msgs\": 11,\n"
        "      \"in_bytes\": 0,\n      \"out_bytes\": 0,\n      \"subscriptions\": 2,\n"
        "      \"name\": \"sub-1\",\n      \"lang\": \"c\",\n      \"version\": \"3.8.2\",\n"
        "      \"authorized_user\": \"alice\",\n      \"account\": \"APP\",\n"
        "      \"subscriptions_list_detail\": [\n"
        "        {\n          \"subject\": \"foo.*\",\n          \"sid\": \"1\",\n"
        "          \"msgs\": 10,\n          \"cid\": 5\n        },\n"
        "        {\n          \"subject\": \"bar\",\n          \"qgroup\": \"q\",\n"
        "          \"sid\": \"2\",\n          \"msgs\": 1,\n          \"max\": 100,\n"
        "          \"cid\": 5\n        }\n      ],\n      \"name_tag\": \"APP\"\n"
        "    }\n  ]\n}");
}

static void connz_variants(void **state)
{
    struct monitor *monitor = *state;
    assert_answer(monitor, "/connz?cid=99", 200,
                  IDENTITY
                  "  \"num_connections\": 0,\n  \"total\": 2,\n  \"offset\": 0,\n  \"limit\": 1,\n"
                  "  \"connections\": []\n}");
    assert_answer(
        monitor, "/connz?acc=NOPE", 200,
        "{\n  \"server_id\": \"\",\n  \"now\": \"2026-11-23T01:11:26.261746898Z\",\n"
        "  \"num_connections\": 0,\n  \"total\": 0,\n  \"offset\": 0,\n  \"limit\": 1024,\n"
        "  \"connections\": null\n}");
    assert_in(monitor, "/connz?mqtt_client=x", "\"connections\": []", true);
    assert_in(monitor, "/connz?acc=%24G", "\"num_connections\": 1,", true);
    assert_in(monitor, "/connz?acc=$G%00", "\"connections\": []", true);
    assert_in(monitor, "/connz?subs=1",
              "\"subscriptions_list\": [\n        \"foo.*\",\n        \"bar\"\n      ]\n", true);
    assert_in(monitor, "/connz", "authorized_user", false);
    assert_in(monitor, "/connz", "\"account\"", false);
    assert_in(monitor, "/connz", "stop", false);
    assert_in(monitor, "/connz?state=closed",
              "      \"stop\": \"2026-11-23T01:11:26.261746898Z\",\n      \"reason\": \"Stale "
              "Connection\",\n",
              true);
    assert_in(monitor, "/connz?state=closed", "      \"out_bytes\": 0,\n      \"stalls\": 3,\n",
              true);
    assert_in(monitor, "/connz?state=closed",
              "      \"stalled\": 2,\n      \"stalled_ns\": 4000000,\n      \"dropped_msgs\": 9,\n"
              "      \"stalled_by\": 5,\n",
              true);
    assert_in(monitor, "/connz?state=CLOSED&subs=detail&sort=reason",
              "\"account\": \"APP\",\n          \"account_tag\": \"APP\",\n          \"subject\"",
              true);
    assert_in(monitor, "/connz?state=any", "\"total\": 3,", true);
    assert_in(monitor, "/connz?limit=1&limit=2&offset=1&offset=0",
              "\"offset\": 1,\n  \"limit\": 1,", true);
    assert_in(monitor, "/connz?limit=-5&offset=-5", "\"offset\": 0,\n  \"limit\": 1024,", true);
    assert_in(monitor, "/connz?limit=%zz&auth=1;subs=1", "\"limit\": 1024,", true);
}

static void argument_errors(void **state)
{
    static const char *const cases[][2] = {
        {"/connz?auth=maybe", "Error decoding boolean for 'auth': strconv.ParseBool: parsing "
                              "\"maybe\": invalid syntax\n"},
        {"/connz?subs=2",
         "Error decoding boolean for 'subs': strconv.ParseBool: parsing \"2\": invalid syntax\n"},
        {"/connz?limit=abc",
         "Error decoding int for 'limit': strconv.Atoi: parsing \"abc\": invalid syntax\n"},
        {"/connz?limit=+5",
         "Error decoding int for 'limit': strconv.Atoi: parsing \" 5\": invalid syntax\n"},
        {"/connz?offset=99999999999999999999",
         "Error decoding int for 'offset': strconv.Atoi: parsing \"99999999999999999999\": value "
         "out of range\n"},
        {"/connz?limit=%22a%0ab%ff%c3%a9", "Error decoding int for 'limit': strconv.Atoi: parsing "
                                           "\"\\\"a\\nb\\xff\xc3\xa9\": invalid syntax\n"},
        {"/connz?cid=-1",
         "Error decoding uint64 for 'cid': strconv.ParseUint: parsing \"-1\": invalid syntax\n"},
        {"/connz?cid=99999999999999999999",
         "Error decoding uint64 for 'cid': strconv.ParseUint: parsing \"99999999999999999999\": "
         "value out of range\n"},
        {"/connz?state=bogus", "Error decoding state for bogus\n"},
        {"/connz?sort=bogus", "invalid sorting option: bogus\n"},
        {"/connz?sort=stop", "sort by stop only valid on closed connections\n"},
        {"/connz?sort=reason&state=all", "sort by reason only valid on closed connections\n"},
        {"/subsz?subs=detail", "Error decoding boolean for 'subs': strconv.ParseBool: parsing "
                               "\"detail\": invalid syntax\n"},
        {"/subsz?test=foo.*", "invalid test subject, must be valid publish subject: foo.*\n"},
        {"/accountz?acc=NOPE", "Account NOPE does not exist\n"},
        {"/accstatz?unused=x",
         "Error decoding boolean for 'unused': strconv.ParseBool: parsing \"x\": invalid syntax\n"},
        {"/routez?subs=x",
         "Error decoding boolean for 'subs': strconv.ParseBool: parsing \"x\": invalid syntax\n"},
        {"/gatewayz?accs=x",
         "Error decoding boolean for 'accs': strconv.ParseBool: parsing \"x\": invalid syntax\n"},
        {"/leafz?subs=x",
         "Error decoding boolean for 'subs': strconv.ParseBool: parsing \"x\": invalid syntax\n"},
        {"/jsz?limit=x",
         "Error decoding int for 'limit': strconv.Atoi: parsing \"x\": invalid syntax\n"},
        {"/jsz?leader-only=1", "filtered response: not leader\n"},
        {"/ipqueuesz?all=x",
         "Error decoding boolean for 'all': strconv.ParseBool: parsing \"x\": invalid syntax\n"},
        {"/healthz?js-server-only=x&js-enabled-only=y",
         "Error decoding boolean for 'js-enabled-only': strconv.ParseBool: parsing \"y\": invalid "
         "syntax\n"},
        {"/%zz", "400 Bad Request\n"},
    };
    struct monitor *monitor = *state;
    for (size_t i = 0; i < array_length(cases); i++)
        assert_answer(monitor, cases[i][0], 400, cases[i][1]);
}

#define LIVE_CHECKS                                                                                \
    "{\"name\":\"main_loop\",\"status\":\"ok\"},{\"name\":\"workers\",\"status\":\"ok\"}"

static void health_documents(void **state)
{
    struct monitor *monitor = *state;
    assert_answer(monitor, "/livez", 200, "{\"status\":\"ok\",\"checks\":[" LIVE_CHECKS "]}");
    assert_answer(monitor, "/startupz", 200,
                  "{\"status\":\"ok\",\"checks\":[{\"name\":\"started\",\"status\":\"ok\"}]}");
    static const char *const names[] = {"started", "shutdown",    "listener",    "main_loop",
                                        "workers", "connections", "descriptors", "memory"};
    static const enum health_check checks[] = {
        HEALTH_STARTED, HEALTH_SHUTDOWN,    HEALTH_LISTENER,    HEALTH_MAIN_LOOP,
        HEALTH_WORKERS, HEALTH_CONNECTIONS, HEALTH_DESCRIPTORS, HEALTH_MEMORY};
    for (size_t wrong = 0; wrong <= array_length(names); wrong++) {
        char expected[1024];
        bool well = wrong == array_length(names);
        int len = snprintf(expected, sizeof expected, "{\"status\":\"%s\",\"checks\":[",
                           well ? "ok" : "unavailable");
        for (size_t i = 0; i < array_length(names); i++) {
            len += snprintf(expected + len, sizeof expected - (size_t)len,
                            "%s{\"name\":\"%s\",\"status\":\"%s\"", i ? "," : "", names[i],
                            i == wrong ? "unavailable" : "ok");
            if (i == wrong)
                len += snprintf(expected + len, sizeof expected - (size_t)len,
                                ",\"reason\":\"check %d \\\"fails\\\"\"", (int)checks[i]);
            len += snprintf(expected + len, sizeof expected - (size_t)len, "}");
        }
        snprintf(expected + len, sizeof expected - (size_t)len, "]}");
        fake_inspect.unwell = well ? 0 : 1U << checks[wrong];
        assert_answer(monitor, "/readyz", well ? 200 : 503, expected);
    }
    /* What does not concern the question does not fail it. */
    fake_inspect.unwell = ~(1U << HEALTH_MAIN_LOOP | 1U << HEALTH_WORKERS);
    assert_answer(monitor, "/livez", 200, "{\"status\":\"ok\",\"checks\":[" LIVE_CHECKS "]}");
    fake_inspect.unwell = ~(1U << HEALTH_STARTED);
    assert_in(monitor, "/startupz", "{\"status\":\"ok\"", true);
    fake_inspect.unwell = 0;
}

static void small_documents(void **state)
{
    struct monitor *monitor = *state;
    assert_answer(monitor, "/healthz", 200, "{\"status\":\"ok\"}");
    assert_answer(monitor, "/healthz?js-enabled-only=true&account=A&stream=X", 200,
                  "{\"status\":\"ok\"}");
    assert_answer(
        monitor, "/healthz?stream=X", 400,
        "{\"status\":\"error\",\"error\":\"\\\"account\\\" must not be empty when checking "
        "stream health\"}");
    assert_answer(
        monitor, "/healthz?account=A&consumer=X&details=true", 400,
        "{\"status\":\"error\",\"errors\":[{\"type\":\"BAD_REQUEST\",\"error\":\"\\\"stream\\\" "
        "must not be empty when checking consumer health\"}]}");
    fake_inspect.ready = false;
    assert_answer(monitor, "/healthz", 503,
                  "{\"status\":\"error\",\"error\":\"failed to be ready for connections after 1ms: "
                  "server\"}");
    assert_answer(
        monitor, "/healthz?details=1", 503,
        "{\"status\":\"error\",\"errors\":[{\"type\":\"CONNECTION\",\"error\":\"failed to be "
        "ready for connections after 1ms: server\"}]}");
    fake_inspect.ready = true;
    assert_answer(monitor, "/ipqueuesz?all=1", 200, "{}");
    assert_answer(monitor, "/leafz", 200, IDENTITY "  \"leafnodes\": 0,\n  \"leafs\": []\n}");
    assert_answer(monitor, "/gatewayz?gw_name=none&accs=1", 200,
                  IDENTITY "  \"outbound_gateways\": {},\n  \"inbound_gateways\": {}\n}");
    assert_in(monitor, "/routez?subs=detail", "  \"num_routes\": 0,\n  \"routes\": []\n}", true);
    assert_answer(monitor, "/jsz", 200,
                  IDENTITY
                  "  \"disabled\": true,\n  \"config\": {\n    \"max_memory\": 0,\n    "
                  "\"max_storage\": 0\n  },\n"
                  "  \"memory\": 0,\n  \"storage\": 0,\n  \"reserved_memory\": 0,\n"
                  "  \"reserved_storage\": 0,\n  \"accounts\": 0,\n  \"ha_assets\": 0,\n"
                  "  \"api\": {\n    \"level\": 0,\n    \"total\": 0,\n    \"errors\": 0\n  },\n  "
                  "\"streams\": 0,\n"
                  "  \"consumers\": 0,\n  \"messages\": 0,\n  \"bytes\": 0,\n  \"total\": 0\n}");
    assert_in(monitor, "/stacksz", "thread ", true);
    assert_in(monitor, "/", "<a href=\"./connz\">connz</a>", true);
}

#define STATISTICS                                                                                 \
    "  \"num_subscriptions\": 45,\n  \"num_cache\": 9,\n  \"num_inserts\": 46,\n  "                \
    "\"num_removes\": 1,\n"                                                                        \
    "  \"num_matches\": 10,\n  \"cache_hit_rate\": 0,\n  \"max_fanout\": 1,\n"                     \
    "  \"avg_fanout\": 0.7777777777777778"

static void subsz_documents(void **state)
{
    struct monitor *monitor = *state;
    assert_answer(monitor, "/subsz", 200,
                  IDENTITY STATISTICS ",\n  \"total\": 0,\n  \"offset\": 0,\n  \"limit\": 1024\n}");
    assert_answer(monitor, "/subscriptionsz?subs=1&offset=3", 200,
                  IDENTITY STATISTICS ",\n  \"total\": 3,\n  \"offset\": 3,\n  \"limit\": 1024\n}");
    assert_answer(monitor, "/subsz?subs=1&offset=1&limit=2", 200,
                  IDENTITY STATISTICS
                  ",\n  \"total\": 3,\n  \"offset\": 1,\n  \"limit\": 2,\n"
                  "  \"subscriptions_list\": [\n"
                  "    {\n      \"account\": \"APP\",\n      \"account_tag\": \"APP\",\n"
                  "      \"subject\": \"bar\",\n"
                  "      \"qgroup\": \"q\",\n      \"sid\": \"2\",\n      \"msgs\": 1,\n"
                  "      \"max\": 100,\n      \"cid\": 5\n    },\n"
                  "    {\n      \"account\": \"$G\",\n      \"account_tag\": \"$G\",\n"
                  "      \"subject\": \"x.\\\"y\",\n"
                  "      \"sid\": \"s\\u0001\",\n      \"msgs\": 0,\n      \"cid\": 4\n"
                  "    }\n  ]\n}");
}

#define NO_SERVER(name)                                                                            \
    "        \"" name "\": {\n          \"msgs\": 0,\n          \"bytes\": 0\n        }"
#define NO_SERVERS NO_SERVER("gateways") ",\n" NO_SERVER("routes") ",\n" NO_SERVER("leafs") "\n"

static void account_documents(void **state)
{
    struct monitor *monitor = *state;
    assert_answer(
        monitor, "/accountz", 200,
        IDENTITY
        "  \"system_account\": \"$SYS\",\n  \"accounts\": [\n    \"$G\",\n    \"$SYS\"\n  ]\n}");
    assert_in(monitor, "/accountz?acc=$G", "    \"expired\": false,\n    \"complete\": true,\n",
              true);
    assert_in(monitor, "/accountz?acc=$G", "is_system", false);
    assert_in(monitor, "/accountz?acc=$SYS", "\"is_system\": true", true);
    assert_in(monitor, "/accountz?acc=$G",
              "    \"sublist_stats\": {\n      \"num_subscriptions\": 5,", true);
    assert_in(monitor, "/accstatz", "$SYS", false);
    assert_in(monitor, "/accstatz?unused=1", "$SYS", true);
    assert_in(monitor, "/accstatz",
              "      \"sent\": {\n        \"msgs\": 12,\n        \"bytes\": 169,\n" NO_SERVERS
              "      },\n"
              "      \"received\": {\n        \"msgs\": 11,\n        \"bytes\": 168,\n" NO_SERVERS
              "      },\n",
              true);
}

static void varz_document(void **state)
{
    struct monitor *monitor = *state;
    struct monitor_reply reply = monitor_client_ask(monitor, "GET", "/varz", "");
    static const char *const parts[] = {
        "{\n  \"server_id\": \"" FAKE_SERVER_ID
        "\",\n  \"server_name\": \"fake \\u003c\\u0026\\u003e \\ufffd\",\n"
        "  \"version\": \"" CLEARWING_NATS_VERSION "\",\n  \"proto\": 1,\n  \"go\": \"",
        "  \"port\": 4222,\n  \"max_connections\": 65536,\n  \"ping_interval\": 120000000000,\n",
        "  \"auth_timeout\": 2,\n",
        "  \"cluster\": {},\n  \"gateway\": {},\n  \"leaf\": {},\n  \"mqtt\": {},\n  "
        "\"websocket\": {},\n"
        "  \"jetstream\": {},\n  \"tls_timeout\": 0.7,\n  \"write_deadline\": 10000000000,\n"
        "  \"start\": \"2026-11-23T01:11:23.603348008Z\",\n",
        "  \"uptime\": \"1d2h3m4s\",\n  \"mem\": 12738560,\n  \"cores\": 2,\n  \"gomaxprocs\": "
        "3,\n  \"cpu\": 12.5,\n",
        "  \"in_bytes\": 18446744073709551615,\n",
        "  \"http_req_stats\": {\n    \"/varz\": 1\n  },\n",
        "  \"clearwing_version\": \"" CLEARWING_VERSION "\",\n  \"workers\": 3",
        "  \"closed_connections\": {\n    \"client_closed\": 7,\n",
        "  \"dropped_msgs_stats\": {\n    \"client_closed\": 0,\n",
        "    \"unsubscribed\": 0,\n    \"queue_full\": 8\n  }",
    };
    const char *at = reply.body;
    for (size_t i = 0; i < array_length(parts); i++) {
        at = strstr(at, parts[i]);
        if (!at)
            fail_msg("missing or out of order:\n%s\nin\n%s", parts[i], reply.body);
    }
    assert_null(strstr(reply.body, "auth_required"));
    assert_null(strstr(reply.body, "max_subscriptions"));
    free(reply.all);
    assert_in(monitor, "/subscriptionsz", "num", true);
    assert_in(monitor, "/connz?sort=bogus", "invalid", true);
    assert_in(monitor, "/connz?auth=bogus", "Error", true);
    assert_in(monitor, "/stacksz", "thread", true);
    assert_in(monitor, "/nope", "404", true);
    assert_in(
        monitor, "/varz",
        "  \"http_req_stats\": {\n    \"/connz\": 1,\n    \"/subsz\": 1,\n    \"/varz\": 2\n  }",
        true);
}

/* Every row of the table is in its JSON document and in /metrics. */
static void table_is_everywhere(void **state)
{
    struct monitor *monitor = *state;
    struct monitor_reply varz = monitor_client_ask(monitor, "GET", "/varz", ""),
                         subsz = monitor_client_ask(monitor, "GET", "/subsz", ""),
                         connz = monitor_client_ask(monitor, "GET", "/connz?state=closed", ""),
                         metrics = monitor_client_ask(monitor, "GET", "/metrics", "");
    for (enum metric_id id = 0; id < METRIC_COUNT; id++) {
        const struct metric_descriptor *row = &metric_descriptors[id];
        const char *document = row->source == METRIC_SOURCE_SUBS   ? subsz.body
                               : row->source == METRIC_SOURCE_CONN ? connz.body
                                                                   : varz.body;
        if (row->source == METRIC_SOURCE_JSON || id == METRIC_max_subscriptions)
            continue;
        char text[METRIC_NAME_MAX + 32], name[METRIC_NAME_MAX];
        snprintf(text, sizeof text, "\"%s\": ", row->key ? row->key : "");
        if (row->key && !strstr(document, text))
            fail_msg("%s has no JSON field %s", row->field, row->key);
        snprintf(text, sizeof text, "\n%s%s{", metrics_family_name(row, name),
                 row->kind == METRIC_KIND_COUNTER ? "_total" : "");
        if (row->source != METRIC_SOURCE_CONN && !strstr(metrics.body, text))
            fail_msg("%s has no series %s", row->field, text + 1);
    }
    free(varz.all);
    free(subsz.all);
    free(connz.all);
    free(metrics.all);
}

#define FAKE_SERIES(name, value) (name "{nats_server=\"fake <&> \xef\xbf\xbd\"} " value)

static void metrics_text(void **state)
{
    struct monitor *monitor = *state;
    struct monitor_reply reply = monitor_client_ask(monitor, "GET", "/metrics", "");
    static const char *const parts[] = {
        FAKE_SERIES("nats_server_cpu_usage_cores", "0.125\n"),
        FAKE_SERIES("nats_server_write_deadline_seconds", "10\n"),
        FAKE_SERIES("nats_server_start_time_seconds", "1795396283.603348"),
        FAKE_SERIES("nats_server_received_bytes_total", "18446744073709551615\n"),
        "reason=\"client_closed\"} 7\n",
        "path=\"/metrics\"} 1\n",
        FAKE_SERIES("nats_connections_pending_bytes", "2000\n"),
        "# TYPE nats_connections_queue_bytes histogram\n",
        "lang=\"go\",version=\"1.20.0\"} 1\n",
        "le=\"+Inf\"} 2\n",
    };
    for (size_t i = 0; i < array_length(parts); i++)
        if (!strstr(reply.body, parts[i]))
            fail_msg("missing: %s\nin\n%s", parts[i], reply.body);
    assert_non_null(strstr(reply.head, "Content-Type: text/plain; version=0.0.4"));
    assert_null(strstr(reply.body, "cid="));
    free(reply.all);
    reply = monitor_client_ask(monitor, "GET", "/metrics",
                               "Accept: application/openmetrics-text;version=1.0.0\r\n");
    assert_non_null(strstr(reply.head, "Content-Type: application/openmetrics-text"));
    assert_string_equal(reply.body + reply.len - 6, "# EOF\n");
    assert_non_null(strstr(reply.body, "# TYPE nats_connections_rtt_seconds gaugehistogram\n"));
    free(reply.all);
}

/* monitor/METRICS.md is what the table says now. */
static void metrics_page_is_fresh(void **state)
{
    (void)state;
    char *made = NULL;
    size_t len = 0;
    FILE *out = open_memstream(&made, &len);
    metrics_list(out);
    fclose(out);
    FILE *file = fopen(METRICS_PAGE, "re");
    assert_non_null(file);
    char *kept = calloc(1, len + 2);
    size_t kept_len = fread(kept, 1, len + 1, file);
    fclose(file);
    bool fresh = kept_len == len && memcmp(made, kept, len) == 0;
    free(kept);
    free(made);
    if (!fresh)
        fail_msg("monitor/METRICS.md is old: clearwing --list-metrics > monitor/METRICS.md");
}

/* Client-chosen text makes a bounded number of series. */
static void metrics_are_bounded(void **state)
{
    struct monitor *monitor = *state;
    fake_inspect.extra_connections = 1000;
    struct monitor_reply reply = monitor_client_ask(monitor, "GET", "/metrics", "");
    fake_inspect.extra_connections = 0;
    unsigned series = 0;
    for (char *at = reply.body; (at = strstr(at, "\nnats_connections_by_library{")); at++)
        series++;
    assert_int_equal(series, 101);
    assert_non_null(strstr(reply.body, "lang=\"other\",version=\"other\"} 902\n"));
    free(reply.all);
}

static void http_answers(void **state)
{
    struct monitor *monitor = *state;
    struct monitor_reply reply = monitor_client_ask(monitor, "GET", "/varz/", "");
    assert_int_equal(reply.status, 404);
    assert_string_equal(reply.body, "404 page not found\n");
    assert_non_null(strstr(reply.head, "X-Content-Type-Options: nosniff"));
    assert_non_null(strstr(reply.head, "Content-Type: text/plain; charset=utf-8"));
    free(reply.all);
    reply = monitor_client_ask(monitor, "GET", "/a/../healthz?x=<y>&b=c", "");
    assert_int_equal(reply.status, 301);
    if (!strstr(reply.head, "Location: /healthz?x=<y>&b=c"))
        fail_msg("no such Location in %s", reply.head);
    assert_string_equal(reply.body,
                        "<a href=\"/healthz?x=&lt;y&gt;&amp;b=c\">Moved Permanently</a>.\n\n");
    free(reply.all);
    reply = monitor_client_ask(monitor, "POST", "//varz", "Content-Length: 0\r\n");
    assert_int_equal(reply.status, 301);
    assert_string_equal(reply.body, "");
    free(reply.all);
    reply = monitor_client_ask(monitor, "GET", "/h%65althz?callback=a%3Cb", "");
    assert_string_equal(reply.body, "a<b({\"status\":\"ok\"})");
    assert_non_null(strstr(reply.head, "Content-Type: application/javascript\r\n"));
    assert_null(strstr(reply.head, "Access-Control-Allow-Origin"));
    free(reply.all);
    reply = monitor_client_ask(monitor, "HEAD", "/healthz", "");
    assert_int_equal(reply.status, 200);
    assert_non_null(strstr(reply.head, "Content-Length: 15"));
    assert_non_null(strstr(reply.head, "Access-Control-Allow-Origin: *"));
    assert_int_equal(reply.len, 0);
    free(reply.all);
    static const char *const methods[] = {"POST", "PUT", "DELETE", "OPTIONS", "PROPFIND"};
    for (size_t i = 0; i < array_length(methods); i++) {
        reply = monitor_client_ask(monitor, methods[i], "/healthz", "Content-Length: 0\r\n");
        assert_string_equal(reply.body, "{\"status\":\"ok\"}");
        free(reply.all);
    }
    static const char body[] = "POST http://any/healthz HTTP/1.0\r\nContent-Length: 5\r\n\r\nhello";
    reply = monitor_client_talk(monitor, body, sizeof body - 1);
    assert_string_equal(reply.body, "{\"status\":\"ok\"}");
    free(reply.all);
}

static void hostile_bytes(void **state)
{
    struct monitor *monitor = *state;
    static const char garbage[] = "\x16\x03\x01\x02\x00\x01\x00garbage\r\n\r\n";
    struct monitor_reply reply = monitor_client_talk(monitor, garbage, sizeof garbage - 1);
    assert_int_not_equal(reply.status, 200);
    free(reply.all);
    size_t len = 200000;
    char *line = malloc(len);
    memset(line, 'a', len);
    memcpy(line, "GET /", 5);
    int fd = monitor_client_dial(monitor);
    while (send(fd, line, len, MSG_NOSIGNAL) > 0) /* until it cuts us off */
        ;
    close(fd);
    free(line);
    assert_answer(monitor, "/healthz", 200, "{\"status\":\"ok\"}");
}

/* Connections beyond the maximum wait and are served; idle ones are closed to make room. */
static void more_connections_than_allowed(void **state)
{
    (void)state;
    struct monitor *monitor = monitor_client_start(NULL, 4);
    int idle[32];
    for (size_t i = 0; i < array_length(idle); i++)
        idle[i] = monitor_client_dial(monitor);
    assert_answer(monitor, "/healthz", 200, "{\"status\":\"ok\"}");
    for (size_t i = 0; i < array_length(idle); i++)
        close(idle[i]);
    monitor_stop(&monitor);
}

static void *stop_later(void *argument)
{
    monitor_stop(argument);
    return NULL;
}

static void stops_with_open_connections(void **state)
{
    (void)state;
    struct monitor *monitor = monitor_client_start(NULL, 0);
    int fd = monitor_client_dial(monitor);
    assert_int_equal(send(fd, "GET /varz HTTP/1.1\r\nHost: x\r\n\r\n", 31, 0), 31);
    char byte;
    assert_int_equal(recv(fd, &byte, 1, 0), 1);
    assert_true(fake_inspect.readers > 0);
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, stop_later, &monitor), 0);
    pthread_join(thread, NULL);
    close(fd);
    assert_null(monitor);
    assert_int_equal(fake_inspect.readers, 0);
    monitor_stop(&monitor);
}

static void base_path(void **state)
{
    (void)state;
    struct monitor *monitor = monitor_client_start("mon//x/", 0);
    assert_answer(monitor, "/mon/x/healthz", 200, "{\"status\":\"ok\"}");
    assert_answer(monitor, "/healthz", 404, "404 page not found\n");
    assert_answer(monitor, "/mon/x/", 404, "404 page not found\n");
    assert_answer(monitor, "/mon/xhealthz", 404, "404 page not found\n");
    assert_in(monitor, "/mon/x", "href=\"./mon/x/varz\"", true);
    assert_in(monitor, "/mon/x/varz", "    \"/\": 1,\n    \"/healthz\": 1,\n", true);
    monitor_stop(&monitor);
}

static void start_errors(void **state)
{
    struct monitor *monitor = *state, *second = NULL;
    char error[256], expected[256];
    struct monitor_options options = {.host = "127.0.0.1", .port = monitor_port(monitor)};
    assert_int_equal(monitor_start(&options, &second, error, sizeof error), ERR_SYSTEM);
    snprintf(expected, sizeof expected, "listen tcp 127.0.0.1:%d: bind: address already in use",
             monitor_port(monitor));
    assert_string_equal(error, expected);
    assert_null(second);
    options = (struct monitor_options){.host = "256.0.0.1.invalid", .port = 0};
    assert_int_equal(monitor_start(&options, &second, error, sizeof error), ERR_SYSTEM);
    assert_non_null(strstr(error, "listen tcp 256.0.0.1.invalid:0: lookup: "));
    options = (struct monitor_options){.host = "", .port = 0};
    assert_int_equal(monitor_start(&options, &second, error, sizeof error), 0);
    assert_answer(second, "/healthz", 200, "{\"status\":\"ok\"}");
    monitor_stop(&second);
}

static void start_out_of_memory(void **state)
{
    (void)state;
    char error[256];
    for (uint64_t n = 1; n < 100; n++) {
        struct monitor *monitor = NULL;
        const struct monitor_options options = {.host = "127.0.0.1", .base_path = "x"};
        mem_fail_at(n);
        int status = monitor_start(&options, &monitor, error, sizeof error);
        mem_fail_at(0);
        if (status == 0) {
            monitor_stop(&monitor);
            assert_true(n > 1);
            return;
        }
        assert_int_equal(status, ERR_MEMORY);
        assert_null(monitor);
    }
    fail();
}

/* Whatever allocation fails, the answer is whole, refused, or the connection closed; never a cut
 * 200. */
static void answer_out_of_memory(void **state)
{
    struct monitor *monitor = *state;
    static const char *const targets[] = {"/connz?subs=1", "/metrics", "/subsz?subs=1", "/a/../b"};
    for (size_t i = 0; i < array_length(targets); i++) {
        char request[128];
        int len = snprintf(request, sizeof request,
                           "GET %s HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", targets[i]);
        struct monitor_reply whole = monitor_client_talk(monitor, request, (size_t)len);
        for (uint64_t n = 1; n < 40; n++) {
            mem_fail_at(n);
            struct monitor_reply reply = monitor_client_talk(monitor, request, (size_t)len);
            mem_fail_at(0);
            if (reply.status == 200 && i != 1)
                assert_string_equal(reply.body, whole.body);
            else if (reply.status != 200 && reply.head && reply.status != 301)
                assert_int_equal(reply.status, 503);
            free(reply.all);
        }
        free(whole.all);
    }
}

static int teardown(void **state)
{
    return monitor_client_teardown(state) || fake_inspect.readers;
}

int main(void)
{
#define WITH_MONITOR(function)                                                                     \
    cmocka_unit_test_setup_teardown(function, monitor_client_setup, teardown)
    const struct CMUnitTest tests[] = {
        WITH_MONITOR(connz_document),
        WITH_MONITOR(connz_variants),
        WITH_MONITOR(argument_errors),
        WITH_MONITOR(small_documents),
        WITH_MONITOR(health_documents),
        WITH_MONITOR(subsz_documents),
        WITH_MONITOR(account_documents),
        WITH_MONITOR(varz_document),
        WITH_MONITOR(table_is_everywhere),
        WITH_MONITOR(metrics_text),
        WITH_MONITOR(metrics_are_bounded),
        WITH_MONITOR(http_answers),
        WITH_MONITOR(hostile_bytes),
        WITH_MONITOR(start_errors),
        WITH_MONITOR(answer_out_of_memory),
        cmocka_unit_test(more_connections_than_allowed),
        cmocka_unit_test(stops_with_open_connections),
        cmocka_unit_test(base_path),
        cmocka_unit_test(start_out_of_memory),
        cmocka_unit_test(metrics_page_is_fresh),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
