"""Peers that mean harm: a good pair beside them loses nothing, waits little, and afterwards nothing is left of them."""
import contextlib
import random
import select
import socket

import pytest

from tests.faults.tools import (P99_MS, SLOWNESS, Load, client, descriptors, eventually, measure, meanwhile, p99_ms, publish,
                                resident_bytes)

SECONDS = 1
ATTACKERS = 3


def dial(server):
    connection = socket.create_connection((server.host, server.port), timeout=10 * SLOWNESS)
    return contextlib.closing(connection), connection


def attack(server, make_bytes, seed):
    """A job: connects, pours bytes in until it is thrown out, and comes again."""
    def job(stopping):
        chance = random.Random(seed)
        while not stopping.is_set():
            closing, connection = dial(server)
            with closing, contextlib.suppress(ConnectionError, TimeoutError):
                connection.settimeout(0.2)
                while not stopping.is_set():
                    connection.sendall(make_bytes(chance))
    return job


def garbage(chance):
    return chance.randbytes(1 << 18)


def endless_line(chance):
    """A line that never ends."""
    return b"PING " + b"x" * (1 << 18)


def empty_operations(chance):
    return b"+OK\r\nPONG\r\n" * 20000


def pings_without_reading(chance):
    return b"PING\r\n" * 40000


def almost_right(chance):
    """Good operations with a byte changed here and there."""
    good = bytearray(b"SUB a.b 1\r\nPUB a.b 5\r\nhello\r\nPING\r\nUNSUB 1\r\n" * 500)
    for _ in range(chance.randrange(1, 5)):
        good[chance.randrange(len(good))] = chance.randrange(256)
    return b'CONNECT {"verbose":false}\r\n' + bytes(good)


def refused(chance):
    return b"PUB a.b 100000000\r\n" + b"x" * (1 << 18)


def check_nothing_left(server, before):
    server.wait_for("/varz", lambda varz: varz["connections"] == 0 and varz["subscriptions"] == 0, 20 * SLOWNESS)
    eventually("all descriptors closed", lambda: descriptors(server.pid) <= before)


def report(what, result, server):
    varz = server.json("/varz")
    print(f"\n{what}: p99 of the pair {p99_ms(result):.2f} ms, {result['messages_received']} messages; "
          f"{varz['total_connections']} connections, {varz['protocol_errors']} protocol errors")
    assert p99_ms(result) < P99_MS
    return varz


@pytest.mark.parametrize("kind", [garbage, endless_line, empty_operations, pings_without_reading, almost_right, refused],
                         ids=lambda kind: kind.__name__)
def test_bytes_at_line_rate(broker, kind):
    before = descriptors(broker.pid)
    with meanwhile(*(attack(broker, kind, seed) for seed in range(ATTACKERS))):
        result = measure(broker, "latency", SECONDS, rate=2000, size=64)
    varz = report(kind.__name__, result, broker)
    if kind in (garbage, almost_right):
        assert varz["protocol_errors"] > 0
    check_nothing_left(broker, before)


def test_thousands_of_connections_a_second(broker):
    before = descriptors(broker.pid)
    with Load(broker, "connection-churn", SECONDS, connections=32) as churn:
        result = measure(broker, "latency", SECONDS, rate=2000, size=64)
        done = churn.result()
    print(f"\n{done['units'] / done['wall_seconds']:.0f} connections a second", end="")
    report("churn", result, broker)
    check_nothing_left(broker, before)


def reset(connection):
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    connection.close()


def test_half_open_connections(broker):
    """Many that stop in the middle of something: they cost what they sent, not what they announced."""
    before, memory = descriptors(broker.pid), resident_bytes(broker.pid)
    starts = [b"", b"C", b"CONNECT {", b"PUB x 1000000\r\nabc", b"SUB ", b"PUB x 5\r\nabcde", b"PING"]
    crowd = []
    for i in range(700):
        _, connection = dial(broker)
        connection.sendall(starts[i % len(starts)])
        crowd.append(connection)
    broker.wait_for("/varz", lambda varz: varz["connections"] == len(crowd))
    eventually("all INFO lines", lambda: len(select.select(crowd, [], [], 0)[0]) == len(crowd))
    grown = resident_bytes(broker.pid) - memory
    result = measure(broker, "latency", SECONDS, rate=2000, size=64)
    print(f"\n{grown // len(crowd)} bytes for each", end="")
    report("half-open", result, broker)
    assert grown < len(crowd) * (20 << 10) * SLOWNESS
    for i, connection in enumerate(crowd):
        reset(connection) if i % 2 else connection.close()
    check_nothing_left(broker, before)


def test_the_pair_would_notice_a_loss(broker):
    """What the others rely on: messages that never come fail the run."""
    with client(broker) as thief, Load(broker, "latency", 1, rate=2000, size=64) as pair:
        eventually("the pair", lambda: broker.json("/varz")["connections"] >= 3)
        thief.send(publish("bench.0.0", b"x" * 64))
        thief.ping()
        with pytest.raises(AssertionError, match="more messages than expected|changed"):
            pair.result()
