#!/usr/bin/env python3
"""A copy of the core's files in which faults can be turned on, for clearwing-sim-broken.

    break_core.py OUT FILE...       writes copies of these files, and broken_points.h, to the folder OUT

BROKEN(name) is 1 in a run with --break name. Each row is (text, what stands there instead). A text that is not in the files
exactly once is left alone, and told: its fault then goes unnoticed, the test fails, and the row has to follow the change.
"""
import pathlib
import re
import sys

FAULTS = [
    # Mail between workers.
    ("    for (uint32_t at = 0; at < parcel->used;) {\n        const struct record *record = "
     "(const struct record *)(const void *)(parcel->bytes + at);\n        open_record(record, receiver);\n"
     "        at += record->size;\n    }\n",
     "    const struct record *first = (const struct record *)(const void *)parcel->bytes;\n"
     "    bool swapped = BROKEN(swap_messages) && first->size < parcel->used;\n"
     "    for (uint32_t at = swapped ? first->size : 0; at < parcel->used;) {\n        const struct record *record = "
     "(const struct record *)(const void *)(parcel->bytes + at);\n"
     "        if (BROKEN(lose_message) && record->target_count == 2)\n            block_unref(record->block);\n"
     "        else\n            open_record(record, receiver);\n        at += record->size;\n    }\n"
     "    if (swapped)\n        open_record(first, receiver);\n"),
    ("    delivery_receive(receiver, &message, record->targets, record->target_count);\n    block_unref(",
     "    delivery_receive(receiver, &message, record->targets, record->target_count);\n    if (!BROKEN(keep_block))\n"
     "        block_unref("),
    ("    if (!outgoing->parcel)\n", "    if (!outgoing->parcel || (BROKEN(keep_parcel) && to == 1))\n"),

    # Who gets it, and how often.
    ("sub->session == from && !from->echo", "sub->session == from && !from->echo && !BROKEN(ignore_echo)"),
    ("atomic_load_explicit(&sub->gone, memory_order_relaxed))\n        return false;\n    uint64_t delivered",
     "(!BROKEN(ignore_gone) && atomic_load_explicit(&sub->gone, memory_order_relaxed)))\n        return false;\n"
     "    uint64_t delivered"),
    ("    if (to->close_reason != CLOSE_NONE ||",
     "    if ((!BROKEN(ignore_closing) && to->close_reason != CLOSE_NONE) ||"),
    ("        reached += deliver(delivery, from, match->subs[i], &line, &mailed);\n",
     "        for (int times = 1 + (BROKEN(deliver_twice) && i == 2); times > 0; times--)\n"
     "            reached += deliver(delivery, from, match->subs[i], &line, &mailed);\n"),
    ("                reached++;\n                break;\n",
     "                reached++;\n                if (!BROKEN(whole_group))\n                    break;\n"),
    ("tried < group.count; tried++", "tried < (BROKEN(one_member) ? 1 : group.count); tried++"),
    ("    if (max > 0 && delivered + 1 >= max)\n",
     "    if (max > 0 && delivered + 1 >= max + (uint64_t)BROKEN(one_too_many))\n"),
    ("    return max == 0 || atomic_fetch_add", "    return max == 0 || BROKEN(no_places) || atomic_fetch_add"),
    ("atomic_store_explicit(&sub->claimed, delivered,",
     "atomic_store_explicit(&sub->claimed, delivered + (uint64_t)BROKEN(lose_place),"),
    ("        } else {\n            session_remove_sub(session, sub);",
     "        } else if (!BROKEN(keep_sub)) {\n            session_remove_sub(session, sub);"),
    ("    garbage_put(&delivery->garbage, &sub->garbage, sub_free_garbage);\n",
     "    if (BROKEN(free_at_once))\n        sub_free_garbage(&sub->garbage);\n    else\n"
     "        garbage_put(&delivery->garbage, &sub->garbage, sub_free_garbage);\n"),
    ("    atomic_fetch_add_explicit(generation, 1,",
     "    if (!BROKEN(stale_cache) || generation != &list->generations.wildcard)\n        atomic_fetch_add_explicit(generation, 1,"),
    ("    if (delivery_publish(session->delivery, session, message) > 0)\n",
     "    if (delivery_publish(session->delivery, session, message) > (uint64_t)BROKEN(answer_always))\n"),

    # What it gets.
    ("if (message->header_size > 0 && !headers)\n", "if (!BROKEN(keep_header) && message->header_size > 0 && !headers)\n"),
    ("bool headers = to->headers &&", "bool headers = (to->headers || BROKEN(wrong_header)) &&"),
    ("    session->partial_len = (uint32_t)len;\n",
     "    session->partial_len = (uint32_t)len - (BROKEN(cut_partial) && len > 25);\n"),
    ("    queue->head_written = bytes;\n",
     "    queue->head_written = BROKEN(write_again) && bytes > 5 ? bytes - 1 : bytes;\n"),

    # Books and limits.
    ("    counter_add(&sub->delivered, 1);\n    if (!to->touched)\n",
     "    counter_add(&sub->delivered, 1);\n    if (!to->touched && !BROKEN(forget_touch))\n"),
    ("    session_check_pending(to);\n    if (max > 0", "    if (!BROKEN(forget_limit))\n        session_check_pending(to);\n    if (max > 0"),
    ("    queue->settled_msgs = queue->msgs;\n}\n\n/* Makes", "    if (!BROKEN(count_twice))\n        queue->settled_msgs = queue->msgs;\n}\n\n/* Makes"),
    ("    counter_add(&part->out_msgs, msgs);\n", "    counter_add(&part->out_msgs, msgs - (uint64_t)BROKEN(miscount));\n"),
    ("            drops_mail(delivery, targets[i]);\n",
     "            if (!BROKEN(forget_mail))\n                drops_mail(delivery, targets[i]);\n"),
    ("    uint64_t msgs = outq_unsent_messages(&session->out);\n",
     "    uint64_t msgs = BROKEN(forget_queue) ? 0 : outq_unsent_messages(&session->out);\n"),
    ("count += message && at <= written;", "count += message && at <= written + 3 * (size_t)BROKEN(almost_written);"),
    ("    uint64_t count = chunk->msgs;\n", "    uint64_t count = BROKEN(forget_payload) && chunk->block ? 0 : chunk->msgs;\n"),
    ("        drops_count(delivery, sub->session, reason, 1);\n        return;",
     "        if (!BROKEN(forget_refusal))\n            drops_count(delivery, sub->session, reason, 1);\n        return;"),
    ("    link_tail(queue, chunk);\n    add_pending(queue, bytes.len);\n",
     "    link_tail(queue, chunk);\n    if (!BROKEN(lose_pending))\n        add_pending(queue, bytes.len);\n"),
]


def main():
    if len(sys.argv) < 3:
        print(__doc__, file=sys.stderr)
        return 1
    out = pathlib.Path(sys.argv[1])
    copies = {path.name: path.read_text() for path in map(pathlib.Path, sys.argv[2:])}
    for text, instead in FAULTS:
        times = sum(copy.count(text) for copy in copies.values())
        if times != 1:
            print(f"break_core.py: the core has this {times} times, should have it once; change the row:\n{text}", file=sys.stderr)
            continue
        copies = {name: copy.replace(text, instead) for name, copy in copies.items()}
    names = list(dict.fromkeys(re.findall(r"BROKEN\((\w+)\)", "".join(instead for _, instead in FAULTS))))
    out.mkdir(parents=True, exist_ok=True)
    points = "".join(f" \\\n    POINT({name})" for name in names)
    (out / "broken_points.h").write_text(
        f"#define BROKEN_POINT_LIST{points}\n"
        "enum broken_point { BROKEN_none,\n#define POINT(name) BROKEN_##name,\nBROKEN_POINT_LIST\n#undef POINT\n};\n"
        "extern int broken_point;\n#define BROKEN(name) (broken_point == BROKEN_##name)\n")
    for file, text in copies.items():
        (out / file).write_text('#include "broken_points.h"\n' + text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
