/* Names for the error codes of errors.def, and the end of the process when an assertion of ours fails. */
#include "broker/base/err.h"

#include <stdio.h>
#include <stdlib.h>

#include "broker/base/base.h"

const char *err_text(int code)
{
    switch (code) {
#define ERROR(name, text)                                                                          \
    case ERR_##name:                                                                               \
        return text;
#include "broker/base/errors.def"
#undef ERROR
    default: return code == 0 ? "no error" : "unknown error";
    }
}

void check_failed(const char *expression, const char *file, int line)
{
    fprintf(stderr, "clearwing: internal error: %s does not hold at %s:%d\n", expression, file,
            line);
    abort();
}
