/* Arguments decide between the screen and a one-shot run; without a terminal it is a one-shot run.
 */
#include <langinfo.h>
#include <locale.h>
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

#include "top/batch.h"
#include "top/format.h"
#include "top/ui.h"

int main(int argc, char **argv)
{
    setlocale(LC_CTYPE, ""); /* numbers keep their point */
    struct options options;
    switch (options_parse(argc, argv, &options)) {
    case OPTIONS_BAD: return EXIT_FAILURE;
    case OPTIONS_DONE: return EXIT_SUCCESS;
    case OPTIONS_RUN: break;
    }
    if (strcmp(nl_langinfo(CODESET), "UTF-8") != 0)
        options.ascii = true;
    format_set_ascii(options.ascii);
    columns_set_ascii(options.ascii);
    signal(SIGPIPE, SIG_IGN);
    bool terminal = isatty(STDIN_FILENO) && isatty(STDOUT_FILENO);
    if (options.form == OPTIONS_SCREEN && !terminal)
        options.form = OPTIONS_TEXT;
    return options.form == OPTIONS_SCREEN ? ui_run(&options) : batch_run(&options);
}
