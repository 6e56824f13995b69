#!/usr/bin/env python3
"""Counts what one message costs our broker in instructions and allocations, and in which functions.

    tests/bench/instructions.py                              every workload, a row each
    tests/bench/instructions.py --workloads fan-out-10 --top 40
    tests/bench/instructions.py --workloads 'publish*' --compare-build ../other/build
    tests/bench/instructions.py --repeat 3                   medians of three

The broker runs under valgrind's callgrind twice, with n and with 3n messages. The difference between the two, divided by
2n, is the cost of a message without what starting and stopping cost. Unlike time it hardly depends on what else the
machine does: only on how many messages each read brings. Kernel time is not in it. Messages are those published
(requests, connections), not deliveries. A build with debug information (-DCMAKE_BUILD_TYPE=RelWithDebInfo) names more
functions.

--compare-build takes a second build folder (or its bin, or a binary) and prints both and the difference, ours less the
other: what counters cost is -DCLEARWING_COUNTERS=ON against a build with OFF.
"""
import argparse
import collections
import os
import pathlib
import re
import shlex
import shutil
import statistics
import sys
import tempfile

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2]))

from tests.bench import compare, runs, workloads  # noqa: E402
from tests.support import server as support  # noqa: E402

ALLOCATORS = ("malloc", "calloc", "realloc", "aligned_alloc", "posix_memalign", "memalign", "strdup")
WITHOUT_COUNT = ("idle", "idle-connections", "departed", "start-up")
# Each of these is many steps of work, under valgrind a thousandth of a second and more.
FEW = {"connection-churn": 0.05, "fan-out": 0.5, "subscription-churn": 0.5, "request": 0.5}
NAME = re.compile(r"^(c?fn|c?fi|fe|c?fl|c?ob)=(?:\((\d+)\))?\s*(.*)$")


class Profile:
    """A callgrind file: instructions of each function itself, and how often each function was called."""

    def __init__(self, text):
        self.instructions = collections.Counter()
        self.calls = collections.Counter()
        self._names = {}
        function = callee = None
        is_call_cost = False
        for line in text.splitlines():
            if not line:
                continue
            if line[0] in "+-*0123456789":
                if not is_call_cost:
                    self.instructions[function] += int(line.split()[1])
                is_call_cost = False
            elif line.startswith("fn="):
                function = self._name(line)
            elif line.startswith("cfn="):
                callee = self._name(line)
            elif line.startswith("calls="):
                self.calls[callee] += int(line[6:].split()[0])
                is_call_cost = True  # the next line is what the callee cost, counted at the callee

    def _name(self, line):
        """Names are written once, as "fn=(12) name", and are "fn=(12)" from then on; 'N marks recursion."""
        _, number, name = NAME.match(line).groups()
        if name:
            self._names[number] = re.sub(r"'\d+$", "", name)
        return self._names[number]

    def allocations(self):
        return sum(self.calls[name] for name in ALLOCATORS)


class Cost:
    """What one message costs: instructions, allocations, and [(function, instructions, calls)], most expensive first."""

    def __init__(self, few, many, messages):
        self.functions = sorted(((name, (many.instructions[name] - few.instructions[name]) / messages,
                                  (many.calls[name] - few.calls[name]) / messages) for name in many.instructions),
                                key=lambda row: -row[1])
        self.instructions = sum(row[1] for row in self.functions)
        self.allocations = (many.allocations() - few.allocations()) / messages


def wrapper(folder, program, output):
    """An executable that runs the program under callgrind with whatever arguments it gets."""
    script = pathlib.Path(folder) / "server"
    script.write_text(f"#!/bin/sh\nexec valgrind --tool=callgrind --quiet --callgrind-out-file={output} --dump-line=no "
                      f'--compress-pos=no "{program}" "$@"\n')
    script.chmod(0o755)
    return str(script)


def profile(binary, load, messages, server_options):
    """The profile of one run with that many messages."""
    with tempfile.TemporaryDirectory(prefix="instructions-") as folder:
        output = pathlib.Path(folder) / "callgrind.out"
        with support.Server(wrapper(folder, binary, output), *server_options, workers=None) as server:
            run = runs.run_load(["--port", server.port, "--messages", messages, *load])
            if run["failure"]:
                raise RuntimeError(f"{' '.join(load)}: {run['failure']}")
        return Profile(output.read_text())


def cost_of(binary, load, messages, server_options):
    messages = max(100, int(messages * FEW.get(load[0], 1)))
    few, many = (profile(binary, load, count, server_options) for count in (messages, 3 * messages))
    return Cost(few, many, 2 * messages)


def binary_of(build):
    """The broker in a build folder, in its bin, or named itself."""
    for path in (pathlib.Path(build) / "bin" / "clearwing", pathlib.Path(build) / "clearwing", pathlib.Path(build)):
        if path.is_file():
            return str(path.resolve())
    return None


def median_of(costs, name):
    return statistics.median(getattr(cost, name) for cost in costs)


def row_text(name, ours, other):
    """One line of the table; `other` is empty where nothing is compared."""
    here = [median_of(ours, key) for key in ("instructions", "allocations")]
    text = f"{name:<20} {here[0]:12.1f} {here[1]:11.4f}"
    if other:
        there = [median_of(other, key) for key in ("instructions", "allocations")]
        less = here[0] - there[0]
        text += f" {there[0]:12.1f} {there[1]:11.4f} {less:+12.1f} {less / there[0]:+8.1%} {here[1] - there[1]:+11.4f}"
    return text


def functions_text(cost, top):
    lines = [f"\n{'instructions':>12} {'share':>6} {'calls':>8}  function"]
    lines += [f"{instructions:12.1f} {instructions / cost.instructions:6.1%} {calls:8.3f}  {name}"
              for name, instructions, calls in cost.functions[:top]]
    return "\n".join(lines)


def read_arguments(arguments):
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--workloads", metavar="A,B", help="only these; a pattern like fan-out* is allowed")
    parser.add_argument("--messages", type=compare.positive(int), default=20000, metavar="N", help="n; fewer where each is much work")
    parser.add_argument("--repeat", type=compare.positive(int), default=1, metavar="N", help="medians of that many counts")
    parser.add_argument("--top", type=compare.positive(int), default=25, metavar="N", help="functions to list of a single workload")
    parser.add_argument("--compare-build", metavar="DIR", help="a second build to set against ours")
    parser.add_argument("--server-options", default="--workers 1", metavar="TEXT", help="further arguments (default: --workers 1)")
    options = parser.parse_args(arguments)
    options.names = [name for name in compare.chosen_names(options.workloads, parser)
                     if workloads.WORKLOADS[name].load[0] not in WITHOUT_COUNT and workloads.WORKLOADS[name].kind == "shared"]
    if not options.names:
        parser.error(f"--workloads {options.workloads}: none of them sends messages to count")
    if not shutil.which("valgrind"):
        parser.error("valgrind is not installed: apt-get install valgrind")
    if not os.path.exists(support.binary("clearwing")):
        parser.error(f"{support.binary('clearwing')} does not exist: build it first")
    options.builds = [support.binary("clearwing")]
    if options.compare_build:
        options.builds.append(binary_of(options.compare_build))
        if not options.builds[1]:
            parser.error(f"--compare-build {options.compare_build}: there is no clearwing")
    return options


def main(arguments=None):
    options = read_arguments(arguments)
    runs.raise_file_limit()
    both = f" {'the other':>12} {'allocations':>11} {'difference':>12} {'':>8} {'allocations':>11}" if options.compare_build else ""
    print(f"{'per message':<20} {'instructions':>12} {'allocations':>11}{both}", flush=True)
    for name in options.names:
        costs = [[] for _ in options.builds]
        for _ in range(options.repeat):
            for build, results in zip(options.builds, costs):
                results.append(cost_of(build, workloads.WORKLOADS[name].load, options.messages, shlex.split(options.server_options)))
        print(row_text(name, costs[0], costs[1] if options.compare_build else []), flush=True)
        if len(options.names) == 1:
            print(functions_text(costs[0][0], options.top))
    return 0


if __name__ == "__main__":
    sys.exit(main())
