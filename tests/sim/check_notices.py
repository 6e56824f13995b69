#!/usr/bin/env python3
"""Turns on each fault of clearwing-sim-broken, one after the other, and has the simulator look for it.

    check_notices.py PROGRAM [--sanitized]

Ends with 1 if a fault goes unnoticed in some tens of seeds, or if the program fails without one.
"""
import re
import subprocess
import sys

RUNS = 60
# Only a sanitizer is sure to see these.
SANITIZER_ONLY = {"free_at_once"}


def run(program, *arguments):
    done = subprocess.run([program, "--runs", str(RUNS), *arguments], capture_output=True, text=True, errors="replace", timeout=250)
    return done.returncode, done.stdout.count("\nseed ") + done.stdout.startswith("seed "), done.stderr


def main():
    program, sanitized = sys.argv[1], "--sanitized" in sys.argv[2:]
    listed = subprocess.run([program, "--break", ""], capture_output=True, text=True, timeout=20).stderr
    names = re.search(r"one of (.*?);", listed)[1].split(", ")
    unnoticed = []
    status, seeds, words = run(program)
    print(f"{'no fault':15} {'not noticed, as it should be' if status == 0 else words}")
    if status != 0:
        unnoticed.append("no fault")
    for name in names:
        if name in SANITIZER_ONLY and not sanitized:
            continue
        status, seeds, words = run(program, "--break", name)
        told = [line for line in words.splitlines() if line and not line.startswith("to see it again")] or [""]
        print(f"{name:15} {f'seed {seeds + 1}: {told[0]}'[:140] if status != 0 else 'NOT NOTICED: does its row in break_core.py still fit the core?'}")
        if status == 0:
            unnoticed.append(name)
    print(f"{len(names)} faults, {len(unnoticed)} wrong answers{': ' if unnoticed else ''}{', '.join(unnoticed)}")
    return 1 if unnoticed else 0


if __name__ == "__main__":
    sys.exit(main())
