"""Everything at once, for a while: CLEARWING_SOAK_SECONDS, 20 unless set, 900 for the full soak.

Every generator finds its messages whole, at the end all counts agree and no descriptor is left open. Memory is compared after
the first half and after the second, both times when the broker has rested: what is higher then is never given back."""
import os
import random
import socket
import time

from tests.faults.tools import (SLOWNESS, Load, check_sums, client, descriptors, eventually, meanwhile, publish,
                                resident_bytes)
from tests.support.server import Server

SECONDS = float(os.environ.get("CLEARWING_SOAK_SECONDS", "20"))
# Growth from one rest to the next beyond which memory is not flat.
GROWTH_PART = 0.1
# In a short run the subject caches still fill, up to 65,536 entries in each worker; it takes them some minutes.
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

    def runs(self, workloads, seed):
        """A job: one workload after the other, each with new connections and checked."""
        def job(stopping):
            chance = random.Random(seed)
            while not stopping.is_set():
                name, options = chance.choice(workloads)
                with Load(self.server, name, chance.uniform(0.3, 1.5), **options) as load:
                    self.done[name] = self.done.get(name, 0) + load.result()["units"]
        return job

    def comes_and_goes(self, stopping):
        while not stopping.is_set():
            with Load(self.server, "connection-churn", 0.3, connections=8) as load:
                self.done["connections"] = self.done.get("connections", 0) + load.result()["units"]
            stopping.wait(0.7)

    def is_slow(self, stopping):
        """One who stops reading and is cut off, or leaves before."""
        chance = random.Random("slow")
        while not stopping.is_set():
            with client(self.server) as sender, client(self.server) as sleeper:
                sleeper.send("SUB soak.slow 1\r\n")
                sleeper.ping()
                batch = publish("soak.slow", b"s" * chance.choice([50, 1000, 30000]))
                batch *= max(1, (128 << 10) // len(batch))
                for _ in range(chance.randrange(10, 120)):
                    sender.send(batch)
                    sender.ping()
                if chance.randrange(2):
                    sleeper.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
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
        return most_memory, most_files, resident_bytes(self.server.pid)


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
        before, after = halves[0][2], halves[1][2]
        print(f"\n{SECONDS:.0f} s: {soak.done}, {soak.scrapes} scrapes, {varz['slow_consumers']} slow consumers, "
              f"{varz['dropped_msgs']} dropped; memory {before / 1e6:.2f} MB after one half, {after / 1e6:.2f} MB after the other "
              f"({(after - before) * 7200 / SECONDS / 1e6:+.1f} MB an hour), {max(h[0] for h in halves) / 1e6:.1f} MB at most; "
              f"{max(h[1] for h in halves)} descriptors at most, {descriptors(server.pid)} now, {files} at the start")
        assert SLOWNESS > 1 or after - before < GROWTH_PART * before + GROWTH_BYTES
        assert varz["slow_consumers"] > 0 and varz["total_connections"] > 100 and soak.scrapes > SECONDS
        assert server.stop() == 0, server.log()[-3000:]
