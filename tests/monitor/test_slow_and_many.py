"""The monitoring port under clients that are slow on purpose, or very many: each has its time, and nobody else waits for them."""
import contextlib
import socket
import threading
import time

import pytest

from tests.monitor.wire import Answer, ask, dial, read_all

REQUEST = b"GET /healthz HTTP/1.1\r\nHost: x\r\n"


def seconds_until_closed(connection, trickle=b"", limit=20):
    """Sends the bytes one by one, four a second, until the server closes."""
    begin, bytes_left = time.monotonic(), iter(trickle)
    connection.settimeout(0.25)
    while time.monotonic() - begin < limit:
        with contextlib.suppress(OSError):
            if (byte := next(bytes_left, None)) is not None:
                connection.send(bytes([byte]))
        try:
            if not connection.recv(1):
                break
            assert False, "an answer came"
        except TimeoutError:
            continue
        except ConnectionResetError:
            break
    return time.monotonic() - begin


# What is sent at once, and what byte by byte afterwards.
UNFINISHED = {
    "nothing": (b"", b""), "half a line": (b"GET /heal", b""), "half the headers": (REQUEST, b""),
    "half a header": (REQUEST + b"X: y", b""), "byte by byte": (b"", REQUEST * 9), "header by header": (REQUEST, b"X: y\r\n" * 99),
}


def test_a_request_takes_five_seconds_at_most(broker):
    def run(name, sent, trickle):
        with dial(broker) as connection:
            connection.sendall(sent)
            taken[name] = seconds_until_closed(connection, trickle)

    taken = {}
    threads = [threading.Thread(target=run, args=(name, *parts)) for name, parts in UNFINISHED.items()]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(taken) == len(UNFINISHED) and all(4.5 < seconds < 9 for seconds in taken.values()), taken
    assert ask(broker, "/healthz").status == 200


def test_so_does_a_second_request(broker):
    with dial(broker) as connection:
        connection.sendall(REQUEST + b"\r\n")
        assert connection.recv(1 << 16).endswith(b'{"status":"ok"}')
        time.sleep(1.5)
        assert 4.5 < seconds_until_closed(connection, REQUEST + b"X: y\r\n" * 99) < 9


def test_an_idle_connection_may_take_longer(broker):
    """Longer than Prometheus lets pass between two scrapes."""
    with dial(broker) as connection:
        connection.sendall(REQUEST + b"\r\n")
        assert connection.recv(1 << 16).endswith(b'{"status":"ok"}')
        time.sleep(17)
        connection.sendall(REQUEST + b"Connection: close\r\n\r\n")
        assert Answer(read_all(connection)).status == 200


@contextlib.contextmanager
def round_trips(broker):
    """A client that publishes to itself all the time; gives the list of how long each took."""
    times, stop = [], threading.Event()

    def run():
        with broker.connect() as client:
            client.send("CONNECT {}\r\nSUB a 1\r\n")
            while not stop.is_set():
                begin = time.monotonic()
                client.send("PUB a 1\r\nx\r\n")
                client.ping()
                times.append(time.monotonic() - begin)
                time.sleep(0.005)

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield times
    finally:
        stop.set()
        thread.join()


def test_a_thousand_slow_ones(broker):
    """More than there is room for, which come back whenever they are cut off. Scrapes go on, and messages do not notice."""
    stop, slow = threading.Event(), []

    def keep_open(count):
        mine = [None] * count
        while not stop.is_set():
            for i, connection in enumerate(mine):
                try:
                    if connection is None:
                        mine[i] = connection = dial(broker, timeout=5)
                        connection.sendall(b"GET /varz HTTP/1.1\r\n")
                        connection.setblocking(False)
                        slow.append(1)
                    connection.send(b"X")
                    if connection.recv(1) == b"":
                        connection.close()
                        mine[i] = None
                except BlockingIOError:
                    continue
                except OSError:
                    connection.close()
                    mine[i] = None
            time.sleep(0.1)
        for connection in filter(None, mine):
            connection.close()

    threads = [threading.Thread(target=keep_open, args=(350,)) for _ in range(4)]
    with round_trips(broker) as times:
        for thread in threads:
            thread.start()
        time.sleep(3)
        assert len(slow) >= 1000
        waited = []
        try:
            for _ in range(10):
                begin = time.monotonic()
                assert ask(broker, "/varz").status == 200
                waited.append(time.monotonic() - begin)
                time.sleep(0.5)
        finally:
            stop.set()
            for thread in threads:
                thread.join()
    assert max(waited) < 10, waited
    assert len(times) > 100 and sorted(times)[len(times) * 99 // 100] < 0.25
    deadline = time.monotonic() + 10
    while ask(broker, "/healthz").status != 200:
        assert time.monotonic() < deadline


def test_a_thousand_scrapes_at_once(broker):
    with round_trips(broker) as times, contextlib.ExitStack() as open_ones:
        connections = [open_ones.enter_context(dial(broker, timeout=60)) for _ in range(1000)]
        for connection in connections:
            connection.sendall(b"GET /metrics HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        for connection in connections:
            answer = Answer(read_all(connection))
            assert answer.status == 200 and b"nats_server_connections" in answer.body
    assert sorted(times)[len(times) * 99 // 100] < 0.25


@pytest.mark.parametrize("data", [
    b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(range(256)), b"\0" * 5000 + b"\r\n\r\n", b"\xff\r\n\r\n", b"hello\r\n\r\n",
    b"GET\r\n\r\n", b"hello world\r\n\r\n", b"GET /healthz\r\n\r\n", b"GET healthz HTTP/1.1\r\nHost: x\r\n\r\n",
    b"GET /healthz FOO/1.1\r\nHost: x\r\n\r\n", b"GET /healthz HTTP/1.1\r\nHost: x\r\nno colon here\r\n\r\n",
    b'CONNECT {"verbose":false}\r\nPING\r\n', b"GET / HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n",
], ids=lambda data: repr(data[:24]))
def test_what_is_no_request_gets_a_400(server, data):
    with dial(server, timeout=10) as connection:
        connection.sendall(data)
        assert Answer(read_all(connection)).status == 400


@pytest.mark.parametrize("status, data", [
    (414, b"GET /healthz?a=" + b"a" * (3 << 20)), (431, REQUEST + b"X: " + b"a" * (3 << 20)), (431, REQUEST + b"X: y\r\n" * (1 << 19)),
], ids=["line", "header", "headers"])
def test_what_is_too_long(broker, status, data):
    with dial(broker, timeout=10) as connection:
        with contextlib.suppress(OSError):
            connection.sendall(data)
        connection.settimeout(10)
        assert connection.recv(1 << 16).startswith(b"HTTP/1.1 %d " % status)


def test_requests_that_come_in_one_piece_with_what_follows(broker):
    """Answered whether the line ends are there at once or come later."""
    for pieces in ([b"\r\nGET /healthz HTTP/1.0\r\n\r\n"], [b"G", b"ET /healthz HTTP/1.0\r\n\r\n"], [b"\n", b"GET /healthz HTTP/1.0\r\n\r\n"]):
        with dial(broker) as connection:
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            for piece in pieces:
                connection.sendall(piece)
                time.sleep(0.2)
            assert Answer(read_all(connection)).status == 200
