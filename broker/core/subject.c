/* Subject rules, one walk over the tokens each. Matching here is the slow, obvious way; the interest's tree does the
 * same thing for all subscriptions at once and is held against this in tests. */
#include "broker/core/subject.h"

bool subject_valid_subscription(struct span subject)
{
    struct subject_tokens rest = subject_tokens(subject);
    struct span token;
    while (subject_next_token(&rest, &token))
        if (token.len == 0 || (subject_token_is(token, '>') && !rest.done))
            return false;
    return true;
}

bool subject_valid_literal(struct span subject)
{
    struct subject_tokens rest = subject_tokens(subject);
    struct span token;
    while (subject_next_token(&rest, &token))
        if (token.len == 0 || subject_token_is(token, '*') || subject_token_is(token, '>'))
            return false;
    return true;
}

bool subject_has_wildcard(struct span subject)
{
    struct subject_tokens rest = subject_tokens(subject);
    struct span token;
    while (subject_next_token(&rest, &token))
        if (subject_token_is(token, '*') || subject_token_is(token, '>'))
            return true;
    return false;
}

static bool has_empty_token(struct span subject)
{
    struct subject_tokens rest = subject_tokens(subject);
    struct span token;
    while (subject_next_token(&rest, &token))
        if (token.len == 0)
            return true;
    return false;
}

bool subject_matches(struct span pattern, struct span subject)
{
    if (has_empty_token(subject))
        return false;
    struct subject_tokens wanted = subject_tokens(pattern), given = subject_tokens(subject);
    struct span want, have;
    while (subject_next_token(&wanted, &want)) {
        if (!subject_next_token(&given, &have))
            return false;
        if (subject_token_is(want, '>') && wanted.done)
            return true;
        if (!subject_token_is(want, '*') && !span_equal(want, have))
            return false;
    }
    return given.done;
}

bool subject_covers(struct span pattern, struct span part)
{
    struct subject_tokens wanted = subject_tokens(pattern), given = subject_tokens(part);
    struct span want, have;
    while (subject_next_token(&wanted, &want)) {
        if (!subject_next_token(&given, &have))
            return false;
        if (subject_token_is(want, '>') && wanted.done)
            return true;
        bool all_the_rest = subject_token_is(have, '>') && given.done;
        if (all_the_rest || (!subject_token_is(want, '*') && !span_equal(want, have)))
            return false;
    }
    return given.done;
}

bool subject_overlaps(struct span one, struct span other)
{
    struct subject_tokens ones = subject_tokens(one), others = subject_tokens(other);
    struct span left, right;
    while (subject_next_token(&ones, &left)) {
        if (!subject_next_token(&others, &right))
            return false;
        if ((subject_token_is(left, '>') && ones.done) ||
            (subject_token_is(right, '>') && others.done))
            return true;
        if (!subject_token_is(left, '*') && !subject_token_is(right, '*') &&
            !span_equal(left, right))
            return false;
    }
    return others.done;
}
