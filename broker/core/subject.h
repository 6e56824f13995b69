/* Subject rules: tokens separated by dots, `*` for one token, `>` for the rest. Pure functions, any thread. */
#ifndef BROKER_CORE_SUBJECT_H
#define BROKER_CORE_SUBJECT_H

#include "broker/base/base.h"

/* May be subscribed to: no empty token, and a token that is just `>` comes last. */
bool subject_valid_subscription(struct span subject);
/* Has only non-empty tokens, none of them a lone wildcard. */
bool subject_valid_literal(struct span subject);
/* Has a token that is just `*` or `>`. */
bool subject_has_wildcard(struct span subject);
/* Whether a subscription to pattern gets what is published to subject, whose tokens are plain text even where
 * they look like wildcards. A subject with an empty token matches nothing. */
bool subject_matches(struct span pattern, struct span subject);
/* Whether all that a subscription to `part` may get would reach one to `pattern` too. */
bool subject_covers(struct span pattern, struct span part);
/* Whether something could be published that both patterns get. */
bool subject_overlaps(struct span one, struct span other);

/* Takes the next token off *rest; false when there is none left. An empty subject has one empty token. */
struct subject_tokens {
    const char *at, *end;
    bool done;
};

static inline struct subject_tokens subject_tokens(struct span subject)
{
    return (struct subject_tokens){subject.ptr, subject.ptr + subject.len, false};
}

static inline bool subject_next_token(struct subject_tokens *rest, struct span *token)
{
    if (rest->done)
        return false;
    const char *dot = memchr(rest->at, '.', (size_t)(rest->end - rest->at));
    token->ptr = rest->at;
    token->len = (size_t)((dot ? dot : rest->end) - rest->at);
    rest->done = dot == NULL;
    rest->at = dot ? dot + 1 : rest->end;
    return true;
}

static inline bool subject_token_is(struct span token, char wildcard)
{
    return token.len == 1 && token.ptr[0] == wildcard;
}

#endif
