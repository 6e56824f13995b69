"""File descriptors run out: connections wait, nobody else notices, monitoring still answers, and the log has one line."""
import functools
import resource
import select
import socket
import time

import pytest

from tests.faults.tools import client, cpu_seconds, descriptors, eventually, publish, SLOWNESS, whole_messages
from tests.support.server import Server

LIMIT = 60
KEPT = LIMIT // 4  # for monitoring


@pytest.fixture
def broker():
    limit = functools.partial(resource.setrlimit, resource.RLIMIT_NOFILE, (LIMIT, LIMIT))
    with Server("clearwing", preexec=limit) as server:
        yield server


def dial(server, count):
    """Connections that send nothing; the kernel completes them whether or not the broker takes them."""
    return [socket.create_connection((server.host, server.port), timeout=30) for _ in range(count)]


def greeted(sockets, seconds=1.0):
    """Those that have been sent an INFO, within a while."""
    time.sleep(seconds)
    return select.select(sockets, [], [], 0)[0]


def complaints(server):
    return server.log().count("cannot accept: ")


def check_pair(receiver, sender, count=500):
    sender.send(b"".join(publish("pair", b"%d" % i) for i in range(count)))
    sender.ping()
    assert whole_messages(receiver.ping()) == [b"%d" % i for i in range(count)]


def close_all(sockets):
    for one in sockets:
        one.close()


def test_connections_wait_for_a_descriptor(broker):
    with client(broker) as receiver, client(broker) as sender:
        receiver.send("SUB pair 1\r\n")
        receiver.ping()
        room = LIMIT - KEPT - descriptors(broker.pid)
        crowd = dial(broker, room + 20)
        eventually("the complaint", lambda: complaints(broker))
        taken = greeted(crowd)
        assert len(taken) == room
        waiting = [one for one in crowd if one not in taken]

        before, start = cpu_seconds(broker.pid), time.monotonic()
        check_pair(receiver, sender)
        time.sleep(2)
        share = (cpu_seconds(broker.pid) - before) / (time.monotonic() - start)
        print(f"\n{len(waiting)} connections wait: {100 * share:.1f} % of a CPU")
        assert share < 0.2
        assert complaints(broker) == 1, "once is enough"

        close_all(taken[:5])
        assert len(greeted(waiting)) == 5, "as many as there is room for"
        assert complaints(broker) == 1, "the same shortage needs no second line"
        check_pair(receiver, sender)
        close_all(taken[5:])
        assert len(greeted(waiting)) == 20
        close_all(waiting)
        with client(broker) as late:
            late.ping()
        broker.wait_for("/varz", lambda varz: varz["connections"] == 2)


def read_all(connection):
    answer = b""
    while data := connection.recv(1 << 16):
        answer += data
    return answer


def test_monitoring_answers_while_connections_wait(broker):
    """Descriptors are kept for it, for several scrapers at once."""
    crowd = dial(broker, LIMIT)
    eventually("the complaint", lambda: complaints(broker))
    assert 0 < broker.json("/varz")["connections"] < LIMIT - KEPT
    request = b"GET /varz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
    host, port = broker.monitor.rsplit("/", 1)[1].split(":")
    scrapers = [socket.create_connection((host, port), timeout=30 * SLOWNESS) for _ in range(KEPT - 3)]
    before = cpu_seconds(broker.pid)
    time.sleep(1)
    used = cpu_seconds(broker.pid) - before
    print(f"\n{len(scrapers)} idle scrapers: {100 * used:.1f} % of a CPU")
    assert used < 0.2
    for scraper in scrapers:
        scraper.sendall(request)
    for scraper in scrapers:
        assert read_all(scraper).startswith(b"HTTP/1.1 200 ")
    close_all(crowd + scrapers)


def test_churn_without_descriptors_fills_no_log(broker):
    """Connections that come and go at the limit: a line now and then, not one for each."""
    crowd = dial(broker, LIMIT)
    eventually("the complaint", lambda: complaints(broker))
    end = time.monotonic() + 2
    turns = 0
    while time.monotonic() < end:
        crowd.pop(0).close()
        crowd += dial(broker, 1)
        turns += 1
        time.sleep(0.005)
    close_all(crowd)
    print(f"\n{turns} connections came and went at the limit: {complaints(broker)} lines")
    assert complaints(broker) == 1
