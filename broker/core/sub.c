/* Making and freeing subscriptions; everything else is done to them by the session and the interest. */
#include "broker/core/sub.h"

#include "broker/base/mem.h"
#include "broker/core/subject.h"

struct sub *sub_new(struct session *session, unsigned worker, struct span subject,
                    struct span queue, struct span sid)
{
    struct sub *sub =
        mem_zalloc(sizeof *sub + SUB_SUBJECT_AT + subject.len + 1 + sid.len + 1 + queue.len);
    if (!sub)
        return NULL;
    sub->session = session;
    sub->worker = worker;
    sub->literal = !subject_has_wildcard(subject);
    sub->subject_len = (uint32_t)subject.len;
    sub->queue_len = (uint32_t)queue.len;
    sub->sid_len = (uint32_t)sid.len;
    char *at = append_bytes(sub->line, SPAN_LITERAL("HMSG "));
    at = append_bytes(at, subject);
    *at++ = ' ';
    at = append_bytes(at, sid);
    *at++ = ' ';
    append_bytes(at, queue);
    return sub;
}

void sub_free_garbage(struct garbage *garbage)
{
    mem_free(container_of(garbage, struct sub, garbage));
}
