/* The files a server leaves for others to find it by: its pid, and the ports it listens on. Main thread. */
#ifndef BROKER_FILES_H
#define BROKER_FILES_H

#include "broker/base/base.h"

struct files_ports {
    const char *host;
    int port;
    const char *http_scheme, *http_host;
    int http_port; /* 0: off */
};

/* 0, or ERR_SYSTEM with one line for people in error. */
MUST_CHECK int files_write_ports(const char *dir, const struct files_ports *ports, char *error,
                                 size_t error_size);
void files_remove_ports(const char *dir);
MUST_CHECK int files_write_pid(const char *path, char *error, size_t error_size);

#endif
