/* Subject rules on the sender's side: nothing invalid leaves this program. Any thread, no
 * ownership. A bad one is reported with one line on stderr that names it, and -1 returned. */
#ifndef CLIENT_SUBJECT_H
#define CLIENT_SUBJECT_H

#include "broker/base/base.h"

/* The most a server takes in a control line by default is 4096 bytes, sizes and reply subject
 * included. */
enum { SUBJECT_BYTES_MAX = 2000 };

/* what names the value in an error: "subject", "--reply". */
MUST_CHECK int subject_check_literal(const char *what, const char *subject);
/* The same, and `*` for one token or `>` for all that follow are allowed. */
MUST_CHECK int subject_check_pattern(const char *what, const char *subject);
MUST_CHECK int subject_check_queue(const char *queue);

#endif
