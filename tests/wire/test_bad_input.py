"""Garbage on the wire, as fast as it can be sent, while a good pair of clients goes on exchanging messages.

What must hold whatever the bytes are: the good pair loses nothing and sees no error, every bad connection
gets well-formed answers and then its end, the counters add up, and memory stays where it was. The bytes come
from a seed; a failure names the seed and the connection, and WIRE_SEED=... WIRE_ONLY=... plays that one alone.
"""
import collections
import os
import random
import re
import socket
import struct
import threading
import time

import pytest

from tests.support.server import Server

SEED = int(os.environ.get("WIRE_SEED", "20240611"))
ONLY = os.environ.get("WIRE_ONLY")
CONNECTIONS = 2000
THREADS = 6
TIME_MAX = 90.0  # seconds for all connections of one test together
LATENCY_MAX = 5.0  # seconds that one message of the good pair may take on a busy machine
MEMORY_GROWTH_MAX = 256 << 20
SUBJECT = b"good.%016x" % random.SystemRandom().getrandbits(64)

SESSION = (
    b'CONNECT {"verbose":true,"pedantic":true,"headers":true,"no_responders":true,"name":"bad","protocol":1}\r\n'
    b"PING\r\nSUB foo.* 1\r\nSUB foo.> workers 2\r\nSUB _INBOX.x.* 3\r\nUNSUB 2 5\r\n"
    b"PUB foo.bar 5\r\nhello\r\nPUB foo.bar _INBOX.x.1 0\r\n\r\n"
    b"HPUB foo.bar 18 20\r\nNATS/1.0\r\nA: b\r\n\r\nhi\r\nHPUB nobody _INBOX.x.2 12 12\r\nNATS/1.0\r\n\r\n\r\n"
    b"PUB nobody.at.all _INBOX.x.3 3\r\nabc\r\nUNSUB 1\r\nUNSUB 99\r\nPONG\r\nPING\r\n")
TOKENS = (b"PUB ", b"SUB ", b"HPUB ", b"CONNECT ", b"UNSUB ", b"INFO ", b"-ERR ", b"+OK", b"MSG ", b"RS+ ", b"\r\n",
          b"\n", b"\r", b" ", b"\t", b"\0", b"\xff", b"{", b"}", b'"', b"[" * 500, b"999999999", b"9999999999",
          b"-1", b"0", b">", b"*", b"..", b"a" * 5000, b"x." * 1000, b"1048577", b"18446744073709551616")
REASONS = {"Client Closed", "Read Error", "Write Error", "Protocol Violation", "Parse Error",
           "Maximum Control Line Exceeded", "Maximum Message Payload Exceeded", "Authentication Failure",
           "Bad Client Protocol Version", "No Responders Requires Headers"}
WORD = rb"[^ \t\n]+"  # The stock server passes a lone carriage return in a subject on.
ANSWER = re.compile(
    rb"(?:INFO \{.*\} ?|\+OK|PING|PONG|-ERR '[^\r\n]*'|"
    rb"MSG W W (?:W )?(?P<size>\d+)|HMSG W W (?:W )?\d+ (?P<total>\d+))\r\n".replace(b"W", WORD))


def garbage(rng):
    """The bytes of one bad connection: noise, a damaged session, or tokens in a wild order."""
    kind = rng.randrange(4)
    if kind == 0:
        return rng.randbytes(rng.choice((1, 10, 100, 3000, 60000)))
    if kind == 1:
        return b"".join(rng.choice(TOKENS) for _ in range(rng.randrange(1, 60)))
    data = bytearray(SESSION)
    for _ in range(rng.choice((1, 1, 2, 5, 20))):
        position = rng.randrange(len(data) + 1)
        change = rng.randrange(5)
        if change == 0 and position < len(data):
            data[position] = rng.randrange(256)
        elif change == 1:
            data[position:position] = rng.choice(TOKENS)
        elif change == 2:
            del data[position:position + rng.randrange(1, 10)]
        elif change == 3:
            data[position:position] = data[:rng.randrange(1, 200)]
        else:
            del data[max(1, position):]
    return bytes(data)


def check_answer(data):
    """Every complete line of an answer is one of the server's own, and sizes are true. The last may be cut off."""
    position = 0
    while position < len(data):
        found = ANSWER.match(data, position)
        if not found:
            rest = data[position:]
            assert b"\r\n" not in rest, f"not an answer of the server: {rest[:300]!r}"
            return
        size = found["size"] or found["total"]
        position = found.end()
        if size is not None:
            end = position + int(size)
            assert end + 2 > len(data) or data[end:end + 2] == b"\r\n", f"a message of wrong size: {found[0]!r}"
            position = end + 2


def read_all(connection):
    """All that comes until the server closes; a timeout is a failure of the server."""
    data = b""
    try:
        while block := connection.recv(1 << 16):
            data += block
    except (ConnectionResetError, BrokenPipeError):
        pass
    return data


def bad_connection(server, index):
    """Sends garbage on one connection and sees that it ends."""
    rng = random.Random(f"{SEED}/{index}")
    data = garbage(rng)
    with socket.create_connection((server.host, server.port), timeout=20) as connection:
        try:
            if rng.random() < 0.2:
                for start in range(0, min(len(data), 300), 7):
                    connection.sendall(data[start:start + 7])
                connection.sendall(data[300:])
            else:
                connection.sendall(data)
            if rng.random() < 0.1:
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                return
            connection.shutdown(socket.SHUT_WR)
        except OSError:
            pass  # The server has closed already.
        check_answer(read_all(connection))


class GoodPair:
    """A publisher and a subscriber that exchange numbered messages in a thread of their own until stopped."""

    def __init__(self, server):
        self.subscriber = server.connect()
        self.publisher = server.connect()
        for client in (self.subscriber, self.publisher):
            client.send('CONNECT {"verbose":false,"name":"good"}\r\n')
        self.subscriber.send(b"SUB %s 1\r\n" % SUBJECT)
        assert self.subscriber.ping() == b""
        self.count = 0
        self.slowest = 0.0
        self.error = None
        self.stopping = threading.Event()
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()

    def run(self):
        try:
            while not self.stopping.is_set():
                self.exchange()
        except Exception as error:  # noqa: BLE001 - whatever it is, stop() reports it in the test's thread
            self.error = error

    def exchange(self):
        payload = b"%d" % (self.count + 1)
        started = time.monotonic()
        self.publisher.send(b"PUB %s %d\r\n%s\r\n" % (SUBJECT, len(payload), payload))
        line = self.subscriber.line()
        if line == b"PING":  # The server measures the round trip once.
            self.subscriber.send(b"PONG\r\n")
            line = self.subscriber.line()
        assert line == b"MSG %s 1 %d" % (SUBJECT, len(payload)), line
        assert self.subscriber.exactly(len(payload) + 2) == payload + b"\r\n"
        self.slowest = max(self.slowest, time.monotonic() - started)
        self.count += 1
        time.sleep(0.001)

    def stop(self):
        """Ends the exchange and checks that nothing else ever came; the connections stay open."""
        self.stopping.set()
        self.thread.join(30)
        assert not self.thread.is_alive(), "the good pair hangs"
        if self.error:
            raise self.error
        assert self.publisher.ping() in (b"", b"PING\r\n")
        assert self.subscriber.ping() in (b"", b"PING\r\n")

    def close(self):
        self.subscriber.close()
        self.publisher.close()


def run_all(server, indexes):
    """Plays the bad connections from several threads; returns what went wrong, by index."""
    todo = collections.deque(indexes)
    wrong = []
    deadline = time.monotonic() + TIME_MAX

    def work():
        while todo and len(wrong) < 5 and time.monotonic() < deadline:
            try:
                index = todo.popleft()
            except IndexError:
                return
            try:
                bad_connection(server, index)
            except Exception as error:  # noqa: BLE001 - reported with its index by the test
                wrong.append(f"WIRE_SEED={SEED} WIRE_ONLY={index}: {type(error).__name__}: {error}")

    threads = [threading.Thread(target=work) for _ in range(THREADS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong, "\n".join(wrong)
    assert not todo, f"{len(todo)} connections were not played within {TIME_MAX} s"


def test_garbage(server):
    indexes = [int(ONLY)] if ONLY else range(CONNECTIONS)
    good = GoodPair(server)
    memory = server.json("/varz")["mem"]
    run_all(server, indexes)
    good.stop()
    pace = f"{good.count} messages, slowest {good.slowest:.1f} s"
    assert (good.count >= 20 or ONLY) and good.slowest < LATENCY_MAX, pace

    varz = server.wait_for("/varz", lambda document: document["connections"] == 2)
    assert varz["total_connections"] == len(indexes) + 2
    assert varz["slow_consumers"] == 0
    assert varz["mem"] < memory + MEMORY_GROWTH_MAX
    assert varz["in_msgs"] >= good.count and varz["out_msgs"] >= good.count

    closed = server.json("/connz?state=closed&limit=10000")["connections"]
    assert len(closed) == len(indexes)
    assert {entry["reason"] for entry in closed} <= REASONS
    subscriber, publisher = server.json("/connz?subs=1")["connections"]
    assert subscriber["out_msgs"] == publisher["in_msgs"] == good.count
    assert subscriber["subscriptions_list"] == [SUBJECT.decode()]
    good.close()
    server.wait_for("/varz", lambda document: document["connections"] == 0)


def test_silent_connections(server):
    """Connections that say nothing, or stop in the middle of something, cost the others nothing."""
    beginnings = (b"", b"P", b"PUB foo 100000\r\nabc", b"CONNECT {", b"SUB " + b"x" * 4000, b"PING",
                  b'CONNECT {"verbose":false,"headers":true}\r\nHPUB a 12 50\r\nNATS/1.0\r\n')
    good = GoodPair(server)
    silent = []
    for number in range(210):
        connection = socket.create_connection((server.host, server.port), timeout=20)
        connection.sendall(beginnings[number % len(beginnings)])
        silent.append(connection)
    varz = server.wait_for("/varz", lambda document: document["connections"] == 212)
    assert varz["slow_consumers"] == 0
    before = good.count
    time.sleep(0.5)
    good.stop()
    assert good.count > before and good.slowest < LATENCY_MAX
    for connection in silent:
        connection.close()
    server.wait_for("/varz", lambda document: document["connections"] == 2)
    assert server.json("/varz")["total_connections"] == 212
    good.close()


@pytest.mark.parametrize("kind", ["clearwing", "stock"])
def test_silent_connections_time_out(kind, tmp_path):
    """Where credentials are asked for, the silent ones are closed in time, each with its reason."""
    file = tmp_path / "server.conf"
    file.write_text('authorization { token: "T0pSecret", timeout: 0.5 }\n')
    with Server(kind, "-c", file) as server:
        silent = [socket.create_connection((server.host, server.port), timeout=20) for _ in range(100)]
        for connection in silent:
            assert read_all(connection).endswith(b"-ERR 'Authentication Timeout'\r\n")
            connection.close()
        server.wait_for("/varz", lambda document: document["connections"] == 0)
        closed = server.json("/connz?state=closed")["connections"]
        assert [entry["reason"] for entry in closed] == ["Authentication Timeout"] * 100


@pytest.mark.parametrize("kind", ["clearwing", "stock"])
def test_garbage_before_credentials(kind):
    """Garbage that never gets past authentication: every connection ends, and nothing is published."""
    with Server(kind, "--auth", "T0pSecret") as server:
        run_all(server, range(CONNECTIONS, CONNECTIONS + 300))
        varz = server.wait_for("/varz", lambda document: document["connections"] == 0)
        assert varz["in_msgs"] == 0 and varz["total_connections"] == 300
