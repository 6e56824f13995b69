"""Throughput for each number of workers, with as many generators as workers, each with subjects of its own.

What one more worker adds can be seen only where each worker and each generator has a core. Where there are too few, the
row says so: it shows what a machine of this size does, and nothing about scaling.
"""
import os
import statistics
import subprocess

from tests.bench import candidates, runs

LOAD = ("one-to-one", "--size", "128")


def read_steps(text):
    """The numbers of "1,2,4"."""
    try:
        steps = [int(word) for word in text.split(",")]
    except ValueError:
        steps = [0]
    if min(steps) < 1:
        raise ValueError(f"--scale {text}: give numbers of workers, as in 1,2,4")
    return steps


def side_with(side, workers):
    """The side with that many workers; a Go server gets that many threads for its goroutines."""
    if side.label == "ours":
        return candidates.Side(side.label, side.kind, [*side.options, "--workers", workers], side.changes)
    return candidates.Side(side.label, side.kind, side.options, dict(side.changes, GOMAXPROCS=str(workers)))


def run_generators(server, count, seconds):
    """Messages per second of all generators together, which run at the same time, and per second of the server's CPU."""
    commands = [runs.load_command(["--subject", f"scale{number}", *runs.on(server, LOAD, seconds)]) for number in range(count)]
    running = [subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) for command in commands]
    answers = []
    for generator in running:
        out, complaint = generator.communicate(timeout=600)
        answers.append(runs.read_answer(out, complaint, generator.returncode))
    for answer in answers:
        if answer["failure"]:
            raise RuntimeError(answer["failure"])
    rate = sum(answer["units"] / answer["wall_seconds"] for answer in answers)
    cpu = statistics.median(answer["server_cpu_seconds"] / answer["wall_seconds"] for answer in answers)
    return rate, rate / cpu


def measure(side, workers, seconds, rounds):
    with runs.start(side_with(side, workers)) as server:
        found = [run_generators(server, workers, seconds) for _ in range(rounds)]
    return [statistics.median(column) for column in zip(*found)]


def remark(workers, cores):
    needed = 2 * workers
    if needed <= cores:
        return ""
    return f"not shown here: {workers} workers and {workers} generators need {needed} cores, there are {cores}"


def run(sides, steps, seconds, rounds):
    cores = len(os.sched_getaffinity(0))
    print(f"{'server':<20} {'workers':>7} {'messages/s':>12} {'to first':>8} {'per CPU second':>14}  remark")
    for side in sides:
        first = None
        for workers in steps:
            rate, per_cpu = measure(side, workers, seconds, rounds)
            first = first or rate
            print(f"{side.label:<20} {workers:>7} {rate:12,.0f} {rate / first:8.2f} {per_cpu:14,.0f}  {remark(workers, cores)}", flush=True)
    return 0
