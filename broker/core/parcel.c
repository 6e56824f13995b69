/* A parcel is one block of memory with records behind each other, each a whole message:
 *
 *     [record | targets | subject rest payload | padding] [record | ...
 *
 * It starts small, for a lone request, and grows to a limit while a publisher's input is worked through; so handing a message
 * to another worker costs a copy, and the queue and the wake-up are paid once for many. An opened parcel goes back to its
 * sender, who keeps one for each receiver: a steady flow allocates nothing.
 */
#include "broker/core/parcel.h"

#include "broker/base/mem.h"
#include "broker/core/delivery.h"

enum { CAPACITY_MIN = 512, CAPACITY_MAX = 64 << 10 };

struct parcel {
    struct mail mail;
    struct parcel *_Atomic *home; /* where it goes back to when it was opened */
    uint32_t used, capacity;
    _Alignas(8) char bytes[];
};

struct record {
    uint32_t size; /* of the whole record, a multiple of 8 */
    uint32_t subject_len, reply_len, rest_len, header_size, payload_len, target_count;
    struct block *block; /* the payload's, NULL: it follows the names */
    const char *payload;
    struct sub *targets[];
};

/* Makes room for size bytes more, in a parcel that may not exist yet. */
static char *room(struct parcel **parcel, size_t size)
{
    size_t used = *parcel ? (*parcel)->used : 0, capacity = *parcel ? (*parcel)->capacity : 0;
    if (used + size > capacity) {
        if (used > 0 && used + size > CAPACITY_MAX)
            return NULL;
        capacity = max_size(max_size(2 * capacity, CAPACITY_MIN), used + size);
        struct parcel *larger = mem_realloc(*parcel, sizeof *larger + capacity);
        if (!larger)
            return NULL;
        if (!*parcel)
            *larger = (struct parcel){.used = 0};
        larger->capacity = (uint32_t)capacity;
        *parcel = larger;
    }
    return (*parcel)->bytes + used;
}

/* The parcel to add to: the one at hand, or the one that came back. */
static void fetch(struct parcel **parcel, struct parcel *_Atomic *home)
{
    if (!*parcel && atomic_load_explicit(home, memory_order_relaxed))
        *parcel = atomic_exchange_explicit(home, NULL, memory_order_acquire);
}

bool parcel_add(struct parcel **parcel, struct parcel *_Atomic *home, const struct publish *message,
                struct block *block, struct sub *const *targets, uint32_t count)
{
    bool inside = message->payload.len <= PARCEL_INLINE_MAX;
    struct span rest = message->rest;
    size_t bytes = message->subject.len + rest.len + (inside ? message->payload.len : 0);
    size_t size = (sizeof(struct record) + count * sizeof targets[0] + bytes + 7) & ~(size_t)7;
    fetch(parcel, home);
    struct record *record = (struct record *)(void *)room(parcel, size);
    if (!record)
        return false;
    *record = (struct record){
        .size = (uint32_t)size,
        .subject_len = (uint32_t)message->subject.len,
        .reply_len = (uint32_t)message->reply.len,
        .rest_len = (uint32_t)message->rest.len,
        .header_size = message->header_size,
        .payload_len = (uint32_t)message->payload.len,
        .target_count = count,
        .block = inside ? NULL : block_ref(block),
        .payload = message->payload.ptr,
    };
    memcpy(record->targets, targets, count * sizeof targets[0]);
    char *at = append_bytes((char *)(record->targets + count), message->subject);
    at = append_bytes(at, rest);
    if (inside)
        append_bytes(at, message->payload);
    (*parcel)->home = home;
    (*parcel)->used += (uint32_t)size;
    (*parcel)->mail.bytes += (uint32_t)(size + (inside ? 0 : message->payload.len));
    return true;
}

static void open_record(const struct record *record, struct delivery *receiver)
{
    const char *names = (const char *)(record->targets + record->target_count);
    const char *rest = names + record->subject_len;
    const char *inside = rest + record->rest_len;
    struct publish message = {
        .subject = {names, record->subject_len},
        .reply = {rest, record->reply_len}, /* with which the rest begins */
        .rest = {rest, record->rest_len},
        .header_size = record->header_size,
        .payload = {record->block ? record->payload : inside, record->payload_len},
        .block = record->block,
    };
    delivery_receive(receiver, &message, record->targets, record->target_count);
    block_unref(record->block);
}

static void open_parcel(struct mail *mail, struct delivery *receiver)
{
    struct parcel *parcel = container_of(mail, struct parcel, mail);
    for (uint32_t at = 0; at < parcel->used;) {
        const struct record *record = (const struct record *)(const void *)(parcel->bytes + at);
        open_record(record, receiver);
        at += record->size;
    }
    parcel->used = 0;
    parcel->mail.bytes = 0;
    if (parcel->capacity > CAPACITY_MAX)
        mem_free(parcel);
    else
        mem_free(atomic_exchange_explicit(parcel->home, parcel, memory_order_acq_rel));
}

struct mail *parcel_mail(struct parcel *parcel)
{
    parcel->mail.open = open_parcel;
    return &parcel->mail;
}

uint64_t parcel_deliveries(const struct mail *mail)
{
    const struct parcel *parcel =
        (const struct parcel *)((const char *)mail - offsetof(struct parcel, mail));
    uint64_t count = 0;
    for (uint32_t at = 0; at < parcel->used;) {
        const struct record *record = (const struct record *)(const void *)(parcel->bytes + at);
        count += record->target_count;
        at += record->size;
    }
    return count;
}

void parcel_free(struct parcel *parcel)
{
    for (uint32_t at = 0; parcel && at < parcel->used;) {
        const struct record *record = (const struct record *)(const void *)(parcel->bytes + at);
        block_unref(record->block);
        at += record->size;
    }
    mem_free(parcel);
}
