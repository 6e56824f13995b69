/* Command line to settings.
 *
 * Called once, from main. Text is borrowed from argv or owned by the struct for the life of the
 * process. Durations are nanoseconds. What makes no sense is one line on standard error and
 * OPTIONS_BAD. */
#ifndef TOP_OPTIONS_H
#define TOP_OPTIONS_H

#include "top/columns.h"

#define OPTIONS_INTERVAL_MIN_NS (100 * 1000000LL)
#define OPTIONS_INTERVAL_MAX_NS (3600 * 1000000000LL)

enum { OPTIONS_URLS_MAX = 16, OPTIONS_HEADERS_MAX = 16, OPTIONS_URL_BYTES = 512 };

enum options_outcome { OPTIONS_RUN, OPTIONS_DONE, OPTIONS_BAD };
enum options_view { OPTIONS_OVERVIEW, OPTIONS_CONNECTIONS };
enum options_form { OPTIONS_SCREEN, OPTIONS_TEXT, OPTIONS_JSON, OPTIONS_CSV };
enum options_color { OPTIONS_COLOR_AUTO, OPTIONS_COLOR_ALWAYS, OPTIONS_COLOR_NEVER };

struct options {
    char urls[OPTIONS_URLS_MAX][OPTIONS_URL_BYTES]; /* with scheme, without a slash at the end */
    size_t url_count;
    int64_t interval_ns;
    int64_t timeout_ns; /* 0: follow the interval */
    unsigned limit;
    unsigned count; /* samples; 0: no end */
    const struct column *sort;
    bool descending;
    const char *filter;
    enum options_view view;
    enum options_form form;
    enum options_color color;
    bool raw, totals, ascii;
    const char *output;    /* NULL: standard output */
    const char *delimiter; /* NULL: padded table */
    const char *ca_file, *cert_file, *key_file;
    bool insecure;
    const char *headers[OPTIONS_HEADERS_MAX + 1];
};

enum options_outcome options_parse(int argc, char **argv, struct options *out);
/* The longest wait for one answer at this interval. */
long options_timeout_ms(const struct options *options, int64_t interval_ns);
/* The table as Markdown. */
void options_list(void);

#endif
