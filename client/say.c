/* Lines for people. stdout carries results, stderr carries everything said here, so that a pipe
 * stays clean. A line is formatted into one buffer and written by one call: lines of different
 * threads never mix. */
#include "client/say.h"

#include <stdarg.h>
#include <stdio.h>

enum { LINE_BYTES_MAX = 2048 };

static char program[64] = "clearwing-client";

void say_verb(const char *name)
{
    if (name)
        snprintf(program, sizeof program, "clearwing %s", name);
}

const char *say_program(void)
{
    return program;
}

void say_line(const char *format, ...)
{
    char text[LINE_BYTES_MAX];
    va_list values;
    va_start(values, format);
    vsnprintf(text, sizeof text, format, values);
    va_end(values);
    for (char *at = text; *at; at++) {
        if ((unsigned char)*at < ' ' || *at == 0x7f)
            *at = '?';
    }
    fprintf(stderr, "%s: %s\n", program, text);
}
