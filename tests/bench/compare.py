#!/usr/bin/env python3
"""Compares two servers under the same load, in pairs, and prints medians and ratios.

    tests/bench/compare.py                                   ours against nats-server, all workloads
    tests/bench/compare.py --quick                           the same in about two minutes
    tests/bench/compare.py --workloads fan-out-10,idle --rounds 7
    tests/bench/compare.py --other ../before/bin/clearwing   two builds of ours

Each workload gets a fresh server of either side; then the load goes to A, B, A, B, ... so that whatever else the machine
does meets both alike. Figures are per second of the server's own CPU time, memory, or latency. A ratio above 1 is in
favour of ours, whichever direction is the better one. The exit status is 1 if a message was lost, doubled, changed or
out of order on our side or the other.
"""
import argparse
import contextlib
import json
import os
import pathlib
import re
import resource
import shlex
import socket
import statistics
import subprocess
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2]))

from tests.support import server as support  # noqa: E402

LOAD = support.BIN / "clearwing-load"
RELAY = support.BIN / "clearwing-relay"
TUNED = {"GOMAXPROCS": "1", "GOGC": "1000"}
EVERY_RUN_OF_ITS_OWN = ("idle", "idle-connections")

# Name of a comparison: the generator's workload and its options. What the workloads are, clearwing-load --help tells.
WORKLOADS = {
    "publish-16": ["publish", "--size", "16"],
    "publish-128": ["publish", "--size", "128"],
    "publish-1024": ["publish", "--size", "1024"],
    "publish-16384": ["publish", "--size", "16384"],
    "one-to-one-128": ["one-to-one", "--size", "128"],
    "one-to-one-16384": ["one-to-one", "--size", "16384"],
    "one-per-write": ["one-per-write"],
    "one-per-write-alone": ["one-per-write", "--window", "1"],
    "fan-out-10": ["fan-out", "--subscribers", "10"],
    "fan-out-100": ["fan-out", "--subscribers", "100"],
    "fan-out-1000": ["fan-out", "--subscribers", "1000"],
    "fan-out-10-to-10": ["fan-out", "--publishers", "10", "--subscribers", "10"],
    "many-subjects": ["many-subjects"],
    "wildcards": ["wildcards"],
    "queue-1-to-4": ["queue", "--publishers", "1", "--subscribers", "4"],
    "queue-4-to-16": ["queue", "--publishers", "4", "--subscribers", "16"],
    "request-1": ["request"],
    "request-8x16": ["request", "--pairs", "8", "--window", "16"],
    "latency-1-to-1": ["latency", "--rate", "10000"],
    "latency-1-to-10": ["latency", "--rate", "5000", "--subscribers", "10"],
    "connection-churn": ["connection-churn"],
    "subscription-churn": ["subscription-churn"],
    "idle": ["idle"],
    "idle-connections": ["idle-connections"],
    "start-up": ["start-up"],
}
# What --quick changes: fewer of what takes long to open.
QUICK = {
    "fan-out-1000": ["fan-out", "--subscribers", "300"],
    "idle-connections": ["idle-connections", "--connections", "1000"],
}
# With the relay a publisher's bytes are the subscribers': one publisher, every message to all.
RELAYED = ("one-to-one-128", "one-to-one-16384", "fan-out-10", "fan-out-100", "fan-out-1000")


class Metric:
    """One figure of a run: its name in the table, where it is in the generator's answer, and which way is better."""

    def __init__(self, name, path, higher_is_better=False):
        self.name, self.path, self.higher_is_better = name, path, higher_is_better

    def value(self, run):
        for key in self.path.split("."):
            run = run[key]
        return run

    def ratio(self, ours, other):
        above, below = (ours, other) if self.higher_is_better else (other, ours)
        return above / below if below else float("nan")


RATE = Metric("per CPU second", "units_per_cpu_second", higher_is_better=True)
LATENCIES = [Metric(f"{name} us", f"latency_us.{key}") for name, key in (("p50", "p50"), ("p99", "p99"), ("p99.9", "p999"))]
MEMORY = Metric("resident bytes", "memory_bytes")


def metrics_of(name):
    if name == "idle":
        return [MEMORY]
    if name == "idle-connections":
        return [Metric("bytes each", "memory_bytes"), RATE]
    if name == "start-up":
        return [Metric("to PONG us", "latency_us.p50"), Metric("CPU s of 5", "server_cpu_seconds"),
                Metric("peak bytes", "rss_peak_bytes")]
    return [RATE] + (LATENCIES if name.startswith(("request", "latency")) else [])


class Side:
    """One of the two servers: how it is started, and the running one where a workload shares it between rounds."""

    def __init__(self, label, kind, options=(), environment=None):
        self.label, self.kind, self.options = label, kind, list(options)
        self.environment = dict(os.environ, **environment) if environment else None

    def start(self):
        return support.Server(self.kind, *self.options, env=self.environment, workers=None)


def run_load(arguments, environment=None):
    """One run of the generator. Its answer, whose "failure" says what went wrong: a check, or why there is no answer."""
    if not LOAD.exists():
        raise RuntimeError(f"{LOAD} is missing: cmake --build build --target clearwing-load clearwing-relay")
    done = subprocess.run([LOAD, *map(str, arguments)], capture_output=True, text=True, env=environment, timeout=600)
    try:
        return json.loads(done.stdout)
    except ValueError:
        return {"failure": done.stderr.strip() or f"clearwing-load ended with {done.returncode}"}


def run_on(server, load, seconds):
    return run_load(["--port", server.port, "--server-pid", server.pid, "--seconds", seconds, *load])


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def run_start_up(side):
    port = free_port()
    command = [support.binary(side.kind), "-a", "127.0.0.1", "-p", port, "-m", free_port(), *side.options]
    return run_load(["--port", port, "start-up", "--", *command], side.environment)


def run_relay(load, seconds):
    """The same load through the relay: the limit line."""
    subscribers = load[load.index("--subscribers") + 1] if "--subscribers" in load else "1"
    relay = subprocess.Popen([RELAY, "--subscribers", subscribers], stdout=subprocess.PIPE, text=True)
    try:
        port = relay.stdout.readline().split()[1]
        return run_load(["--relay", "--port", port, "--server-pid", relay.pid, "--seconds", seconds, *load])
    finally:
        relay.kill()
        relay.wait()
        relay.stdout.close()


def run_pairs(name, load, sides, rounds, seconds):
    """Runs one workload alternately on all sides; returns the runs of each side in the order of `sides`."""
    runs = [[] for _ in sides]
    shared = name != "start-up" and name not in EVERY_RUN_OF_ITS_OWN
    with contextlib.ExitStack() as stack:
        running = [stack.enter_context(side.start()) if shared and side.kind != "relay" else None for side in sides]
        for _ in range(rounds):
            for side, server, results in zip(sides, running, runs):
                if side.kind == "relay":
                    results.append(run_relay(load, seconds))
                elif name == "start-up":
                    results.append(run_start_up(side))
                elif server is not None:
                    results.append(run_on(server, load, seconds))
                else:
                    with side.start() as fresh:
                        results.append(run_on(fresh, load, seconds))
    return runs


class Row:
    """One line of the table: one metric of one workload, ours against another."""

    def __init__(self, name, metric, ours, other, other_label):
        self.name, self.metric, self.other_label = name, metric, other_label
        self.ours = [metric.value(run) for run in ours]
        self.other = [metric.value(run) for run in other]
        self.ratio = metric.ratio(statistics.median(self.ours), statistics.median(self.other))
        self.pair_ratios = [metric.ratio(a, b) for a, b in zip(self.ours, self.other)]

    def text(self):
        pairs = f"{min(self.pair_ratios):.2f}..{max(self.pair_ratios):.2f}"
        return (f"{self.name:<20} {self.metric.name:<15} {spread(self.ours):<26} {spread(self.other):<26} "
                f"{self.ratio:6.2f}  {pairs:<14} {self.other_label}")

    def document(self):
        return {"workload": self.name, "metric": self.metric.name, "ours": self.ours, "other": self.other,
                "other_label": self.other_label, "ratio": self.ratio, "pair_ratios": self.pair_ratios}


def short(value):
    for limit, unit in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if value >= limit:
            return f"{value / limit:.3g}{unit}"
    return f"{value:.3g}"


def spread(values):
    return f"{short(statistics.median(values))} ({short(min(values))}..{short(max(values))})"


def compare(name, sides, rounds, seconds, quick=False):
    """One workload on all sides: (rows of the table, complaints, runs). Complaints are failed count and order checks."""
    load = QUICK.get(name, WORKLOADS[name]) if quick else WORKLOADS[name]
    sides = [side for side in sides if side.kind != "relay" or name in RELAYED]
    runs = run_pairs(name, load, sides, rounds, seconds)
    complaints = [f"{name}: {side.label}, round {number + 1}: {run['failure']}"
                  for side, results in zip(sides, runs) for number, run in enumerate(results) if run["failure"]]
    rows = []
    if not complaints:
        for side, results in zip(sides[1:], runs[1:]):
            metrics = [RATE] if side.kind == "relay" else metrics_of(name)
            rows += [Row(name, metric, runs[0], results, side.label) for metric in metrics]
    return rows, complaints, {side.label: results for side, results in zip(sides, runs)}


def raise_file_limit():
    """For the servers and the generator, which inherit it: thousands of connections need thousands of files."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def positive(kind):
    def read(text):
        value = kind(text)
        if not value > 0:
            raise ValueError(text)
        return value
    read.__name__ = "positive number"
    return read


def read_arguments(arguments):
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--ours", default="clearwing", metavar="PATH", help="our server (default: build/bin/clearwing)")
    parser.add_argument("--other", default="stock", metavar="PATH", help="the server to compare with (default: nats-server)")
    parser.add_argument("--tuned", action="store_true", help="start the other with " + " ".join(f"{k}={v}" for k, v in TUNED.items()))
    parser.add_argument("--ours-options", default="", metavar="TEXT", help="further arguments of our server")
    parser.add_argument("--other-options", default="", metavar="TEXT", help="further arguments of the other")
    parser.add_argument("--relay", action="store_true", help="compare ours with a relay that reads nothing, too")
    parser.add_argument("--rounds", type=positive(int), metavar="N", help="pairs per workload (default 5, quick 3)")
    parser.add_argument("--seconds", type=positive(float), metavar="S", help="time of each run (default 2, quick 0.4)")
    parser.add_argument("--workloads", metavar="A,B", help="only these; a pattern like fan-out* is allowed: " + " ".join(WORKLOADS))
    parser.add_argument("--quick", action="store_true", help="short runs")
    parser.add_argument("--json", metavar="FILE", help="write all runs and rows to a file")
    options = parser.parse_args(arguments)
    options.rounds = options.rounds or (3 if options.quick else 5)
    options.seconds = options.seconds or (0.4 if options.quick else 2)
    options.names = chosen_names(options.workloads, parser)
    for kind in (options.ours, options.other):
        if not os.path.exists(support.binary(kind)):
            parser.error(f"{support.binary(kind)} does not exist: build it, or name another with --ours or --other")
    return options


def chosen_names(text, parser):
    names = []
    for word in (text or "*").split(","):
        pattern = re.compile(re.escape(word).replace(r"\*", ".*"))
        found = [name for name in WORKLOADS if pattern.fullmatch(name)]
        if not found:
            parser.error(f"--workloads: there is no {word}; there are: {' '.join(WORKLOADS)}")
        names += [name for name in found if name not in names]
    return names


def main(arguments=None):
    options = read_arguments(arguments)
    raise_file_limit()
    label = pathlib.Path(support.binary(options.other)).name + (" tuned" if options.tuned else "")
    sides = [Side("ours", options.ours, shlex.split(options.ours_options)),
             Side(label, options.other, shlex.split(options.other_options), TUNED if options.tuned else None)]
    if options.relay:
        sides.append(Side("relay", "relay"))
    print(f"{'workload':<20} {'figure':<15} {'ours: median (min..max)':<26} {'other':<26} {'ratio':>6}  {'of each pair':<14} other is")
    document = {"rounds": options.rounds, "seconds": options.seconds, "rows": [], "runs": {}, "complaints": []}
    for name in options.names:
        rows, complaints, runs = compare(name, sides, options.rounds, options.seconds, options.quick)
        for line in [row.text() for row in rows] + [f"FAILED {complaint}" for complaint in complaints]:
            print(line, flush=True)
        document["rows"] += [row.document() for row in rows]
        document["complaints"] += complaints
        document["runs"][name] = runs
    if options.json:
        pathlib.Path(options.json).write_text(json.dumps(document, indent=1) + "\n")
    return 1 if document["complaints"] else 0


if __name__ == "__main__":
    sys.exit(main())
