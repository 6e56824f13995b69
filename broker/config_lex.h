/* Words of the configuration language: keys, scalars, comments. config.c puts them together. Main
 * thread.
 *
 * A function that fails returns CONFIG_ITEM_ERROR or false, with the reason in error; line is then
 * that of the reason. */
#ifndef BROKER_CONFIG_LEX_H
#define BROKER_CONFIG_LEX_H

#include "broker/base/base.h"

enum { CONFIG_LEX_END = -1, CONFIG_LEX_ERROR_MAX = 256 };

struct config_lex {
    /* Set by config_lex_init; the lexer may write into it, since escapes are resolved in place. */
    char *input;
    size_t len;
    /* Read-only. */
    int line; /* from 1 */
    char error[CONFIG_LEX_ERROR_MAX];
    /* Private. */
    size_t at, width, start;
    size_t line_start, item_line_start; /* the newline in front of the line; 0 on the first one */
};

enum config_item_kind {
    CONFIG_ITEM_ERROR,
    CONFIG_ITEM_END, /* of the file */
    CONFIG_ITEM_KEY,
    CONFIG_ITEM_INCLUDE, /* text is the path */
    CONFIG_ITEM_STRING,
    CONFIG_ITEM_BOOL,
    CONFIG_ITEM_VARIABLE, /* text is the name */
    CONFIG_ITEM_INTEGER,  /* text with the suffix */
    CONFIG_ITEM_FLOAT,
    CONFIG_ITEM_TIME,
    CONFIG_ITEM_MAP, /* the opening brace was taken */
    CONFIG_ITEM_ARRAY
};

struct config_item {
    struct span text; /* into the input */
    int line;
    int column; /* from 0 on the first line, from 1 on the others */
};

void config_lex_init(struct config_lex *lex, char *input, size_t len);

/* The next byte, CONFIG_LEX_END at the end; config_lex_back undoes the last config_lex_next. */
int config_lex_next(struct config_lex *lex);
void config_lex_back(struct config_lex *lex);
/* Forgets what was read: the next item begins here. */
void config_lex_skip(struct config_lex *lex);
/* If the byte just read begins a comment, steps to the end of its line and returns true. */
bool config_lex_comment(struct config_lex *lex, int byte);
bool config_lex_is_space(int byte); /* of any kind */
bool config_lex_is_blank(int byte); /* within a line */
bool config_lex_is_newline(int byte);

/* KEY, INCLUDE, END or ERROR; at the first byte of the key. The separator was taken as well. */
enum config_item_kind config_lex_key(struct config_lex *lex, struct config_item *item);
/* The next value: one of the scalars, VARIABLE, MAP, ARRAY or ERROR. In a map newlines may come
 * before it. */
enum config_item_kind config_lex_value(struct config_lex *lex, bool in_map,
                                       struct config_item *item);

/* Sets error to text with the first %s replaced by the byte last read; always CONFIG_ITEM_ERROR. */
enum config_item_kind config_lex_fail(struct config_lex *lex, const char *text);

#endif
