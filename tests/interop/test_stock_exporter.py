"""The stock prometheus-nats-exporter, reading both servers: all that it makes of the stock server's
documents it must make of ours, and the figures must be those of the documents.

The binary is the one that CLEARWING_PROMETHEUS_NATS_EXPORTER names; without it these tests are left
out. Nothing moves while they read, but for what their reading itself counts.
"""

import contextlib
import datetime
import json
import re
import subprocess
import tempfile
import time
import types
import urllib.request

import pytest

from tests.exporter.exporter import Exporter, Scrape, free_port
from tests.interop import tools
from tests.support.server import Server

FLAGS = [
    "-varz",
    "-connz",
    "-connz_detailed",
    "-subz",
    "-routez",
    "-healthz",
    "-healthz_js_enabled_only",
    "-healthz_js_server_only",
    "-gatewayz",
    "-leafz",
    "-accstatz",
    "-accountz",
    "-jsz=all",
]

# Values that differ from server to server, or from one reading to the next.
MOVING = re.compile(
    r"connz_(start|last_activity|rtt|uptime|idle)$"  # clocks
    r"|varz_(start|config_load_time|cpu|mem|port|http_req_stats_\w+)$"
    r"|varz_gomaxprocs$"  # threads of a Go program, or ours
    r"|subsz_|(varz|accountz|accstatz)_subscriptions$"  # the stock server counts its own
)
# Labels that tell one server, or one connection, from another.
IDENTITIES = {"server_id", "server_name", "cid", "port"}


class StockExporter:
    """A running stock exporter; `said()` is all that it has printed."""

    def __init__(self, *arguments):
        self.port = free_port()
        self.output = tempfile.TemporaryFile("w+")
        binary = tools.prometheus_nats_exporter()
        self.process = subprocess.Popen(
            [binary, "-a", "127.0.0.1", "-p", str(self.port), *arguments],
            stdin=subprocess.DEVNULL,
            stdout=self.output,
            stderr=self.output,
        )

    def said(self):
        self.output.seek(0)
        return self.output.read()

    def page(self):
        deadline = time.monotonic() + 20
        while True:
            try:
                with urllib.request.urlopen(
                    f"http://127.0.0.1:{self.port}/metrics", timeout=20
                ) as answer:
                    assert answer.status == 200
                    return answer.read().decode()
            except ConnectionError:
                pass
            except OSError as error:
                assert "refused" in str(error) or "reset" in str(error), self.said()
            assert time.monotonic() < deadline and self.process.poll() is None, self.said()
            time.sleep(0.05)

    def scrape(self):
        """What it says of the server, without what it says of itself; after a first reading, for
        it finds some names only then."""
        self.page()
        lines = [
            line
            for line in self.page().splitlines()
            if not re.match(r"(# (HELP|TYPE) )?(go|process|promhttp)_", line)
        ]
        return Scrape("\n".join(lines) + "\n")

    def __enter__(self):
        return self

    def __exit__(self, kind, *_):
        alive = self.process.poll() is None
        self.process.terminate()
        self.process.wait(20)
        said = self.said()
        self.output.close()
        if kind is None:
            assert alive, said
            for word in ("panic", "[ERR]", "unmarshal", "runtime error"):
                assert word not in said, said


def connect(server, number):
    client = server.connect()
    options = {"verbose": False, "name": f"client{number}", "lang": "raw", "version": "1.2.3"}
    client.send(f"CONNECT {json.dumps(options)}\r\nSUB own.{number} 1\r\nSUB all.* 2\r\n")
    client.send(f"PUB own.{number} 5\r\nhello\r\n" * (number + 1) + "PUB nobody 3\r\nabc\r\n")
    client.ping()
    return client


@pytest.fixture(scope="module")
def watched():
    """Both servers after the same clients did the same; by kind: server, page and documents."""
    with contextlib.ExitStack() as stack:
        kinds = {}
        for kind in ("clearwing", "stock"):
            server = stack.enter_context(Server(kind))
            clients = [stack.enter_context(connect(server, number)) for number in range(3)]
            with server.connect() as gone:
                gone.send("CONNECT {}\r\n")
                gone.ping()
            server.wait_for("/connz?state=closed", lambda connz: connz["total"] == 1)
            for client in clients:
                client.ping()
            exporter = stack.enter_context(StockExporter(*FLAGS, server.monitor))
            kinds[kind] = types.SimpleNamespace(
                server=server, page=exporter.scrape(), exporter=exporter
            )
        yield kinds


@pytest.fixture(params=["clearwing", "stock"])
def one(request, watched):
    return watched[request.param]


def test_every_series_of_the_stock_server_is_there(watched):
    ours, stock = watched["clearwing"].page, watched["stock"].page
    assert len(stock.shape()) > 100
    assert stock.shape() - ours.shape() == set()
    assert {name: ours.types.get(name) for name in stock.types} == stock.types


def comparable(page):
    """{(name, labels that mean the same on every server): values}."""
    series = {}
    for name, labels, value in page.samples:
        if not MOVING.search(name):
            means = {k: v for k, v in labels.items() if k not in IDENTITIES}
            for key in {"account_name", "name_tag"} & set(means):
                if means[key] in (means.get("account_id"), "$G"):
                    means[key] = ""  # from release 2.11 on an account without a tag is called by its name
            if name.endswith(("_server_id", "_server_name")):
                means.pop("value", None)
            series.setdefault((name, tuple(sorted(means.items()))), []).append(float(value))
    return series


def test_same_clients_give_the_same_values(watched):
    ours, stock = comparable(watched["clearwing"].page), comparable(watched["stock"].page)
    assert len(stock) > 80
    different = {key: (values, ours.get(key)) for key, values in stock.items()}
    assert {key: pair for key, pair in different.items() if pair[0] != pair[1]} == {}


def milliseconds(text):
    """A JSON time as Unix milliseconds."""
    whole, _, fraction = text.rstrip("Z").partition(".")
    moment = datetime.datetime.fromisoformat(whole).replace(tzinfo=datetime.timezone.utc)
    return moment.timestamp() * 1000 + int(fraction.ljust(3, "0")[:3] or 0)


def test_values_are_those_of_the_documents(one):
    page, server = one.page, one.server
    varz, subsz = server.json("/varz"), server.json("/subsz")
    connections = server.json("/connz?auth=1")["connections"]
    for key in (
        "connections total_connections max_connections in_msgs out_msgs in_bytes "
        "out_bytes slow_consumers subscriptions routes remotes leafnodes cores gomaxprocs proto "
        "port http_port max_payload max_pending max_control_line ping_interval write_deadline "
        "ping_max auth_timeout tls_timeout"
    ).split():
        assert page.one("gnatsd_varz_" + key) == varz[key], key
    assert page.one("gnatsd_varz_in_msgs") == 9 and page.one("gnatsd_varz_out_msgs") == 6
    assert page.one("gnatsd_varz_start") == milliseconds(varz["start"])
    assert page.one("gnatsd_varz_mem") > 0 <= page.one("gnatsd_varz_cpu")
    assert page.one("gnatsd_varz_version", value=varz["version"]) == 1
    assert page.one("gnatsd_varz_server_id", value=varz["server_id"]) == 1
    assert page.one("gnatsd_varz_http_req_stats_varz") > 0
    for key in "num_subscriptions num_inserts num_removes".split():
        assert page.one("gnatsd_subsz_" + key) == subsz[key], key
    for key in "pending_bytes subscriptions in_bytes out_bytes in_msgs out_msgs".split():
        each = {c["cid"]: c[key] for c in connections}
        found = page.all("gnatsd_connz_" + key)
        assert {int(labels["cid"]): v for labels, v in found if "cid" in labels} == each, key
        assert [v for labels, v in found if "cid" not in labels] == [sum(each.values())], key
    assert page.one("gnatsd_connz_num_connections") == page.one("gnatsd_connz_total") == 3


def test_connections_are_described(one):
    for connection in one.server.json("/connz?auth=1")["connections"]:
        cid = str(connection["cid"])
        series = one.page.all("gnatsd_connz_start", cid=cid)
        assert [value for _, value in series] == [milliseconds(connection["start"])]
        labels = series[0][0]
        assert (labels["name"], labels["ip"]) == (connection["name"], connection["ip"])
        assert (labels["lang"], labels["version"]) == ("raw", "1.2.3")
        assert (labels["kind"], labels["type"]) == ("Client", "nats")
        assert labels["port"] == str(connection["port"])
        assert one.page.one("gnatsd_connz_last_activity", cid=cid) == milliseconds(
            connection["last_activity"]
        )
        assert 0 <= one.page.one("gnatsd_connz_rtt", cid=cid) < 10e6  # -1 is one it cannot read
        assert one.page.one("gnatsd_connz_uptime", cid=cid) >= 0
        assert one.page.one("gnatsd_connz_idle", cid=cid) >= 0


def test_health_and_accounts(one):
    for prefix in ("healthz", "healthz_js_enabled_only", "healthz_js_server_only"):
        assert one.page.one(f"gnatsd_{prefix}_status_value", value="ok") == 1
    account = {"account": "$G"}
    stats = one.server.json("/accstatz?unused=1")["account_statz"]
    (mine,) = [entry for entry in stats if entry["acc"] == "$G"]
    for name, value in (
        ("current_connections", mine["conns"]),
        ("received_messages", mine["received"]["msgs"]),
        ("received_bytes", mine["received"]["bytes"]),
        ("sent_messages", mine["sent"]["msgs"]),
        ("sent_bytes", mine["sent"]["bytes"]),
    ):
        assert one.page.one(f"gnatsd_accstatz_{name}", **account) == value, name
    assert mine["conns"] == 3
    assert one.page.one("gnatsd_accountz_client_connections", account_id="$G") == 3
    assert one.page.one("gnatsd_accountz_is_system", account_id="$SYS") == 1
    assert {value for _, value in one.page.all("jetstream_server_jetstream_disabled")} == {1}


@pytest.mark.parametrize("flag", FLAGS)
def test_each_flag_alone(one, watched, flag):
    """One endpoint at a time: nothing but its own series, and the same as for the stock server."""
    pages = {}
    for kind in {one.server.kind, "stock"}:
        with StockExporter(flag, watched[kind].server.monitor) as exporter:
            pages[kind] = exporter.scrape()
    # Servers of their own, or the paths that others asked for would be among the counters.
    wanted = {pair for pair in pages["stock"].shape() if "http_req_stats" not in pair[0]}
    assert wanted - pages[one.server.kind].shape() == set()
    silent = ("-gatewayz", "-leafz")  # about what neither server has here
    assert wanted or flag in silent


@pytest.mark.parametrize("flag", FLAGS)
def test_our_exporter_says_the_same(one, flag):
    """Ours under the older flags, and the stock exporter, reading the same server."""
    with StockExporter(flag, one.server.monitor) as theirs:
        with Exporter(flag, one.server.monitor) as ours:
            theirs.scrape(), ours.scrape()  # both have asked for all that they will ask for
            expected, found = theirs.scrape(), ours.fresh()
    assert {pair for pair in found.shape() if pair[0] != "nats_up"} == expected.shape()
    assert {k: v for k, v in found.types.items() if k != "nats_up"} == expected.types
    moving = re.compile(
        r"http_req_|http_connections|_cpu$|_mem$|_rtt$|_uptime$|_idle$|connz_limit$|subsz_|disk_io"
    )

    def settled(page):
        return {
            (name, tuple(sorted(labels.items()))): float(value)
            for name, labels, value in page.samples
            if not moving.search(name) and name != "nats_up"
        }

    assert settled(found) == settled(expected)
