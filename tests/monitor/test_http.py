"""The monitoring port as HTTP: routing, methods, arguments, status texts, JSONP, and clients that misbehave.

Each test that takes `server` runs on both servers: what is expected here is what the stock server does. Error bodies
differ in one thing: ours end with a line feed, which the stock server's do not.
"""
import contextlib
import json
import pathlib
import re
import shutil
import socket
import subprocess
import time

import pytest

from tests.monitor.wire import Answer, ask, dial, read_all
from tests.support.server import Server


def parse(function, kind, name, value, problem="invalid syntax"):
    return f"Error decoding {kind} for '{name}': strconv.{function}: parsing \"{value}\": {problem}"


def no_bool(name, value):
    return parse("ParseBool", "boolean", name, value)


BAD_ARGUMENTS = [
    ("/connz?auth=maybe", no_bool("auth", "maybe")),
    ("/connz?auth=yes", no_bool("auth", "yes")),
    ("/connz?subs=2", no_bool("subs", "2")),
    ("/connz?limit=abc", parse("Atoi", "int", "limit", "abc")),
    ("/connz?limit=1.5", parse("Atoi", "int", "limit", "1.5")),
    ("/connz?limit=+5", parse("Atoi", "int", "limit", " 5")),
    ("/connz?limit=0x10", parse("Atoi", "int", "limit", "0x10")),
    ("/connz?limit=%22a%0ab", parse("Atoi", "int", "limit", r'\"a\nb')),
    ("/connz?offset=99999999999999999999", parse("Atoi", "int", "offset", "9" * 20, "value out of range")),
    ("/connz?cid=abc", parse("ParseUint", "uint64", "cid", "abc")),
    ("/connz?cid=-1", parse("ParseUint", "uint64", "cid", "-1")),
    ("/connz?cid=99999999999999999999", parse("ParseUint", "uint64", "cid", "9" * 20, "value out of range")),
    ("/connz?state=bogus", "Error decoding state for bogus"),
    ("/connz?sort=bogus", "invalid sorting option: bogus"),
    ("/connz?sort=stop", "sort by stop only valid on closed connections"),
    ("/connz?sort=reason", "sort by reason only valid on closed connections"),
    ("/connz?sort=reason&state=any", "sort by reason only valid on closed connections"),
    ("/connz?auth=x&state=y&sort=z", no_bool("auth", "x")),
    ("/connz?state=y&sort=z", "Error decoding state for y"),
    ("/subsz?subs=detail", no_bool("subs", "detail")),
    ("/subsz?test=foo.*", "invalid test subject, must be valid publish subject: foo.*"),
    ("/subsz?test=a..b", "invalid test subject, must be valid publish subject: a..b"),
    ("/subscriptionsz?limit=x", parse("Atoi", "int", "limit", "x")),
    ("/accountz?acc=NOPE", "Account NOPE does not exist"),
    ("/accstatz?unused=x", no_bool("unused", "x")),
    ("/routez?subs=x", no_bool("subs", "x")),
    ("/gatewayz?accs=x", no_bool("accs", "x")),
    ("/leafz?subs=x", no_bool("subs", "x")),
    ("/leafz?subs=detail", no_bool("subs", "detail")),
    ("/jsz?streams=x", no_bool("streams", "x")),
    ("/jsz?limit=x", parse("Atoi", "int", "limit", "x")),
    ("/jsz?leader-only=1", "filtered response: not leader"),
    ("/ipqueuesz?all=x", no_bool("all", "x")),
    ("/healthz?js-enabled=x", no_bool("js-enabled", "x")),
    ("/healthz?js-server-only=x&js-enabled-only=y", no_bool("js-enabled-only", "y")),
    ("/%zz", "400 Bad Request"),
]


def test_bad_arguments(server):
    for target, text in BAD_ARGUMENTS:
        answer = ask(server, target)
        assert (target, answer.status, answer.text) == (target, 400, text)
        assert answer.headers["content-type"] == "text/plain; charset=utf-8", target
        assert "access-control-allow-origin" not in answer.headers, target


GOOD_ARGUMENTS = [
    ("/connz?limit=1&limit=2", "limit", 1),
    ("/connz?limit=%2B5", "limit", 5),
    ("/connz?limit=-5", "limit", 1024),
    ("/connz?limit=0", "limit", 1024),
    ("/connz?limit=", "limit", 1024),
    ("/connz?limit=%zz", "limit", 1024),
    ("/connz?limit=7;offset=1", "limit", 1024),
    ("/connz?LIMIT=7", "limit", 1024),
    ("/connz?limit=5000000", "limit", 5000000),
    ("/connz?offset=-5", "offset", 0),
    ("/connz?offset=3", "offset", 3),
    ("/connz?cid=999999", "limit", 1),
    ("/connz?cid=0", "limit", 1024),
    ("/connz?auth=T&subs=DETAIL&state=Closed", "connections", []),
    ("/connz?state=ANY&sort=uptime", "connections", []),
    ("/connz?sort=stop&state=closed", "connections", []),
    ("/connz?acc=NOPE", "connections", None),
    ("/connz?acc=NOPE", "server_id", ""),
    ("/connz?acc=%24G", "connections", []),
    ("/connz?acc=$G", "connections", []),
    ("/connz?user=alice&filter_subject=x&unknown=1", "connections", []),
    ("/connz?mqtt_client=x", "connections", []),
    ("/routez?subs=detail", "routes", []),
    ("/leafz?acc=NOPE", "leafnodes", 0),
    ("/gatewayz?gw_name=none&accs=1", "inbound_gateways", {}),
    ("/jsz?acc=NOPE&accounts=1", "disabled", True),
    ("/healthz?js-enabled-only=true&js-server-only=1&account=A&stream=X", "status", "ok"),
]


def test_good_arguments(server):
    for target, field, value in GOOD_ARGUMENTS:
        answer = ask(server, target)
        assert (target, answer.status) == (target, 200), answer.body
        assert answer.headers["content-type"] == "application/json"
        assert (target, json.loads(answer.body)[field]) == (target, value)


def test_layout(server):
    assert ask(server, "/healthz").body == b'{"status":"ok"}'
    assert ask(server, "/ipqueuesz").body == b"{}"
    body = ask(server, "/connz?cid=999999").body.decode()
    assert body.startswith('{\n  "server_id": "N') and body.endswith(',\n  "connections": []\n}')
    assert ask(server, "/gatewayz").body.decode().endswith(
        ',\n  "outbound_gateways": {},\n  "inbound_gateways": {}\n}')
    statistics = ["num_subscriptions", "num_cache", "num_inserts", "num_removes", "num_matches", "cache_hit_rate",
                  "max_fanout", "avg_fanout"]
    keys = list(json.loads(ask(server, "/subsz").body))
    assert keys in (statistics, ["server_id", "now", *statistics, "total", "offset", "limit"])


def test_unknown_paths(server):
    for path in ("/nope", "/varz/", "/VARZ", "/varz/x", "/raftz/", "/expvarz", "/debug", "/varzx", "/favicon.ico"):
        answer = ask(server, path)
        assert (path, answer.status, answer.body) == (path, 404, b"404 page not found\n")
        assert answer.headers["content-type"] == "text/plain; charset=utf-8"
        assert answer.headers["x-content-type-options"] == "nosniff"


def test_paths_are_decoded(server):
    assert ask(server, "/h%65althz").body == b'{"status":"ok"}'
    for scheme in ("http", "HTTPS", "ftp", "x+y.z-1"):
        assert ask(server, scheme + "://any.example/healthz?x").body == b'{"status":"ok"}'
    assert ask(server, "http:/healthz").body == b'{"status":"ok"}'
    for target in ("1http://any.example/healthz", "://x/healthz", "healthz", "?a=b"):
        assert (target, ask(server, target).status) == (target, 400)


def test_the_server_as_a_whole(server):
    """OPTIONS * asks for no document."""
    answer = ask(server, "*", "OPTIONS")
    assert (answer.status, answer.body, answer.headers["content-length"]) == (200, b"", "0")
    assert "content-type" not in answer.headers
    for method in ("GET", "POST", "HEAD"):
        answer = ask(server, "*", method, ["Content-Length: 0"])
        assert (answer.status, answer.body) == (400, b"") and "content-type" not in answer.headers


@pytest.mark.parametrize("target, location", [
    ("//healthz", "/healthz"),
    ("/a/../healthz", "/healthz"),
    ("/./healthz/", "/healthz/"),
    ("/a/../healthz?x=<y>&b=c", "/healthz?x=<y>&b=c"),
    ("/../../..", "/"),
    ("//evil.example/..", "/"),
    ("http://any.example", "/"),
    ("ftp://any.example?x=y", "/?x=y"),
])
def test_unclean_paths(server, target, location):
    answer = ask(server, target)
    assert (answer.status, answer.headers["location"]) == (301, location)
    escaped = location.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    assert answer.body.decode() == f'<a href="{escaped}">Moved Permanently</a>.\n\n'
    posted = ask(server, target, "POST", ["Content-Length: 0"])
    assert (posted.body, posted.headers["location"]) == (b"", location) and "content-type" not in posted.headers
    assert ask(server, target, "HEAD").headers["content-type"] == "text/html; charset=utf-8"


def test_index(server):
    answer = ask(server, "/")
    assert (answer.status, answer.headers["content-type"]) == (200, "text/html; charset=utf-8")
    for name in ("varz", "connz", "subsz", "accountz", "routez", "leafz", "gatewayz", "healthz", "jsz"):
        assert f"./{name}" in answer.body.decode()


def test_methods(server):
    for method in ("GET", "POST", "PUT", "DELETE", "OPTIONS", "PATCH", "PROPFIND"):
        answer = ask(server, "/healthz", method, ["Content-Length: 0"])
        assert (method, answer.status, answer.body) == (method, 200, b'{"status":"ok"}')
    answer = ask(server, "/healthz", "HEAD")
    assert (answer.status, answer.headers["content-length"], answer.body) == (200, "15", b"")
    assert ask(server, "/nope", "HEAD").status == 404


def test_bodies_are_ignored(server):
    body = b"x" * 100_000
    assert ask(server, "/healthz", "POST", [f"Content-Length: {len(body)}"], body).status == 200
    chunked = b"5\r\nhello\r\n0\r\n\r\n"
    assert ask(server, "/healthz", "POST", ["Transfer-Encoding: chunked"], chunked).status == 200


def test_jsonp(server):
    answer = ask(server, "/healthz?callback=cb")
    assert (answer.headers["content-type"], answer.body) == ("application/javascript", b'cb({"status":"ok"})')
    assert "access-control-allow-origin" not in answer.headers
    for path in ("varz", "connz", "subsz", "routez", "leafz", "gatewayz", "accountz", "accstatz", "jsz", "ipqueuesz"):
        body = ask(server, f"/{path}?callback=a.b").body.decode()
        assert body.startswith("a.b({") and body.endswith("})"), path
    assert ask(server, "/healthz?callback=").headers["content-type"] == "application/json"
    assert ask(server, "/connz?callback=cb&auth=x").text == no_bool("auth", "x")


def test_any_origin_may_read(broker):
    for path in ("/varz", "/connz", "/healthz", "/jsz"):
        assert ask(broker, path).headers["access-control-allow-origin"] == "*"


def test_errors_end_with_a_line_feed(broker):
    for target, _ in BAD_ARGUMENTS:
        assert ask(broker, target).body.endswith(b"\n"), target


def test_requests_are_counted(server):
    assert server.json("/varz")["http_req_stats"] == {"/varz": 1}
    for target in ("/connz", "/connz?sort=bogus", "/connz?auth=bogus", "/routez?subs=bogus", "/subscriptionsz", "/subsz",
                   "/accstatz?unused=bogus", "/healthz?js-enabled=bogus", "/nope", "/stacksz", "/ipqueuesz", "//varz", "/"):
        ask(server, target)
    assert server.json("/varz")["http_req_stats"] == {
        "/": 1, "/accstatz": 1, "/connz": 2, "/healthz": 1, "/subsz": 2, "/varz": 2}


@pytest.mark.parametrize("kind", ["clearwing", "stock"])
@pytest.mark.parametrize("configured, effective", [("/mon/", "/mon"), ("mon/x/", "/mon/x")])
def test_base_path(kind, configured, effective, tmp_path):
    config = pathlib.Path(tmp_path, "server.conf")
    config.write_text(f'http_base_path: "{configured}"\n')
    with Server(kind, "-c", config) as server:
        assert ask(server, effective).status == 200
        assert ask(server, effective + "/").status == 404
        assert ask(server, "/varz").status == 404
        assert ask(server, "/").status == 404
        document = server.json(effective + "/varz")
        assert document["http_base_path"] == configured
        assert document["http_req_stats"] == {"/": 1, "/varz": 1}


def test_keep_alive_and_pipelining(server):
    with dial(server) as connection:
        connection.sendall(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n" * 2 +
                           b"GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        data = read_all(connection)
    assert data.count(b"HTTP/1.1 200 OK\r\n") == 3
    assert data.count(b'\r\n\r\n{"status":"ok"}') == 3


@pytest.mark.parametrize("data", [
    b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(range(256)),
    b"\0" * 5000 + b"\r\n\r\n",
    b"GET\r\n\r\n",
    b"GET /healthz HTTP/9.9\r\n\r\n",
    b"GET /healthz HTTP/1.1\r\nno colon here\r\n\r\n",
    b'CONNECT {"verbose":false}\r\nPING\r\n',
    b"GET / HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n",
    b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzzz\r\n",
    b"GET /" + b"a" * (3 << 20),
    b"GET / HTTP/1.1\r\nX: " + b"a" * (3 << 20),
    b"GET / HTTP/1.1\r\n" + b"X: y\r\n" * (1 << 19),
], ids=lambda data: repr(data[:24]))
def test_bytes_that_are_not_http(server, data):
    with dial(server, timeout=2) as connection:
        with contextlib.suppress(OSError):
            connection.sendall(data)
            connection.shutdown(socket.SHUT_WR)
            answer = connection.recv(1 << 16)
            assert b"200 OK" not in answer or b"no colon" in data or b"zzz" in data
    assert ask(server, "/healthz").body == b'{"status":"ok"}'


def test_readers_that_do_not_read(server):
    """Answers pile up for clients that never read; others are served without delay."""
    with contextlib.ExitStack() as open_ones:
        for _ in range(20):
            connection = open_ones.enter_context(dial(server))
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            connection.setblocking(False)
            with contextlib.suppress(BlockingIOError):
                for _ in range(200):
                    connection.send(b"GET /varz HTTP/1.1\r\nHost: x\r\n\r\n" * 50)
        begin = time.monotonic()
        for _ in range(20):
            assert ask(server, "/healthz").status == 200
        assert time.monotonic() - begin < 5


def test_many_scrapes_at_once(server):
    """A thousand connections ask at the same moment and keep their connection open."""
    with contextlib.ExitStack() as open_ones:
        connections = [open_ones.enter_context(dial(server, timeout=60)) for _ in range(500)]
        for connection in connections:
            connection.sendall(b"GET /varz HTTP/1.1\r\nHost: x\r\n\r\n")
        for connection in connections:
            assert connection.recv(12) == b"HTTP/1.1 200"
    with contextlib.ExitStack() as open_ones:
        connections = [open_ones.enter_context(dial(server, timeout=60)) for _ in range(1000)]
        for connection in connections:
            connection.sendall(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
        for connection in connections:
            data = connection.recv(1 << 16)
            assert data.startswith(b"HTTP/1.1 200") and data.endswith(b'{"status":"ok"}')
    assert ask(server, "/healthz").status == 200


def test_silent_connections_do_not_lock_others_out(broker):
    """More idle connections than allowed: those in the way are closed after a few seconds."""
    with contextlib.ExitStack() as open_ones:
        for _ in range(1200):
            open_ones.enter_context(dial(broker))
        with dial(broker, timeout=60) as connection:
            connection.sendall(b"GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
            assert Answer(read_all(connection)).status == 200


def test_metrics_pass_promtool(broker):
    promtool = shutil.which("promtool")
    assert promtool, "promtool is part of the prometheus package: apt-get install prometheus"
    with broker.connect() as client:
        client.send('CONNECT {"lang":"x\\"\\n\\\\","version":"1","name":"n"}\r\nSUB a 1\r\nPUB a 5\r\nhello\r\n')
        client.ping()
        answer = ask(broker, "/metrics")
    assert answer.status == 200 and answer.headers["content-type"].startswith("text/plain; version=0.0.4")
    checked = subprocess.run([promtool, "check", "metrics"], input=answer.body, capture_output=True, timeout=60)
    assert (checked.returncode, checked.stdout, checked.stderr) == (0, b"", b"")
    assert b'lang="x\\"\\n\\\\"' in answer.body


def test_metrics_agree_with_varz(broker):
    with broker.connect() as client:
        client.send("SUB a 1\r\n" + "PUB a 5\r\nhello\r\n" * 10)
        client.ping()
        document = broker.json("/varz")
        text = ask(broker, "/metrics").body.decode()
    values = dict(line.rsplit(" ", 1) for line in text.splitlines() if not line.startswith("#"))
    label = f'{{nats_server="127.0.0.1:{broker.port}"}}'  # it has no name, and its id would not outlive it
    for name, key in [("received_messages_total", "in_msgs"), ("received_bytes_total", "in_bytes"),
                      ("sent_messages_total", "out_msgs"), ("sent_bytes_total", "out_bytes"),
                      ("connections", "connections"), ("connections_opened_total", "total_connections"),
                      ("subscriptions", "subscriptions"), ("max_payload_bytes", "max_payload")]:
        assert int(values[f"nats_server_{name}{label}"]) == document[key], name
    assert document["in_msgs"] == 10 and document["in_bytes"] == 50
    assert float(values["nats_server_write_deadline_seconds" + label]) == document["write_deadline"] / 1e9


def start_with_accounts(tmp_path, names):
    accounts = ", ".join(f"{name} {{ users: [ {{user: {name}, password: p}} ] }}" for name in names)
    (tmp_path / "a.conf").write_text(f"accounts {{ {accounts} }}\n")
    return Server("clearwing", "-c", str(tmp_path / "a.conf"))


def account_metrics(server):
    """{(metric, account): value}"""
    found = re.findall(r'^nats_account_(\w+)\{[^}]*account="([^"]*)"\} (\d+)$', ask(server, "/metrics").body.decode(), re.M)
    return {(name, account): int(value) for name, account, value in found}


def test_metrics_of_accounts(tmp_path):
    with start_with_accounts(tmp_path, ["A", "B"]) as server, server.connect() as client, server.connect() as other:
        client.send('CONNECT {"verbose":false,"user":"A","pass":"p"}\r\nSUB a 1\r\nSUB a 2\r\n' + "PUB a 5\r\nhello\r\n" * 10)
        client.ping()
        other.send('CONNECT {"verbose":false,"user":"B","pass":"p"}\r\n')
        other.ping()
        values = account_metrics(server)
        for row in server.json("/accstatz?unused=1")["account_statz"]:
            for name, value in [("connections", row["conns"]), ("subscriptions", row["num_subscriptions"]),
                                ("received_messages_total", row["received"]["msgs"]), ("received_bytes_total", row["received"]["bytes"]),
                                ("sent_messages_total", row["sent"]["msgs"]), ("sent_bytes_total", row["sent"]["bytes"]),
                                ("slow_consumers_total", row["slow_consumers"])]:
                assert values[name, row["acc"]] == value, (name, row["acc"])
        assert (values["received_messages_total", "A"], values["sent_messages_total", "A"]) == (10, 20)
        assert (values["connections", "A"], values["connections", "B"], values["connections", "$G"]) == (1, 1, 0)


def test_metrics_of_many_accounts_are_bounded(tmp_path):
    names = [f"N{i:04}" for i in range(1100)]
    with start_with_accounts(tmp_path, names) as server, contextlib.ExitStack() as open_ones:
        for name in names[-3:]:
            client = open_ones.enter_context(server.connect())
            client.send(f'CONNECT {{"verbose":false,"user":"{name}","pass":"p"}}\r\n')
            client.ping()
        values = account_metrics(server)
        assert sum(name == "connections" for name, _ in values) == 1001
        assert values["connections", "other"] == 3


def test_metrics_in_openmetrics(broker):
    answer = ask(broker, "/metrics", headers=["Accept: application/openmetrics-text;version=1.0.0"])
    assert answer.headers["content-type"].startswith("application/openmetrics-text")
    assert answer.body.endswith(b"# EOF\n")
    assert b"# TYPE nats_server_received_messages counter\n" in answer.body
