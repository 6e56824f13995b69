"""Builds and finds the official clients and tools, once per session, in a cache folder.

CLEARWING_CACHE names the folder (default: .cache/ of this checkout, ignored by git). Versions are
pinned beside the
sources: go/go.mod and go.sum, js/package-lock.json, tests/requirements.txt; the C client is
Debian's libnats-dev.
A tool that is missing or does not build raises ToolMissing with the reason: the test fails and
never skips.
Every function may be called from any layer; the work is done by the first call and reused by the
next ones.
"""

import fcntl
import functools
import os
import pathlib
import shutil
import subprocess
import sys

HERE = pathlib.Path(__file__).resolve().parent
CACHE = pathlib.Path(os.environ.get("CLEARWING_CACHE", HERE.parents[1] / ".cache"))


class ToolMissing(RuntimeError):
    """A tool that these tests need is not there; the text says which and what to install."""


def need(program, package):
    path = shutil.which(program)
    if not path:
        raise ToolMissing(f"{program} is not installed: install {package}")
    return path


def run(command, what, **options):
    """Runs a build step; its output is the error when it fails."""
    done = subprocess.run(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=900, **options
    )
    if done.returncode != 0:
        raise ToolMissing(f"{what} failed with {done.returncode}:\n{done.stdout[-4000:]}")
    return done.stdout


class locked:
    """One builder at a time, across the processes of parallel test runs."""

    def __init__(self, name):
        CACHE.mkdir(parents=True, exist_ok=True)
        self.path = CACHE / f"{name}.lock"

    def __enter__(self):
        self.file = open(self.path, "w")
        fcntl.flock(self.file, fcntl.LOCK_EX)

    def __exit__(self, *_):
        self.file.close()


def go_build(package, target, folder="go"):
    """Builds a program with the modules pinned in a folder here; go's own build cache makes a
    second call cheap."""
    go = need("go", "Go 1.26 or newer")
    target = CACHE / "interop" / target
    with locked("go"):
        run(
            [go, "build", "-mod=readonly", "-ldflags=-s -w", "-o", str(target), package],
            f"go build {package}",
            cwd=HERE / folder,
        )
    return [str(target)]


@functools.cache
def go_client():
    return go_build("./client", "go-client")


@functools.cache
def go_decoder():
    """Decodes monitoring documents into the structs of the nats-server module, as the Go tools
    do."""
    return go_build("./decode", "go-decode")


@functools.cache
def nats_cli():
    """The current `nats` command, unmodified."""
    return go_build("github.com/nats-io/natscli/nats", "nats", "go/cli")


@functools.cache
def javascript_client():
    """The JavaScript client runs from a copy in the cache, where npm put the locked packages
    beside it."""
    node, npm = need("node", "nodejs 18 or newer"), need("npm", "npm")
    folder = CACHE / "interop" / "js"
    with locked("js"):
        folder.mkdir(parents=True, exist_ok=True)
        lock = (HERE / "js" / "package-lock.json").read_text()
        stamp = folder / "installed-lock.json"
        if not stamp.exists() or stamp.read_text() != lock:
            for name in ("package.json", "package-lock.json"):
                shutil.copy(HERE / "js" / name, folder / name)
            run([npm, "ci", "--no-audit", "--no-fund", "--ignore-scripts"], "npm ci", cwd=folder)
            stamp.write_text(lock)
        shutil.copy(HERE / "js" / "client.mjs", folder / "client.mjs")
    return [node, str(folder / "client.mjs")]


@functools.cache
def c_client():
    """The C client, compiled here: it needs nothing of the tree but the installed libnats."""
    compiler = need("cc", "gcc")
    need("pkg-config", "pkg-config")
    target = CACHE / "interop" / "c-client"
    flags = run(
        ["pkg-config", "--cflags", "--libs", "libnats"], "pkg-config libnats (install libnats-dev)"
    ).split()
    with locked("c"):
        target.parent.mkdir(parents=True, exist_ok=True)
        sources = [str(path) for path in sorted((HERE / "c").glob("*.c"))]
        run(
            [
                compiler,
                "-std=c11",
                "-D_GNU_SOURCE",
                "-O1",
                "-g",
                "-Wall",
                "-Wextra",
                "-Werror",
                "-o",
                str(target),
                *sources,
                *flags,
                "-pthread",
            ],
            "compiling the C client",
        )
    return [str(target)]


@functools.cache
def python_client():
    try:
        import nats  # noqa: F401
    except ImportError:
        raise ToolMissing(
            "nats-py is not installed: pip install -r tests/requirements.txt"
        ) from None
    return [sys.executable, str(HERE / "python" / "client.py")]


CLIENTS = {"python": python_client, "javascript": javascript_client, "go": go_client, "c": c_client}


@functools.cache
def nats_top():
    """The stock nats-top, built unmodified from the module that go/tools pins."""
    return go_build("github.com/nats-io/nats-top", "nats-top", "go/tools")


STOCK_EXPORTER = "CLEARWING_PROMETHEUS_NATS_EXPORTER"


def prometheus_nats_exporter():
    """The binary that the environment names; nothing here builds it."""
    path = os.environ.get(STOCK_EXPORTER)
    if not path:
        raise ToolMissing(f"{STOCK_EXPORTER} does not name a prometheus-nats-exporter binary")
    if not os.access(path, os.X_OK) or os.path.isdir(path):
        raise ToolMissing(f"{STOCK_EXPORTER} names {path}, which is not a program")
    return path
