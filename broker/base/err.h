/* Error codes: 0 is success, a negative ERR_* is failure. Any thread. */
#ifndef BROKER_BASE_ERR_H
#define BROKER_BASE_ERR_H

enum err {
    ERR_none_ = -1000,
#define ERROR(name, text) ERR_##name,
#include "broker/base/errors.def"
#undef ERROR
};

/* The words for a code; "no error" for 0. Never NULL. */
const char *err_text(int code);

#endif
