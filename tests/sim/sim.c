/* clearwing-sim: the broker's core under a seeded clock, network and interleaving of workers, held
 * against a model.
 *
 *     step: choose -> let the broker act -> observe what it queued -> let the model act -> compare
 *
 * Everything that is left to chance comes from the seed, so a run can be run again; --trace then
 * tells what happens in it. A run ends quietly: all mail is opened, everything is written, and
 * nothing may be owed, then all clients leave, and no memory may be left. */
#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "broker/base/clock.h"
#include "broker/base/log.h"
#include "broker/base/mem.h"
#include "tests/sim/broken.h"
#include "tests/sim/report.h"
#include "tests/sim/script.h"
#include "tests/sim/verify.h"

enum { CLIENTS_MAX = 16, VERIFY_EACH = 50, SUBJECTS_CHECKED = 4 };

struct sim {
    struct random random;
    struct script_taste taste;
    struct model model;
    struct network network;
};

static struct {
    unsigned long seed, steps, workers, runs, seconds;
} settings = {.seed = 1, .steps = 2000, .runs = 1};

/* ---- reports ---- */

bool report_traced;
static unsigned long current_step;
static char again[256]; /* the command line of this run */

void report_trace_line(const char *format, ...)
{
    va_list values;
    va_start(values, format);
    vprintf(format, values);
    va_end(values);
    putchar('\n');
}

void report_failure(const char *format, ...)
{
    fflush(stdout);
    fprintf(stderr, "clearwing-sim: step %lu: ", current_step);
    va_list values;
    va_start(values, format);
    vfprintf(stderr, format, values);
    va_end(values);
    fprintf(stderr, "\n%s", again);
    _exit(1);
}

const char *report_quote(struct span bytes)
{
    static char texts[4][400];
    static unsigned last;
    bytes.len = min_size(bytes.len, 80);
    return log_quote(bytes, texts[++last % 4], sizeof texts[0]);
}

/* A failed check, or a sanitizer's finding. */
static void on_abort(int signal_number)
{
    ssize_t ignored = write(STDERR_FILENO, again, strlen(again));
    (void)ignored;
    signal(signal_number, SIG_DFL);
    raise(signal_number);
}

const char *__asan_default_options(void);
const char *__asan_default_options(void)
{
    return "abort_on_error=1:detect_leaks=1";
}

/* ---- choices ---- */

static struct model_client *choose_client(struct sim *sim)
{
    unsigned count = 0;
    struct model_client *chosen = NULL;
    for (struct model_client *client = sim->model.clients; client; client = client->next)
        if (client->session && random_one_in(&sim->random, ++count))
            chosen = client;
    return chosen;
}

static unsigned choose_worker(struct sim *sim)
{
    return (unsigned)random_below(&sim->random, sim->model.worker_count);
}

static unsigned open_clients(const struct sim *sim)
{
    unsigned count = 0;
    for (const struct model_client *client = sim->model.clients; client; client = client->next)
        count += client->session != NULL;
    return count;
}

/* ---- steps ---- */

static void step_connect(struct sim *sim)
{
    unsigned worker = choose_worker(sim);
    if (open_clients(sim) >= CLIENTS_MAX)
        return;
    struct model_client *client = network_connect(&sim->network, worker);
    report_trace("%lu: client %llu connects to worker %u", current_step,
                 (unsigned long long)client->number, worker);
}

static void execute(struct sim *sim, struct model_client *client, const struct op *op)
{
    struct model *model = &sim->model;
    switch (op->kind) {
    case OP_CONNECT: model_connect(model, client, op); break;
    case OP_SUB:
        report_trace("  SUB %s queue '%s' sid %s", op->subject, op->queue, op->sid);
        model_subscribe(model, client, op);
        break;
    case OP_UNSUB:
        report_trace("  UNSUB %s %llu", op->sid, (unsigned long long)op->max);
        model_unsubscribe(model, client, op);
        break;
    case OP_PUBLISH:
        report_trace("  publish %u on %s reply '%s' size %u", op->message->id, op->message->subject,
                     op->message->reply, op->message->total_size);
        model_publish(model, client, op->message);
        break;
    case OP_PING: model_ping(model, client); break;
    case OP_NOTHING: break;
    case OP_PONG: client->pings_out = 0; break;
    case OP_FATAL: model_fail(model, client, op->reason); break;
    }
}

/* What the broker has read whole, and a fatal command that it did not need to read to the end. */
static void execute_all(struct sim *sim, struct model_client *client)
{
    while (client->failed == CLOSE_NONE && client->ops) {
        struct op *op = client->ops;
        bool seen_early = op->kind == OP_FATAL && op->begin < client->fed &&
                          client->session->close_reason != CLOSE_NONE;
        if (op->end > client->fed && !seen_early)
            return;
        client->ops = op->next;
        if (!client->ops)
            client->ops_last = &client->ops;
        execute(sim, client, op);
        free(op);
    }
}

static void step_feed(struct sim *sim)
{
    struct model_client *client = choose_client(sim);
    if (!client || client->failed != CLOSE_NONE || network_waits(client, sim->network.now_ns))
        return;
    for (size_t more = random_up_to(&sim->random, 12); more > 0 && client->input_len < 400000;
         more--)
        script_more(&sim->model, client, &sim->taste, &sim->random);
    if (client->input_len < 400000 && random_one_in(&sim->random, 200))
        script_burst(&sim->model, client, &sim->taste, &sim->random);
    if (client->input_len == 0)
        return;
    size_t len = random_one_in(&sim->random, 2)
                     ? client->input_len
                     : 1 + random_up_to(&sim->random, client->input_len - 1);
    report_trace("%lu: client %llu sends %zu bytes", current_step,
                 (unsigned long long)client->number, len);
    network_feed(&sim->network, client, len);
    network_observe(&sim->network);
    execute_all(sim, client);
}

static void open_mail(struct sim *sim, unsigned from, unsigned to)
{
    report_trace("%lu: worker %u opens mail of worker %u", current_step, to, from);
    network_open_mail(&sim->network, from, to);
    network_observe(&sim->network);
    model_receive(&sim->model, to);
}

static void step_mail(struct sim *sim)
{
    unsigned from = choose_worker(sim), to = choose_worker(sim);
    for (size_t count = network_mail_waiting(&sim->network, from, to); count > 0; count--) {
        open_mail(sim, from, to);
        if (random_one_in(&sim->random, 3))
            return;
    }
}

static void step_flush(struct sim *sim)
{
    unsigned worker = choose_worker(sim);
    size_t most = random_one_in(&sim->random, 3) ? SIZE_MAX : random_up_to(&sim->random, 100000);
    report_trace("%lu: worker %u writes up to %zu bytes to each", current_step, worker, most);
    network_flush(&sim->network, worker, most);
}

static void step_tick(struct sim *sim)
{
    struct network *network = &sim->network;
    network->now_ns += (int64_t)random_up_to(&sim->random, 20 * (size_t)NS_PER_SEC);
    clock_set_fake(network->now_ns);
    for (struct model_client *client = sim->model.clients; client; client = client->next) {
        if (!client->session || client->session->next_timer_ns > network->now_ns ||
            random_one_in(&sim->random, 4))
            continue;
        network_tick(network, client);
        network_observe(network);
        model_tick(&sim->model, client);
    }
}

static void step_close(struct sim *sim)
{
    struct model_client *client = choose_client(sim);
    if (!client || !random_one_in(&sim->random, 4))
        return;
    bool reset = random_one_in(&sim->random, 2);
    report_trace("%lu: client %llu %s", current_step, (unsigned long long)client->number,
                 reset ? "resets" : "hangs up");
    if (reset)
        network_reset(&sim->network, client);
    else
        network_hang_up(client);
}

static void step_writable(struct sim *sim)
{
    struct model_client *client = choose_client(sim);
    if (client && client->text_len > 0)
        network_writable(client);
}

static void verify(struct sim *sim, bool thoroughly)
{
    const char *subjects[SUBJECTS_CHECKED];
    size_t count = 0;
    verify_step(&sim->network);
    model_check_due(&sim->model);
    if (!thoroughly)
        return;
    while (sim->model.message_count > 0 && count < SUBJECTS_CHECKED)
        subjects[count++] =
            sim->model.messages[random_below(&sim->random, sim->model.message_count)]->subject;
    verify_structures(&sim->network, subjects, count);
}

static void step(struct sim *sim)
{
    switch (random_below(&sim->random, 32)) {
    case 0: step_connect(sim); break;
    case 1: step_close(sim); break;
    case 2: step_tick(sim); break;
    case 3:
    case 4: network_collect(&sim->network, choose_worker(sim)); break;
    case 5:
    case 6:
    case 7: step_writable(sim); break;
    case 8:
    case 9:
    case 10:
    case 11: step_flush(sim); break;
    case 12:
    case 13:
    case 14:
    case 15:
    case 16:
    case 17: step_mail(sim); break;
    default: step_feed(sim); break;
    }
    verify(sim, current_step % VERIFY_EACH == 0);
}

/* ---- runs ---- */

static struct options choose_options(struct random *random)
{
    static char host[] = "127.0.0.1";
    static const int64_t pending[] = {64 << 20, 300000, 40000};
    return (struct options){
        .host = host,
        .max_control_line = 4096,
        .max_payload = MESSAGE_SIZE_MAX,
        .max_pending = pending[random_below(random, array_length(pending))],
        .max_subscriptions = random_one_in(random, 4) ? 5 : 0,
        .max_closed_clients = 1 + (int64_t)random_up_to(random, 50),
        .ping_interval_ns = random_one_in(random, 2) ? 120 * NS_PER_SEC : 20 * NS_PER_SEC,
        .ping_max = 1 + (int64_t)random_below(random, 3),
        .write_deadline_ns = 10 * NS_PER_SEC,
        .auth_timeout_s = 2,
        .no_fast_producer_stall = random_one_in(random, 4),
    };
}

/* All mail is opened, everything is written. */
static void settle(struct sim *sim)
{
    for (unsigned to = 0; to < sim->model.worker_count; to++)
        for (unsigned from = 0; from < sim->model.worker_count; from++)
            while (network_mail_waiting(&sim->network, from, to) > 0)
                open_mail(sim, from, to);
    verify(sim, true);
    for (struct model_client *client = sim->model.clients; client; client = client->next)
        if (client->session)
            network_writable(client);
    for (unsigned worker = 0; worker < sim->model.worker_count; worker++)
        network_flush(&sim->network, worker, SIZE_MAX);
    verify(sim, true);
    for (const struct model_client *client = sim->model.clients; client; client = client->next)
        if (client->session && client->text_len > 0)
            report_failure("client %llu: %zu bytes are still pending",
                           (unsigned long long)client->number, client->text_len);
}

static void run(unsigned long seed)
{
    static struct sim sim;
    sim = (struct sim){.random = {seed}};
    unsigned workers =
        settings.workers ? (unsigned)settings.workers : 1 + (unsigned)(seed % MODEL_WORKERS_MAX);
    snprintf(again, sizeof again,
             "to see it again: clearwing-sim%s --seed %lu --steps %lu --workers %u --trace\n",
             broken_arguments(), seed, settings.steps, workers);
    struct options options = choose_options(&sim.random);
    sim.taste = script_choose_taste(&sim.random);
    uint64_t blocks = mem_live_blocks();
    model_init(&sim.model, &options, workers);
    network_init(&sim.network, &sim.model, &options, workers, &sim.random);
    for (current_step = 1; current_step <= settings.steps; current_step++)
        step(&sim);
    settle(&sim);
    struct model_client *client;
    while ((client = choose_client(&sim)) != NULL)
        network_reset(&sim.network, client);
    for (unsigned worker = 0; worker < workers; worker++)
        network_flush(&sim.network, worker, SIZE_MAX);
    verify(&sim, true);
    printf("seed %lu: %u workers, %llu clients, %zu messages sent for %llu deliveries and %llu "
           "answers 503\n",
           seed, workers, sim.model.clients ? (unsigned long long)sim.model.clients->number : 0,
           sim.model.message_count, (unsigned long long)sim.model.delivered,
           (unsigned long long)sim.model.answered);
    network_fini(&sim.network);
    model_fini(&sim.model);
    if (mem_live_blocks() != blocks)
        report_failure("%llu blocks of memory were not freed",
                       (unsigned long long)(mem_live_blocks() - blocks));
}

/* ---- main ---- */

static const char usage[] =
    "clearwing-sim: the broker's core under a seeded clock and network, held against a model\n"
    "  --seed N     first seed (1)\n"
    "  --runs N     how many seeds (1)\n"
    "  --seconds N  as many seeds as fit into this time\n"
    "  --steps N    steps of a run (2000)\n"
    "  --workers N  1 to 4; by the seed unless given\n"
    "  --trace      tell what happens\n";

static void refuse(const char *option, const char *text, const char *wanted)
{
    fprintf(stderr, "clearwing-sim: --%s %s: give %s; --help shows what there is\n", option, text,
            wanted);
    exit(1);
}

static unsigned long read_number(const char *option, const char *text, unsigned long least,
                                 unsigned long most)
{
    char *end, wanted[80];
    errno = 0;
    unsigned long value = strtoul(text, &end, 10);
    if (errno == 0 && *end == '\0' && text[0] >= '0' && text[0] <= '9' && value >= least &&
        value <= most)
        return value;
    snprintf(wanted, sizeof wanted, "a number from %lu to %lu", least, most);
    refuse(option, text, wanted);
    return 0;
}

static void read_arguments(int argc, char **argv)
{
    static const struct option options[] = {
        {"seed", required_argument, NULL, 's'},
        {"runs", required_argument, NULL, 'r'},
        {"seconds", required_argument, NULL, 't'},
        {"steps", required_argument, NULL, 'n'},
        {"workers", required_argument, NULL, 'w'},
        {"break", required_argument, NULL, 'b'},
        {"trace", no_argument, NULL, 'v'},
        {"help", no_argument, NULL, 'h'},
        {NULL, 0, NULL, 0},
    };
    int option;
    while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
        switch (option) {
        case 's': settings.seed = read_number("seed", optarg, 0, UINT32_MAX); break;
        case 'r': settings.runs = read_number("runs", optarg, 1, UINT32_MAX); break;
        case 't': settings.seconds = read_number("seconds", optarg, 1, 86400); break;
        case 'n': settings.steps = read_number("steps", optarg, 1, 100000000); break;
        case 'w': settings.workers = read_number("workers", optarg, 1, MODEL_WORKERS_MAX); break;
        case 'b':
            if (!broken_choose(optarg))
                refuse("break", optarg, broken_names());
            break;
        case 'v': report_traced = true; break;
        case 'h': fputs(usage, stdout); exit(0);
        default: fputs("clearwing-sim: --help shows what there is\n", stderr); exit(1);
        }
    }
    if (optind < argc)
        refuse("help", argv[optind], "options only");
}

int main(int argc, char **argv)
{
    read_arguments(argc, argv);
    signal(SIGABRT, on_abort);
    signal(SIGSEGV, on_abort);
    log_settings.file = "/dev/null"; /* slow consumers would be told */
    if (log_open(&log_settings) != 0)
        return 1;
    struct timespec begin, now;
    clock_gettime(CLOCK_MONOTONIC, &begin);
    unsigned long done = 0;
    do {
        run(settings.seed + done++);
        clock_gettime(CLOCK_MONOTONIC, &now);
    } while (settings.seconds ? now.tv_sec - begin.tv_sec < (time_t)settings.seconds
                              : done < settings.runs);
    log_close();
    return 0;
}
