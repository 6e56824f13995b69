/* Making and freeing subscriptions; everything else is done to them by the session and the interest. */
#include "broker/core/sub.h"

#include "broker/base/mem.h"

struct sub *sub_new(struct session *session, unsigned worker, struct span subject,
                    struct span queue, struct span sid)
{
    struct sub *sub = mem_zalloc(sizeof *sub + subject.len + queue.len + sid.len);
    if (!sub)
        return NULL;
    sub->session = session;
    sub->worker = worker;
    sub->subject_len = (uint32_t)subject.len;
    sub->queue_len = (uint32_t)queue.len;
    sub->sid_len = (uint32_t)sid.len;
    memcpy(sub->text, subject.ptr, subject.len);
    if (queue.len > 0)
        memcpy(sub->text + subject.len, queue.ptr, queue.len);
    memcpy(sub->text + subject.len + queue.len, sid.ptr, sid.len);
    return sub;
}

void sub_free_garbage(struct garbage *garbage)
{
    mem_free(container_of(garbage, struct sub, garbage));
}
