/* Input. A growable buffer with a maximum, filled by read() after a wait that a signal can end:
 * stdio would block in read() with the signals blocked, and ^C would do nothing.
 *
 *   bytes [ taken | begin ... end: not taken yet | room ] */
#include "client/input.h"

#include "broker/base/mem.h"
#include "client/interrupt.h"
#include "client/say.h"

#include <errno.h>
#include <unistd.h>

enum { FIRST_BYTES = 64 * 1024, BYTES_MAX = 64 * 1024 * 1024 };

void input_init(struct input *input, int fd, const char *name)
{
    *input = (struct input){.fd = fd, .name = name};
}

void input_fini(struct input *input)
{
    mem_free(input->bytes);
    input->bytes = NULL;
}

static int make_room(struct input *input)
{
    if (input->begin > 0) {
        memmove(input->bytes, input->bytes + input->begin, input->end - input->begin);
        input->end -= input->begin;
        input->begin = 0;
    }
    if (input->end < input->room)
        return 0;
    size_t room = input->room ? input->room * 2 : FIRST_BYTES;
    char *grown = room <= BYTES_MAX ? mem_realloc(input->bytes, room) : NULL;
    if (!grown) {
        say_line("%s has more than %zu bytes at once, which is too large for a message",
                 input->name, input->room);
        return -1;
    }
    input->bytes = grown;
    input->room = room;
    return 0;
}

/* Adds what one read gives, or sets over. */
static int read_more(struct input *input)
{
    if (make_room(input) != 0)
        return -1;
    ssize_t got = -1;
    do {
        if (!interrupt_wait_readable(input->fd)) {
            input->over = true;
            return 0;
        }
        got = read(input->fd, input->bytes + input->end, input->room - input->end);
    } while (got < 0 && (errno == EINTR || errno == EAGAIN));
    if (got < 0) {
        say_line("%s: %s", input->name, strerror(errno));
        return -1;
    }
    input->end += (size_t)got;
    input->over = got == 0;
    return 0;
}

int input_all(struct input *input, char **bytes, size_t *len)
{
    while (!input->over) {
        if (read_more(input) != 0)
            return -1;
    }
    if (interrupt_stopped())
        return -1;
    *bytes = input->bytes;
    *len = input->end;
    input->bytes = NULL;
    return 0;
}

int input_line(struct input *input, struct span *line)
{
    size_t searched = 0;
    while (!interrupt_stopped()) {
        size_t waiting = input->end - input->begin;
        const char *start = waiting > 0 ? input->bytes + input->begin : NULL;
        const char *newline =
            waiting > searched ? memchr(start + searched, '\n', waiting - searched) : NULL;
        bool last = input->over && waiting > 0;
        if (newline || last) {
            *line = (struct span){start, newline ? (size_t)(newline - start) : waiting};
            input->begin += line->len + (newline != NULL);
            return 1;
        }
        if (input->over)
            return 0;
        searched = waiting;
        if (read_more(input) != 0)
            return -1;
    }
    return 0;
}
