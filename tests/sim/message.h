/* Messages as clients publish them and as receivers must see them, and the frames a receiver gets.
 *
 * Every message has a number. It stands in the body's first eight bytes, or, where the body is
 * shorter, at the end of the reply subject; so a frame tells by itself which message it is, and its
 * text is known to the last byte. */
#ifndef TESTS_SIM_MESSAGE_H
#define TESTS_SIM_MESSAGE_H

#include "broker/base/base.h"

enum {
    MESSAGE_NAME_MAX = 64,
    MESSAGE_SIZE_MAX = 100000,
    MESSAGE_TEXT_MAX = MESSAGE_SIZE_MAX + 512,
    MESSAGE_ID_BYTES = 8,
};

struct message {
    uint32_t id;
    uint64_t publisher;
    unsigned worker;                                         /* the publisher's */
    char subject[MESSAGE_NAME_MAX], reply[MESSAGE_NAME_MAX]; /* reply "": none */
    bool with_headers; /* sent with HPUB; its headers may be empty */
    uint32_t header_size, total_size;
};

/* What the publisher writes, payload and all; returns the length. out has room for MESSAGE_TEXT_MAX
 * bytes. */
size_t message_command(const struct message *message, char *out);
/* What a receiver with this sid gets. */
size_t message_delivery(const struct message *message, const char *sid, bool headers, char *out);
/* What a requester gets when nobody listens. */
size_t message_no_responders(const struct message *message, const char *sid, char *out);

enum frame_kind {
    FRAME_MESSAGE,
    FRAME_NO_RESPONDERS,
    FRAME_INFO,
    FRAME_PING,
    FRAME_PONG,
    FRAME_OK,
    FRAME_ERROR
};

struct frame {
    enum frame_kind kind;
    size_t len;               /* of all of it */
    struct span subject, sid; /* FRAME_MESSAGE, FRAME_NO_RESPONDERS */
    uint32_t id;              /* FRAME_MESSAGE */
};

/* Reads the first frame of what the server sent; false when there is none that is whole and right.
 */
bool message_read_frame(struct span text, struct frame *out);

#endif
