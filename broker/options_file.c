#include "broker/options_file.h"
#include "broker/base/err.h"
int options_file_read(struct options *options, bool warnings_are_errors, FILE *out)
{
    (void)warnings_are_errors;
    fprintf(out, "clearwing: %s: configuration files are not read yet\n", options->config_file);
    return ERR_INVALID;
}
