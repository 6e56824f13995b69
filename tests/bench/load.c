/* clearwing-load: puts one kind of load on a NATS server and prints one line of JSON about it.
 *
 *     clearwing-load --port 4222 --server-pid 1234 --seconds 2 fan-out --subscribers 100
 *
 * A workload is a row of the table below: an engine and the defaults that make the name mean
 * something. Options change single defaults. What is printed is what the run cost the server (CPU
 * time, memory) and what arrived; whether all of it arrived, once and in order, is the member
 * "failure" (null when it did) and the exit status.
 *
 * One thread does everything. The figures to compare are per second of the server's CPU time, so it
 * does not matter that the generator may be what limits the rate; "load_cpu_seconds" tells whether
 * it was.
 */
#include "load.h"

#include <getopt.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engines.h"

enum {
    SUBJECT_BYTES_MAX = 16,
};

typedef void engine(const struct load_plan *plan, struct load_result *result);

struct workload {
    const char *name;
    engine *run;
    struct load_plan plan;
    const char *help;
};

/* clang-format off */
#define FLOW(from, to, ...) .size = 128, .publishers = from, .subscribers = to, .subjects = 1, __VA_ARGS__
static const struct workload workloads[] = {
    {"publish", flow_run, {FLOW(1, 0, .layout = LOAD_NOBODY)},
     "one publisher, nobody listens"},
    {"one-to-one", flow_run, {FLOW(1, 1, .layout = LOAD_EVERYBODY)},
     "one publisher, one subscriber"},
    {"one-per-write", flow_run, {FLOW(1, 1, .layout = LOAD_EVERYBODY, .window = 16, .pace_ns = 5000)},
     "as one-to-one, each message a write and a segment of its own, at most --window in flight"},
    {"fan-out", flow_run, {FLOW(1, 10, .layout = LOAD_EVERYBODY)},
     "each message to --subscribers connections"},
    {"many-subjects", flow_run, {.size = 128, .publishers = 1, .subscribers = 10, .subjects = 10000, .layout = LOAD_SPREAD},
     "--subjects with one subscription each, spread over --subscribers connections"},
    {"wildcards", flow_run, {.size = 128, .publishers = 1, .subscribers = 11, .subjects = 1000, .layout = LOAD_WILDCARDS},
     "--subjects below a wildcard per hundred of them and one above all: two copies"},
    {"queue", flow_run, {FLOW(1, 4, .layout = LOAD_QUEUE)},
     "--publishers to one queue group of --subscribers members"},
    {"latency", flow_run, {FLOW(1, 1, .layout = LOAD_EVERYBODY, .rate = 10000)},
     "open loop at --rate, latency from the time a message was due"},
    {"request", request_run, {.size = 128, .pairs = 1, .window = 1},
     "request and reply, --pairs with --window in flight each"},
    {"subscription-churn", request_run, {.size = 128, .pairs = 1, .window = 16, .churn = true},
     "as request, with a SUB and an UNSUB for each"},
    {"connection-churn", connections_churn, {.connections = 16},
     "connect, subscribe, ping, close; --connections at a time"},
    {"idle-connections", idle_connections, {.connections = 10000},
     "memory per idle connection with one subscription; with --hold they stay until standard input ends"},
    {"departed", idle_departed, {.connections = 10000},
     "memory --seconds after idle connections left"},
    {"idle", idle_none, {.size = 0},
     "memory and CPU time of the server when nobody is there"},
    {"start-up", connections_start_up, {.size = 0},
     "from exec to the first PONG; the server's command follows --"},
};
/* clang-format on */

enum option_key {
    OPTION_HOST = 1,
    OPTION_PORT,
    OPTION_SERVER_PID,
    OPTION_SECONDS,
    OPTION_MESSAGES,
    OPTION_SIZE,
    OPTION_PUBLISHERS,
    OPTION_SUBSCRIBERS,
    OPTION_SUBJECTS,
    OPTION_WINDOW,
    OPTION_RATE,
    OPTION_PAIRS,
    OPTION_CONNECTIONS,
    OPTION_PACE,
    OPTION_RELAY,
    OPTION_SUBJECT,
    OPTION_HOLD,
    OPTION_HELP,
};

static const struct option options[] = {
    {"host", required_argument, NULL, OPTION_HOST},
    {"port", required_argument, NULL, OPTION_PORT},
    {"server-pid", required_argument, NULL, OPTION_SERVER_PID},
    {"seconds", required_argument, NULL, OPTION_SECONDS},
    {"messages", required_argument, NULL, OPTION_MESSAGES},
    {"size", required_argument, NULL, OPTION_SIZE},
    {"publishers", required_argument, NULL, OPTION_PUBLISHERS},
    {"subscribers", required_argument, NULL, OPTION_SUBSCRIBERS},
    {"subjects", required_argument, NULL, OPTION_SUBJECTS},
    {"window", required_argument, NULL, OPTION_WINDOW},
    {"rate", required_argument, NULL, OPTION_RATE},
    {"pairs", required_argument, NULL, OPTION_PAIRS},
    {"connections", required_argument, NULL, OPTION_CONNECTIONS},
    {"pace-ns", required_argument, NULL, OPTION_PACE},
    {"relay", no_argument, NULL, OPTION_RELAY},
    {"subject", required_argument, NULL, OPTION_SUBJECT},
    {"hold", no_argument, NULL, OPTION_HOLD},
    {"help", no_argument, NULL, OPTION_HELP},
    {NULL, 0, NULL, 0},
};

void load_die(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    fputs("clearwing-load: ", stderr);
    vfprintf(stderr, format, arguments);
    fputc('\n', stderr);
    va_end(arguments);
    exit(1);
}

void *load_alloc(size_t count, size_t size)
{
    void *memory = calloc(count > 0 ? count : 1, size);
    if (memory == NULL) {
        load_die("out of memory for %zu times %zu bytes", count, size);
    }
    return memory;
}

void load_unexpected_message(void *context, struct link *link, const struct link_message *message)
{
    struct load_result *result = context;
    (void)link;
    (void)message;
    result->corrupted++;
}

void load_begin(const struct load_plan *plan, struct load_result *result)
{
    result->before = measure_process(plan->server_pid);
    result->load_cpu_seconds = -measure_own_cpu();
    result->wall_seconds = -(double)measure_now() / 1e9;
}

void load_end(const struct load_plan *plan, struct load_result *result)
{
    result->wall_seconds += (double)measure_now() / 1e9;
    result->load_cpu_seconds += measure_own_cpu();
    result->after = measure_process(plan->server_pid);
}

static void print_help(void)
{
    printf("usage: clearwing-load --port N [--host ADDRESS] [--server-pid N] [--seconds S | "
           "--messages N]\n"
           "                      WORKLOAD [--size BYTES] [--publishers N] [--subscribers N] "
           "[--subjects N]\n"
           "                      [--window N] [--rate N] [--pairs N] [--connections N] [--pace-ns "
           "N]\n"
           "                      [--subject WORD] [--hold] [--relay] [-- SERVER ARGUMENTS "
           "...]\n\nworkloads:\n");
    for (size_t i = 0; i < sizeof workloads / sizeof *workloads; i++) {
        printf("  %-20s%s\n", workloads[i].name, workloads[i].help);
    }
}

static uint64_t number_of(const char *option, const char *text, uint64_t least, uint64_t most)
{
    char *end;
    unsigned long long value = strtoull(text, &end, 10);
    if (*text < '0' || *text > '9' || *end != '\0' || value < least || value > most) {
        load_die("--%s %s: give a number from %" PRIu64 " to %" PRIu64, option, text, least, most);
    }
    return value;
}

static double seconds_of(const char *text)
{
    char *end;
    double value = strtod(text, &end);
    if (end == text || *end != '\0' || !(value > 0 && value <= 3600)) {
        load_die("--seconds %s: give a number above 0, at most 3600", text);
    }
    return value;
}

static const char *subject_of(const char *text)
{
    size_t length = strcspn(text, " \t\r\n.*>");
    if (length == 0 || text[length] != '\0' || length > SUBJECT_BYTES_MAX) {
        load_die("--subject %s: give one word of a subject, at most %d bytes", text,
                 SUBJECT_BYTES_MAX);
    }
    return text;
}

/* Applies one option to the plan; `name` is its long name. */
static void set_option(struct load_plan *plan, int key, const char *name, const char *text)
{
    switch (key) {
    case OPTION_HOST: plan->host = text; break;
    case OPTION_PORT: plan->port = (uint16_t)number_of(name, text, 1, 65535); break;
    case OPTION_SERVER_PID: plan->server_pid = (pid_t)number_of(name, text, 1, 1 << 30); break;
    case OPTION_SECONDS: plan->seconds = seconds_of(text); break;
    case OPTION_MESSAGES: plan->messages_max = number_of(name, text, 1, UINT64_C(1) << 40); break;
    case OPTION_SIZE: plan->size = (uint32_t)number_of(name, text, 0, 1 << 20); break;
    case OPTION_PUBLISHERS: plan->publishers = (uint32_t)number_of(name, text, 1, 1000); break;
    case OPTION_SUBSCRIBERS: plan->subscribers = (uint32_t)number_of(name, text, 1, 10000); break;
    case OPTION_SUBJECTS: plan->subjects = (uint32_t)number_of(name, text, 1, 1000000); break;
    case OPTION_WINDOW: plan->window = (uint32_t)number_of(name, text, 1, 1000000); break;
    case OPTION_RATE: plan->rate = (uint32_t)number_of(name, text, 1, 10000000); break;
    case OPTION_PAIRS: plan->pairs = (uint32_t)number_of(name, text, 1, 1000); break;
    case OPTION_CONNECTIONS: plan->connections = (uint32_t)number_of(name, text, 1, 1000000); break;
    case OPTION_PACE: plan->pace_ns = (uint32_t)number_of(name, text, 1, 1000000000); break;
    case OPTION_RELAY: plan->relay = true; break;
    case OPTION_SUBJECT: plan->subject = subject_of(text); break;
    case OPTION_HOLD: plan->hold = true; break;
    default: load_die("unknown option; --help lists them");
    }
}

/* The workload is the first word that is no option and no option's value; its row gives the plan to
 * start from. */
static const struct workload *find_workload(int count, char **arguments)
{
    int key;
    opterr = 0;
    while ((key = getopt_long(count, arguments, "", options, NULL)) != -1) {
        if (key == OPTION_HELP) {
            print_help();
            exit(0);
        }
        if (key == '?') {
            load_die("%s: unknown option or missing value; --help lists them",
                     arguments[optind - 1]);
        }
    }
    const char *name = optind < count ? arguments[optind] : "";
    for (size_t i = 0; i < sizeof workloads / sizeof *workloads; i++) {
        if (strcmp(name, workloads[i].name) == 0) {
            return &workloads[i];
        }
    }
    load_die("\"%s\" is not a workload; --help lists them", name);
}

static struct load_plan read_plan(const struct workload *workload, int count, char **arguments)
{
    struct load_plan plan = workload->plan;
    int index = 0;
    int key;
    plan.name = workload->name;
    plan.host = "127.0.0.1";
    plan.subject = "bench";
    plan.seconds = 1;
    optind = 0;
    while ((key = getopt_long(count, arguments, "", options, &index)) != -1) {
        set_option(&plan, key, options[index].name, optarg);
    }
    plan.command = arguments + optind + 1;
    if (plan.port == 0) {
        load_die("--port is missing: which port does the server listen on?");
    }
    if (workload->run == flow_run && plan.rate > 0 && plan.publishers != 1) {
        load_die("--rate works with one publisher only");
    }
    if (workload->run == flow_run && plan.layout == LOAD_NOBODY) {
        plan.subscribers = 0;
        plan.subjects = 1;
    }
    if (plan.layout == LOAD_WILDCARDS && plan.subscribers < 2) {
        load_die("wildcards needs --subscribers 2 or more");
    }
    if (plan.hold && workload->run != idle_connections) {
        load_die("--hold works with idle-connections only");
    }
    if (workload->run == request_run && plan.size < 16) {
        load_die("--size %u: requests need 16 bytes or more to be told apart", plan.size);
    }
    return plan;
}

static const char *failure_of(const struct load_result *result)
{
    return result->messages_received < result->messages_expected   ? "messages were lost"
           : result->messages_received > result->messages_expected ? "more messages than expected"
           : result->misordered > 0                                ? "messages out of order"
           : result->corrupted > 0                                 ? "messages were changed"
           : result->sum_differs ? "a message was lost and another doubled"
                                 : NULL;
}

static void print_latency(const struct measure_histogram *latency)
{
    static const struct {
        const char *name;
        double fraction;
    } points[] = {{"p50", 0.5}, {"p90", 0.9}, {"p99", 0.99}, {"p999", 0.999}};
    printf(",\"latency_us\":{\"count\":%" PRIu64, latency->count);
    for (size_t i = 0; i < sizeof points / sizeof *points; i++) {
        printf(",\"%s\":%.3f", points[i].name,
               (double)measure_quantile(latency, points[i].fraction) / 1e3);
    }
    printf(",\"max\":%.3f}", (double)latency->max_ns / 1e3);
}

void load_report(const struct load_plan *plan, const struct load_result *result)
{
    double cpu = result->after.cpu_seconds - result->before.cpu_seconds;
    printf("{\"workload\":\"%s\",\"unit\":\"%s\",\"units\":%" PRIu64, plan->name, result->unit,
           result->units);
    printf(",\"messages_sent\":%" PRIu64 ",\"messages_expected\":%" PRIu64
           ",\"messages_received\":%" PRIu64,
           result->messages_sent, result->messages_expected, result->messages_received);
    printf(",\"messages_total\":%" PRIu64, result->messages_total);
    printf(",\"bytes_sent\":%" PRIu64 ",\"bytes_received\":%" PRIu64, result->bytes_sent,
           result->bytes_received);
    printf(",\"misordered\":%" PRIu64 ",\"corrupted\":%" PRIu64, result->misordered,
           result->corrupted);
    printf(",\"wall_seconds\":%.6f,\"server_cpu_seconds\":%.6f,\"load_cpu_seconds\":%.6f",
           result->wall_seconds, cpu, result->load_cpu_seconds);
    printf(",\"units_per_cpu_second\":%.1f", cpu > 0 ? (double)result->units / cpu : 0);
    printf(",\"rss_bytes\":%" PRIu64 ",\"rss_before_bytes\":%" PRIu64, result->after.rss_bytes,
           result->before.rss_bytes);
    printf(",\"rss_peak_bytes\":%" PRIu64 ",\"memory_bytes\":%" PRIu64,
           result->after.rss_peak_bytes, result->memory_bytes);
    if (result->latency.count > 0) {
        print_latency(&result->latency);
    }
    const char *failure = failure_of(result);
    printf(failure == NULL ? ",\"failure\":null}\n" : ",\"failure\":\"%s\"}\n", failure);
    fflush(stdout);
}

int main(int count, char **arguments)
{
    const struct workload *workload = find_workload(count, arguments);
    struct load_plan plan = read_plan(workload, count, arguments);
    static struct load_result result;
    workload->run(&plan, &result);
    if (!plan.hold) {
        load_report(&plan, &result);
    }
    return failure_of(&result) == NULL ? 0 : 1;
}
