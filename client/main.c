/* clearwing-client: one program, five verbs.
 *
 * The verb is what follows "clearwing-" in the name the program was called by (clearwing-publish is
 * a link to it), or else the first argument. Each verb is a row below and a file of its own. */
#include "client/interrupt.h"
#include "client/options.h"
#include "client/say.h"
#include "client/verbs.h"

struct verb {
    enum verb_bit bit;
    const char *name;
    const char *arguments;
    size_t arguments_min, arguments_max;
    int (*run)(const struct options *options);
    const char *summary;
    const char *example;
};

static const struct verb verbs[] = {
    {VERB_PUBLISH, "publish", "SUBJECT [PAYLOAD | -]", 1, 2, publish_run,
     "Publish messages; the payload is the argument, stdin for -, or a file.",
     "clearwing publish orders.new 'order {{count}}' --count 3 --header 'Source: shop'"},
    {VERB_SUBSCRIBE, "subscribe", "SUBJECT...", 1, SIZE_MAX, subscribe_run,
     "Print messages as they arrive; * stands for one token, > for all that follow.",
     "clearwing subscribe 'orders.>' --json --count 10"},
    {VERB_REQUEST, "request", "SUBJECT [PAYLOAD | -]", 1, 2, request_run,
     "Send a request, print the reply and the time it took.",
     "clearwing request time.now --timeout 500ms"},
    {VERB_REPLY, "reply", "SUBJECT [PAYLOAD]", 1, 2, reply_run,
     "Answer requests with a payload, with their own, or with a command's output.",
     "clearwing reply time.now --command date --queue clocks"},
    {VERB_BENCH, "bench", "[SUBJECT]", 0, 1, bench_run,
     "Measure throughput and latency, and check that every message arrives.",
     "clearwing bench --publishers 2 --subscribers 4 --messages 1000000 --size 128"},
};

static const char statuses[] =
    "Exit status: 0 done; 1 bad input, no connection, refused, or messages lost;\n"
    "             2 a request got no reply within --timeout; 3 nobody answers its subject.\n";

static const struct verb *find_verb(const char *name)
{
    for (size_t i = 0; i < array_length(verbs); i++) {
        if (strcmp(verbs[i].name, name) == 0)
            return &verbs[i];
    }
    return NULL;
}

static void print_overview(FILE *out)
{
    fputs("Usage: clearwing VERB ...\n\n", out);
    for (size_t i = 0; i < array_length(verbs); i++)
        fprintf(out, "  %-10s %-22s %s\n", verbs[i].name, verbs[i].arguments, verbs[i].summary);
    fputs("\nclearwing VERB --help shows the options of a verb.\n", out);
}

static void print_help(FILE *out, const struct verb *verb)
{
    fprintf(out, "Usage: clearwing %s %s [options]\n\n%s\n\n  %s\n\nOptions:\n", verb->name,
            verb->arguments, verb->summary, verb->example);
    options_help(out, verb->bit);
    fprintf(out, "\nDurations have a unit: 500us, 20ms, 2s, 1m.\n%s", statuses);
}

static int check_arguments(const struct verb *verb, const struct options_list *arguments)
{
    if (arguments->count < verb->arguments_min) {
        say_line("the subject is missing: clearwing %s %s", verb->name, verb->arguments);
        return -1;
    }
    if (arguments->count > verb->arguments_max) {
        say_line(
            "unexpected argument \"%s\": clearwing %s %s (put quotes around a payload with spaces)",
            arguments->items[verb->arguments_max], verb->name, verb->arguments);
        return -1;
    }
    return 0;
}

static int run_verb(const struct verb *verb, int count, char **arguments)
{
    say_verb(verb->name);
    struct options options;
    int status = EXIT_STATUS_FAILED;
    if (options_parse(&options, verb->bit, count, arguments) == 0) {
        if (options.help) {
            print_help(stdout, verb);
            status = EXIT_STATUS_DONE;
        } else if (options.list_options) {
            options_print_list(stdout, verb->bit);
            status = EXIT_STATUS_DONE;
        } else if (check_arguments(verb, &options.arguments) == 0 && interrupt_init() == 0) {
            status = verb->run(&options);
        }
    }
    options_fini(&options);
    return status;
}

int main(int argc, char **argv)
{
    const char *slash = strrchr(argv[0], '/');
    const char *called = slash ? slash + 1 : argv[0];
    const struct verb *verb =
        strncmp(called, "clearwing-", 10) == 0 ? find_verb(called + 10) : NULL;
    if (verb)
        return run_verb(verb, argc - 1, argv + 1);
    if (argc < 2) {
        print_overview(stderr);
        return EXIT_STATUS_FAILED;
    }
    verb = find_verb(argv[1]);
    if (verb)
        return run_verb(verb, argc - 2, argv + 2);
    if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0) {
        print_overview(stdout);
        return EXIT_STATUS_DONE;
    }
    if (strcmp(argv[1], "--version") == 0) {
        puts("clearwing-client " CLEARWING_VERSION);
        return EXIT_STATUS_DONE;
    }
    say_line("unknown verb \"%s\"; use publish, subscribe, request, reply or bench", argv[1]);
    return EXIT_STATUS_FAILED;
}
