/* One non-blocking client connection that speaks just enough NATS to load a server.
 *
 * One thread. The caller owns the struct; its buffers belong to the link and are freed by
 * link_close. Output collects until link_flush; input is parsed in a buffer that all links share,
 * and each complete message is handed to the caller's function, whose spans are valid until it
 * returns. Anything a healthy run does not contain (an -ERR, the end of the connection, an unknown
 * line) ends the program with a line that quotes it. */
#ifndef BENCH_LINK_H
#define BENCH_LINK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/epoll.h>

#include "load.h"

struct link {
    int fd; /* -1: closed */
    uint32_t index;
    uint64_t infos; /* INFO lines read */
    uint64_t pongs;
    uint64_t pings_sent;
    bool blocked;     /* the socket is full: flush again when it can be written */
    bool wants_write; /* what link_watch last told epoll */

    char *out;
    size_t out_length;
    size_t out_written;
    size_t out_capacity;
    char *carry; /* the incomplete end of the last read */
    size_t carry_length;
    size_t carry_capacity;
};

/* The first 16 bytes of each payload that has room for them. */
struct link_stamp {
    uint64_t sequence;
    uint32_t source;
    uint32_t mark;
};

struct link_message {
    const char *line; /* from after "MSG " to before the line end */
    size_t line_length;
    const char *payload;
    size_t size;
};

typedef void link_on_message(void *context, struct link *link, const struct link_message *message);

/* Begins to connect. Each twenty thousand indexes use their own source address 127.0.0.x, so that
 * ports suffice. */
void link_open(struct link *link, uint32_t index, const struct load_plan *plan);
void link_close(struct link *link);
/* Adds bytes to the output; link_reserve gives room to write `length` bytes at its result and adds
 * them. */
void link_append(struct link *link, const char *bytes, size_t length);
char *link_reserve(struct link *link, size_t length);
void link_printf(struct link *link, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* Sends CONNECT (not verbose, with echo) and leaves the rest to the caller. */
void link_greet(struct link *link);
void link_ping(struct link *link);
/* Writes what is collected; sets or clears `blocked`. */
void link_flush(struct link *link);
/* Sends `length` bytes at `offset` of a file, uncopied, and collects only what does not fit into the socket; `bytes` is
 * that file in memory. */
void link_send_file(struct link *link, int file, const char *bytes, size_t offset, size_t length);
/* Enters the link into an epoll set, or tells it whether to wait for room to write; data.ptr is the
 * link. */
void link_watch(struct link *link, int epoll, bool first);
/* Reads once and parses; returns false when there was nothing to read. */
bool link_read(struct link *link, link_on_message *on_message, void *context);
/* Waits for events of an epoll set at most `ns`, finer than the milliseconds of epoll_wait; returns
 * their number. */
int link_wait(int epoll, struct epoll_event *events, int events_max, uint64_t ns);
/* The stamp of a payload of at least 16 bytes. */
struct link_stamp link_stamp_of(const struct link_message *message);
/* Sends a PING and reads until its PONG, at most ten seconds. */
void link_settle(struct link *link, link_on_message *on_message, void *context);

#endif
