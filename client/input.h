/* Reading a file descriptor whole or by lines, so that a stop (see interrupt.h) ends the wait for
 * more. Main thread. The reader owns its buffer; lines borrow it until the next call. */
#ifndef CLIENT_INPUT_H
#define CLIENT_INPUT_H

#include "broker/base/base.h"

struct input {
    int fd;           /* the caller's to close */
    const char *name; /* for errors */
    char *bytes;
    size_t begin, end, room;
    bool over; /* nothing more will come */
};

void input_init(struct input *input, int fd, const char *name);
void input_fini(struct input *input);

/* All there is, to be freed by the caller. Says why and returns -1 on failure, silently when
 * stopped. */
MUST_CHECK int input_all(struct input *input, char **bytes, size_t *len);
/* 1 and a line without its end, 0 at the end or when stopped; says why and returns -1 on failure.
 */
MUST_CHECK int input_line(struct input *input, struct span *line);

#endif
