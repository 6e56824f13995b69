/* Subjects are tokens between dots. A token is not empty and has no white space or control
 * characters; `*` and `>` are wildcards only as whole tokens, `>` only as the last one, and only
 * where one subscribes. */
#include "client/subject.h"

#include "client/say.h"

static bool is_word_byte(char c)
{
    return (unsigned char)c > ' ' && c != 0x7f;
}

static int check_token(const char *what, const char *subject, struct span token, bool last,
                       bool pattern)
{
    if (token.len == 0) {
        say_line(
            "%s \"%s\" has an empty token: write words between single dots, such as orders.new",
            what, subject);
        return -1;
    }
    bool wildcard = token.len == 1 && (token.ptr[0] == '*' || token.ptr[0] == '>');
    if (wildcard && !pattern) {
        say_line(
            "%s \"%s\" has the wildcard %c: name one subject here, wildcards are for subscribing",
            what, subject, token.ptr[0]);
        return -1;
    }
    if (wildcard && token.ptr[0] == '>' && !last) {
        say_line("%s \"%s\": > stands for all that follows and can only be the last token", what,
                 subject);
        return -1;
    }
    return 0;
}

static int check_subject(const char *what, const char *subject, bool pattern)
{
    size_t len = strlen(subject);
    if (len == 0 || len > SUBJECT_BYTES_MAX) {
        say_line("%s has %zu bytes: it needs 1 to %d", what, len, SUBJECT_BYTES_MAX);
        return -1;
    }
    for (size_t i = 0; i < len; i++) {
        if (!is_word_byte(subject[i])) {
            say_line("%s \"%s\" has a space or control character: use letters, digits and dots",
                     what, subject);
            return -1;
        }
    }
    for (const char *at = subject;;) {
        size_t token = strcspn(at, ".");
        bool last = at[token] == '\0';
        if (check_token(what, subject, (struct span){at, token}, last, pattern) != 0)
            return -1;
        if (last)
            return 0;
        at += token + 1;
    }
}

int subject_check_literal(const char *what, const char *subject)
{
    return check_subject(what, subject, false);
}

int subject_check_pattern(const char *what, const char *subject)
{
    return check_subject(what, subject, true);
}

int subject_check_queue(const char *queue)
{
    for (const char *at = queue; *at; at++) {
        if (!is_word_byte(*at)) {
            say_line("--queue \"%s\" has a space or control character: use letters and digits",
                     queue);
            return -1;
        }
    }
    return 0;
}
