"""Lame duck mode: nobody new, those who understand are told, all go one after the other, and then the server."""
import json
import os
import signal
import time

import pytest

from tests.support.server import Server

CONNECT = 'CONNECT {"verbose":false,"protocol":%d,"name":"%s"}\r\nPING\r\n'
# The shortest that both servers take, so that clients are closed at most a second apart.
CONFIG = 'lame_duck_duration: "31s"\nlame_duck_grace_period: "1s"\n'


def start(kind, tmp_path, config=CONFIG):
    file = tmp_path / f"{kind}.conf"
    file.write_text(config)
    return Server(kind, "-c", str(file))


def client(server, name, protocol=1):
    raw = server.connect()
    raw.send(CONNECT % (protocol, name))
    assert raw.line() == b"PONG"
    return raw


def read_all(raw, seconds):
    """What it gets until the server closes, and how long that took."""
    begin = time.monotonic()
    raw.socket.settimeout(seconds)
    return raw.rest(), time.monotonic() - begin


def wait_for_exit(server, seconds):
    deadline = time.monotonic() + seconds
    while server.process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.05)
    return server.process.poll()


@pytest.mark.parametrize("kind", ["clearwing", "stock"])
def test_clients_are_told_and_then_closed(kind, tmp_path):
    with start(kind, tmp_path) as server:
        told, old = client(server, "told"), client(server, "old", protocol=0)
        third = client(server, "third")
        os.kill(server.pid, signal.SIGUSR2)
        time.sleep(0.4)
        with pytest.raises(OSError):
            server.connect()
        os.kill(server.pid, signal.SIGTERM)  # means nothing any more
        got, seconds = read_all(told, 20)
        assert 0.5 < seconds < 6
        info = json.loads(got.split(b"INFO ", 1)[1].split(b"\r\n")[0])
        assert info["ldm"] is True and got.count(b"INFO") == 1 and b"-ERR" not in got
        assert read_all(old, 20)[0] == b""
        assert read_all(third, 20)[0].count(b'"ldm":true') == 1
        assert wait_for_exit(server, 10) == 0
        log = server.log()
        for line in ("Entering lame duck mode, stop accepting new clients", "Closing existing clients", "Server Exiting.."):
            assert line in log


@pytest.mark.parametrize("kind", ["clearwing", "stock"])
def test_without_clients_it_goes_at_once(kind, tmp_path):
    with start(kind, tmp_path) as server:
        os.kill(server.pid, signal.SIGUSR2)
        assert wait_for_exit(server, 5) == 0


@pytest.mark.parametrize("kind", ["clearwing", "stock"])
def test_an_interrupt_ends_the_waiting(kind, tmp_path):
    with start(kind, tmp_path, 'lame_duck_grace_period: "20s"\n') as server:
        raw = client(server, "a")
        os.kill(server.pid, signal.SIGUSR2)
        time.sleep(0.3)
        assert server.process.poll() is None
        os.kill(server.pid, signal.SIGINT)
        assert wait_for_exit(server, 5) is not None
        read_all(raw, 5)


def test_many_are_closed_evenly_and_messages_still_flow(tmp_path):
    """Ninety clients over thirty seconds: more than one a second, never all at once; those who stay are served."""
    with start("clearwing", tmp_path) as server:
        clients = [client(server, f"c{i}") for i in range(90)]
        os.kill(server.pid, signal.SIGUSR2)
        time.sleep(6)
        left = server.json("/connz?limit=100")["num_connections"]
        assert 60 < left < 85  # 90 over 30 seconds, five of them gone
        closed = server.json("/connz?state=closed")["connections"]
        assert {row["reason"] for row in closed} == {"Server Shutdown"} and len(closed) + left == 90
        os.kill(server.pid, signal.SIGINT)
        assert wait_for_exit(server, 5) == 0
        for raw in clients:
            raw.close()
