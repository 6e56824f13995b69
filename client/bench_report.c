/* What a bench run found: sums over publishers and subscribers, the report for people and as JSON,
 * and the verdict.
 *
 * expected is what was really sent, times the subscribers in a fan-out. good counts each of those
 * once. lost = expected - good;  received = good + repeated when payloads are stamped, else only
 * received is known. */
#include "client/bench.h"

#include "client/interrupt.h"
#include "client/say.h"
#include "client/verbs.h"

#include <inttypes.h>
#include <jansson.h>

static const char *const mode_names[] = {"publish", "fanout", "queue", "request"};

static const struct {
    const char *name;
    double share;
} percentiles[] = {{"p50", 0.5}, {"p90", 0.9}, {"p99", 0.99}, {"p99.9", 0.999}};

/* --- counting
 * ----------------------------------------------------------------------------------------- */

static void count_publishers(const struct bench *bench, struct bench_totals *totals)
{
    int64_t end_ns = bench->start_ns;
    for (uint64_t i = 0; i < bench->publishers_count; i++) {
        const struct bench_publisher *p = &bench->publishers[i];
        int64_t own_end_ns = atomic_load_explicit(&p->end_ns, memory_order_relaxed);
        if (own_end_ns > end_ns)
            end_ns = own_end_ns;
        totals->sent += bench_read(&p->sent);
        totals->timeouts += bench_read(&p->timeouts);
        totals->no_responders += bench_read(&p->no_responders);
        totals->unexpected += bench_read(&p->wrong);
        if (bench->mode == BENCH_REQUEST) {
            totals->good += bench_read(&p->replies);
            totals->received += bench_read(&p->replies) + bench_read(&p->wrong);
            latency_merge(&totals->latency, &p->latency);
        }
    }
    totals->send_seconds = (double)(end_ns - bench->start_ns) / 1e9;
}

static void count_subscribers(const struct bench *bench, struct bench_totals *totals)
{
    int64_t last_ns = bench->start_ns;
    for (uint64_t i = 0; i < bench->subscribers_count; i++) {
        const struct bench_subscriber *s = &bench->subscribers[i];
        int64_t own_last_ns = atomic_load_explicit(&s->last_ns, memory_order_relaxed);
        if (own_last_ns > last_ns)
            last_ns = own_last_ns;
        totals->received += bench_read(&s->received);
        totals->good += bench_read(&s->good);
        totals->repeated += bench_read(&s->repeated);
        totals->unexpected += bench_read(&s->unexpected);
        int64_t dropped = 0;
        if (s->sub && natsSubscription_GetDropped(s->sub, &dropped) == NATS_OK)
            totals->dropped += (uint64_t)dropped;
        latency_merge(&totals->latency, &s->latency);
    }
    totals->receive_seconds = (double)(last_ns - bench->start_ns) / 1e9;
}

void bench_report_count(const struct bench *bench, struct bench_totals *totals)
{
    memset(totals, 0, sizeof *totals);
    count_publishers(bench, totals);
    totals->receive_seconds = totals->send_seconds;
    if (bench->mode == BENCH_FANOUT || bench->mode == BENCH_QUEUE)
        count_subscribers(bench, totals);
    if (bench->mode != BENCH_PUBLISH)
        totals->expected =
            totals->sent * (bench->mode == BENCH_FANOUT ? bench->subscribers_count : 1);
    if (!bench->stamped && (bench->mode == BENCH_FANOUT || bench->mode == BENCH_QUEUE)) {
        totals->good = totals->received < totals->expected ? totals->received : totals->expected;
        totals->repeated = totals->received - totals->good;
    }
    totals->lost = totals->expected > totals->good ? totals->expected - totals->good : 0;
}

/* --- numbers for people
 * ------------------------------------------------------------------------------- */

enum { NUMBER_TEXT_MAX = 48 };

/* 1234567 as "1,234,567". */
static char *grouped(uint64_t number, char out[NUMBER_TEXT_MAX])
{
    char digits[24];
    int len = snprintf(digits, sizeof digits, "%" PRIu64, number);
    char *at = out;
    for (int i = 0; i < len; i++) {
        if (i > 0 && (len - i) % 3 == 0)
            *at++ = ',';
        *at++ = digits[i];
    }
    *at = '\0';
    return out;
}

static double per_second(uint64_t count, double seconds)
{
    return seconds > 0 ? (double)count / seconds : 0;
}

static char *bytes_text(double bytes, char out[NUMBER_TEXT_MAX])
{
    static const char *const units[] = {"B", "KiB", "MiB", "GiB", "TiB"};
    size_t unit = 0;
    for (; bytes >= 1024 && unit + 1 < array_length(units); unit++)
        bytes /= 1024;
    snprintf(out, NUMBER_TEXT_MAX, "%.*f %s", unit ? 1 : 0, bytes, units[unit]);
    return out;
}

static char *time_text(uint64_t ns, char out[NUMBER_TEXT_MAX])
{
    if (ns < 1000)
        snprintf(out, NUMBER_TEXT_MAX, "%" PRIu64 " ns", ns);
    else if (ns < 1000000)
        snprintf(out, NUMBER_TEXT_MAX, "%.1f us", (double)ns / 1e3);
    else if (ns < 1000000000)
        snprintf(out, NUMBER_TEXT_MAX, "%.2f ms", (double)ns / 1e6);
    else
        snprintf(out, NUMBER_TEXT_MAX, "%.2f s", (double)ns / 1e9);
    return out;
}

/* --- progress
 * ----------------------------------------------------------------------------------------- */

void bench_report_progress(const struct bench *bench)
{
    enum { WIDTH = 30 };
    struct bench_totals totals;
    bench_report_count(bench, &totals);
    uint64_t all = bench->options->messages, done = totals.sent;
    uint64_t copies = bench->mode == BENCH_FANOUT ? bench->subscribers_count : 1;
    if (bench->mode == BENCH_FANOUT || bench->mode == BENCH_QUEUE)
        done = totals.received / copies;
    int filled = (int)((double)(done < all ? done : all) / (double)all * WIDTH);
    double seconds = (double)(clock_mono_ns() - bench->start_ns) / 1e9;
    char rate[NUMBER_TEXT_MAX];
    fprintf(stderr, "\r[%.*s%*s] %3.0f%% %s messages/s \x1b[K", filled,
            "##############################", WIDTH - filled, "",
            100.0 * (double)done / (double)all,
            grouped((uint64_t)per_second(done * copies, seconds), rate));
    fflush(stderr);
}

void bench_report_progress_end(void)
{
    fputs("\r\x1b[K", stderr);
    fflush(stderr);
}

/* --- text
 * --------------------------------------------------------------------------------------------- */

static void print_flow(const char *what, uint64_t count, double seconds, uint64_t size)
{
    char number[NUMBER_TEXT_MAX], rate[NUMBER_TEXT_MAX], bytes[NUMBER_TEXT_MAX];
    double per = per_second(count, seconds);
    printf("  %-9s %14s messages in %8.3f s  %12s messages/s  %12s/s\n", what,
           grouped(count, number), seconds, grouped((uint64_t)per, rate),
           bytes_text(per * (double)size, bytes));
}

static void print_latency(const struct bench *bench, const struct latency *latency)
{
    char text[NUMBER_TEXT_MAX];
    if (bench_read(&latency->count) == 0)
        return;
    fputs("  latency  ", stdout);
    for (size_t i = 0; i < array_length(percentiles); i++)
        printf(" %s %s ", percentiles[i].name,
               time_text(latency_percentile(latency, percentiles[i].share), text));
    printf(" max %s\n", time_text(bench_read(&latency->most_ns), text));
    if (bench->options->rate > 0)
        puts("            from the time each message was due; a late sender is counted, not left "
             "out");
    else if (bench->mode != BENCH_REQUEST)
        puts("            at full speed this is mostly time in queues; set --rate for a load to "
             "measure it under");
}

static void print_text(const struct bench *bench, const struct bench_totals *totals)
{
    const struct options *options = bench->options;
    printf("%s on %s: %" PRIu64 " publishers, %" PRIu64 " subscribers, payload %" PRIu64 " bytes",
           mode_names[bench->mode], bench->subject_text, bench->publishers_count,
           bench->subscribers_count, options->size);
    if (options->rate > 0)
        printf(", %" PRIu64 " messages/s asked for", options->rate);
    putchar('\n');
    print_flow(bench->mode == BENCH_REQUEST ? "requests" : "published", totals->sent,
               totals->send_seconds, options->size);
    if (bench->mode == BENCH_FANOUT || bench->mode == BENCH_QUEUE)
        print_flow("received", totals->received, totals->receive_seconds, options->size);
    print_latency(bench, &totals->latency);
}

/* --- JSON
 * --------------------------------------------------------------------------------------------- */

static json_t *whole(uint64_t number)
{
    return json_integer((json_int_t)number);
}

static json_t *flow_json(uint64_t count, double seconds, uint64_t size)
{
    return json_pack("{s:o, s:o, s:f, s:f, s:f}", "messages", whole(count), "bytes",
                     whole(count * size), "seconds", seconds, "messages_per_second",
                     per_second(count, seconds), "bytes_per_second",
                     per_second(count * size, seconds));
}

static json_t *latency_json(const struct bench *bench, const struct latency *latency)
{
    uint64_t count = bench_read(&latency->count);
    json_t *out = json_object();
    json_object_set_new(out, "samples", whole(count));
    json_object_set_new(out, "measured_from",
                        json_string(bench->options->rate > 0 ? "due" : "sent"));
    json_object_set_new(out, "min", json_real((double)bench_read(&latency->least_ns) / 1e3));
    json_object_set_new(out, "mean",
                        json_real((double)bench_read(&latency->sum_ns) / 1e3 / (double)count));
    for (size_t i = 0; i < array_length(percentiles); i++)
        json_object_set_new(
            out, percentiles[i].name,
            json_real((double)latency_percentile(latency, percentiles[i].share) / 1e3));
    json_object_set_new(out, "max", json_real((double)bench_read(&latency->most_ns) / 1e3));
    return out;
}

static void print_json(const struct bench *bench, const struct bench_totals *totals)
{
    const struct options *options = bench->options;
    json_t *out = json_object();
    json_object_set_new(out, "mode", json_string(mode_names[bench->mode]));
    json_object_set_new(out, "subject", json_string(bench->subject_text));
    json_object_set_new(out, "publishers", whole(bench->publishers_count));
    json_object_set_new(out, "subscribers", whole(bench->subscribers_count));
    if (bench->queue)
        json_object_set_new(out, "queue", json_string(bench->queue));
    json_object_set_new(out, "size", whole(options->size));
    json_object_set_new(out, "rate", whole(options->rate));
    json_object_set_new(out, "interrupted", json_boolean(interrupt_signalled()));
    json_object_set_new(out, "sent", flow_json(totals->sent, totals->send_seconds, options->size));
    if (bench->mode != BENCH_PUBLISH)
        json_object_set_new(out, "received",
                            flow_json(totals->received, totals->receive_seconds, options->size));
    json_object_set_new(out, "expected", whole(totals->expected));
    json_object_set_new(out, "lost", whole(totals->lost));
    json_object_set_new(out, "repeated", whole(totals->repeated));
    json_object_set_new(out, "unexpected", whole(totals->unexpected));
    json_object_set_new(out, "dropped_by_client", whole(totals->dropped));
    if (bench->mode == BENCH_REQUEST) {
        json_object_set_new(out, "timeouts", whole(totals->timeouts));
        json_object_set_new(out, "no_responders", whole(totals->no_responders));
    }
    if (bench_read(&totals->latency.count) > 0)
        json_object_set_new(out, "latency_us", latency_json(bench, &totals->latency));
    json_dumpf(out, stdout, JSON_COMPACT | JSON_REAL_PRECISION(12));
    putchar('\n');
    json_decref(out);
}

void bench_report_print(const struct bench *bench, const struct bench_totals *totals)
{
    if (bench->options->json)
        print_json(bench, totals);
    else
        print_text(bench, totals);
    fflush(stdout);
}

/* --- verdict
 * ------------------------------------------------------------------------------------------ */

int bench_report_verdict(const struct bench *bench, const struct bench_totals *totals)
{
    uint64_t silent = totals->lost - totals->no_responders;
    if (totals->no_responders > 0)
        say_line("%" PRIu64 " of %" PRIu64 " requests had no responders", totals->no_responders,
                 totals->expected);
    if (bench->mode == BENCH_REQUEST && silent > 0)
        say_line("%" PRIu64 " of %" PRIu64 " requests got no right reply within --timeout", silent,
                 totals->expected);
    else if (silent > 0)
        say_line("%" PRIu64 " of %" PRIu64 " messages were lost (%" PRIu64
                 " of them dropped by this program)",
                 silent, totals->expected, totals->dropped);
    if (totals->repeated > 0)
        say_line("%" PRIu64 " messages came twice or out of order", totals->repeated);
    if (totals->unexpected > 0)
        say_line("%" PRIu64 " messages did not belong to this run; choose a subject of its own",
                 totals->unexpected);
    if (interrupt_signalled())
        say_line("interrupted after %" PRIu64 " of %" PRIu64 " messages", totals->sent,
                 bench->options->messages);
    bool astray = totals->lost > 0 || totals->repeated > 0 || totals->unexpected > 0;
    bool short_of = totals->sent < bench->options->messages && !interrupt_signalled();
    return astray || short_of ? EXIT_STATUS_FAILED : EXIT_STATUS_DONE;
}
