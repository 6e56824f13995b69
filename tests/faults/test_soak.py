"""Everything at once, for a while: CLEARWING_SOAK_SECONDS, 20 unless set, 900 for the full soak.

Memory and descriptors stay flat, every generator finds its messages whole, and at the end all counts agree."""
import os
import random
import socket
import statistics
import time

from tests.faults.tools import (SLOWNESS, Load, check_sums, client, descriptors, eventually, meanwhile, publish,
                                resident_bytes)
from tests.support.server import Server

SECONDS = float(os.environ.get("CLEARWING_SOAK_SECONDS", "20"))
# Growth from the second quarter to the last, beyond which memory is not flat.
GROWTH_PART, GROWTH_BYTES = 0.1, 8 << 20

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

    def watches(self, samples):
        def job(stopping):
            while not stopping.wait(min(1, SECONDS / 40)):
                samples.append((resident_bytes(self.server.pid), descriptors(self.server.pid)))
        return job


def quarter(samples, number):
    size = len(samples) // 4
    return statistics.median(memory for memory, _ in samples[number * size:(number + 1) * size])


def test_soak(tmp_path):
    config = tmp_path / "soak.conf"
    # The ring of closed connections is full at once, so that it does not grow through the whole of a short run.
    config.write_text("max_pending: 4194304\nmax_closed_clients: 500\n")
    samples = []
    with Server("clearwing", "-c", config) as server:
        files = descriptors(server.pid)
        soak = Soak(server)
        with meanwhile(soak.runs(FLOWS, "flows"), soak.runs(REQUESTS, "requests"), soak.comes_and_goes, soak.is_slow,
                       soak.scrapes_at_five_hertz, soak.watches(samples)):
            time.sleep(SECONDS)
        varz = server.wait_for("/varz", lambda varz: varz["connections"] == 0 and varz["subscriptions"] == 0, 30 * SLOWNESS)
        eventually("all descriptors closed", lambda: descriptors(server.pid) <= files + 1)
        before, after = quarter(samples, 1), quarter(samples, 3)
        slope = (after - before) / (SECONDS / 2) * 3600
        print(f"\n{SECONDS:.0f} s: {soak.done}, {soak.scrapes} scrapes, {varz['slow_consumers']} slow consumers, "
              f"{varz['dropped_msgs']} dropped; memory {before / 1e6:.1f} MB in the second quarter, {after / 1e6:.1f} MB in the "
              f"last ({slope / 1e6:+.1f} MB an hour), {max(m for m, _ in samples) / 1e6:.1f} MB at most; "
              f"{max(f for _, f in samples)} descriptors at most, {descriptors(server.pid)} now, {files} at the start")
        assert SLOWNESS > 1 or after - before < GROWTH_PART * before + GROWTH_BYTES
        assert varz["slow_consumers"] > 0 and varz["total_connections"] > 100 and soak.scrapes > SECONDS
        check_sums(server)
        assert server.stop() == 0, server.log()[-3000:]
