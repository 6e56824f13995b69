"""Mixed load with churn, from a seed. Afterwards every count can be told from what the clients know, and all documents agree."""
import contextlib
import random
import socket

import pytest

from tests.faults.tools import (check_sums, client, drain, eventually, meanwhile, publish, read_into, when_quiet,
                                whole_messages)
from tests.support.server import Server

PENDING = 16 << 20  # far more than a receiver can be behind
PLAIN = ["mix.>", "mix.*.1", "mix.a.*", "mix.b.2", "mix.*.*", "mix.c.3"]
GROUPS = ["mix.a.>", "mix.*.2"]  # each a queue group of all receivers
PUBLISHERS, CHURNERS, MESSAGES = 4, 4, 3000


@pytest.fixture(params=[1, 2, 4], ids=lambda workers: f"{workers}-workers")
def broker(request, tmp_path):
    config = tmp_path / "mix.conf"
    config.write_text(f"max_pending: {PENDING}\nmax_closed_clients: 100000\n")
    with Server("clearwing", "-c", config, "--workers", request.param) as server:
        yield server


def matches(pattern, subject):
    wanted, have = pattern.split("."), subject.split(".")
    for i, token in enumerate(wanted):
        if token == ">":
            return len(have) > i
        if i >= len(have) or token not in ("*", have[i]):
            return False
    return len(wanted) == len(have)


class Ledger:
    """What each job published; a job's own list, so that nobody needs a lock."""

    def __init__(self):
        self.lists = []

    def new(self):
        self.lists.append([])
        return self.lists[-1]

    def subjects(self):
        return [subject for published in self.lists for subject in published]


def publisher(server, seed, ledger):
    """Publishes to those who listen and, now and then, to nobody."""
    published = ledger.new()

    def job(_):
        chance = random.Random(f"publisher {seed}")
        with client(server) as connection:
            while len(published) < MESSAGES:
                batch = []
                for _ in range(chance.randrange(1, 60)):
                    nobody = chance.randrange(10) == 0
                    subject = f"void.{chance.randrange(5)}" if nobody else f"mix.{chance.choice('abc')}.{chance.randrange(1, 4)}"
                    batch.append(publish(subject, b"p" * chance.choice([0, 10, 100, 1500])))
                    published.append(subject)
                connection.send(b"".join(batch))
                connection.ping()
    return job


def leave(connection, chance):
    """One of the ways to end a connection."""
    with contextlib.suppress(ConnectionError):
        how = chance.randrange(4)
        if how == 0:
            connection.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        elif how == 1:
            connection.send("NONSENSE\r\n")
            connection.rest()
        elif how == 2:
            connection.send("PUB mix.a.1 100\r\nhalf of it")
    connection.close()


def churner(server, seed, ledger):
    """Comes, subscribes, unsubscribes, publishes, and leaves in any way; what it published was acknowledged before."""
    published = ledger.new()

    def job(stopping):
        chance = random.Random(f"churner {seed}")
        while not stopping.is_set():
            connection = client(server)
            for sid in range(chance.randrange(1, 20)):
                pattern = chance.choice(PLAIN + ["mix.*.>", f"mix.{sid}.x"])
                connection.send(f"SUB {pattern} {chance.choice(['', 'q ', 'own '])}{sid}\r\n")
                if chance.randrange(2):
                    connection.send(f"UNSUB {chance.randrange(20)}{chance.choice(['', ' 2', ' 50'])}\r\n")
                subject = f"mix.{chance.choice('abc')}.{chance.randrange(1, 4)}"
                connection.send(publish(subject, b"c" * 20))
                published.append(subject)
            connection.ping()
            leave(connection, chance)
    return job


def feed_a_sleeper(server, ledger):
    """Publishes to one who does not read, until that one has been cut off; leaves its number in the list `slept`."""
    published, slept = ledger.new(), []

    def job(_):
        with client(server) as connection, client(server) as sleeper:
            sleeper.send("SUB slow.x 1\r\n")
            sleeper.ping()
            while server.json("/varz")["slow_consumers"] == 0:
                connection.send(publish("slow.x", b"s" * 5000) * 100)
                connection.ping()
                published.extend(["slow.x"] * 100)
            slept.append((sleeper.info["client_id"], len(whole_messages(drain(sleeper)))))
    return job, slept


def subscribe_all(server):
    """Receivers: each has some plain subscriptions and is a member of each group."""
    receivers = []
    for i in range(3):
        connection = client(server)
        mine = PLAIN[i::3]
        for sid, pattern in enumerate(mine):
            connection.send(f"SUB {pattern} {sid}\r\n")
        for number, pattern in enumerate(GROUPS):
            connection.send(f"SUB {pattern} group{number} g{number}\r\n")
        connection.ping()
        receivers.append((connection, mine, []))
    return receivers


def sids_received(chunks):
    """How many messages each sid got; the payloads hold no line that begins with MSG."""
    count = {}
    for line in b"".join(chunks).split(b"\r\n"):
        if line.startswith(b"MSG "):
            sid = line.split()[2].decode()
            count[sid] = count.get(sid, 0) + 1
    return count


@pytest.mark.parametrize("seed", [1, 2])
def test_every_count_is_explained(broker, seed):
    ledger = Ledger()
    receivers = subscribe_all(broker)
    sleep_job, slept = feed_a_sleeper(broker, ledger)
    publishers = [publisher(broker, f"{seed} {i}", ledger) for i in range(PUBLISHERS)]
    churners = [churner(broker, f"{seed} {i}", ledger) for i in range(CHURNERS)]
    readers = [read_into(chunks, connection) for connection, _, chunks in receivers]
    with meanwhile(*readers):
        with meanwhile(*churners), meanwhile(*publishers, sleep_job):
            pass
        broker.wait_for("/varz", lambda varz: varz["connections"] == len(receivers), 30)
        when_quiet(broker)
        eventually("nothing pending", lambda: not any(one["pending_bytes"] for one in broker.json("/connz")["connections"]))
    for connection, _, chunks in receivers:
        chunks.append(connection.ping())

    varz, opened, closed = check_sums(broker)
    subjects = ledger.subjects()
    explain(varz, opened, closed, subjects, receivers, slept[0])
    print(f"\n{varz['workers']} workers, seed {seed}: {varz['in_msgs']} in, {varz['out_msgs']} out, {varz['unmatched_msgs']} "
          f"unmatched, {varz['dropped_msgs']} dropped, {len(closed)} connections came and went")
    for connection, _, _ in receivers:
        connection.close()
    broker.wait_for("/varz", lambda varz: varz["connections"] == 0 and varz["subscriptions"] == 0)
    check_sums(broker)


def explain(varz, opened, closed, subjects, receivers, slept):
    assert varz["in_msgs"] == len(subjects), "published, as the publishers know"
    in_groups = [0] * len(GROUPS)
    for connection, patterns, chunks in receivers:
        got = sids_received(chunks)
        for sid, pattern in enumerate(patterns):
            wanted = sum(matches(pattern, subject) for subject in subjects)
            assert got.get(str(sid), 0) == wanted, f"{pattern}: {got.get(str(sid), 0)} of {wanted}"
        for number in range(len(GROUPS)):
            in_groups[number] += got.get(f"g{number}", 0)
        row = next(row for row in opened if row["cid"] == connection.info["client_id"])
        assert row["out_msgs"] == sum(got.values()), "what a connection was sent is what it received"
    for number, pattern in enumerate(GROUPS):
        assert in_groups[number] == sum(matches(pattern, subject) for subject in subjects), f"group on {pattern}"
    cid, delivered = slept
    sleeper = next(row for row in closed if row["cid"] == cid)
    assert sleeper["reason"] == "Slow Consumer (Pending Bytes)"
    fed = subjects.count("slow.x")
    void = sum(subject.startswith("void.") for subject in subjects)
    meant = fed - (varz["unmatched_msgs"] - void)  # what came when it was gone matched nobody
    dropped = varz["dropped_msgs_stats"]["slow_consumer_pending"]  # nobody else is cut off for this
    print(f"\n{meant - sleeper['out_msgs']} messages were under way to the sleeper when it was cut off", end="")
    assert meant == delivered + dropped
    assert dropped >= sleeper["dropped_msgs"] >= sleeper["out_msgs"] - delivered > 0
