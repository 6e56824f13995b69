"""The system account's services, both servers asked the same: envelopes, documents, options, who may ask what."""
import gzip
import json

import pytest

from tests.shape.compare import Rules, compare
from tests.system.asker import Asker, NoResponders, World

SHAPE = Rules.from_files()
RULES = Rules(
    [("varz.server_name", "text"), ("connz.connections.*.in_bytes", "count")] + SHAPE.volatile + [
        ("*.server.id", "server-id"), ("*.server.seq", "positive"), ("*.server.time", "time"), ("*.server.ver", "version"),
        ("statsz.start", "time"), ("statsz.mem", "positive"), ("statsz.cpu", "number"), ("statsz.subscriptions", "count"),
        ("statsz.sent.msgs", "count"), ("statsz.sent.bytes", "count"), ("statsz.received.msgs", "count"),
        ("statsz.received.bytes", "count"), ("idz.id", "server-id"),
        # How much the administrator was told so far is each server's affair.
        ("connz.connections.*.out_msgs", "count"), ("connz.connections.*.out_bytes", "count"),
        ("connz.connections.*.in_msgs", "count"), ("connz.connections.*.pending_bytes", "count"),
        ("connz.connections.*.subscriptions", "count"),
        ("varz.in_msgs", "count"), ("varz.out_msgs", "count"), ("varz.out_bytes", "count"), ("varz.in_bytes", "count"),
        ("accstatz.account_statz.*.sent.msgs", "count"), ("accstatz.account_statz.*.sent.bytes", "count"),
        ("accstatz.account_statz.*.received.msgs", "count"), ("accstatz.account_statz.*.num_subscriptions", "count"),
    ],
    SHAPE.extra + [("healthz.status_code",), ("*.server.flags",), ("statsz.slow_consumer_stats",), ("statsz.stale_connections",), ("statsz.stalled_clients",),
                   ("statsz.stale_connection_stats",), ("statsz.sent_to_clients",), ("statsz.received_from_clients",),
                   ("statsz.gomaxprocs",), ("statsz.gomemlimit",), ("statsz.active_servers",)],
    SHAPE.differences)


@pytest.fixture(scope="module")
def worlds():
    both = {kind: World(kind) for kind in ("stock", "clearwing")}
    yield both
    for world in both.values():
        world.close()


def both(worlds, who, subject, body=b"", **options):
    """The two servers' answers; <id> in the subject is each one's own, <ann> a connection's cid."""
    answers = []
    for kind in ("stock", "clearwing"):
        world = worlds[kind]
        text = json.dumps(body).replace('"<ann>"', str(world.ann.raw.info["client_id"])).encode() if not isinstance(body, bytes) else body
        answers.append(getattr(world, who).json(subject.replace("<id>", world.id), text, **options))
    return answers


def drop_newer_import(account):
    """2.10 has one more service for everybody."""
    if "imports" in account:
        account["imports"] = [row for row in account["imports"] if row["subject"] != "$SYS.REQ.USER.INFO"
                              and row.get("local_subject") != "$SYS.REQ.USER.INFO"]


def differences(endpoint, stock, ours):
    for document in (stock, ours):  # in no order of their own
        if isinstance(document.get("data"), dict) and isinstance(document["data"].get("subscriptions_list"), list):
            document["data"]["subscriptions_list"] = [row for row in document["data"]["subscriptions_list"]
                                                      if not row["subject"].startswith(("$SYS", "_INBOX", "_R_"))]
        if isinstance(document.get("data"), dict):
            data = document["data"]
            for key in ("num_subscriptions", "total") if endpoint == "subsz" else ():  # the server's own count too
                assert isinstance(data.pop(key, 0), int)
            if data.get("server_id") == "":  # an account that does not exist
                del data["server_id"]
            drop_newer_import(data.get("account_detail", {}))
    found = compare(stock.pop("server"), ours.pop("server"), (endpoint, "server"), RULES)
    data = "statsz" if endpoint == "statsz" else "data"
    assert set(stock) == set(ours), (stock, ours)
    if data in stock:
        found += compare(stock.pop(data), ours.pop(data), (endpoint,), RULES)
    return found + compare(stock, ours, (endpoint, "envelope"), RULES)


# The last token of the subject, the endpoint whose document it is.
DOCUMENTS = {"VARZ": "varz", "CONNZ": "connz", "ROUTEZ": "routez", "GATEWAYZ": "gatewayz", "LEAFZ": "leafz",
             "ACCOUNTZ": "accountz", "JSZ": "jsz", "HEALTHZ": "healthz", "STATSZ": "statsz", "SUBSZ": "subsz"}


@pytest.mark.parametrize("server", ["PING", "<id>"])
@pytest.mark.parametrize("service", DOCUMENTS)
def test_documents(worlds, service, server):
    stock, ours = both(worlds, "admin", f"$SYS.REQ.SERVER.{server}.{service}")
    assert differences(DOCUMENTS[service], stock, ours) == []


def test_ping_is_the_statistics(worlds):
    stock, ours = both(worlds, "admin", "$SYS.REQ.SERVER.PING")
    assert stock["server"]["name"] == ours["server"]["name"] == "one"
    assert ours["statsz"]["connections"] == stock["statsz"]["connections"] == 4
    assert ours["statsz"]["active_servers"] == 1
    assert differences("statsz", stock, ours) == []


OPTIONS = [
    ("CONNZ", {"sort": "cid", "limit": 2}), ("CONNZ", {"offset": 1, "limit": 2}), ("CONNZ", {"auth": True}),
    ("CONNZ", {"subscriptions": True, "cid": "<ann>"}), ("CONNZ", {"subscriptions_detail": True, "acc": "A", "auth": True}),
    ("CONNZ", {"state": 1}), ("CONNZ", {"state": 2, "acc": "B"}), ("CONNZ", {"user": "ann", "auth": True}), ("CONNZ", {"acc": "nobody"}),
    ("CONNZ", {"acc": "A", "filter_subject": "bar.x"}), ("CONNZ", {"acc": "A", "filter_subject": "other"}),
    ("CONNZ", {"acc": "A", "filter_subject": ">"}), ("CONNZ", {"SORT": "cid", "Limit": 1}), ("CONNZ", {"unknown": 1}),
    ("CONNZ", {"limit": None, "acc": None}), ("SUBSZ", {"account": "A", "subscriptions": True}),
    ("SUBSZ", {"account": "A", "subscriptions": True, "test": "bar.y"}),
    ("ACCOUNTZ", {"account": "A"}), ("HEALTHZ", {"js-enabled-only": True}), ("HEALTHZ", {"js-server-only": True}),
    ("JSZ", {"accounts": True, "streams": True}), ("LEAFZ", {"account": "A"}), ("ROUTEZ", {"subscriptions": True}),
    ("GATEWAYZ", {"accounts": True}), ("VARZ", {"server_name": "on"}), ("VARZ", {"host": "127"}),
    # What goes wrong.
    ("CONNZ", {"sort": "bogus"}), ("CONNZ", {"sort": "stop"}), ("CONNZ", {"filter_subject": "x"}), ("CONNZ", {"limit": "x"}),
    ("CONNZ", {"auth": 1}), ("CONNZ", {"state": "closed"}), ("CONNZ", b"{bogus"), ("CONNZ", b"[]"), ("CONNZ", b"x"), ("CONNZ", b"{} x"),
    ("ACCOUNTZ", {"account": "nobody"}), ("SUBSZ", {"subscriptions": True, "test": "a.*"}), ("VARZ", b"{bogus"), ("STATSZ", b"x"),
]


@pytest.mark.parametrize("service,body", OPTIONS, ids=lambda value: str(value)[:60])
def test_options(worlds, service, body):
    stock, ours = both(worlds, "admin", f"$SYS.REQ.SERVER.PING.{service}", body)
    if "error" in stock:  # Go's decoder has words of its own for what it could not read
        assert stock["error"]["code"] == ours["error"]["code"] and ours["error"]["description"]
        if stock["error"]["code"] == 500:
            assert stock["error"] == ours["error"]
        assert ("data" in stock) == ("data" in ours) and stock.get("data") == ours.get("data")
        return
    assert differences(DOCUMENTS[service], stock, ours) == []


ACCOUNT_SERVICES = [("A", "CONNZ"), ("nobody", "CONNZ"), ("A", "SUBSZ"), ("A", "LEAFZ"), ("A", "INFO"), ("nobody", "INFO"),
                    ("A", "STATZ"), ("A", "JSZ"), ("A", "CONNS")]


@pytest.mark.parametrize("account,service", ACCOUNT_SERVICES)
def test_account_services(worlds, account, service):
    stock, ours = both(worlds, "admin", f"$SYS.REQ.ACCOUNT.{account}.{service}")
    endpoint = {"CONNZ": "connz", "SUBSZ": "subsz", "LEAFZ": "leafz", "STATZ": "accstatz"}.get(service)
    if service == "INFO" and account == "A":
        drop_newer_import(stock["data"])
        drop_newer_import(ours["data"])
        assert compare(stock["data"], ours["data"], ("accountz", "account_detail"), RULES) == []
    elif service == "CONNS":
        for key, value in stock.items():
            assert type(ours[key]) is type(value), key
        for key in ("acc", "conns", "leafnodes", "total_conns", "slow_consumers"):
            assert stock[key] == ours[key], key
    elif endpoint:
        assert differences(endpoint, stock, ours) == []
    else:
        assert stock["error"] == ours["error"]


def test_all_accounts(worlds):
    for body in (b"", {"accounts": ["A", "B"]}, {"accounts": ["A"], "include_unused": True}, {"accounts": None, "include_unused": True}):
        stock, ours = both(worlds, "admin", "$SYS.REQ.ACCOUNT.PING.STATZ", body)
        names = [sorted(row["acc"] for row in answer["data"]["account_statz"]) for answer in (stock, ours)]
        assert names[0] == names[1], body


def test_silence(worlds):
    for kind, world in worlds.items():
        for subject, body in [("$SYS.REQ.SERVER.PING.VARZ", {"server_name": "two"}), ("$SYS.REQ.SERVER.PING.VARZ", {"cluster": "c"}),
                              ("$SYS.REQ.SERVER.PING.VARZ", {"host": "10."}), ("$SYS.REQ.SERVER.PING.VARZ", {"tags": ["x"]}),
                              ("$SYS.REQ.SERVER.PING.JSZ", {"leader_only": True}), ("$SYS.REQ.ACCOUNT.nobody.STATZ", b"")]:
            assert world.admin.is_silent(subject, body), (kind, subject, body)


def test_no_such_service(worlds):
    for kind, world in worlds.items():
        for subject in ("$SYS.REQ.SERVER.PING.NOPE", "$SYS.REQ.SERVER.NABC.VARZ", "$SYS.REQ.ACCOUNT.A.NOPE", "$SYS.REQ.SERVER.PING.KICK"):
            with pytest.raises(NoResponders):
                world.admin.ask(subject)
        for subject in ("$SYS.REQ.SERVER.PING.VARZ", "$SYS.REQ.SERVER.PING", f"$SYS.REQ.SERVER.{world.id}.VARZ",
                        "$SYS.REQ.ACCOUNT.A.CONNZ", "$SYS.REQ.ACCOUNT.B.STATZ", "$SYS.REQ.SERVER.PING.IDZ"):
            with pytest.raises(NoResponders):
                world.ann.ask(subject)


@pytest.mark.parametrize("subject", ["$SYS.REQ.SERVER.PING.CONNZ", "$SYS.REQ.ACCOUNT.PING.CONNZ"])
def test_others_learn_of_their_own_account_only(worlds, subject):
    for body in (b"", {"acc": "B", "auth": True}, {"state": 2, "acc": "$SYS"}):
        stock, ours = both(worlds, "ann", subject, body)
        for answer in (stock, ours):
            assert {row["name"] for row in answer["data"]["connections"]} == {"ann", "amy"}
        assert differences("connz", stock, ours) == []
    stock, ours = both(worlds, "bob", "$SYS.REQ.ACCOUNT.PING.STATZ", {"accounts": ["A"]})
    for answer in (stock, ours):
        assert [row["acc"] for row in answer["data"]["account_statz"]] == ["B"]


def test_a_request_to_nowhere_is_not_answered(worlds):
    """Statistics go to everybody then."""
    for world in worlds.values():
        with Asker(world.server, "admin") as listener:
            listener.subscribe(f"$SYS.SERVER.{world.id}.STATSZ")
            world.admin.send("PUB $SYS.REQ.SERVER.PING.VARZ 0\r\n\r\nPUB $SYS.REQ.SERVER.PING 0\r\n\r\n")
            [(subject, document)] = listener.events(lambda found: found)
            assert set(document) == {"server", "statsz"}


def test_packed(worlds):
    for world in worlds.values():
        for accepted, wanted in [("gzip", "gzip"), ("nothing", "identity")]:
            headers = f"NATS/1.0\r\nAccept-Encoding: {accepted}\r\n\r\n".encode()
            got, body = world.admin.ask("$SYS.REQ.SERVER.PING.VARZ", headers=headers)
            assert f"Content-Encoding: {wanted}".encode() in got, world.kind
            document = json.loads(gzip.decompress(body) if wanted == "gzip" else body)
            assert document["data"]["server_name"] == "one"


def test_debug_subscribers(worlds):
    for body in (b"foo", b"bar.x", b"foo workers", b"none", b"bar.*"):
        counts = [worlds[kind].admin.ask("$SYS.DEBUG.SUBSCRIBERS", body)[1] for kind in ("stock", "clearwing")]
        assert counts[0] == counts[1], body


# What the stock server of this version does not have.

def test_identity(worlds):
    world = worlds["clearwing"]
    assert world.admin.json("$SYS.REQ.SERVER.PING.IDZ") == {"name": "one", "host": "127.0.0.1", "id": world.id}


def test_exact_match(worlds):
    admin = worlds["clearwing"].admin
    assert admin.json("$SYS.REQ.SERVER.PING.VARZ", {"server_name": "one", "exact_match": True})["data"]
    assert admin.is_silent("$SYS.REQ.SERVER.PING.VARZ", {"server_name": "on", "exact_match": True})


def test_user_info(worlds):
    world = worlds["clearwing"]
    for who, user, account in [(world.ann, "ann", "A"), (world.bob, "bob", "B"), (world.admin, "admin", "$SYS")]:
        data = who.json("$SYS.REQ.USER.INFO")["data"]
        assert (data["user"], data["account"]) == (user, account)


def test_kick_and_lame_duck_of_one(worlds):
    world = worlds["clearwing"]
    with Asker(world.server, "bob", name="told") as told, Asker(world.server, "bob", name="kicked") as kicked:
        ask = f"$SYS.REQ.SERVER.{world.id}."
        assert set(world.admin.json(ask + "LDM", {"cid": told.raw.info["client_id"]})) == {"server"}
        told.sync()
        assert told.info["ldm"] is True
        assert set(world.admin.json(ask + "KICK", {"cid": kicked.raw.info["client_id"]})) == {"server"}
        assert kicked.raw.rest() == b""
        closed = world.server.wait_for("/connz?state=closed", lambda rows: any(row.get("name") == "kicked" for row in rows["connections"]))
        assert [row["reason"] for row in closed["connections"] if row.get("name") == "kicked"] == ["Kicked"]
        assert world.admin.json(ask + "KICK", {"cid": 10**9})["error"] == {"code": 500, "description": "no such client or leafnode id"}
        assert world.admin.json(ask + "LDM", {"cid": 10**9})["error"] == {"code": 500, "description": "no such client id"}
        assert world.admin.json(ask + "RELOAD")["error"]["code"] == 500
