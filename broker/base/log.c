/* A line is put together on the stack and written with one write(2), so that lines of several threads never mix and
 * nothing is buffered when the process ends. A line longer than the buffer is cut. */
#include "broker/base/log.h"

#include <fcntl.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "broker/base/clock.h"
#include "broker/base/err.h"
#include "broker/base/utf8.h"

enum { LINE_MAX_BYTES = 8192 };

struct log_settings log_settings = {.time = true};
static _Atomic int log_fd = STDERR_FILENO;
static bool coloured;

static const struct {
    const char *name, *colour;
} levels[] = {
    [LOG_INFO] = {"INF", "32"},  [LOG_DEBUG] = {"DBG", "36"}, [LOG_WARN] = {"WRN", "0;93"},
    [LOG_ERROR] = {"ERR", "31"}, [LOG_FATAL] = {"FTL", "31"}, [LOG_TRACE] = {"TRC", "33"},
};

static int open_file(const char *path)
{
    return open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0640);
}

int log_open(const struct log_settings *settings)
{
    int fd = settings->file ? open_file(settings->file) : STDERR_FILENO;
    if (fd < 0)
        return ERR_SYSTEM;
    log_settings = *settings;
    struct stat status;
    coloured = !settings->file && fstat(fd, &status) == 0 && S_ISCHR(status.st_mode) && isatty(fd);
    atomic_store(&log_fd, fd);
    return 0;
}

void log_reopen(void)
{
    if (!log_settings.file) {
        log_info("File log re-open ignored, not a file logger");
        return;
    }
    int fd = open_file(log_settings.file);
    if (fd < 0) {
        log_error("Unable to re-open the log file %s", log_settings.file);
        return;
    }
    /* Other threads may be writing to the old one: its number now means the new file. */
    dup3(fd, atomic_load(&log_fd), O_CLOEXEC);
    close(fd);
    log_info("File log re-opened");
}

void log_close(void)
{
    int fd = atomic_exchange(&log_fd, STDERR_FILENO);
    if (fd != STDERR_FILENO)
        close(fd);
    log_settings = (struct log_settings){.time = true};
}

static size_t append_time(char *out, size_t room)
{
    int64_t now = clock_wall_ns();
    time_t seconds = (time_t)(now / NS_PER_SEC);
    struct tm parts;
    if (log_settings.time_utc)
        gmtime_r(&seconds, &parts);
    else
        localtime_r(&seconds, &parts);
    size_t len = strftime(out, room, "%Y/%m/%d %H:%M:%S", &parts);
    return len + (size_t)snprintf(out + len, room - len, ".%06d ", (int)(now % NS_PER_SEC / 1000));
}

PRINTF(2, 0) static void write_line(enum log_level level, const char *format, va_list values)
{
    char line[LINE_MAX_BYTES];
    size_t room = sizeof line - 2, len = (size_t)snprintf(line, room, "[%d] ", (int)getpid());
    if (log_settings.time)
        len += append_time(line + len, room - len);
    if (coloured)
        len += (size_t)snprintf(line + len, room - len, "[\033[%sm%s\033[0m] ",
                                levels[level].colour, levels[level].name);
    else
        len += (size_t)snprintf(line + len, room - len, "[%s] ", levels[level].name);
    int text = vsnprintf(line + len, room - len, format, values);
    if (text > 0)
        len += min_size((size_t)text, room - len - 1);
    line[len++] = '\n';
    ssize_t written = write(atomic_load(&log_fd), line, len);
    (void)written; /* where the log cannot be written there is nowhere to say so */
}

void log_line(enum log_level level, const char *format, ...)
{
    va_list values;
    va_start(values, format);
    write_line(level, format, values);
    va_end(values);
}

void log_line_limited(struct log_limit *limit, enum log_level level, const char *format, ...)
{
    int64_t now = clock_mono_ns(), next = atomic_load(&limit->next_ns);
    if (now < next || !atomic_compare_exchange_strong(&limit->next_ns, &next, now + NS_PER_SEC)) {
        atomic_fetch_add(&limit->folded, 1);
        return;
    }
    uint64_t folded = atomic_exchange(&limit->folded, 0);
    va_list values;
    va_start(values, format);
    write_line(level, format, values);
    va_end(values);
    if (folded > 0)
        log_line(level, "(the last kind of line: %llu more were left out)",
                 (unsigned long long)folded);
}

/* How one byte or UTF-8 sequence is written inside the quotes; returns its length in, sets the text. */
static size_t quote_one(const unsigned char *at, size_t left, char text[8])
{
    static const char named[] = "\aa\bb\ff\nn\rr\tt\vv\"\"\\\\";
    for (size_t i = 0; i + 1 < sizeof named; i += 2) {
        if (*at == (unsigned char)named[i]) {
            snprintf(text, 8, "\\%c", named[i + 1]);
            return 1;
        }
    }
    if (*at < 0x80) {
        snprintf(text, 8, *at >= 0x20 && *at < 0x7f ? "%c" : "\\x%02x", *at);
        return 1;
    }
    size_t len = utf8_sequence((const char *)at, left);
    if (len == 0) {
        snprintf(text, 8, "\\x%02x", *at);
        return 1;
    }
    if (*at == 0xc2 && at[1] <= 0xa0) { /* controls, and the blank that does not show as one */
        snprintf(text, 8, "\\u%04x", at[1]);
        return 2;
    }
    memcpy(text, at, len);
    text[len] = '\0';
    return len;
}

char *log_quote(struct span bytes, char *out, size_t out_size)
{
    size_t len = 0;
    out[len++] = '"';
    for (size_t i = 0; i < bytes.len;) {
        char text[8];
        size_t taken = quote_one((const unsigned char *)bytes.ptr + i, bytes.len - i, text);
        if (len + strlen(text) + 2 > out_size)
            break;
        memcpy(out + len, text, strlen(text));
        len += strlen(text);
        i += taken;
    }
    out[len++] = '"';
    out[len] = '\0';
    return out;
}
