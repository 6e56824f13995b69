"""A peer that stops reading: cut off for the right reason with the right counts, and nobody else waits for it."""
import time

import pytest

from tests.faults.tools import (P99_MS, SLOWNESS, Load, check_sums, client, drain, eventually, lost, meanwhile, measure, p99_ms,
                                publish, read_into, resident_bytes, whole_messages)
from tests.support.server import Server

PENDING = 8 << 20


@pytest.fixture(params=[1, 3], ids=["1-worker", "3-workers"])
def broker(request, tmp_path):
    config = tmp_path / "slow.conf"
    config.write_text(f"max_pending: {PENDING}\nwrite_deadline: \"2s\"\n")
    with Server("clearwing", "-c", config, "--workers", request.param) as server:
        yield server


def payload(number, size):
    return b"%08d" % number + b"." * (size - 8)


def flood(connection, count, size):
    """Publishes numbered messages, some at a time; returns when the broker has taken them all."""
    for first in range(0, count, 50):
        connection.send(b"".join(publish("flood", payload(i, size)) for i in range(first, min(first + 50, count))))
    connection.ping()


def closed_connection(server, cid):
    found = server.wait_for("/connz?state=closed&limit=100000", lambda page: any(c["cid"] == cid for c in page["connections"]))
    return next(c for c in found["connections"] if c["cid"] == cid)


@pytest.mark.parametrize("size", [100, 5000])
def test_pending_bytes(broker, size):
    """A flood to one who does not read and to one who does, while a pair measures its latency."""
    count = 3 * PENDING // size
    received = []
    with client(broker) as reader, client(broker) as sender, client(broker) as sleeper:
        for one in (reader, sleeper):
            one.send("SUB flood 1\r\n")
            one.ping()
        with Load(broker, "latency", 2, rate=1000, size=64) as pair, meanwhile(read_into(received, reader)):
            flood(sender, count, size)
            eventually("the reader has all", lambda: sum(map(len, received)) >= count * size, 30)
            beside = p99_ms(pair.result())
        assert whole_messages(b"".join(received)) == [payload(i, size) for i in range(count)], "lost or out of order"
        cut_off = closed_connection(broker, sleeper.info["client_id"])
        varz = broker.json("/varz")
        delivered = len(whole_messages(drain(sleeper)))
    in_queue = cut_off["out_msgs"] - delivered
    dropped = lost(varz, "slow_consumer_pending")
    print(f"\n{size} bytes: p99 of the pair {beside:.2f} ms; {varz['stalled_clients']} waits of the publisher; "
          f"{cut_off['out_msgs']} queued, {delivered} delivered, {dropped} dropped, {dropped - in_queue} of them on their way")
    assert beside < P99_MS
    assert cut_off["reason"] == "Slow Consumer (Pending Bytes)"
    assert (varz["slow_consumers"], varz["closed_connections"]["slow_consumer_pending"]) == (1, 1)
    assert varz["closed_connections"]["slow_consumer_deadline"] == 0
    assert varz["stalled_clients"] >= cut_off.get("stalls", 0)
    if varz["workers"] == 1:  # else mail under way may lead from below the gate to above the limit
        assert cut_off["stalls"] > 0
    assert in_queue > 0 and dropped >= cut_off["dropped_msgs"] >= in_queue
    if varz["workers"] == 1:
        assert dropped == in_queue
    check_sums(broker)


def test_write_deadline(broker):
    """Less than the limit, but not read for too long. When little was queued as the socket first filled up, and the system's buffers
    take that later, the deadline begins once more."""
    size, count = 1000, PENDING * 8 // 10 // 1000
    with client(broker) as sender, client(broker) as sleeper:
        sleeper.send("SUB flood 1\r\n")
        sleeper.ping()
        with Load(broker, "latency", 3, rate=1000, size=64) as pair:
            flood(sender, count, size)
            begin = time.monotonic()
            cut_off = closed_connection(broker, sleeper.info["client_id"])
            waited = time.monotonic() - begin
            beside = p99_ms(pair.result())
        varz = broker.json("/varz")
        delivered = len(whole_messages(drain(sleeper)))
    print(f"\ncut off after {waited:.2f} s; p99 of the pair {beside:.2f} ms; {varz['dropped_msgs']} dropped")
    assert cut_off["reason"] == "Slow Consumer (Write Deadline)"
    assert 1.5 < waited < 4 + 1.5 * SLOWNESS and beside < P99_MS
    assert (varz["slow_consumers"], varz["closed_connections"]["slow_consumer_deadline"]) == (1, 1)
    assert cut_off["out_msgs"] == count > delivered
    assert lost(varz, "slow_consumer_deadline") == cut_off["dropped_msgs"] == count - delivered
    check_sums(broker)


@pytest.mark.parametrize("kind", ["clearwing", "stock"])
def test_a_byte_now_and_then_is_not_progress(kind, tmp_path):
    """One who takes just enough to move the window is cut off after a write deadline or two all the same, by either server."""
    config = tmp_path / "drip.conf"
    config.write_text("write_deadline: \"2s\"\n")
    with Server(kind, "-c", config) as broker, client(broker) as sender, client(broker) as dripping:
        dripping.send("SUB flood 1\r\n")
        dripping.ping()

        def drip(stopping):
            while not stopping.wait(0.1):
                dripping.socket.recv(10000)

        flood(sender, 20000, 1000)
        begin = time.monotonic()
        with meanwhile(drip):
            cut_off = closed_connection(broker, dripping.info["client_id"])
        waited = time.monotonic() - begin
        print(f"\n{kind}: cut off after {waited:.2f} s")
        assert cut_off["reason"] == "Slow Consumer (Write Deadline)"
        assert 1.5 < waited < 4 + 1.5 * SLOWNESS


def test_one_who_keeps_reading_slowly_gets_all(tmp_path):
    """A queue that takes several write deadlines to drain, to one who takes 4 MB in each."""
    config = tmp_path / "slowly.conf"
    config.write_text("write_deadline: \"1s\"\n")
    size, count = 1000, 20000
    with Server("clearwing", "-c", config) as broker, client(broker) as sender, client(broker) as slow:
        slow.send("SUB flood 1\r\n")
        slow.ping()
        flood(sender, count, size)
        begin, data = time.monotonic(), b""
        while len(data) < count * size:
            data += slow.socket.recv(100000)
            time.sleep(max(0, len(data) / 4e6 - (time.monotonic() - begin)))
        data += slow.ping()
        waited = time.monotonic() - begin
        print(f"\n{len(data)} bytes read in {waited:.2f} s")
        assert waited > 3 and whole_messages(data) == [payload(i, size) for i in range(count)]
        varz, _, _ = check_sums(broker)
        assert varz["slow_consumers"] == varz["dropped_msgs"] == 0


@pytest.mark.parametrize("size,window", [(5000, 4000), (200, 100000)])
def test_a_reader_is_not_cut_off_for_what_came_at_once(size, window, tmp_path):
    """Far more on its way between workers than may be pending, to those who read all the time."""
    config = tmp_path / "small.conf"
    config.write_text("max_pending: 1048576\n")
    with Server("clearwing", "-c", config, "--workers", 3) as broker:
        for workload, more in (("one-to-one", {}), ("fan-out", {"subscribers": 8})):
            moved = measure(broker, workload, 1, size=size, window=window, **more)["units"]
            print(f"\n{workload}: {moved} messages of {size} bytes", end="")
        varz, _, _ = check_sums(broker)
        assert varz["slow_consumers"] == varz["dropped_msgs"] == 0


@pytest.mark.parametrize("workers", [1, 3])
def test_one_who_reads_again_in_time_loses_nothing(workers):
    """Publishers are held back while the queue is nearly full, so that whoever only paused gets everything."""
    size, count = 20000, 4000  # 80 MB, past the default limit
    with Server("clearwing", "--workers", workers) as broker, client(broker) as sender, client(broker) as pausing:
        pausing.send("SUB flood 1\r\n")
        pausing.ping()
        received = []

        def read_once_somebody_waits(stopping):
            broker.wait_for("/varz", lambda varz: varz["stalled_clients"] > 0, 30)
            read_into(received, pausing)(stopping)

        with meanwhile(read_once_somebody_waits):
            flood(sender, count, size)
            eventually("all of it", lambda: sum(map(len, received)) >= count * size, 30)
        assert whole_messages(b"".join(received)) == [payload(i, size) for i in range(count)]
        varz, opened, _ = check_sums(broker)
        held, holder = (next(row for row in opened if row["cid"] == one.info["client_id"]) for one in (sender, pausing))
        print(f"\n{varz['stalled_clients']} waits of the publisher, {held['stalled_ns'] / 1e6:.0f} ms")
        assert varz["slow_consumers"] == varz["dropped_msgs"] == 0
        assert held["stalled"] == holder["stalls"] == varz["stalled_clients"] > 0, "who was held back knows how often"
        assert held["stalled_by"] == holder["cid"], "and by whom"
        assert 2_000_000 <= held["stalled_ns"] / held["stalled"] <= 5_000_000 and held["stalled_ns"] == varz["stalled_ns"]
        assert "stalled" not in holder and "stalls" not in held


def test_a_stopped_reader_costs_about_what_it_may_have_pending(broker):
    """Payloads just too large to be copied: what a queue of them takes is not far above what is counted as pending."""
    before = resident_bytes(broker.pid)
    size = 1100
    with client(broker) as sender, client(broker) as sleeper:
        sleeper.send("SUB flood 1\r\n")
        sleeper.ping()
        flood(sender, PENDING * 7 // 10 // size, size)
        pending = next(c["pending_bytes"] for c in broker.json("/connz")["connections"]
                       if c["cid"] == sleeper.info["client_id"])
        grown = resident_bytes(broker.pid) - before
        print(f"\n{pending} bytes pending take {grown} bytes of memory: {grown / pending:.1f} times")
        assert pending > PENDING // 10
        assert SLOWNESS > 1 or grown < 3 * pending + (4 << 20)  # instrumented allocators pad
