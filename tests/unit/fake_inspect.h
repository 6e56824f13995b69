/* A broker that is not there: inspect.h and health.h answered from constants, so that the monitor is tested
 * alone and its documents can be compared byte for byte. Two open connections, a closed one, three
 * subscriptions, two accounts. */
#ifndef TESTS_FAKE_INSPECT_H
#define TESTS_FAKE_INSPECT_H

#include <stdatomic.h>
#include <stdbool.h>

#define FAKE_SERVER_ID "NAEGZ7EUJIAETJW2C6THVUFODZN3LIP7KJ5ZLX7DCRSDCPVEBMYKBRYQ"

struct fake_inspect {
    _Atomic bool ready;
    _Atomic unsigned unwell;              /* a bit for each health check that fails */
    _Atomic int readers;                  /* threads that entered and did not leave */
    _Atomic unsigned extra_connections;   /* open ones beyond the two */
    _Atomic unsigned extra_subscriptions; /* of the second connection */
};

extern struct fake_inspect fake_inspect;

#endif
