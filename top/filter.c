/* A filter is parsed once into terms and then asked for each row of each frame, so a term holds its
 * number and its compiled expression. An invalid term never hides rows: while someone types, half a
 * term is the normal case. */
#include "top/filter.h"

#include <math.h>
#include <stdio.h>
#include <strings.h>

#include "top/format.h"

void filter_fini(struct filter *filter)
{
    for (size_t i = 0; i < filter->count; i++)
        if (filter->terms[i].relation == '~')
            regfree(&filter->terms[i].regex);
    filter->count = 0;
    filter->error[0] = '\0';
}

static bool term_fail(struct filter *filter, const char *word, const char *reason)
{
    snprintf(filter->error, sizeof filter->error, "%.200s: %s", word, reason);
    return false;
}

/* "key>text" into column, operator and text; a word without a known key and operator is text for
 * any column. */
static bool term_split(struct filter *filter, struct filter_term *term, const char *word)
{
    size_t key_len = strcspn(word, ":=~<>");
    char key[FILTER_BYTES_MAX];
    snprintf(key, sizeof key, "%.*s", (int)key_len, word);
    bool any = word[key_len] == '\0';
    term->relation = any ? ':' : word[key_len];
    snprintf(term->text, sizeof term->text, "%s", any ? word : word + key_len + 1);
    if (any || (key_len == 0 && term->relation == '~'))
        return true;
    term->column = columns_find(key);
    bool address = !term->column && term->relation == ':' && strpbrk(key, ".0123456789[");
    if (address)
        snprintf(term->text, sizeof term->text, "%s", word);
    return term->column || address || term_fail(filter, word, "no such column");
}

static bool term_parse(struct filter *filter, struct filter_term *term, const char *word)
{
    *term = (struct filter_term){.negated = word[0] == '!' && word[1], .number = NAN};
    if (!term_split(filter, term, word + (term->negated ? 1 : 0)))
        return false;
    if (!term->text[0])
        return term_fail(filter, word, "nothing to look for");
    bool number = format_parse_number(term->text, &term->number);
    bool compares = term->relation == '<' || term->relation == '>';
    if (compares && (!number || columns_is_text(term->column)))
        return term_fail(filter, word, "compares a column of numbers with a number");
    if (term->relation == '~' &&
        regcomp(&term->regex, term->text, REG_EXTENDED | REG_ICASE | REG_NOSUB) != 0)
        return term_fail(filter, word, "not a regular expression");
    return true;
}

bool filter_parse(struct filter *filter, const char *text)
{
    filter_fini(filter);
    char words[FILTER_BYTES_MAX], *rest = words, *word;
    snprintf(words, sizeof words, "%s", text);
    while ((word = strsep(&rest, " ")) != NULL) {
        if (!word[0])
            continue;
        if (filter->count == FILTER_TERMS_MAX)
            return term_fail(filter, word, "too many terms");
        if (term_parse(filter, &filter->terms[filter->count], word))
            filter->count++;
    }
    return filter->error[0] == '\0';
}

static bool text_match(const struct filter_term *term, const char *text)
{
    switch (term->relation) {
    case '=': return strcasecmp(text, term->text) == 0;
    case '~': return regexec(&term->regex, text, 0, NULL, 0) == 0;
    default: return strcasestr(text, term->text) != NULL;
    }
}

static bool column_match(const struct filter_term *term, const struct column *column,
                         const struct column_view *view, const struct model_conn *conn)
{
    char text[COLUMN_TEXT_MAX];
    double number = columns_number(column, view, conn);
    bool compares = !columns_is_text(column) && !isnan(term->number);
    if (term->relation == '>')
        return number > term->number;
    if (term->relation == '<')
        return number < term->number;
    if (term->relation == '=' && compares)
        return number == term->number;
    return text_match(term, columns_text(column, view, conn, text));
}

static bool term_match(const struct filter_term *term, const struct column_view *view,
                       const struct model_conn *conn)
{
    if (term->column)
        return column_match(term, term->column, view, conn);
    size_t count;
    const struct column *all = columns_all(&count);
    for (size_t i = 0; i < count; i++)
        if ((columns_is_text(&all[i]) || all[i].kind == COLUMN_CID) &&
            column_match(term, &all[i], view, conn))
            return true;
    return false;
}

bool filter_match(const struct filter *filter, const struct column_view *view,
                  const struct model_conn *conn)
{
    for (size_t i = 0; i < filter->count; i++)
        if (term_match(&filter->terms[i], view, conn) == filter->terms[i].negated)
            return false;
    return true;
}
