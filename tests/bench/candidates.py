#!/usr/bin/env python3
"""The servers to compare: ours, the stock one, and whatever else is named.

    tests/bench/candidates.py                 gets the newer stock servers and prints where they are
    tests/bench/candidates.py v2.11.15        another release

Newer stock servers come as source through the Go module proxy and are built into .cache/bench/VERSION. Where that is not
possible (no Go, one that is too old, no network) the reason is printed and the comparison goes on without.
"""
import os
import pathlib
import re
import shlex
import shutil
import subprocess
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2]))

from tests.support import server as support  # noqa: E402

MODULE = "github.com/nats-io/nats-server/v2"
NEWER = ("v2.10.29", "v2.15.2")
TUNED = {"GOMAXPROCS": "1", "GOGC": "1000"}
CACHE = support.ROOT / ".cache" / "bench"
BUILD_SECONDS = 900


class Side:
    """One server of the comparison: its label, its binary, and how it is started."""

    def __init__(self, label, kind, options=(), environment=None):
        self.label, self.kind, self.options, self.changes = label, kind, list(options), dict(environment or {})
        self.environment = dict(os.environ, **self.changes) if self.changes else None

    def start(self, *more, preexec=None):
        return support.Server(self.kind, *self.options, *more, env=self.environment, workers=None, preexec=preexec)

    def version(self):
        """The number that --version prints last, or "" where the binary does not know the flag."""
        try:
            text = subprocess.run([support.binary(self.kind), "--version"], capture_output=True, text=True, timeout=20).stdout
        except (OSError, subprocess.TimeoutExpired):
            return ""
        numbers = re.findall(r"\d+\.\d+\.\d+", text)
        return numbers[-1] if numbers else ""

    def is_plain_stock(self, version):
        """Whether this is the stock server of that version as it comes, which is what the goals are about."""
        is_stock = pathlib.Path(support.binary(self.kind)).name == "nats-server"
        return is_stock and not self.changes and not self.options and self.version() == version


def read_side(text):
    """A side from "NAME=BINARY [VARIABLE=VALUE ...] [OPTION ...]". BINARY may be stock, clearwing, a path, or on PATH."""
    words = shlex.split(text)
    label, equals, kind = (words[0] if words else "").partition("=")
    if not label or not equals or not kind:
        raise ValueError(f"--with {text}: give NAME=BINARY, then VARIABLE=VALUE and options if there are any")
    if kind not in ("stock", "clearwing") and os.sep not in kind:
        kind = shutil.which(kind) or kind
    if os.sep in kind and not os.access(kind, os.X_OK) or kind not in ("stock", "clearwing") and os.sep not in kind:
        raise ValueError(f"--with {text}: there is no program {kind}")
    environment = {}
    rest = words[1:]
    while rest and re.match(r"[A-Za-z_]\w*=", rest[0]):
        name, _, value = rest.pop(0).partition("=")
        environment[name] = value
    return Side(label, kind, rest, environment)


def install(version, cache=CACHE):
    """(path, None) of that release of the stock server, built unless it is there already, or (None, why not)."""
    path = cache / version / "nats-server"
    if path.exists():
        return str(path), None
    go = shutil.which("go")
    if not go:
        return None, f"nats-server {version}: Go is not installed: apt-get install golang-go"
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        done = subprocess.run([go, "install", f"{MODULE}@{version}"], env=dict(os.environ, GOBIN=str(path.parent)),
                              capture_output=True, text=True, timeout=BUILD_SECONDS)
    except subprocess.TimeoutExpired:
        return None, f"nats-server {version}: not built within {BUILD_SECONDS} s"
    if done.returncode or not path.exists():
        reason = (done.stderr.strip().splitlines() or ["no reason given"])[-1]
        return None, f"nats-server {version}: go install failed: {reason}"
    return str(path), None


def newer(versions=NEWER):
    """(sides, reasons for those that cannot be had)."""
    installed = [(version, *install(version)) for version in versions]
    return ([Side(version, path) for version, path, _ in installed if path], [reason for _, _, reason in installed if reason])


def main():
    sides, reasons = newer(sys.argv[1:] or NEWER)
    for side in sides:
        print(f"{side.label} {side.kind}")
    for reason in reasons:
        print(f"SKIPPED {reason}")
    return 1 if reasons else 0


if __name__ == "__main__":
    sys.exit(main())
