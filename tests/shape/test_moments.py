"""Numbers at the moment they are asked for: one story per test, told to each server in turn, and the same expectations of all.

A field that a stock server does not have yet is looked at where it is there; ours must have it.
"""
import contextlib
import datetime
import os
import re
import socket
import time

import pytest

from tests.shape.oracles import NEWEST
from tests.support.server import Server

KINDS = ["clearwing", "stock", *NEWEST]
NAMES = [kind.rsplit("/", 2)[-2] if "/" in kind else kind for kind in KINDS]
CONNECT = b'CONNECT {"verbose":false,"pedantic":false,"protocol":1,"headers":true,"no_responders":true%s}\r\n'
each_server = pytest.mark.parametrize("kind", KINDS, ids=NAMES)


@contextlib.contextmanager
def running(kind, tmp_path, config=""):
    file = tmp_path / "server.conf"
    file.write_text(config)
    with Server(kind, *(["-c", file] if config else [])) as server:
        yield server


def client(server, name, lang="raw", login=b""):
    one = server.connect()
    lang = b',"lang":"%s"' % lang.encode() if lang else b""
    one.send(CONNECT % (b',"name":"%s"%s%s' % (name.encode(), lang, login)))
    one.ping()
    return one


def entry(server, name, query="state=any&subs=detail"):
    found = [one for one in server.json(f"/connz?{query}")["connections"] if one.get("name") == name]
    assert len(found) == 1, f"{len(found)} connections are called {name}"
    return found[0]


def closed(server, count=1):
    return server.wait_for("/connz?state=closed", lambda document: document["total"] >= count)["connections"]


def present(kind, document, key):
    """Whether to look at a field that older servers lack."""
    assert kind != "clearwing" or key in document, f"{key} is missing"
    return key in document


def instant(text):
    match = re.fullmatch(r"(.{19})(?:\.(\d{1,9}))?(Z|[+-]\d\d:\d\d)", text)
    assert match, f"{text} is no time"
    whole = datetime.datetime.fromisoformat(match[1] + match[3].replace("Z", "+00:00")).timestamp()
    return whole + int((match[2] or "0").ljust(9, "0")) / 1e9


def seconds(text):
    match = re.fullmatch(r"(?:(\d+)h)?(?:(\d+)m)?(\d+)s", text)
    assert match, f"{text} is no uptime"
    return sum(int(part or 0) * factor for part, factor in zip(match.groups(), (3600, 60, 1)))


@each_server
def test_messages_and_bytes(kind, tmp_path):
    """Headers and payload count, the protocol line and line ends do not; a message counts once for each who gets it."""
    with running(kind, tmp_path) as server, client(server, "one") as one, client(server, "two") as two, \
            client(server, "plain") as plain:
        one.send("SUB a 1\r\nSUB a 2\r\n")
        two.send("SUB a 7\r\nSUB a group 8\r\n")
        one.ping(), two.ping()
        plain.send("PUB a 5\r\nhello\r\nHPUB a 12 14\r\nNATS/1.0\r\n\r\nxy\r\nPUB nobody 3\r\nabc\r\nPUB a 0\r\n\r\n")
        plain.ping(), one.ping(), two.ping()
        sent, got = {"in_msgs": 4, "in_bytes": 22, "out_msgs": 0, "out_bytes": 0}, {"in_msgs": 0, "in_bytes": 0}
        for name, expected in (("plain", sent), ("one", {**got, "out_msgs": 6, "out_bytes": 38}),
                               ("two", {**got, "out_msgs": 6, "out_bytes": 38})):
            assert {key: value for key, value in entry(server, name).items() if key in expected} == expected, name
        varz = server.json("/varz")
        for prefix in ("in", "out"):
            for unit, total in (("msgs", {"in": 4, "out": 12}), ("bytes", {"in": 22, "out": 76})):
                assert varz[f"{prefix}_{unit}"] == total[prefix]
                if present(kind, varz, f"{prefix}_client_{unit}"):
                    assert varz[f"{prefix}_client_{unit}"] == total[prefix]
        account = server.json("/accstatz")["account_statz"][0]
        assert {key: account["received"][key] for key in ("msgs", "bytes")} == {"msgs": 4, "bytes": 22}
        assert {key: account["sent"][key] for key in ("msgs", "bytes")} == {"msgs": 12, "bytes": 76}
        details = {sub["sid"]: sub for sub in entry(server, "two")["subscriptions_list_detail"]}
        assert {sid: sub["msgs"] for sid, sub in details.items()} == {"7": 3, "8": 3}
        assert details["8"]["qgroup"] == "group" and "max" not in details["7"]


@each_server
def test_subscriptions_come_and_go(kind, tmp_path):
    with running(kind, tmp_path) as server, client(server, "one") as one:
        before = server.json("/varz")["subscriptions"]
        one.send("SUB a 1\r\nSUB b 2\r\nSUB c 3\r\nUNSUB 3 2\r\nSUB d 4\r\nUNSUB 4\r\n")
        one.ping()
        listed = entry(server, "one")
        assert listed["subscriptions"] == 3 and server.json("/varz")["subscriptions"] == before + 3
        assert {sub["sid"]: sub.get("max") for sub in listed["subscriptions_list_detail"]} == {"1": None, "2": None, "3": 2}
        one.send("PUB c 1\r\nx\r\n")
        one.ping()
        assert {sub["sid"]: sub["msgs"] for sub in entry(server, "one")["subscriptions_list_detail"]}["3"] == 1
        one.send("PUB c 1\r\nx\r\nPUB c 1\r\nx\r\n")
        one.ping()
        assert {sub["sid"] for sub in entry(server, "one")["subscriptions_list_detail"]} == {"1", "2"}
        assert entry(server, "one")["out_msgs"] == 2
        one.close()
        assert closed(server)[0]["subscriptions"] == 2
        server.wait_for("/varz", lambda varz: varz["subscriptions"] == before)


@each_server
def test_bytes_that_wait(kind, tmp_path):
    """pending_bytes is what was not written to the socket; out_msgs counts when a message is queued."""
    with running(kind, tmp_path) as server, client(server, "reader") as reader, client(server, "writer") as writer:
        reader.send("SUB a 1\r\n")
        reader.ping()
        size, count = 32768, 600
        writer.send(f"PUB a {size}\r\n{'x' * size}\r\n" * count)
        writer.ping()
        server.wait_for("/varz", lambda varz: varz["out_msgs"] == count)
        listed = entry(server, "reader")
        assert (listed["out_msgs"], listed["out_bytes"]) == (count, count * size)
        assert 0 < listed["pending_bytes"] <= count * (size + len(f"MSG a 1 {size}\r\n\r\n"))
        assert server.json("/connz?sort=pending&limit=1")["connections"][0]["name"] == "reader"
        assert entry(server, "writer")["pending_bytes"] in (0, len("PING\r\n"))
        reader.exactly(count * (size + len(f"MSG a 1 {size}\r\n\r\n")))
        server.wait_for("/connz?sort=pending", lambda z: z["connections"][0]["pending_bytes"] <= len("PING\r\n"))
        assert server.json("/varz")["slow_consumers"] == 0


@each_server
def test_slow_consumer(kind, tmp_path):
    with running(kind, tmp_path, 'max_pending: 2MB\nwrite_deadline: "60s"\n') as server:
        with client(server, "reader") as reader, client(server, "writer") as writer:
            reader.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)  # the kernel is not to take it all
            reader.send("SUB a 1\r\n")
            reader.ping()
            size, sent = 1000000, 0
            while server.json("/varz")["slow_consumers"] == 0:
                assert sent < 60
                writer.send(f"PUB a {size}\r\n{'x' * size}\r\n")
                writer.ping()
                sent += 1
            gone = closed(server)[0]
            assert (gone["name"], gone["reason"]) == ("reader", "Slow Consumer (Pending Bytes)")
            reader.close()  # a stock server's writer lets go of it only then
            varz = server.wait_for("/varz", lambda varz: varz["connections"] == 1)
            assert varz["slow_consumers"] == 1
            if present(kind, varz, "slow_consumer_stats"):
                assert varz["slow_consumer_stats"] == {"clients": 1, "routes": 0, "gateways": 0, "leafs": 0}
            if present(kind, varz, "stale_connections"):
                assert varz["stale_connections"] == 0
            account = server.wait_for("/accstatz", lambda document: document["account_statz"][0]["conns"] == 1)
            assert account["account_statz"][0]["slow_consumers"] == 1
            assert gone["pending_bytes"] == closed(server)[0]["pending_bytes"] > 0


@each_server
def test_stale_connection(kind, tmp_path):
    with running(kind, tmp_path, 'ping_interval: "200ms"\nping_max: 1\n') as server:
        with client(server, "silent") as silent:
            assert b"Stale Connection" in silent.rest()
            assert closed(server)[0]["reason"] == "Stale Connection"
            varz = server.json("/varz")
            assert varz["slow_consumers"] == 0
            if present(kind, varz, "stale_connections"):
                assert varz["stale_connections"] == 1
                assert varz["stale_connection_stats"] == {"clients": 1, "routes": 0, "gateways": 0, "leafs": 0}


@each_server
def test_publishers_that_are_held_back(kind, tmp_path):
    with running(kind, tmp_path, "max_pending: 16MB\n") as server:
        with client(server, "reader") as reader, client(server, "writer") as writer:
            reader.send("SUB a 1\r\n")
            reader.ping()
            if not present(kind, server.json("/varz"), "stalled_clients"):
                return
            assert server.json("/varz")["stalled_clients"] == 0 and "stalls" not in entry(server, "reader")
            size = 100000
            frame = len(f"MSG a 1 {size}\r\n\r\n") + size
            writer.socket.settimeout(20)
            sent = 0
            while server.json("/varz")["stalled_clients"] == 0:
                assert sent < 400, entry(server, "reader")["pending_bytes"]
                writer.send(f"PUB a {size}\r\n{'x' * size}\r\n")
                sent += 1
            assert entry(server, "reader")["stalls"] > 0 and "stalls" not in entry(server, "writer")
            reader.exactly(frame * sent)
            writer.ping()
            assert server.json("/varz")["slow_consumers"] == 0


@each_server
def test_connections_are_counted(kind, tmp_path):
    """total_connections counts those that were refused as well, connections those that are there."""
    with running(kind, tmp_path, "max_connections: 2\n"
                 'authorization { user: u, password: "p", timeout: 1 }\n') as server:
        login = b',"user":"u","pass":"p"'
        with client(server, "one", login=login):
            two = client(server, "two", login=login)
            third = server.connect()
            assert b"maximum connections exceeded" in third.rest()
            varz = server.wait_for("/varz", lambda varz: varz["total_connections"] == 3)
            assert varz["connections"] == 2
            two.close()
            closed(server, 2)
            with server.connect() as fourth:
                fourth.send(CONNECT % b',"user":"u","pass":"wrong","name":"four"')
                fourth.rest()
            reasons = [one["reason"] for one in closed(server, 3)]
            assert sorted(reasons) == ["Authentication Failure", "Client Closed", "Maximum Connections Exceeded"]
            varz = server.json("/varz")
            assert (varz["total_connections"], varz["connections"]) == (4, 1)
            assert entry(server, "four", "state=closed&auth=1")["authorized_user"] == "u"


@each_server
def test_activity_and_idle_time(kind, tmp_path):
    """A message, a subscription and a delivery are activity, a PING is none."""
    with running(kind, tmp_path) as server, client(server, "one") as one, client(server, "two") as two:
        def active():
            return instant(entry(server, "one", "")["last_activity"])

        def later(action):
            before = active()
            time.sleep(0.02)
            action()
            return active() - before

        def do(text, who=one):
            who.send(text)
            who.ping()

        assert later(lambda: do("SUB a 1\r\n")) > 0
        assert later(lambda: do("PUB b 1\r\nx\r\n")) > 0
        assert later(lambda: (do("PUB a 1\r\nx\r\n", two), one.ping())) > 0
        assert later(lambda: do("UNSUB 1\r\n")) > 0
        assert later(lambda: do("PONG\r\n")) == 0
        last = active()
        time.sleep(max(0, 2.3 - (time.time() - last)))
        do("")
        document = server.json("/connz")
        for listed in document["connections"]:
            now = instant(document["now"])
            assert abs(seconds(listed["idle"]) - (now - instant(listed["last_activity"]))) <= 1.01
            assert abs(seconds(listed["uptime"]) - (now - instant(listed["start"]))) <= 1.01
        assert seconds(entry(server, "one")["idle"]) >= 2
        one.close()
        gone = closed(server)[0]
        time.sleep(1.2)
        again = closed(server)[0]
        assert gone == again, "what is closed does not grow older"
        assert abs(seconds(gone["uptime"]) - (instant(gone["stop"]) - instant(gone["start"]))) <= 1.01


@each_server
def test_round_trip_time(kind, tmp_path):
    """Who has none yet is asked when somebody looks, and tells how long it took to answer."""
    with running(kind, tmp_path, 'ping_interval: "300ms"\nping_max: 100\n') as server, client(server, "slow") as one:
        one.socket.settimeout(10)
        deadline = time.monotonic() + 10
        while True:
            assert time.monotonic() < deadline
            while b"PING\r\n" not in one.buffer:
                one.read_some()
            time.sleep(0.06)
            one.buffer = b""
            one.send("PONG\r\n")
            one.ping()
            rtt = entry(server, "slow", "")["rtt"]
            if rtt.endswith("ms") and 60 <= float(rtt[:-2]) < 300:
                break


@each_server
def test_clocks_and_the_machine(kind, tmp_path):
    begin = time.time()
    with running(kind, tmp_path) as server:
        varz = server.json("/varz")
        start, now = instant(varz["start"]), instant(varz["now"])
        assert begin - 1 <= start <= now <= time.time() + 0.01
        assert abs(instant(varz["config_load_time"]) - start) < 1
        assert varz["start"].endswith("Z") and varz["now"].endswith("Z")
        time.sleep(1.3)
        later = server.json("/varz")
        assert later["start"] == varz["start"] and later["config_load_time"] == varz["config_load_time"]
        assert instant(later["now"]) > now + 1
        assert abs(seconds(later["uptime"]) - (instant(later["now"]) - start)) <= 1.01
        assert later["cores"] == os.cpu_count()
        with open(f"/proc/{server.pid}/statm") as file:
            resident = int(file.read().split()[1]) * os.sysconf("SC_PAGESIZE")
        assert abs(later["mem"] - resident) < max(resident, later["mem"]) / 2
        assert later["cpu"] < 50, "an idle server"


@each_server
def test_work_costs_cpu(kind, tmp_path):
    """Percent of one core over the last second."""
    with running(kind, tmp_path) as server, client(server, "busy") as one:
        block = b"PUB a.b.c 16\r\n0123456789abcdef\r\n" * 5000
        highest, deadline = 0, time.monotonic() + 10
        while time.monotonic() < deadline and highest < 5:
            for _ in range(20):
                one.send(block)
            one.ping()
            highest = max(highest, server.json("/varz")["cpu"])
        assert 5 <= highest <= 100 * os.cpu_count() + 10


@each_server
def test_sums_agree(kind, tmp_path):
    """What the server tells of itself is what its connections, gone ones included, tell together."""
    with running(kind, tmp_path) as server:
        for round_ in range(3):
            with client(server, f"gone-{round_}") as one:
                one.send("SUB x 1\r\nPUB x 3\r\nabc\r\nPUB y 2\r\nde\r\n")
                one.ping()
        closed(server, 3)
        with client(server, "here") as one:
            one.send("SUB x.> 1\r\n" + "PUB x.a 4\r\nabcd\r\n" * 5)
            one.ping()
            everyone = server.json("/connz?state=any")["connections"]
            varz = server.json("/varz")
            for key in ("in_msgs", "out_msgs", "in_bytes", "out_bytes"):
                assert sum(one[key] for one in everyone) == varz[key] > 0, key
            assert varz["total_connections"] == len(everyone) == 4
            account = server.json("/accstatz")["account_statz"][0]
            assert account["received"]["msgs"] == varz["in_msgs"] and account["sent"]["bytes"] == varz["out_bytes"]
            detail = server.json("/accountz?acc=$G")["account_detail"]
            assert detail["client_connections"] == account["conns"] == account["total_conns"] == varz["connections"] == 1
