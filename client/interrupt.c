/* Stopping.
 *
 * SIGINT and SIGTERM are blocked in every thread, the client library's included, so that no
 * blocking call of its is ever cut short; one thread here waits for them. Stopping sets a state
 * once and makes an eventfd readable for good: any number of waiters can sleep on it without a
 * lock. */
#include "client/interrupt.h"

#include "broker/base/clock.h"
#include "client/say.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/eventfd.h>
#include <unistd.h>

enum { RUNNING = -1, SIGNALLED = -2, STATUS_AFTER_SECOND_SIGNAL = 130 };

static _Atomic int state = RUNNING; /* or the exit status */
static int wake_fd = -1;

static void stop(int next)
{
    int expected = RUNNING;
    if (atomic_compare_exchange_strong(&state, &expected, next)) {
        ssize_t written = write(wake_fd, &(uint64_t){1}, sizeof(uint64_t));
        check(written == sizeof(uint64_t));
    }
}

static void *signal_thread(void *argument)
{
    (void)argument;
    sigset_t signals;
    sigemptyset(&signals);
    sigaddset(&signals, SIGINT);
    sigaddset(&signals, SIGTERM);
    for (int seen = 0;; seen++) {
        int number;
        if (sigwait(&signals, &number) != 0)
            return NULL;
        if (seen > 0)
            _exit(STATUS_AFTER_SECOND_SIGNAL);
        stop(SIGNALLED);
    }
}

int interrupt_init(void)
{
    wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    sigset_t signals;
    sigemptyset(&signals);
    sigaddset(&signals, SIGINT);
    sigaddset(&signals, SIGTERM);
    pthread_t thread;
    if (wake_fd < 0 || pthread_sigmask(SIG_BLOCK, &signals, NULL) != 0 ||
        pthread_create(&thread, NULL, signal_thread, NULL) != 0) {
        say_line("cannot set up signal handling: %s", strerror(errno));
        return -1;
    }
    pthread_detach(thread);
    signal(SIGPIPE, SIG_IGN);
    return 0;
}

void interrupt_stop(int exit_status)
{
    stop(exit_status);
}

bool interrupt_stopped(void)
{
    return atomic_load_explicit(&state, memory_order_acquire) != RUNNING;
}

bool interrupt_signalled(void)
{
    return atomic_load(&state) == SIGNALLED;
}

int interrupt_exit_status(void)
{
    int now = atomic_load(&state);
    return now < 0 ? 0 : now;
}

bool interrupt_wait(int64_t timeout_ns)
{
    int64_t deadline = timeout_ns < 0 ? INT64_MAX : clock_mono_ns() + timeout_ns;
    while (!interrupt_stopped()) {
        struct timespec left = {0, 0};
        if (timeout_ns >= 0) {
            int64_t ns = deadline - clock_mono_ns();
            if (ns <= 0)
                break;
            left = (struct timespec){ns / NS_PER_SEC, ns % NS_PER_SEC};
        }
        struct pollfd wake = {wake_fd, POLLIN, 0};
        if (ppoll(&wake, 1, timeout_ns < 0 ? NULL : &left, NULL) < 0 && errno != EINTR)
            break;
    }
    return interrupt_stopped();
}

bool interrupt_wait_readable(int fd)
{
    while (!interrupt_stopped()) {
        struct pollfd fds[] = {{wake_fd, POLLIN, 0}, {fd, POLLIN, 0}};
        if (poll(fds, array_length(fds), -1) < 0 && errno != EINTR)
            break;
        if (fds[1].revents)
            return !interrupt_stopped();
    }
    return false;
}
