"""The broker is told to stop in the midst of a flood: it ends soon, with status 0, and sends nobody a broken message."""
import contextlib
import select
import signal
import socket
import time

import pytest

from tests.faults.tools import SLOWNESS, client, eventually, meanwhile, publish
from tests.support.server import Server

CLIENTS = 50
SECONDS = 2  # to the end of the process


def flooding(connection, subject, size):
    """A job: publishes and reads what comes, as fast as the broker lets it, until the broker is gone."""
    batch = publish(subject, b"x" * size) * max(1, (32 << 10) // size)

    def job(stopping):
        out = b""
        connection.socket.setblocking(False)
        with contextlib.suppress(ConnectionError, BrokenPipeError):
            while not stopping.is_set():
                readable, writable, _ = select.select([connection.socket], [connection.socket], [], 1)
                if readable and not connection.socket.recv(1 << 18):
                    return
                if writable:
                    out = out or batch
                    out = out[connection.socket.send(out):]
        connection.close()
    return job


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGINT], ids=["SIGTERM", "SIGINT"])
@pytest.mark.parametrize("size", [16, 20000])
def test_stop_under_full_load(how, size):
    with Server("clearwing") as server:
        crowd = [client(server) for _ in range(CLIENTS)]
        sleeper = client(server)  # its queue is full when the end comes
        sleeper.send("SUB flood.> 1\r\n")
        sleeper.ping()
        for i, connection in enumerate(crowd):
            connection.send(f"SUB flood.{i % 5} 1\r\n")
            connection.ping()
        with meanwhile(*(flooding(one, f"flood.{i % 5}", size) for i, one in enumerate(crowd))):
            eventually("a flood", lambda: server.json("/varz")["in_msgs"] > 2000, 30)
            time.sleep(0.5)
            moved = server.json("/varz")["in_msgs"]
            begin = time.monotonic()
            status = server.stop(how)
            took = time.monotonic() - begin
        sleeper.close()
        print(f"\n{moved} messages of {size} bytes in; {took:.2f} s to the end")
        assert status == 0, server.log()[-3000:]
        assert took < SECONDS * SLOWNESS
        assert "Server Exiting" in server.log()


def test_stop_with_waiting_connections():
    """Connections that nobody has accepted yet, half-sent lines, a scrape under way: nothing keeps it."""
    with Server("clearwing") as server:
        crowd = [socket.create_connection((server.host, server.port), timeout=10) for _ in range(200)]
        for connection in crowd[::2]:
            connection.sendall(b"PUB x 1000\r\nabc")
        host, port = server.monitor.rsplit("/", 1)[1].split(":")
        with socket.create_connection((host, port), timeout=10) as scraper:
            scraper.sendall(b"GET /connz HTTP/1.1\r\nHost:")
            begin = time.monotonic()
            assert server.stop() == 0
            took = time.monotonic() - begin
        print(f"\n{took:.2f} s to the end")
        assert took < SECONDS * SLOWNESS
        for connection in crowd:
            connection.close()
