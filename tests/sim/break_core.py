#!/usr/bin/env python3
"""A copy of some of the core's files in which faults can be turned on, for clearwing-sim-broken.

    break_core.py --list            the core's files that are copied
    break_core.py CORE OUT          writes the copies and broken_points.h to the folder OUT

BROKEN(name) is 1 in a run with --break name. Each row is (file, text, what stands there instead); a text that is not in its
file exactly once is an error: the file was changed, and the row has to follow it.
"""
import pathlib
import re
import sys

FAULTS = [
    # Mail between workers.
    ("parcel.c", "        open_record(record, receiver);\n",
     "        if (BROKEN(lose_message) && record->target_count == 2)\n            block_unref(record->block);\n"
     "        else\n            open_record(record, receiver);\n"),
    ("parcel.c", "    for (uint32_t at = 0; at < parcel->used;) {\n        const struct record *record = "
     "(const struct record *)(const void *)(parcel->bytes + at);\n        if",
     "    const struct record *first = (const struct record *)(const void *)parcel->bytes;\n"
     "    bool swapped = BROKEN(swap_messages) && first->size < parcel->used;\n"
     "    for (uint32_t at = swapped ? first->size : 0; at < parcel->used;) {\n        const struct record *record = "
     "(const struct record *)(const void *)(parcel->bytes + at);\n        if"),
    ("parcel.c", "    parcel->used = 0;\n    parcel->mail.bytes = 0;\n",
     "    if (swapped)\n        open_record(first, receiver);\n    parcel->used = 0;\n    parcel->mail.bytes = 0;\n"),
    ("parcel.c", "    delivery_receive(receiver, &message, record->targets, record->target_count);\n    block_unref(",
     "    delivery_receive(receiver, &message, record->targets, record->target_count);\n    if (!BROKEN(keep_block))\n"
     "        block_unref("),
    ("delivery.c", "    if (!outgoing->parcel)\n", "    if (!outgoing->parcel || (BROKEN(keep_parcel) && to == 1))\n"),

    # Who gets it, and how often.
    ("delivery.c", "sub->session == from && !from->echo", "sub->session == from && !from->echo && !BROKEN(ignore_echo)"),
    ("delivery.c", "atomic_load_explicit(&sub->gone, memory_order_relaxed))\n        return false;\n    uint64_t delivered",
     "(!BROKEN(ignore_gone) && atomic_load_explicit(&sub->gone, memory_order_relaxed)))\n        return false;\n"
     "    uint64_t delivered"),
    ("delivery.c", "    if (to->close_reason != CLOSE_NONE ||",
     "    if ((!BROKEN(ignore_closing) && to->close_reason != CLOSE_NONE) ||"),
    ("delivery.c", "        reached += deliver(delivery, from, match->subs[i], &line, &mailed);\n",
     "        for (int times = 1 + (BROKEN(deliver_twice) && i == 2); times > 0; times--)\n"
     "            reached += deliver(delivery, from, match->subs[i], &line, &mailed);\n"),
    ("delivery.c", "                reached++;\n                break;\n",
     "                reached++;\n                if (!BROKEN(whole_group))\n                    break;\n"),
    ("delivery.c", "tried < group.count; tried++", "tried < (BROKEN(one_member) ? 1 : group.count); tried++"),
    ("delivery.c", "    if (max > 0 && delivered + 1 >= max)\n",
     "    if (max > 0 && delivered + 1 >= max + (uint64_t)BROKEN(one_too_many))\n"),
    ("delivery.c", "    if (max == 0 || atomic_fetch_add", "    if (max == 0 || BROKEN(no_places) || atomic_fetch_add"),
    ("session_subs.c", "atomic_store_explicit(&sub->claimed, delivered,",
     "atomic_store_explicit(&sub->claimed, delivered + (uint64_t)BROKEN(lose_place),"),
    ("session_subs.c", "        } else {\n            session_remove_sub(session, sub);",
     "        } else if (!BROKEN(keep_sub)) {\n            session_remove_sub(session, sub);"),
    ("session_subs.c", "    garbage_put(&delivery->garbage, &sub->garbage, sub_free_garbage);\n",
     "    if (BROKEN(free_at_once))\n        sub_free_garbage(&sub->garbage);\n    else\n"
     "        garbage_put(&delivery->garbage, &sub->garbage, sub_free_garbage);\n"),
    ("match_cache.c", "            now.wildcard == entry->generation.wildcard",
     "            (BROKEN(stale_cache) || now.wildcard == entry->generation.wildcard)"),
    ("session.c", "    if (delivery_publish(delivery, session, message) > 0)\n",
     "    if (delivery_publish(delivery, session, message) > (uint64_t)BROKEN(answer_always))\n"),

    # What it gets.
    ("delivery.c", "        append_span(room + line->sid_at, sub_sid(sub));\n",
     "        if (!BROKEN(same_sid))\n            append_span(room + line->sid_at, sub_sid(sub));\n"),
    ("delivery.c", "bool headers = to->headers &&", "bool headers = (to->headers || BROKEN(wrong_header)) &&"),
    ("session.c", "    session->partial_len = (uint32_t)len;\n",
     "    session->partial_len = (uint32_t)len - (BROKEN(cut_partial) && len > 25);\n"),
    ("outq.c", "    queue->head_written = bytes;\n",
     "    queue->head_written = BROKEN(write_again) && bytes > 5 ? bytes - 1 : bytes;\n"),

    # Books and limits.
    ("delivery.c", "    session_touch(to);\n    session_check_pending(to);\n",
     "    if (!BROKEN(forget_touch))\n        session_touch(to);\n    if (!BROKEN(forget_limit))\n"
     "        session_check_pending(to);\n"),
    ("delivery.c", "    delivery->out_msgs++;\n", "    delivery->out_msgs += 1 + (uint64_t)BROKEN(count_twice);\n"),
    ("outq.c", "    link_tail(queue, chunk);\n    add_pending(queue, bytes.len);\n",
     "    link_tail(queue, chunk);\n    if (!BROKEN(lose_pending))\n        add_pending(queue, bytes.len);\n"),
]


def files():
    return sorted({file for file, _, _ in FAULTS})


def main():
    if sys.argv[1:] == ["--list"]:
        print(";".join(files()), end="")
        return 0
    if len(sys.argv) != 3:
        print(__doc__, file=sys.stderr)
        return 1
    core, out = map(pathlib.Path, sys.argv[1:])
    copies = {file: (core / file).read_text() for file in files()}
    for file, text, instead in FAULTS:
        if copies[file].count(text) != 1:
            print(f"break_core.py: {file} has this {copies[file].count(text)} times, should have it once; change the row:\n{text}",
                  file=sys.stderr)
            return 1
        copies[file] = copies[file].replace(text, instead)
    names = list(dict.fromkeys(re.findall(r"BROKEN\((\w+)\)", "".join(instead for _, _, instead in FAULTS))))
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
