"""./run as a person uses it: a broker on free ports, the demo in a real terminal, and one clear line for each mistake.

Built programs are taken from CLEARWING_BUILD (tests/run sets it), so that little is compiled here.
"""
import os
import pathlib
import re
import signal
import socket
import subprocess
import time
import urllib.request

import pytest

from tests.screen.tmux import Terminal
from tests.support.server import BIN, ROOT, RawClient

RUN = ROOT / "run"
ENVIRONMENT = dict(os.environ, CLEARWING_BUILD=os.environ.get("CLEARWING_BUILD", str(BIN.parent)))


def free_ports():
    with socket.socket() as one, socket.socket() as other:
        for probe in (one, other):
            probe.bind(("127.0.0.1", 0))
        return one.getsockname()[1], other.getsockname()[1]


def run(*arguments, **options):
    return subprocess.run([RUN, *map(str, arguments)], capture_output=True, text=True, stdin=subprocess.DEVNULL,
                          timeout=120, env=options.pop("env", ENVIRONMENT), **options)


def processes_with(port):
    """Command lines that name the port: the broker, the viewer, the load and its clients."""
    found = []
    for folder in pathlib.Path("/proc").glob("[0-9]*"):
        try:
            words = (folder / "cmdline").read_bytes().split(b"\0")
        except OSError:
            continue
        if any(re.search(rf"\b{port}$", word.decode(errors="replace")) for word in words):
            found.append(b" ".join(words).decode())
    return found


class Running:
    """./run in the background, from another folder, until its broker answers."""

    def __init__(self, *arguments):
        self.port, self.monitor = free_ports()
        self.process = subprocess.Popen([RUN, "--port", str(self.port), "--monitor-port", str(self.monitor), *arguments],
                                        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                                        text=True, env=ENVIRONMENT, cwd="/", start_new_session=True)
        self.lines = []
        for line in self.process.stdout:
            self.lines.append(line)
            if "Ctrl-C stops it" in line:
                break
        else:
            raise AssertionError("".join(self.lines))

    def stop(self, how):
        self.process.send_signal(how)
        self.lines += self.process.stdout.readlines()
        return self.process.wait(30)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.stop(signal.SIGTERM)
        self.process.stdout.close()


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM])
def test_serves_until_stopped(how):
    with Running() as running:
        text = "".join(running.lines)
        assert f"nats://127.0.0.1:{running.port}" in text and f"http://127.0.0.1:{running.monitor}/" in text
        with RawClient("127.0.0.1", running.port) as client:
            client.send(b"CONNECT {}\r\n")
            client.ping()
        with urllib.request.urlopen(f"http://127.0.0.1:{running.monitor}/varz", timeout=10) as answer:
            assert answer.status == 200
        assert running.stop(how) == 0, "".join(running.lines)
        assert not processes_with(running.port)


def test_twice_in_a_row():
    with Running() as first:
        taken = run("--port", first.port, "--monitor-port", free_ports()[0])
        assert taken.returncode == 1 and taken.stderr.count("\n") == 1
        assert re.match(rf"run: port {first.port} is taken.*--port", taken.stderr)
        other = run("--port", free_ports()[0], "--monitor-port", first.monitor)
        assert other.returncode == 1 and re.match(rf"run: port {first.monitor} is taken.*--monitor-port", other.stderr)
        assert first.stop(signal.SIGINT) == 0
        assert run("--port", first.port, "--monitor-port", first.port).returncode == 1
    with Running() as second:
        assert second.stop(signal.SIGINT) == 0


def test_what_follows_the_dashes_goes_to_the_broker():
    with Running("--", "--name", "from-run") as running:
        with RawClient("127.0.0.1", running.port) as client:
            assert client.info["server_name"] == "from-run"


def test_a_broker_that_cannot_start_is_told():
    port, monitor = free_ports()
    done = run("--port", port, "--monitor-port", monitor, "--", "--no-such-flag")
    assert done.returncode == 1 and "no-such-flag" in done.stderr and "did not start" in done.stderr
    assert not processes_with(port)


@pytest.mark.parametrize("arguments,said", [
    (["--bogus"], 'unknown option "--bogus"'), (["bogus"], 'unknown option "bogus"'), (["--port"], "--port needs a number"),
    (["--port", "x"], 'not "x"'), (["--port", "0"], 'not "0"'), (["--monitor-port", "70000"], 'not "70000"'),
    (["--port", "4444", "--monitor-port", "4444"], "must differ"), (["--port", ""], 'not ""'),
])
def test_mistakes(arguments, said):
    done = run(*arguments)
    assert done.returncode == 1 and done.stdout == ""
    assert done.stderr.startswith("run: ") and done.stderr.count("\n") == 1 and said in done.stderr


def test_help():
    done = run("--help")
    assert done.returncode == 0 and not done.stderr
    assert set(re.findall(r"^  (--[\w-]+)", done.stdout, re.M)) == {"--demo", "--port", "--monitor-port", "--no-install",
                                                                   "--help"}


def test_demo_in_a_terminal():
    port, monitor = free_ports()
    with Terminal(width=140, height=40, env={}) as terminal:
        terminal.type(f"CLEARWING_BUILD={ENVIRONMENT['CLEARWING_BUILD']} {RUN} --demo --port {port} --monitor-port {monitor}",
                      "Enter")
        terminal.wait_for("slow-reader", timeout=90)
        terminal.wait_for("sensors")
        assert any("clearwing-bench" in words for words in processes_with(port) + processes_with(f":{port}"))
        terminal.type("q")
        terminal.wait_for("The demo has ended", timeout=30)
    assert not processes_with(port) and not processes_with(monitor)


def test_demo_without_a_terminal():
    with Running("--demo") as running:
        assert "no terminal" in "".join(running.lines)
        deadline = time.monotonic() + 30
        names = set()
        while not names >= {"sensors", "orders", "prices", "camera", "newsroom", "reader", "slow-reader"}:
            assert time.monotonic() < deadline, names
            with urllib.request.urlopen(f"http://127.0.0.1:{running.monitor}/connz", timeout=10) as answer:
                names = set(re.findall(r'"name": ?"([^"]*)"', answer.read().decode()))
        assert running.stop(signal.SIGTERM) == 0
    assert not processes_with(running.port)


# Packages, on a machine where other things are missing than on this one.

def fake_machine(folder, missing, **programs):
    """A PATH with the ordinary tools, a pkg-config that does not know `missing`, and programs as shell scripts."""
    for name in ("bash", "env", "dirname", "readlink", "cat", "tr", "grep", "sed", "head", "tail", "mkdir", "sleep", "cc",
                 "cmake", "ninja", "make", "rm", "chmod", "sort"):
        for place in ("/usr/bin", "/bin", "/usr/local/bin"):
            if os.path.exists(f"{place}/{name}"):
                os.symlink(f"{place}/{name}", folder / name)
                break
    programs.setdefault("id", "echo 1000")
    programs["pkg-config"] = f'case "$2" in {missing}) exit 1 ;; esac'
    for name, script in programs.items():
        (folder / name).write_text(f"#!/bin/bash\n{script}\n")
        (folder / name).chmod(0o755)
    return dict(ENVIRONMENT, PATH=str(folder))


@pytest.mark.parametrize("programs,said", [
    ({}, "this system has no apt-get"),
    ({"apt_get": "exit 0"}, "you are not root and there is no sudo"),
    ({"apt_get": "exit 100", "sudo": 'shift; exec "$@"'}, "apt-get could not install"),
    ({"apt_get": "exit 0", "sudo": 'shift; exec "$@"'}, "still not found after the installation"),
])
def test_packages_that_cannot_be_had_are_named(tmp_path, programs, said):
    named = {name.replace("_", "-"): script for name, script in programs.items()}
    # Not one of these fakes may touch the system, whoever runs the test.
    if "sudo" in named:
        named["sudo"] = 'while [ "${1#-}" != "$1" ]; do shift; done; shift 3; apt-get install "${@:2}"'
    done = run("--port", free_ports()[0], "--monitor-port", free_ports()[1],
               env=fake_machine(tmp_path, "libuv", **named))
    assert done.returncode == 1
    line = next(line for line in done.stderr.splitlines() if said in line)
    assert line.startswith("run: ") and "libuv1-dev" in line and "libssl-dev" not in line


def test_missing_packages_are_only_named_when_asked_so(tmp_path):
    done = run("--no-install", "--port", free_ports()[0], "--monitor-port", free_ports()[1],
               env=fake_machine(tmp_path, "libuv | jansson", **{"apt-get": "touch /nonexistent/never"}))
    assert done.returncode == 1
    assert done.stderr == "run: these packages are missing (Debian 12's names): libuv1-dev libjansson-dev\n"
