"""Everything at once, for a while: CLEARWING_SOAK_SECONDS, 20 unless set, 900 for the full soak.

Every generator finds its messages whole; at the end all counts agree, each message is delivered or dropped for a reason, and no
descriptor is left open. Memory is compared after the first half and after the second, both times when the broker has rested.
What is higher then is either in the match caches, which fill up to 65,536 subjects for each worker, or never given back."""
import os
import random
import socket
import time

from tests.faults.tools import (SLOWNESS, Load, check_sums, client, descriptors, eventually, meanwhile, publish,
                                resident_bytes, whole_messages)
from tests.support.server import Server

SECONDS = float(os.environ.get("CLEARWING_SOAK_SECONDS", "20"))
# From one rest to the next memory may grow by what the caches took in, and this: more in a short run, as what the heap frees lies
# scattered among new entries.
CACHED_SUBJECT_BYTES = 256
GROWTH_BYTES = 16 << 20 if SECONDS < 600 else 4 << 20
REST_SECONDS = 13  # idle memory goes back to the system after ten

# One of each list at a time, as those of one list share subjects; none reaches the limit for pending bytes.
FLOWS = [("one-to-one", {"size": 100, "window": 1000}), ("fan-out", {"subscribers": 20, "size": 500, "window": 200}),
         ("queue", {"publishers": 3, "size": 1500, "window": 500}), ("many-subjects", {"size": 40, "window": 1000}),
         ("latency", {"rate": 5000, "size": 64})]
REQUESTS = [("request", {"pairs": 3, "window": 4}), ("subscription-churn", {"pairs": 2, "window": 8})]


class Soak:
    def __init__(self, server):
        self.server = server
        self.done = {}
        self.scrapes = 0
        self.meant, self.published = {}, {}  # deliveries and messages of each workload, as the generators know
        # Of those who are slow: messages to, and whole ones received by, those who are drained; messages to those who leave.
        self.sleepers = self.to_drained = self.by_drained = self.to_leavers = 0

    def note(self, name, result):
        self.done[name] = self.done.get(name, 0) + result["units"]
        each = result["messages_expected"] // max(1, result["messages_sent"])  # receivers of a message
        self.meant[name] = self.meant.get(name, 0) + each * result["messages_total"]
        self.published[name] = self.published.get(name, 0) + result["messages_total"]

    def runs(self, workloads, seed):
        """A job: one workload after the other, each with new connections and checked."""
        def job(stopping):
            chance = random.Random(seed)
            while not stopping.is_set():
                name, options = chance.choice(workloads)
                with Load(self.server, name, chance.uniform(0.3, 1.5), **options) as load:
                    self.note(name, load.result())
        return job

    def comes_and_goes(self, stopping):
        while not stopping.is_set():
            with Load(self.server, "connection-churn", 0.3, connections=8) as load:
                self.note("connections", load.result())
            stopping.wait(0.7)

    def is_slow(self, stopping):
        """One who stops reading: is cut off, or reads on before; or leaves, and nobody knows how much he was given."""
        chance = random.Random("slow")
        while not stopping.is_set():
            leaves = chance.randrange(3) == 0
            payload = b"s" * chance.choice([50, 1000, 30000])
            with client(self.server) as sender, client(self.server) as sleeper:
                self.sleepers += 1
                subject = f"soak.slow.{self.sleepers}"
                sleeper.send(f"SUB {subject} 1\r\n")
                sleeper.ping()
                one = publish(subject, payload)
                times = max(1, (128 << 10) // len(one))
                rounds = chance.randrange(3, 15) if leaves else chance.randrange(10, 120)
                for _ in range(rounds):
                    sender.send(one * times)
                    sender.ping()
                if leaves:
                    self.to_leavers += rounds * times
                    if chance.randrange(2):
                        sleeper.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
                else:
                    self.to_drained += rounds * times
                    whole = rounds * times * len(f"MSG {subject} 1 {len(payload)}\r\n\r\n{payload.decode()}")
                    self.by_drained += len(whole_messages(read_up_to(sleeper, whole)))
            stopping.wait(0.5)

    def scrapes_at_five_hertz(self, stopping):
        paths = ["/varz", "/connz?subs=detail&state=all&limit=100000", "/metrics", "/subsz?subs=1", "/accstatz", "/healthz"]
        while not stopping.wait(0.2):
            path = paths[self.scrapes % len(paths)]
            status, _, body = self.server.get(path, timeout=60)
            assert status == 200 and body
            self.scrapes += 1

    def load(self, half):
        """Half of the time under full load, then a rest; returns (most memory, most descriptors, memory after the rest)."""
        most_memory = most_files = 0
        with meanwhile(self.runs(FLOWS, f"flows {half}"), self.runs(REQUESTS, f"requests {half}"), self.comes_and_goes,
                       self.is_slow, self.scrapes_at_five_hertz):
            end = time.monotonic() + SECONDS / 2
            while time.monotonic() < end:
                most_memory = max(most_memory, resident_bytes(self.server.pid))
                most_files = max(most_files, descriptors(self.server.pid))
                time.sleep(0.2)
        self.server.wait_for("/varz", lambda varz: varz["connections"] == varz["subscriptions"] == 0, 30 * SLOWNESS)
        time.sleep(REST_SECONDS)
        return most_memory, most_files, resident_bytes(self.server.pid), self.server.json("/subsz")["num_cache"]


def read_up_to(connection, size):
    """So many bytes, or all that come before the server closes."""
    chunks, left = [], size
    while left > 0 and (chunk := connection.socket.recv(1 << 20)):
        chunks.append(chunk)
        left -= len(chunk)
    return b"".join(chunks)


def account_for_all(soak, varz):
    """Published, as the generators know, is what came in; what was meant for somebody is delivered or dropped."""
    dropped = varz["dropped_msgs_stats"]
    slow = dropped["slow_consumer_pending"] + dropped["slow_consumer_deadline"]
    assert varz["in_msgs"] == sum(soak.published.values()) + soak.to_drained + soak.to_leavers
    # The generators' messages all arrived, or they would have failed. Who is cut off is not subscribed to what comes later.
    assert soak.to_drained - varz["unmatched_msgs"] == soak.by_drained + slow
    left = sum(dropped[reason] for reason in ("client_closed", "read_error", "write_error"))
    assert varz["dropped_msgs"] == slow + left and left <= soak.to_leavers
    queued_and_dropped_on_the_way = sum(soak.meant.values()) + soak.to_drained + soak.to_leavers - varz["unmatched_msgs"]
    assert varz["out_msgs"] <= queued_and_dropped_on_the_way <= varz["out_msgs"] + varz["dropped_msgs"]


def test_soak(tmp_path):
    config = tmp_path / "soak.conf"
    # The ring of closed connections is full at once, so that it does not grow through the whole of a short run.
    config.write_text("max_pending: 4194304\nmax_closed_clients: 500\n")
    with Server("clearwing", "-c", config) as server:
        files = descriptors(server.pid)
        soak = Soak(server)
        halves = [soak.load(1), soak.load(2)]
        eventually("all descriptors closed", lambda: descriptors(server.pid) <= files + 1)
        varz, _, _ = check_sums(server)
        account_for_all(soak, varz)
        before, after = halves[0][2], halves[1][2]
        cached = halves[1][3] - halves[0][3]
        print(f"\n{SECONDS:.0f} s: {soak.done}, {soak.scrapes} scrapes, {varz['slow_consumers']} slow consumers, "
              f"{varz['dropped_msgs']} dropped; memory {before / 1e6:.2f} MB after one half, {after / 1e6:.2f} MB after the other "
              f"({(after - before) / 1e6:+.2f}, with {cached:+d} to {halves[1][3]} subjects cached), {max(h[0] for h in halves) / 1e6:.1f} MB at most; "
              f"{max(h[1] for h in halves)} descriptors at most, {descriptors(server.pid)} now, {files} at the start")
        assert SLOWNESS > 1 or after - before < CACHED_SUBJECT_BYTES * max(0, cached) + GROWTH_BYTES
        assert varz["slow_consumers"] > 0 and varz["total_connections"] > 100 and soak.scrapes > SECONDS
        assert server.stop() == 0, server.log()[-3000:]
