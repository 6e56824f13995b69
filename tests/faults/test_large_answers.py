"""Answers about very many connections: streamed in bounded memory, while everybody else is served.

CLEARWING_LARGE_CONNECTIONS sets how many; 3,000 unless set, at most what the file limit allows. pytest -s shows the figures."""
import contextlib
import json
import os
import socket
import statistics
import time
import urllib.parse

import pytest

from tests.faults.crowd import Crowd, room
from tests.faults.tools import P99_MS, SLOWNESS, Load, eventually, meanwhile, p99_ms
from tests.support.server import Server

CONNECTIONS = room(int(os.environ.get("CLEARWING_LARGE_CONNECTIONS", "3000")))
SUBSCRIPTIONS = 20
WHOLE = "/connz?limit=100000&subs=detail"
# Keys of the connections, some pieces of the answer, the socket's buffers: not the answer.
ANSWER_BYTES_MAX = 2 << 20
INSTRUMENTED = SLOWNESS > 1  # a sanitizer's memory says nothing about ours


@pytest.fixture(scope="module")
def crowded():
    with Server("clearwing", "--workers", "1") as server, Crowd(server, CONNECTIONS, more=SUBSCRIPTIONS - 1):
        yield server


def ask(server, target, version="1.1", seconds=300):
    """A connection to the monitoring port that has asked."""
    address = urllib.parse.urlsplit(server.monitor)
    connection = socket.create_connection((address.hostname, address.port), timeout=seconds)
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 64 << 10)
    connection.sendall(f"GET {target} HTTP/{version}\r\nHost: x\r\nConnection: close\r\n\r\n".encode())
    return connection


def read(connection, pause=0.0):
    """The whole answer; with a pause after each piece."""
    pieces = []
    with connection:
        while piece := connection.recv(64 << 10):
            pieces.append(piece)
            time.sleep(pause)
    return b"".join(pieces)


def unchunked(body):
    out, at = [], 0
    while True:
        end = body.index(b"\r\n", at)
        size = int(body[at:end], 16)
        if size == 0:
            return b"".join(out)
        out.append(body[end + 2:end + 2 + size])
        at = end + 2 + size + 2


def document(answer):
    head, body = answer.split(b"\r\n\r\n", 1)
    assert head.startswith(b"HTTP/1.1 200 ")
    return json.loads(unchunked(body) if b"chunked" in head else body)


def memory(server, field):
    with open(f"/proc/{server.pid}/status") as status:
        return next(int(line.split()[1]) << 10 for line in status if line.startswith(field + ":"))


def forget_peak(server):
    with open(f"/proc/{server.pid}/clear_refs", "w") as file:
        file.write("5")


def times_of(server, target, count, seconds):
    times = []
    for _ in range(count):
        begin = time.monotonic()
        assert server.get(target)[0] == 200
        times.append(time.monotonic() - begin)
        time.sleep(seconds)
    return times


def test_all_of_it_comes(crowded):
    rows = document(read(ask(crowded, WHOLE)))
    assert rows["num_connections"] == rows["total"] == len(rows["connections"]) == CONNECTIONS
    cids = [row["cid"] for row in rows["connections"]]
    assert cids == sorted(set(cids))
    for row in rows["connections"]:
        assert len(row["subscriptions_list_detail"]) == row["subscriptions"] == SUBSCRIPTIONS
    listed = document(read(ask(crowded, "/subsz?subs=1&limit=10000000")))
    assert listed["total"] == len(listed["subscriptions_list"]) == CONNECTIONS * SUBSCRIPTIONS
    assert len({(row["cid"], row["sid"]) for row in listed["subscriptions_list"]}) == CONNECTIONS * SUBSCRIPTIONS


def test_pages_make_the_whole(crowded):
    whole = document(read(ask(crowded, "/connz?limit=100000")))["connections"]
    paged = []
    for offset in range(0, CONNECTIONS, 1000):
        paged += document(read(ask(crowded, f"/connz?limit=1000&offset={offset}")))["connections"]
    assert [row["cid"] for row in paged] == [row["cid"] for row in whole]
    for key in ("name", "subscriptions", "port", "in_msgs"):
        assert [row[key] for row in paged] == [row[key] for row in whole]


def test_an_old_client_gets_it_too(crowded):
    head, body = read(ask(crowded, WHOLE, version="1.0")).split(b"\r\n\r\n", 1)
    assert b"chunked" not in head and len(json.loads(body)["connections"]) == CONNECTIONS


@pytest.mark.skipif(INSTRUMENTED, reason="clearwing lacks a meaningful resident size under sanitizers")
def test_memory_of_a_slow_reader(crowded):
    read(ask(crowded, WHOLE))
    before = memory(crowded, "VmRSS")
    forget_peak(crowded)
    readers = [ask(crowded, WHOLE) for _ in range(3)]
    length = len(read(readers[0], pause=0.001))
    for reader in readers[1:]:
        read(reader)
    peak = memory(crowded, "VmHWM") - before
    print(f"\n{CONNECTIONS} connections: {length / 1e6:.1f} MB for each of three readers, {peak / 1e6:.2f} MB more resident")
    assert length > 3 * ANSWER_BYTES_MAX
    assert peak < ANSWER_BYTES_MAX


def test_others_meanwhile(crowded):
    """Small answers come at once, and messages flow, while large ones are made one after the other."""
    def large(stopping):
        while not stopping.is_set():
            read(ask(crowded, WHOLE))

    with Load(crowded, "latency", 3, rate=10000) as alone:
        alone = p99_ms(alone.result())
    with meanwhile(large):
        varz, metrics = times_of(crowded, "/varz", 30, 0.05), times_of(crowded, "/metrics", 10, 0.05)
        with Load(crowded, "latency", 3, rate=10000) as beside:
            beside = p99_ms(beside.result())
    print(f"\n/varz median {statistics.median(varz) * 1e3:.1f} ms, /metrics {statistics.median(metrics) * 1e3:.1f} ms, "
          f"p99 of a pair {beside:.2f} ms, alone {alone:.2f} ms")
    assert statistics.median(varz) < 0.1 * SLOWNESS and statistics.median(metrics) < 0.3 * SLOWNESS
    assert beside < P99_MS


def test_readers_that_leave(crowded):
    """What was made for them is given back; nobody is counted any more."""
    for _ in range(20):
        with ask(crowded, WHOLE) as reader:
            reader.recv(100)
    eventually("no connection but this one", lambda: sum(crowded.json("/varz")["http_connections"].values()) <= 1)
    assert len(document(read(ask(crowded, WHOLE)))["connections"]) == CONNECTIONS


def test_connections_that_come_and_go_meanwhile(crowded):
    """Those who stay are listed once each; those who left, before their turn came, are not."""
    stay = {row["cid"] for row in document(read(ask(crowded, "/connz?limit=100000")))["connections"]}

    def churn(stopping):
        while not stopping.is_set():
            with contextlib.ExitStack() as visitors:
                for _ in range(50):
                    visitors.enter_context(crowded.connect())

    with meanwhile(churn):
        for _ in range(5):
            rows = document(read(ask(crowded, WHOLE), pause=0.0005))
            cids = [row["cid"] for row in rows["connections"]]
            assert len(cids) == len(set(cids)) and stay <= set(cids)
            assert len(cids) <= rows["num_connections"] <= len(stay) + 200
