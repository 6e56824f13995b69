"""Many connections on many workers at once. Meant for a broker built with -DTSAN=ON (its folder in CLEARWING_BIN), where
any data race is reported in its log; on other builds it is a stress test with the same counts.

RACE_SECONDS says how long the load runs, 30 by default."""
import os
import pathlib
import signal
import subprocess
import time

import pytest

from tests.race import load as roles
from tests.support.server import BIN, Server

SECONDS = float(os.environ.get("RACE_SECONDS", "30"))
REMEMBERED = 100  # closed connections
SUPPRESSIONS = pathlib.Path(__file__).parent / "suppressions.txt"


def environment():
    return {**os.environ,
            "TSAN_OPTIONS": f"halt_on_error=0 exitcode=66 second_deadlock_stack=1 history_size=4 suppressions={SUPPRESSIONS}"}


def sanitized():
    """Whether the broker is a ThreadSanitizer build."""
    symbols = subprocess.run(["ldd", str(BIN / "clearwing")], capture_output=True, text=True).stdout
    return "libtsan" in symbols


def reports(log):
    """The reports in a log, each cut to its first lines."""
    return [part[:6000] for part in log.split("==================") if "WARNING: ThreadSanitizer" in part]


@pytest.fixture
def broker(tmp_path):
    """Four workers, and little room for those who do not read and for the memory of those who left."""
    config = tmp_path / "race.conf"
    config.write_text(f"max_pending: 4194304\nmax_closed_clients: {REMEMBERED}\n")
    with Server("clearwing", "--workers", 4, "-c", config, env=environment()) as server:
        yield server
        server.stop()
        found = reports(server.log())
        assert not found, f"{len(found)} reports:\n" + "\n".join(found[:3])


def start_all(load):
    load.start(roles.alone, 5)
    load.start(roles.groups, 3)
    load.start(roles.limited, 3)
    load.start(roles.requests, 3)
    load.start(roles.churn, 10)
    load.start(roles.flood, 1)
    load.start(roles.slow, 4)
    load.start(roles.broken, 2)
    load.start(roles.scrape, 2)


def check_counts(server):
    """With everybody gone, nothing is left of them; what came in is what was taken out."""
    varz = server.wait_for("/varz", lambda varz: varz["connections"] == 0 and varz["subscriptions"] == 0, timeout=60)
    assert varz["total_connections"] > 100
    assert varz["in_msgs"] > 1000 and varz["out_msgs"] > 1000
    subsz = server.json("/subsz")
    assert subsz["num_subscriptions"] == 0
    assert subsz["num_inserts"] == subsz["num_removes"] > 0
    closed = server.json("/connz?state=closed&limit=100000")
    assert closed["total"] == min(varz["total_connections"], REMEMBERED)
    assert all(conn["reason"] for conn in closed["connections"])
    return varz


def test_stress(broker):
    load = roles.Load(broker, seed=20240229)
    start_all(load)
    time.sleep(SECONDS)
    load.stopping.set()
    load.join(90)
    print(load.count)
    assert not load.failures, "\n".join(load.failures[:10])
    for role in ("alone", "groups", "limited", "requests", "churn", "scrape"):
        assert load.count.get(role, 0) > 0, f"{role} did nothing: {load.count}"
    check_counts(broker)


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGINT], ids=["SIGTERM", "SIGINT"])
@pytest.mark.parametrize("seed", range(3))
def test_stop_under_load(broker, how, seed):
    """The broker is stopped in the midst of it all: it ends by itself, cleanly and soon."""
    load = roles.Load(broker, seed=seed)
    start_all(load)
    time.sleep(1 + seed)
    failures = list(load.failures)
    load.stopping.set()
    begin = time.monotonic()
    assert broker.stop(how) == 0, broker.log()[-4000:]
    assert time.monotonic() - begin < 20
    load.join(90)
    assert not failures, failures


def test_connections_that_come_and_go(broker):
    """A storm of connections that say nothing or little, from several threads."""
    def visit(load, chance, number):
        clients = [load.client() for _ in range(20)]
        for client in clients[::2]:
            client.send("SUB storm.> 1\r\nPUB storm.x 2\r\nhi\r\n")
        for client in clients:
            client.close()
        return 20

    load = roles.Load(broker, seed=1)
    load.start(visit, 6)
    load.start(roles.scrape, 1)
    time.sleep(min(SECONDS, 8))
    load.stopping.set()
    load.join(90)
    assert not load.failures, load.failures[:10]
    varz = broker.wait_for("/varz", lambda varz: varz["connections"] == 0 and varz["subscriptions"] == 0, timeout=60)
    assert varz["total_connections"] >= load.count["visit"]


def test_this_would_find_races():
    """The log really is searched for reports: otherwise silence would mean nothing."""
    assert reports("==================\nWARNING: ThreadSanitizer: data race (pid=1)\n==================\n")
    if not sanitized():
        pytest.skip(f"{BIN}/clearwing is no ThreadSanitizer build: only counts were checked")
