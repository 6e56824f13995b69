#!/usr/bin/env python3
"""Compares the broker with other servers under the same load, in pairs, and prints medians and ratios.

    tests/bench/compare.py                                   ours against nats-server, all workloads, three pairs of 1 s
    tests/bench/compare.py --quick                           the same in short runs
    tests/bench/compare.py --workloads fan-out-10,idle --rounds 7
    tests/bench/compare.py --other ../before/bin/clearwing   two builds of ours
    tests/bench/compare.py --tuned --newer                   also the stock server tuned, and newer ones
    tests/bench/compare.py --with "quiet=nats-server GOGC=400 --no_sublist_cache"
    tests/bench/compare.py --scale 1,2,4                     throughput with each number of workers

The load goes to A, B, A, B, ... so that whatever else the machine does meets both alike. Figures are per second of the
server's own CPU time, memory, or latency; the ratio is ours divided by the other's. Beside it stand the goal, whether it
is reached, and our part of what a relay reaches that parses nothing. The exit status is 1 if a message was lost, doubled,
changed or out of order on any side, or a server counted wrongly.
"""
import argparse
import json
import os
import pathlib
import re
import shlex
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2]))

from tests.bench import candidates, runs, scale, table, workloads  # noqa: E402
from tests.support import server as support  # noqa: E402


def compare(name, sides, rounds, seconds, quick=False, limit=False):
    """One workload on all sides, the first of which is ours: (rows, complaints, warnings, runs by label). Complaints are
    checks that failed; there are no rows then."""
    workload = workloads.WORKLOADS[name]
    load = workload.quick if quick and workload.quick else workload.load
    results = runs.run_all(workload, load, sides, rounds, seconds, limit)
    named = list(zip([side.label for side in sides] + ["relay"], results))
    complaints = [f"{name}: {label}, round {number + 1}: {run['failure']}"
                  for label, found in named for number, run in enumerate(found) if run["failure"]]
    rows, warnings = [], []
    if not complaints:
        for side, found in zip(sides[1:], results[1:]):
            with_goal = side.is_plain_stock(workloads.STOCK_OF_THE_GOALS)
            rows += [table.Row(name, figure, results[0], found, side.label, results[-1], with_goal) for figure in workload.figures]
        warnings = [warning for label, found in named[:-1] for warning in table.warnings(workload, label, found)]
    return rows, complaints, warnings, dict(named)


def positive(kind):
    def read(text):
        value = kind(text)
        if not value > 0:
            raise ValueError(text)
        return value
    read.__name__ = "positive number"
    return read


def add_arguments(parser):
    parser.add_argument("--ours", default="clearwing", metavar="PATH", help="our server (default: build/bin/clearwing)")
    parser.add_argument("--other", default="stock", metavar="PATH", help="the server to compare with (default: nats-server)")
    parser.add_argument("--ours-options", default="", metavar="TEXT", help="further arguments of our server")
    parser.add_argument("--other-options", default="", metavar="TEXT", help="further arguments of the other")
    parser.add_argument("--with", dest="more", action="append", default=[], metavar="TEXT",
                        help="one server more: NAME=BINARY [VARIABLE=VALUE ...] [OPTION ...]; may be repeated")
    parser.add_argument("--tuned", action="store_true",
                        help="one server more: the stock one with " + " ".join(f"{k}={v}" for k, v in candidates.TUNED.items()))
    parser.add_argument("--newer", action="store_true", help="more servers: the stock one's releases " + " ".join(candidates.NEWER))
    parser.add_argument("--no-relay", action="store_true", help="do without the limit, which takes a third of the time")
    parser.add_argument("--rounds", type=positive(int), metavar="N", help="pairs per workload (default 3)")
    parser.add_argument("--seconds", type=positive(float), metavar="S", help="time of each run (default 1, quick 0.3)")
    parser.add_argument("--workloads", metavar="A,B", help="only these; a pattern like fan-out* is allowed: " + " ".join(workloads.WORKLOADS))
    parser.add_argument("--quick", action="store_true", help="short runs")
    parser.add_argument("--pin", action="store_true", help="the generator on the last core, the servers on the others")
    parser.add_argument("--scale", metavar="1,2,4", help="instead: throughput with that many workers and generators each")
    parser.add_argument("--json", metavar="FILE", help="write all runs and rows to a file")


def read_arguments(arguments):
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    add_arguments(parser)
    options = parser.parse_args(arguments)
    options.rounds = options.rounds or 3
    options.seconds = options.seconds or (0.3 if options.quick else 1)
    options.names = chosen_names(options.workloads, parser)
    try:
        options.more = [candidates.read_side(text) for text in options.more]
        options.scale = scale.read_steps(options.scale) if options.scale else None
        runs.cores_of_this_run = runs.Cores(options.pin)
    except ValueError as error:
        parser.error(str(error))
    for kind in (options.ours, options.other):
        if not os.path.exists(support.binary(kind)):
            parser.error(f"{support.binary(kind)} does not exist: build it, or name another with --ours or --other")
    return options


def chosen_names(text, parser):
    names = []
    for word in (text or "*").split(","):
        pattern = re.compile(re.escape(word).replace(r"\*", ".*"))
        found = [name for name in workloads.WORKLOADS if pattern.fullmatch(name)]
        if not found:
            parser.error(f"--workloads: there is no {word}; there are: {' '.join(workloads.WORKLOADS)}")
        names += [name for name in found if name not in names]
    return names


def sides_of(options):
    other = candidates.Side("", options.other, shlex.split(options.other_options))
    other.label = f"{pathlib.Path(support.binary(options.other)).name} {other.version()}".strip()
    sides = [candidates.Side("ours", options.ours, shlex.split(options.ours_options)), other]
    if options.tuned:
        sides.append(candidates.Side("tuned", "stock", environment=candidates.TUNED))
    if options.newer:
        found, reasons = candidates.newer()
        sides += found
        for reason in reasons:
            print(f"SKIPPED {reason}")
    return sides + options.more


def main(arguments=None):
    options = read_arguments(arguments)
    runs.raise_file_limit()
    sides = sides_of(options)
    if options.scale:
        return scale.run(sides, options.scale, options.seconds, options.rounds)
    begin = time.monotonic()
    document = {"rounds": options.rounds, "seconds": options.seconds, "pinned": options.pin, "rows": [], "runs": {},
                "complaints": [], "warnings": [], "skipped": []}
    all_rows = []
    print(table.HEAD)
    for name in options.names:
        reason = runs.missing(workloads.WORKLOADS[name])
        if reason:
            print(f"SKIPPED {reason}", flush=True)
            document["skipped"].append(reason)
            continue
        rows, complaints, warnings, found = compare(name, sides, options.rounds, options.seconds, options.quick, not options.no_relay)
        for line in [row.text() for row in rows] + [f"WARNING {text}" for text in warnings] + [f"FAILED {text}" for text in complaints]:
            print(line, flush=True)
        all_rows += rows
        document["complaints"] += complaints
        document["warnings"] += warnings
        document["runs"][name] = found
    document["summary"] = table.summary(all_rows)
    document["rows"] = [row.document() for row in all_rows]
    print(f"{document['summary']}; {time.monotonic() - begin:.0f} s")
    if options.json:
        pathlib.Path(options.json).write_text(json.dumps(document, indent=1) + "\n")
    return 1 if document["complaints"] else 0


if __name__ == "__main__":
    sys.exit(main())
