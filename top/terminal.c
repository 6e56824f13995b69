/* curses owns the terminal between start and stop. Signals that people send are blocked and read
 * from a signalfd in the main loop, so nothing but our own code runs between two of its lines. Only
 * crashes are caught by handlers: they restore the terminal, which is not quite allowed there but
 * better than leaving it raw, and die as they would have. */
#include "top/terminal.h"

#include <curses.h>
#include <locale.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/signalfd.h>
#include <term.h>
#include <unistd.h>

static int signal_fd = -1;
static volatile sig_atomic_t taken;

static const int caught[] = {SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGWINCH, SIGTSTP, SIGCONT};
static const int fatal[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT};

void terminal_stop(void)
{
    if (!taken)
        return;
    taken = 0;
    endwin();
}

static void on_crash(int number)
{
    terminal_stop();
    signal(number, SIG_DFL);
    raise(number);
}

bool terminal_block_signals(void)
{
    sigset_t set;
    sigemptyset(&set);
    for (size_t i = 0; i < array_length(caught); i++)
        sigaddset(&set, caught[i]);
    if (sigprocmask(SIG_BLOCK, &set, NULL) != 0)
        return false;
    signal_fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
    return signal_fd >= 0;
}

bool terminal_start(char *error, size_t error_bytes)
{
    const char *type = getenv("TERM");
    if (!type || !newterm(NULL, stdout, stdin)) {
        snprintf(error, error_bytes, "terminal type '%s' is unknown here: set TERM, or use --once",
                 type ? type : "");
        return false;
    }
    taken = 1;
    if (!cursor_address || !clear_screen) {
        terminal_stop();
        snprintf(error, error_bytes, "terminal type '%s' cannot place the cursor: use --once",
                 type);
        return false;
    }
    atexit(terminal_stop);
    for (size_t i = 0; i < array_length(fatal); i++)
        signal(fatal[i], on_crash);
    set_escdelay(25);
    cbreak();
    noecho();
    nonl();
    keypad(stdscr, TRUE);
    nodelay(stdscr, TRUE);
    curs_set(0);
    return true;
}

int terminal_signals(void)
{
    return signal_fd;
}

void terminal_suspend(void)
{
    endwin();
    raise(SIGSTOP);
    terminal_resize();
    clearok(curscr, TRUE);
    refresh();
}

void terminal_mouse(bool on)
{
    mouseinterval(0);
    mousemask(on ? BUTTON1_PRESSED | BUTTON4_PRESSED | BUTTON5_PRESSED : 0, NULL);
}

void terminal_resize(void)
{
    struct winsize size;
    if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) != 0 || size.ws_row == 0 || size.ws_col == 0)
        return;
    if (size.ws_row != LINES || size.ws_col != COLS)
        resizeterm(size.ws_row, size.ws_col);
}
