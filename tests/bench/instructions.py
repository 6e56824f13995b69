#!/usr/bin/env python3
"""Counts what one message costs our broker in instructions and allocations, and in which functions.

    tests/bench/instructions.py                              one-to-one-128
    tests/bench/instructions.py --workload fan-out-10 --messages 20000 --top 40

The broker runs under valgrind's callgrind twice, with n and with 3n messages. The difference between the two, divided by
2n, is the cost of a message without what starting and stopping cost. Unlike time it hardly depends on what else the
machine does, so a change of one per cent can be seen. Kernel time is not in it. Messages are those published (requests,
connections), not deliveries. A build with debug information (-DCMAKE_BUILD_TYPE=RelWithDebInfo) names more functions.
"""
import argparse
import collections
import os
import pathlib
import re
import shlex
import shutil
import sys
import tempfile

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2]))

from tests.bench import compare  # noqa: E402
from tests.support import server as support  # noqa: E402

ALLOCATORS = ("malloc", "calloc", "realloc", "aligned_alloc", "posix_memalign", "memalign", "strdup")
WITHOUT_COUNT = ("idle", "idle-connections", "start-up")
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


def wrapper(folder, program, output):
    """An executable that runs the program under callgrind with whatever arguments it gets."""
    script = pathlib.Path(folder) / "server"
    script.write_text(f"#!/bin/sh\nexec valgrind --tool=callgrind --quiet --callgrind-out-file={output} --dump-line=no "
                      f'--compress-pos=no "{program}" "$@"\n')
    script.chmod(0o755)
    return str(script)


def profile(load, messages, server_options):
    """The profile of one run with that many messages."""
    with tempfile.TemporaryDirectory(prefix="instructions-") as folder:
        output = pathlib.Path(folder) / "callgrind.out"
        program = wrapper(folder, support.binary("clearwing"), output)
        with support.Server(program, *server_options, workers=None) as server:
            run = compare.run_load(["--port", server.port, "--messages", messages, *load])
            if run["failure"]:
                raise RuntimeError(run["failure"])
        return Profile(output.read_text())


def per_message(few, many, messages):
    """(instructions, allocations, [(function, instructions, calls)]) of one message, most expensive function first."""
    functions = [(name, (many.instructions[name] - few.instructions[name]) / messages,
                  (many.calls[name] - few.calls[name]) / messages) for name in many.instructions]
    functions.sort(key=lambda row: -row[1])
    total = sum(row[1] for row in functions)
    return total, (many.allocations() - few.allocations()) / messages, functions


def read_arguments(arguments):
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    names = [name for name in compare.WORKLOADS if name not in WITHOUT_COUNT]
    parser.add_argument("--workload", default="one-to-one-128", choices=names, metavar="NAME", help=" ".join(names))
    parser.add_argument("--messages", type=compare.positive(int), default=20000, metavar="N")
    parser.add_argument("--top", type=compare.positive(int), default=25, metavar="N", help="functions to list")
    parser.add_argument("--server-options", default="", metavar="TEXT", help="further arguments of the server")
    options = parser.parse_args(arguments)
    if not shutil.which("valgrind"):
        parser.error("valgrind is not installed: apt-get install valgrind")
    if not os.path.exists(support.binary("clearwing")):
        parser.error(f"{support.binary('clearwing')} does not exist: build it first")
    return options


def main(arguments=None):
    options = read_arguments(arguments)
    load = compare.WORKLOADS[options.workload]
    server_options = shlex.split(options.server_options)
    few, many = (profile(load, count, server_options) for count in (options.messages, 3 * options.messages))
    total, allocations, functions = per_message(few, many, 2 * options.messages)
    print(f"{options.workload}: {total:.1f} instructions and {allocations:.4f} allocations per message\n")
    print(f"{'instructions':>12} {'share':>6} {'calls':>8}  function")
    for name, instructions, calls in functions[:options.top]:
        print(f"{instructions:12.1f} {instructions / total:6.1%} {calls:8.3f}  {name}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
