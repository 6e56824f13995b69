/* One client's side of the protocol: bytes in, operations, bytes queued to go out.
 *
 * A session belongs to one worker for life; only that worker calls what is declared here. Other threads read what is
 * marked so, inside an RCU section, which is why a session is freed as garbage. It knows no socket: its owner (a
 * connection, or the simulator) feeds it and writes out its queue whenever it stands on the worker's touched list. */
#ifndef BROKER_CORE_SESSION_H
#define BROKER_CORE_SESSION_H

#include <stdatomic.h>

#include "broker/base/base.h"
#include "broker/base/counter.h"
#include "broker/base/garbage.h"
#include "broker/close_reasons.h"
#include "broker/core/outq.h"
#include "broker/core/sub.h"

struct account;
struct delivery;
struct publish_in_progress;

enum { SESSION_IP_MAX = 46 };

/* What CONNECT said about the client. Immutable; replaced whole by another CONNECT. */
struct client_info {
    struct garbage garbage;
    const char *name, *lang, *version, *user; /* "" when not given */
    char text[];
};

struct session {
    /* What a message for it needs, together in one cache line: the owner's, but for what is atomic, which any thread reads. */
    enum close_reason close_reason; /* set: say what is queued, then close */
    bool touched;                   /* stands on the worker's touched list */
    bool headers, echo;             /* as CONNECT said */
    _Atomic bool gated;             /* over 75 % of max_pending: producers are held back */
    struct outq out;

    struct garbage garbage;

    /* Constant from session_init on; any thread. */
    uint64_t cid;
    struct delivery *delivery;
    char ip[SESSION_IP_MAX];
    uint16_t port;
    int64_t start_wall_ns, start_mono_ns;

    /* Any thread reads, the owner writes. */
    struct account
        *_Atomic account; /* set anew by CONNECT only, while there are no subscriptions */
    struct client_info *_Atomic info;
    struct sub *_Atomic subs; /* a list by sub->next */
    _Atomic uint32_t sub_count;
    _Atomic uint64_t in_msgs, in_bytes, out_msgs,
        out_bytes; /* out: as of the end of the last turn */
    _Atomic uint64_t stalled, stalled_ns,
        stalled_by; /* how often and how long it was held back; by which cid last */
    _Atomic int64_t last_activity_wall_ns, rtt_ns;

    /* Any thread reads, any worker adds. */
    _Atomic uint64_t stalls;       /* times a publisher was held back because of this one */
    _Atomic uint64_t dropped_msgs; /* meant for it and lost: drops.h */

    /* The owner's. */
    struct session *next_touched;
    bool connected;  /* CONNECT was accepted */
    bool authorized; /* may do more than CONNECT */
    bool verbose, pedantic, no_responders;
    bool async_info;  /* understands INFO at any time */
    bool skip_line;   /* the rest of a PING, PONG or +OK line is still to come */
    int64_t stall_ns; /* how long its owner should wait before reading more */

    char *partial; /* the start of a control line */
    uint32_t partial_len, partial_capacity;
    struct publish_in_progress *publish; /* a payload that is still coming */

    struct sub **sid_table; /* NULL while there are few subscriptions */
    uint32_t sid_mask;

    uint64_t dropped_at_close;
    uint64_t relieve_at_bytes; /* a queue of so much is written out within the turn, if it can be */
    unsigned pings_out;
    uint32_t slot; /* in the worker's roster, or ROSTER_NOWHERE */
    int64_t ping_sent_ns, last_input_ns, last_ping_in_ns;
    int64_t next_timer_ns; /* monotonic time of the next session_tick; 0: none */
};

/* In place, zeroed by the caller. Puts it into the worker's roster and queues the INFO line. 0, or ERR_MEMORY: to be
 * failed, then closed as any other. */
MUST_CHECK int session_init(struct session *session, struct delivery *delivery, uint64_t cid,
                            const char *ip, uint16_t port);

/* Where the next bytes should be read to, if not into the worker's own buffer: the rest of a large payload. 0: nowhere. */
size_t session_payload_room(struct session *session, char **room);
/* Says that the first `len` bytes of that room were filled. */
void session_payload_filled(struct session *session, size_t len);
/* Bytes from the peer, in any pieces. */
void session_feed(struct session *session, const char *bytes, size_t len);

/* At next_timer_ns or later: sends PING, finds the peer stale or late to authenticate. */
void session_tick(struct session *session);

/* Sends -ERR if the reason has one, and marks the session to be closed once that is written. */
void session_fail(struct session *session, enum close_reason reason);
/* Queues bytes, unless it is being closed. */
void session_send(struct session *session, struct span text);
/* +OK, if the client asked for them and is not being closed. */
void session_acknowledge(struct session *session);
/* -ERR '<text>' and nothing else. */
void session_send_error(struct session *session, const char *text);
/* -ERR 'Permissions Violation for <what> "<subject>"'. */
void session_send_violation(struct session *session, const char *what, struct span subject);
/* Tells the client, by an INFO with "ldm", to look for another server: one that takes INFO at any time,
 * after its first PONG, before which clients expect nothing else. */
void session_announce_lame_duck(struct session *session);
/* Takes its subscriptions back, remembers it among the closed, unlinks it. It is garbage from then on. */
void session_close(struct session *session, enum close_reason reason);
/* Frees what a session owns, after garbage; the struct is its embedder's. */
void session_fini(struct session *session);

/* Used by delivery: queued output is to be looked after at the end of the turn. */
void session_touch(struct session *session);
/* Moves what was queued since the last time into the counters of session, worker and account. */
void session_count_out(struct session *session);
/* The next one to look after, taken off the list and with its counters brought up to date; NULL: no more. For the embedder, at
 * the end of its turn. */
struct session *session_take_touched(struct delivery *delivery);
/* The queue is over 75 % of max_pending: holds producers back, or finds it a slow consumer. */
void session_over_gate(struct session *session);
/* Used by delivery: the subscription got all it asked for. */
void session_remove_sub(struct session *session, struct sub *sub);

/* ---- session_input.c, session_subs.c, session_connect.c: parts of the session ---- */

/* Forgets an unfinished line or payload. */
void session_drop_input(struct session *session);

struct proto_command;
void session_subscribe(struct session *session, const struct proto_command *command);
void session_unsubscribe(struct session *session, const struct proto_command *command);
void session_connect(struct session *session, struct span json);
/* Whether INFO from a client is JSON. */
bool session_info_valid(struct span json);
/* Makes it a connection of this account; what it subscribed to before, in another one, is gone. */
void session_enter_account(struct session *session, struct account *account);
/* Replaces what is known of the client; texts may lack. 0 or ERR_MEMORY. */
MUST_CHECK int session_set_info(struct session *session, struct span name, struct span lang,
                                struct span version, struct span user);
/* CONNECT was accepted: measure the round trip soon. */
void session_schedule_first_ping(struct session *session);
void session_drop_subs(struct session *session);
/* Frees a struct client_info; for garbage_put. */
void session_free_info(struct garbage *garbage);

#endif
