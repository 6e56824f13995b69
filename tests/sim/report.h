/* How a run tells what it does and what went wrong. One run at a time; state is the program's. */
#ifndef TESTS_SIM_REPORT_H
#define TESTS_SIM_REPORT_H

#include "broker/base/base.h"

extern bool report_traced;

/* Prints what was wrong and the command line that shows it again, and ends the program with 1. */
NORETURN PRINTF(1, 2) void report_failure(const char *format, ...);
PRINTF(1, 2) void report_trace_line(const char *format, ...);

/* The beginning of some bytes as people can read it; the text is overwritten by the fourth call
 * from now. */
const char *report_quote(struct span bytes);

#define report_trace(...) (report_traced ? report_trace_line(__VA_ARGS__) : (void)0)

#endif
