/* The loop of the viewer: wait for a key, a sample or a signal, take it, draw.
 *
 * 1. Nothing here waits for a server. Samples come from the fetch threads through a queue and an
 * eventfd.
 * 2. Every server has its own model and is polled all the time, so switching shows a past and not a
 * blank; lists of connections are asked of the server on show only.
 * 3. While paused, samples wait in their queues; then the models take them all, so averages and
 * curves have no hole.
 * 4. The cursor belongs to a connection, not to a row: when the order changes, it moves along. Only
 * on the first row, until it is moved or the pane is opened, it stays there and shows whoever comes
 * first. */
#include "top/ui.h"

#include <curses.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "broker/base/clock.h"
#include "broker/base/mem.h"
#include "top/paint.h"
#include "top/screen.h"
#include "top/terminal.h"
#include "top/ui_input.h"

struct ui_server *ui_active(struct ui *ui)
{
    return &ui->servers[ui->active];
}

struct column_view ui_column_view(const struct ui *ui)
{
    const struct model *model = &ui->servers[ui->active].model;
    int64_t now_ns = model->connz ? model->connz->now_ns : 0;
    return (struct column_view){ui->rates, ui->raw, now_ns};
}

void ui_message(struct ui *ui, const char *format, ...)
{
    va_list values;
    va_start(values, format);
    vsnprintf(ui->message, sizeof ui->message, format, values);
    va_end(values);
    ui->message_ns = clock_mono_ns();
}

void ui_rows_refresh(struct ui *ui)
{
    struct rows_query query = {ui->sort, ui->descending, ui->hide_idle, ui_column_view(ui),
                               &ui->filter};
    if (!rows_build(&ui->rows, &ui_active(ui)->model, &query))
        ui_message(ui, "out of memory: the list is empty");
    if (ui->cursor_cid == 0)
        ui->cursor = 0;
    if (ui->rows.count == 0 || ui->cursor_cid == 0)
        return;
    size_t at = rows_find(&ui->rows, ui->cursor_cid);
    if (at < ui->rows.count)
        ui->cursor = at;
    else if (ui->cursor >= ui->rows.count)
        ui->cursor = ui->rows.count - 1;
    ui->cursor_cid = ui->rows.conns[ui->cursor]->sample->cid;
}

void ui_wish(struct ui *ui)
{
    for (size_t i = 0; i < ui->server_count; i++) {
        bool active = i == ui->active;
        struct fetch_wish wish = {.interval_ns = ui->interval_ns,
                                  .limit = ui->limit,
                                  .sort = columns_server_sort(ui->sort),
                                  .connections = active,
                                  .detail_cid = active && ui->detail ? ui->cursor_cid : 0};
        if (ui->servers[i].fetch)
            fetch_change(ui->servers[i].fetch, &wish);
    }
}

void ui_filter_set(struct ui *ui, const char *text)
{
    char copy[FILTER_BYTES_MAX];
    snprintf(copy, sizeof copy, "%s", text);
    memcpy(ui->filter_text, copy, sizeof copy);
    filter_parse(&ui->filter, ui->filter_text);
    ui_rows_refresh(ui);
}

static void samples_take(struct ui *ui)
{
    if (ui->paused)
        return;
    bool changed = false;
    for (size_t i = 0; i < ui->server_count; i++) {
        struct sample *sample;
        while ((sample = fetch_take(ui->servers[i].fetch)) != NULL) {
            bool counted = i == ui->active && sample->ok && !sample->partial;
            if (!model_ingest(&ui->servers[i].model, sample))
                ui_message(ui, "out of memory: a sample was dropped");
            else if (counted)
                ui->samples++;
            changed = changed || i == ui->active;
        }
    }
    if (changed) {
        uint64_t before = ui->cursor_cid;
        ui_rows_refresh(ui);
        if (ui->detail && before != ui->cursor_cid)
            ui_wish(ui);
    }
    if (ui->options->count > 0 && ui->samples >= ui->options->count)
        ui->quit = true;
}

static void signals_take(struct ui *ui)
{
    struct signalfd_siginfo info;
    while (read(terminal_signals(), &info, sizeof info) == (ssize_t)sizeof info) {
        switch (info.ssi_signo) {
        case SIGWINCH:
        case SIGCONT: terminal_resize(); break;
        case SIGTSTP: terminal_suspend(); break;
        default: ui->quit = true; break;
        }
    }
}

static void keys_take(struct ui *ui)
{
    wint_t code;
    int kind;
    while (!ui->quit && (kind = get_wch(&code)) != ERR) {
        bool special = kind == KEY_CODE_YES;
        if (!special || code != KEY_RESIZE)
            ui_input(ui, (int)code, special);
    }
}

/* Until something happens or the clock on the screen moves on. */
static void event_wait(struct ui *ui, int wake_fd)
{
    struct pollfd fds[] = {
        {STDIN_FILENO, POLLIN, 0}, {wake_fd, POLLIN, 0}, {terminal_signals(), POLLIN, 0}};
    int to_next_second_ms = 1000 - (int)(clock_wall_ns() / NS_PER_MS % 1000);
    poll(fds, 3, to_next_second_ms);
    uint64_t count;
    if (fds[1].revents && read(wake_fd, &count, sizeof count) < 0)
        return;
    if (fds[2].revents)
        signals_take(ui);
    if (fds[0].revents & (POLLHUP | POLLERR | POLLNVAL))
        ui->quit = true;
    else if (fds[0].revents)
        keys_take(ui);
}

static void loop(struct ui *ui, int wake_fd)
{
    while (!ui->quit) {
        samples_take(ui);
        terminal_resize();
        screen_draw(ui);
        event_wait(ui, wake_fd);
    }
}

static bool servers_start(struct ui *ui, int wake_fd)
{
    for (size_t i = 0; i < ui->server_count; i++) {
        struct ui_server *server = &ui->servers[i];
        fetch_shown_url(ui->options->urls[i], server->shown_url, sizeof server->shown_url);
        model_init(&server->model);
        struct fetch_wish wish = {.interval_ns = ui->interval_ns,
                                  .limit = ui->limit,
                                  .sort = columns_server_sort(ui->sort),
                                  .connections = i == ui->active};
        server->fetch = fetch_start(ui->options->urls[i], ui->options, &wish, wake_fd);
        if (!server->fetch) {
            fputs("clearwing-top: cannot start a thread to poll with\n", stderr);
            return false;
        }
    }
    return true;
}

/* A viewer with nothing to show from the start is a typing error: say so instead of opening the
 * screen. */
static bool first_answer(struct ui *ui, int wake_fd)
{
    for (;;) {
        struct pollfd fds[] = {{wake_fd, POLLIN, 0}, {terminal_signals(), POLLIN, 0}};
        poll(fds, 2, -1);
        uint64_t count;
        if (fds[1].revents || (fds[0].revents && read(wake_fd, &count, sizeof count) < 0))
            return false;
        samples_take(ui);
        size_t failed = 0;
        for (size_t i = 0; i < ui->server_count; i++) {
            if (ui->servers[i].model.last)
                return true;
            failed += ui->servers[i].model.failures > 0;
        }
        if (failed == ui->server_count)
            break;
    }
    const struct ui_server *server = ui_active(ui);
    fprintf(stderr, "clearwing-top: %s does not answer as a monitoring port: %s\n",
            server->shown_url, server->model.error);
    return false;
}

static bool color_wanted(const struct options *options)
{
    const char *no_color = getenv("NO_COLOR");
    if (options->color == OPTIONS_COLOR_AUTO)
        return !no_color || !no_color[0];
    return options->color == OPTIONS_COLOR_ALWAYS;
}

static int screen_run(struct ui *ui, int wake_fd)
{
    char error[160];
    if (!servers_start(ui, wake_fd) || !first_answer(ui, wake_fd))
        return EXIT_FAILURE;
    if (!terminal_start(error, sizeof error)) {
        fprintf(stderr, "clearwing-top: %s\n", error);
        return EXIT_FAILURE;
    }
    terminal_mouse(ui->mouse);
    paint_setup(ui->color, ui->ascii);
    loop(ui, wake_fd);
    terminal_stop();
    return EXIT_SUCCESS;
}

int ui_run(const struct options *options)
{
    struct ui *ui = mem_zalloc_or_exit(sizeof *ui);
    ui->options = options;
    ui->server_count = options->url_count;
    ui->view = options->view;
    ui->sort = options->sort;
    ui->descending = options->descending;
    ui->rates = !options->totals;
    ui->raw = options->raw;
    ui->color = color_wanted(options);
    ui->ascii = options->ascii;
    ui->mouse = true;
    ui->interval_ns = options->interval_ns;
    ui->limit = options->limit;
    if (options->filter)
        ui_filter_set(ui, options->filter);
    int wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (wake_fd < 0 || !terminal_block_signals()) {
        fputs("clearwing-top: no file descriptors left to start with\n", stderr);
        return EXIT_FAILURE;
    }
    int status = screen_run(ui, wake_fd);
    for (size_t i = 0; i < ui->server_count; i++) {
        fetch_stop(&ui->servers[i].fetch);
        model_fini(&ui->servers[i].model);
    }
    rows_fini(&ui->rows);
    filter_fini(&ui->filter);
    mem_free(ui);
    return status;
}
