"""Stock servers newer than the one that is installed, to hold ours against as well.

NATS_SERVER_NEWER names their binaries, separated by colons; tests/bench/candidates.py builds some. Without it
the tests that need one are not there."""
import os
import subprocess

BINARIES = [path for path in os.environ.get("NATS_SERVER_NEWER", "").split(":") if path]


def version(binary):
    """As a tuple of numbers."""
    text = subprocess.run([binary, "--version"], capture_output=True, text=True, check=True, timeout=20).stdout
    return tuple(int(part) for part in text.split("v")[-1].strip().split("-")[0].split("."))


NEWER = sorted(BINARIES, key=version)
NEWEST = NEWER[-1:]
