"""/livez, /readyz and /startupz: what a container platform asks, and what it is told when something is wrong.

Each failure is a real one: threads are stopped one by one as a debugger does it, descriptors and connections used up, a smaller
memory limit laid over the control group's file.
"""
import concurrent.futures
import contextlib
import ctypes
import json
import os
import pathlib
import resource
import signal
import subprocess
import time

import pytest

from tests.support.server import RawClient, Server, binary

PTRACE_ATTACH, PTRACE_DETACH, ALL_THREADS = 16, 17, 0x40000000
READY = ["started", "shutdown", "listener", "main_loop", "workers", "connections", "descriptors", "memory"]
LIVE = ["main_loop", "workers"]


def probe(server, path):
    """The status and the failed checks with their reasons; the document is looked at as a whole."""
    status, headers, body = server.get(path, timeout=2)
    document = json.loads(body)
    assert headers["Content-Type"] == "application/json" and b"\n" not in body
    assert set(document) == {"status", "checks"}
    failed = {check["name"]: check["reason"] for check in document["checks"] if check["status"] != "ok"}
    for check in document["checks"]:
        assert check["status"] == ("unavailable" if check["name"] in failed else "ok"), check
    assert (status, document["status"]) == ((503, "unavailable") if failed else (200, "ok"))
    return status, failed


def names(server, path):
    return [check["name"] for check in json.loads(server.get(path)[2])["checks"]]


def wait_until(server, path, predicate, timeout=15):
    deadline = time.monotonic() + timeout
    while not predicate(answer := probe(server, path)):
        assert time.monotonic() < deadline, answer
        time.sleep(0.1)
    return answer


def thread(server, name):
    for folder in pathlib.Path(f"/proc/{server.pid}/task").iterdir():
        if (folder / "comm").read_text().strip() == name:
            return int(folder.name)
    raise LookupError(f"no thread {name}")


@contextlib.contextmanager
def stopped(tid):
    """One thread stands still, the others go on."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.ptrace(PTRACE_ATTACH, tid, 0, 0) != 0:
        pytest.skip(f"threads cannot be stopped here: {os.strerror(ctypes.get_errno())}")
    try:
        os.waitpid(tid, ALL_THREADS)
        yield
    finally:
        assert libc.ptrace(PTRACE_DETACH, tid, 0, 0) == 0


def test_a_server_that_is_well(broker):
    for path, expected in (("/livez", LIVE), ("/readyz", READY), ("/startupz", ["started"])):
        assert probe(broker, path) == (200, {})
        assert names(broker, path) == expected
        assert broker.get(path, method="HEAD")[0] == 200
    assert broker.json("/healthz") == {"status": "ok"}
    page = broker.get("/")[2].decode()
    assert all(f'href="./{name}"' in page for name in ("livez", "readyz", "startupz"))


def test_idle_workers_are_woken_and_not_taken_for_dead():
    """Without connections nothing turns the workers' loops but the question itself."""
    with Server("clearwing", workers=7) as broker:
        time.sleep(6)
        started = time.monotonic()
        for _ in range(20):
            assert probe(broker, "/livez") == (200, {})
        assert time.monotonic() - started < 1


@pytest.mark.parametrize("path", ["/livez", "/readyz"])
def test_a_worker_that_is_stuck(broker, path):
    with stopped(thread(broker, "worker-1")):
        assert probe(broker, path) == (200, {}), "a turn of a moment is no reason to restart"
        time.sleep(5.2)
        status, failed = probe(broker, path)
        assert status == 503 and failed == {"workers": "worker 1 has not turned for 5 s"}
        assert probe(broker, "/startupz") == (200, {})
        assert broker.json("/healthz") == {"status": "ok"}
    assert wait_until(broker, path, lambda answer: answer[0] == 200)


def test_a_question_is_not_older_than_its_answer(broker):
    """A worker that answered long ago and is stopped now has been stuck for a moment, not since then."""
    assert probe(broker, "/livez") == (200, {})
    time.sleep(5.2)
    with stopped(thread(broker, "worker-0")):
        assert probe(broker, "/livez") == (200, {})
        time.sleep(1)
        assert probe(broker, "/livez") == (200, {})


def test_a_main_loop_that_is_stuck(broker):
    with stopped(broker.pid):
        assert probe(broker, "/livez") == (200, {})
        time.sleep(6.2)
        status, failed = probe(broker, "/livez")
        assert status == 503 and list(failed) == ["main_loop"] and "has not turned for" in failed["main_loop"]
    assert wait_until(broker, "/livez", lambda answer: answer[0] == 200)


def test_many_probes_at_once_do_not_disturb_each_other(broker):
    with concurrent.futures.ThreadPoolExecutor(16) as pool:
        answers = list(pool.map(lambda _: probe(broker, "/readyz"), range(400)))
    assert answers == [(200, {})] * 400


def test_no_room_for_connections(tmp_path):
    config = tmp_path / "small.conf"
    config.write_text("max_connections: 2\n")
    with Server("clearwing", "-c", config) as broker:
        with broker.connect() as one, broker.connect():
            one.ping()
            status, failed = probe(broker, "/readyz")
            assert status == 503
            assert failed == {"connections": "2 clients are connected, max_connections is 2"}
            assert probe(broker, "/livez") == (200, {}), "a restart would not help those who are connected"
        wait_until(broker, "/readyz", lambda answer: answer[0] == 200)


def test_no_descriptors_left():
    limit = 120
    with Server("clearwing", preexec=lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (limit, limit))) as broker:
        clients = []
        with contextlib.suppress(TimeoutError):
            while True:
                clients.append(RawClient(broker.host, broker.port, timeout=1))
        status, failed = probe(broker, "/readyz")
        assert status == 503 and list(failed) == ["descriptors"]
        assert failed["descriptors"].startswith("all 90 file descriptors for clients are in use")
        assert probe(broker, "/livez") == (200, {})
        for client in clients:
            client.close()
        wait_until(broker, "/readyz", lambda answer: answer[0] == 200)


@pytest.mark.parametrize("limit,ready", [(1 << 20, False), (1 << 32, True), ("max", True)])
def test_memory_of_the_control_group(tmp_path, limit, ready):
    places = [path for path in ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes")
              if os.path.exists(path)]
    if not places or subprocess.run(["unshare", "--mount", "true"], capture_output=True).returncode != 0:
        pytest.skip("no control group's limit can be changed here")
    (tmp_path / "limit").write_text(f"{limit}\n")
    script = tmp_path / "clearwing"
    mounts = "".join(f"mount --bind {tmp_path}/limit {place}\n" for place in places)
    script.write_text(f'#!/bin/sh\nset -e\n{mounts}exec {binary("clearwing")} "$@"\n')
    script.chmod(0o755)
    wrapper = tmp_path / "wrapped"
    wrapper.write_text(f'#!/bin/sh\nexec unshare --mount {script} "$@"\n')
    wrapper.chmod(0o755)
    with Server(str(wrapper)) as broker:
        status, failed = probe(broker, "/readyz")
        assert status == (200 if ready else 503)
        if not ready:
            assert list(failed) == ["memory"] and failed["memory"].endswith(f"the control group allows {limit}")
        assert probe(broker, "/livez") == (200, {})


def test_lame_duck_mode(tmp_path):
    """Not ready any more, but alive until the last client has gone."""
    config = tmp_path / "duck.conf"
    config.write_text('lame_duck_duration: "31s"\nlame_duck_grace_period: "3s"\n')
    with Server("clearwing", "-c", config) as broker:
        with broker.connect() as client:
            client.ping()
            os.kill(broker.pid, signal.SIGUSR2)
            status, failed = wait_until(broker, "/readyz", lambda answer: answer[0] == 503)
            assert failed == {"shutdown": "the server is shutting down", "listener": "no clients are accepted"}
            assert probe(broker, "/livez") == probe(broker, "/startupz") == (200, {})
            assert broker.get("/healthz")[0] == 503
