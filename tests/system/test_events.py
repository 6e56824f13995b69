"""What the servers tell the system account by themselves, side by side: when, on which subject, and each key and type."""
import os
import re
import signal
import time

import pytest

from tests.system.asker import SILENCE, Asker, start

KINDS = ("stock", "clearwing")
TIME = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,9})?(Z|[+-]\d\d:\d\d)"
NEWER_KEYS = {"flags", "name", "name_tag", "num_subscriptions", "gateways", "routes", "leafs"}  # of later releases


def shape(document):
    """Keys and types, without what newer releases added."""
    if isinstance(document, dict):
        return {key: shape(value) for key, value in document.items()}
    return type(document).__name__


def missing(stock, ours, where=""):
    """What is in the stock's shape and not, or otherwise, in ours."""
    if not isinstance(stock, dict) or not isinstance(ours, dict):
        return [] if stock == ours else [f"{where}: {stock}, {ours}"]
    found = [f"{where}.{key}: only in ours" for key in set(ours) - set(stock) - NEWER_KEYS]
    for key, value in stock.items():
        found += missing(value, ours[key], f"{where}.{key}") if key in ours else [f"{where}.{key}: not in ours"]
    return found


def by_kind(scene):
    """Plays a scene on each server; {kind: what it returns}."""
    results = {}
    for kind in KINDS:
        with start(kind) as server, Asker(server, "admin") as admin:
            server.id = server.json("/varz")["server_id"]
            results[kind] = scene(server, admin)
    return results


def of(events, ending):
    return [document for subject, document in events if subject.endswith(ending)]


def come_and_go(server, admin):
    admin.subscribe("$SYS.ACCOUNT.>", 1)
    admin.subscribe("$SYS.SERVER.ACCOUNT.>", 2)
    with Asker(server, "ann", name="visitor") as ann:
        ann.subscribe("foo")
        ann.send("PUB foo 5\r\nhello\r\n")
        ann.sync()
        cid = ann.raw.info["client_id"]
        # How many there are is told as it is when it is told: let that be before she goes.
        events = admin.events(lambda found: of(found, "$SYS.ACCOUNT.A.CONNECT") and of(found, "A.SERVER.CONNS") and
                              of(found, "SERVER.ACCOUNT.A.CONNS"))
    events += admin.events(lambda found: of(found, ".DISCONNECT") and of(found, "A.SERVER.CONNS") and
                           of(found, "SERVER.ACCOUNT.A.CONNS"))
    return cid, [(subject, document) for subject, document in events if "$G" not in subject]


def test_clients_come_and_go():
    told = by_kind(come_and_go)
    for kind, (cid, events) in told.items():
        [connect], [disconnect] = of(events, "$SYS.ACCOUNT.A.CONNECT"), of(events, "$SYS.ACCOUNT.A.DISCONNECT")
        assert connect["type"] == "io.nats.server.advisory.v1.client_connect"
        assert disconnect["type"] == "io.nats.server.advisory.v1.client_disconnect"
        for event in (connect, disconnect):
            client = event["client"]
            assert (client["id"], client["acc"], client["user"], client["name"]) == (cid, "A", "ann", "visitor")
            assert (client["host"], client["kind"], client["client_type"]) == ("127.0.0.1", "Client", "nats")
            assert re.fullmatch("[0-9A-Za-z]{22}", event["id"]) and re.fullmatch(TIME, event["timestamp"])
        assert disconnect["reason"] == "Client Closed" and re.fullmatch(TIME, disconnect["client"]["stop"])
        assert type(disconnect["client"]["rtt"]) is int
        # The client's view: what it sent, and what it received.
        assert disconnect["sent"]["msgs"] == 1 and disconnect["sent"]["bytes"] == 5
        assert disconnect["received"]["msgs"] == 1 and disconnect["received"]["bytes"] == 5
        for ending in ("$SYS.ACCOUNT.A.SERVER.CONNS", "$SYS.SERVER.ACCOUNT.A.CONNS"):
            counts = [event["conns"] for event in of(events, ending)]
            assert (counts[0], counts[-1]) == (1, 0), kind
    for ending in (".CONNECT", ".DISCONNECT", ".SERVER.CONNS", ".ACCOUNT.A.CONNS"):
        stock, ours = (of(told[kind][1], ending)[-1] for kind in KINDS)
        assert missing(shape(stock), shape(ours)) == []


def be_refused(server, admin):
    admin.subscribe(f"$SYS.SERVER.{server.id}.CLIENT.AUTH.ERR")
    raw = server.connect()
    raw.send('CONNECT {"user":"ann","pass":"wrong","name":"bad"}\r\n')
    assert b"Authorization Violation" in raw.rest()
    raw.close()
    return admin.events(lambda found: found)[0][1]


def test_somebody_is_refused():
    told = by_kind(be_refused)
    for event in told.values():
        assert event["reason"] == "Authentication Failure" and event["type"].endswith("client_disconnect")
        assert (event["client"]["acc"], event["client"]["user"], event["client"]["name"]) == ("$G", "ann", "bad")
        assert "wrong" not in str(event)
    assert missing(shape(told["stock"]), shape(told["clearwing"])) == []


def wait_for_statistics(server, admin):
    admin.subscribe(f"$SYS.SERVER.{server.id}.STATSZ")
    return admin.events(lambda found: len(found) >= 2)


def test_statistics_come_by_themselves():
    told = by_kind(wait_for_statistics)
    stock, ours = (told[kind][-1][1] for kind in KINDS)
    extra = {".statsz.active_servers", ".statsz.gomaxprocs", ".statsz.gomemlimit", ".statsz.sent_to_clients",
             ".statsz.received_from_clients", ".statsz.stale_connections", ".statsz.stalled_clients",
             ".statsz.stale_connection_stats", ".statsz.slow_consumer_stats"}
    assert {line.split(":")[0] for line in missing(shape(stock), shape(ours))} <= extra
    assert ours["statsz"]["connections"] == stock["statsz"]["connections"] == 1


def leave(number, verb):
    def scene(server, admin):
        admin.subscribe(f"$SYS.SERVER.{server.id}.{verb}")
        os.kill(server.pid, number)
        return admin.events(lambda found: found)[0][1]
    return scene


def test_shutdown():
    told = by_kind(leave(signal.SIGTERM, "SHUTDOWN"))
    assert missing(shape(told["stock"]), shape(told["clearwing"])) == []
    assert told["clearwing"]["name"] == "one"


def test_lame_duck():
    """Later releases of the stock server tell it."""
    with start("clearwing") as server, Asker(server, "admin") as admin:
        server.id = server.json("/varz")["server_id"]
        document = leave(signal.SIGUSR2, "LAMEDUCK")(server, admin)
        assert document["id"] == server.id
        admin.close()
        server.stop(signal.SIGINT)


@pytest.mark.parametrize("subject", ["$SYS.>", "$SYS.ACCOUNT.A.CONNECT"])
def test_others_hear_nothing(subject):
    for kind in KINDS:
        with start(kind) as server, Asker(server, "bob") as bob:
            bob.subscribe(subject)
            Asker(server, "ann").close()
            with server.connect() as refused:
                refused.send('CONNECT {"user":"bob","pass":"wrong"}\r\n')
                assert b"Authorization Violation" in refused.rest()
            time.sleep(SILENCE)
            assert bob.sync() == [], kind


def test_nothing_is_made_when_nobody_listens():
    """No thread, no message: the first request starts the thread."""
    with start("clearwing") as server, Asker(server, "admin") as admin:
        def threads():
            names = []
            for task in os.listdir(f"/proc/{server.pid}/task"):
                with open(f"/proc/{server.pid}/task/{task}/comm") as file:
                    names.append(file.read().strip())
            return names
        for _ in range(20):
            Asker(server, "ann").close()
        assert "services" not in threads()
        assert server.json("/varz")["out_msgs"] == 0
        admin.json("$SYS.REQ.SERVER.PING.IDZ")
        assert "services" in threads()
