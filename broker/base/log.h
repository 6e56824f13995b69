/* Log lines in nats-server's layout: [pid] 2026/01/02 03:04:05.000006 [INF] text
 *
 * One write per line, to standard error or to a file; any thread. Never per message, but for trace, which is off unless
 * asked for. log_open and log_close belong to main. No secrets in any line: callers see to that. */
#ifndef BROKER_BASE_LOG_H
#define BROKER_BASE_LOG_H

#include "broker/base/base.h"

enum log_level { LOG_INFO, LOG_DEBUG, LOG_WARN, LOG_ERROR, LOG_FATAL, LOG_TRACE };

struct log_settings {
    const char *file; /* NULL: standard error */
    bool debug, trace;
    bool time, time_utc; /* whether lines carry the time, and in which zone */
};

extern struct log_settings log_settings;

/* 0 or ERR_SYSTEM (errno tells). file is borrowed until log_close. */
MUST_CHECK int log_open(const struct log_settings *settings);
/* Closes and opens the file again, for log rotation; a notice without one. */
void log_reopen(void);
void log_close(void);

PRINTF(2, 3) void log_line(enum log_level level, const char *format, ...);
/* The same, at most once a second for each call site; folded repeats are told in the next line. */
struct log_limit {
    _Atomic int64_t next_ns;
    _Atomic uint64_t folded;
};
PRINTF(3, 4)
void log_line_limited(struct log_limit *limit, enum log_level level, const char *format, ...);

#define log_info(...)  log_line(LOG_INFO, __VA_ARGS__)
#define log_warn(...)  log_line(LOG_WARN, __VA_ARGS__)
#define log_error(...) log_line(LOG_ERROR, __VA_ARGS__)
#define log_debug(...) (log_settings.debug ? log_line(LOG_DEBUG, __VA_ARGS__) : (void)0)
#define log_trace(...) (log_settings.trace ? log_line(LOG_TRACE, __VA_ARGS__) : (void)0)

/* Bytes as Go's %q writes them, with the quotes, cut to fit out; returns out. */
char *log_quote(struct span bytes, char *out, size_t out_size);

#endif
