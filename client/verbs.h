/* The verbs and the exit statuses they share. Each *_run is called once, on the main thread, with
 * parsed options; it prints its results on stdout and its errors on stderr, releases everything,
 * and returns the exit status. */
#ifndef CLIENT_VERBS_H
#define CLIENT_VERBS_H

struct options;

enum exit_status {
    EXIT_STATUS_DONE = 0,
    EXIT_STATUS_FAILED = 1,        /* bad input, no connection, refused, messages lost */
    EXIT_STATUS_TIMEOUT = 2,       /* a request got no reply in time */
    EXIT_STATUS_NO_RESPONDERS = 3, /* nobody is subscribed to the request's subject */
};

int publish_run(const struct options *options);
int subscribe_run(const struct options *options);
int request_run(const struct options *options);
int reply_run(const struct options *options);
int bench_run(const struct options *options);

#endif
