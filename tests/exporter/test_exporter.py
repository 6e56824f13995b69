"""The native metrics: lint-clean, equal to the documents, and in time whatever the servers do."""
import contextlib
import gzip
import http.server
import json
import os
import re
import signal
import ssl
import subprocess
import threading
import time
import urllib.request

import pytest

from tests.exporter.exporter import BIN, Exporter, Scrape, check_with_promtool, free_port
from tests.support.server import ROOT, Server


@pytest.fixture
def clients(server):
    """Three clients with a subscription each, one message published, one connection closed."""
    with contextlib.ExitStack() as stack:
        connected = [stack.enter_context(server.connect()) for _ in range(3)]
        for i, client in enumerate(connected):
            client.send('CONNECT {"verbose":false,"name":"client%d","lang":"go","version":"1.2.3"}\r\n' % i)
            client.send("SUB foo.* 1\r\n")
            client.ping()
        connected[0].send("PUB foo.a 5\r\nhello\r\n")
        for client in connected:
            client.ping()
        with server.connect() as gone:
            gone.send("CONNECT {}\r\n")
            gone.ping()
        server.wait_for("/connz?state=closed", lambda connz: connz["total"] == 1)
        yield connected


def table_names():
    """The families of metrics.def, as {name with suffixes: kind}."""
    names = {}
    text = (ROOT / "broker" / "metrics.def").read_text()
    units = {"BYTES": "_bytes", "SECONDS": "_seconds", "NS": "_seconds", "DURATION": "_seconds", "TIME": "_seconds",
             "PERCENT": "_cores", "CORES": "_cores", "RATIO": "_ratio", "NONE": ""}
    for line in text.splitlines():
        row = re.match(r'METRIC_\w+\s*\(([^"]*)"(\w+)"', line)
        if row:
            words = [word.strip() for word in row[1].split(",")]
            kind = next(word for word in words if word in ("COUNTER", "GAUGE"))
            unit = next(units[word] for word in words if word in units)
            names[row[2] + unit + ("_total" if kind == "COUNTER" else "")] = kind.lower()
    return names


def test_promtool_finds_nothing(server, clients):
    with Exporter("--connections", "all", "--jetstream", "consumers", "--subjects", "foo.*,>", server.monitor) as ours:
        text = ours.scrape().text
    assert check_with_promtool(text) == ""
    assert "nats_connection_info" in text and "nats_subject_subscriptions" in text


def test_every_family_is_in_the_table(server, clients):
    table = table_names()
    assert len(table) > 150
    with Exporter("--connections", "all", "--subjects", "foo.*", server.monitor) as ours:
        scrape = ours.scrape()
    for family, kind in scrape.types.items():
        assert family in table, family
        assert kind in (table[family], "histogram"), family


def test_values_equal_the_documents(server, clients):
    with Exporter("--connections", "all", server.monitor) as ours:
        scrape = ours.scrape()
        varz, subsz = server.json("/varz"), server.json("/subsz")
        connz, accstatz = server.json("/connz?auth=1"), server.json("/accstatz?unused=1")
    for name, key, scale in [("nats_server_connections", "connections", 1),
                             ("nats_server_connections_opened_total", "total_connections", 1),
                             ("nats_server_connections_limit", "max_connections", 1),
                             ("nats_server_received_messages_total", "in_msgs", 1),
                             ("nats_server_sent_messages_total", "out_msgs", 1),
                             ("nats_server_received_bytes_total", "in_bytes", 1),
                             ("nats_server_sent_bytes_total", "out_bytes", 1),
                             ("nats_server_slow_consumers_total", "slow_consumers", 1),
                             ("nats_server_subscriptions", "subscriptions", 1),
                             ("nats_server_max_payload_bytes", "max_payload", 1),
                             ("nats_server_max_pending_bytes", "max_pending", 1),
                             ("nats_server_cpu_cores", "cores", 1),
                             ("nats_server_write_deadline_seconds", "write_deadline", 1e9),
                             ("nats_server_ping_interval_seconds", "ping_interval", 1e9),
                             ("nats_server_auth_timeout_seconds", "auth_timeout", 1)]:
        assert scrape.one(name) == varz[key] / scale, name
    assert scrape.one("nats_server_sent_messages_total") == 3
    assert abs(scrape.one("nats_server_start_time_seconds") - time.time()) < 600
    assert abs(scrape.one("nats_server_clock_skew_seconds")) < 5
    assert scrape.one("nats_subscription_inserts_total") == subsz["num_inserts"]
    assert scrape.one("nats_subscription_entries") == subsz["num_subscriptions"]
    assert scrape.one("nats_connections_listed") == scrape.one("nats_connections_matching") == 3
    assert scrape.one("nats_connections_by_library", kind="Client", lang="go", version="1.2.3", type="nats") == 3
    assert scrape.one("nats_connections_by_account", account="$G") == 3
    assert scrape.one("nats_connections_closed_total", reason="Client Closed") == 1
    assert scrape.one("nats_connections_rtt_seconds_count") == 3
    assert scrape.one("nats_connections_queue_bytes_bucket", le="+Inf") == 3
    for account in accstatz["account_statz"]:
        assert scrape.one("nats_account_connections", account=account["acc"]) == account["conns"]
        assert scrape.one("nats_account_sent_messages_total", account=account["acc"]) == account["sent"]["msgs"]
    for connection in connz["connections"]:
        cid = str(connection["cid"])
        assert scrape.one("nats_connection_sent_bytes_total", cid=cid) == connection["out_bytes"]
        assert scrape.one("nats_connection_subscriptions", cid=cid) == connection["subscriptions"]
        assert scrape.one("nats_connection_info", cid=cid, name=connection["name"], account="$G",
                          port=str(connection["port"]), ip=connection["ip"]) == 1
        assert 0 < scrape.one("nats_connection_rtt_seconds", cid=cid) < 10


def test_the_server_is_described(server):
    varz = server.json("/varz")
    with Exporter(server.monitor) as ours:
        scrape = ours.scrape()
    assert scrape.one("nats_server_info", server_id=varz["server_id"], version=varz["version"]) == 1
    address = server.monitor.split("//")[1]
    assert {labels["nats_server"] for name, labels, _ in scrape.samples if "nats_server" in labels} == {address}
    assert scrape.one("nats_up") == 1
    assert scrape.one("nats_server_health_status", check="full") == 1
    assert {value for _, value in scrape.all("nats_endpoint_up")} == {1}
    assert len(scrape.all("nats_endpoint_up")) == 13


def test_subject_patterns(server, clients):
    clients[1].send("SUB foo.exact 2\r\nSUB foo.> 3\r\nSUB other.* 4\r\n")
    clients[1].ping()
    with Exporter("--subjects", "foo.*,other.x", server.monitor) as ours:
        scrape = ours.scrape()
    # "foo.>" receives more than "foo.*" covers, "other.*" more than "other.x".
    assert scrape.one("nats_subject_subscriptions", subject="foo.*", account="$G") == 4
    assert scrape.one("nats_subject_delivered_messages_total", subject="foo.*", account="$G") == 3
    assert scrape.all("nats_subject_subscriptions", subject="other.x") == []


def test_two_servers_and_a_dead_one():
    dead = f"http://127.0.0.1:{free_port()}"
    with Server("stock", "-n", "east") as east, Server("stock", "-n", "west") as west:
        with east.connect() as client:
            client.send("CONNECT {\"verbose\":false}\r\n")
            client.ping()
            with Exporter(east.monitor, dead, west.monitor) as ours:
                began = time.monotonic()
                scrape = ours.scrape()
                assert time.monotonic() - began < 3
    assert scrape.one("nats_up", nats_server="east") == 1
    assert scrape.one("nats_up", nats_server="west") == 1
    assert scrape.one("nats_up", nats_server=dead.split("//")[1]) == 0
    assert scrape.one("nats_server_connections", nats_server="east") == 1
    assert scrape.one("nats_server_connections", nats_server="west") == 0
    assert scrape.all("nats_server_connections", nats_server=dead.split("//")[1]) == []
    assert scrape.one("nats_endpoint_scrape_errors_total", endpoint="varz", reason="connect") == 1
    assert check_with_promtool(scrape.text) == ""


def test_servers_of_one_name_stay_apart():
    with Server("stock", "-n", "twin") as one, Server("stock", "-n", "twin") as two:
        with Exporter(one.monitor, two.monitor) as ours:
            scrape = ours.scrape()
    assert {labels["nats_server"] for labels, _ in scrape.all("nats_up")} == {"twin", two.monitor.split("//")[1]}


def test_a_hung_server_costs_its_share_of_the_time():
    with Server("stock", "-n", "hung") as hung, Server("stock", "-n", "well") as well:
        with Exporter(hung.monitor, well.monitor) as ours:
            ours.scrape()
            os.kill(hung.pid, signal.SIGSTOP)
            try:
                time.sleep(1.05)
                began = time.monotonic()
                scrape = ours.scrape(headers={"X-Prometheus-Scrape-Timeout-Seconds": "1"})
                took = time.monotonic() - began
            finally:
                os.kill(hung.pid, signal.SIGCONT)
    assert 0.7 < took < 1.0
    assert scrape.one("nats_up", nats_server="hung") == 0
    assert scrape.one("nats_up", nats_server="well") == 1
    assert scrape.all("nats_server_connections", nats_server="hung") == []
    assert scrape.one("nats_endpoint_scrape_errors_total", nats_server="hung", endpoint="varz", reason="timeout") == 1


def test_a_restart_resets_counters_and_says_so(tmp_path):
    port, monitor = free_port(), free_port()
    arguments = ("-n", "again", "-m", monitor)
    with Exporter(f"http://127.0.0.1:{monitor}") as ours:
        scrapes = []
        for published in (3, 1):
            with Server("stock", *arguments, monitor=False) as server:
                with server.connect() as client:
                    client.send("CONNECT {\"verbose\":false}\r\n" + "PUB foo 2\r\nhi\r\n" * published)
                    client.ping()
                    scrapes.append(ours.fresh())
            scrapes.append(ours.fresh())
    first, between, second, _ = scrapes
    assert [s.one("nats_up", nats_server="again") for s in scrapes] == [1, 0, 1, 0]
    assert first.one("nats_server_received_messages_total") == 3
    assert between.all("nats_server_received_messages_total") == []
    assert second.one("nats_server_received_messages_total") == 1
    assert second.one("nats_server_start_time_seconds") > first.one("nats_server_start_time_seconds")


def test_counters_only_grow(server):
    with Exporter("--connections", "all", server.monitor) as ours, contextlib.ExitStack() as stack:
        before = {}
        for i in range(4):
            client = stack.enter_context(server.connect())
            client.send("CONNECT {\"verbose\":false}\r\nSUB a 1\r\nPUB a 2\r\nhi\r\n")
            client.ping()
            if i % 2:
                client.close()
            scrape = ours.fresh()
            now = {(name, tuple(sorted(labels.items()))): float(value) for name, labels, value in scrape.samples
                   if name.endswith("_total") and "cid" not in labels}
            for key, value in before.items():
                assert now.get(key, 0) >= value, key
            before = now
    assert before


@pytest.mark.parametrize("accept, content, end", [
    ("", "text/plain; version=0.0.4", ""),
    ("application/openmetrics-text;version=1.0.0,text/plain;q=0.5", "application/openmetrics-text; version=1.0.0",
     "# EOF\n"),
    ("application/openmetrics-text;q=0.2,text/plain;q=0.5", "text/plain; version=0.0.4", "")])
def test_formats(stock, accept, content, end):
    with Exporter(stock.monitor) as ours:
        status, headers, text = ours.get("/metrics", {"Accept": accept} if accept else {})
    assert status == 200
    assert headers["Content-Type"].startswith(content)
    assert text.endswith(end)
    open_text = bool(end)
    assert ("# UNIT nats_server_received_bytes bytes" in text) == open_text
    assert ("# TYPE nats_server_received_bytes counter" in text) == open_text
    assert ("# TYPE nats_server_received_bytes_total counter" in text) != open_text
    assert ("# TYPE nats_connections_rtt_seconds gaugehistogram" in text) == open_text


def test_gzip(stock):
    with Exporter(stock.monitor) as ours:
        request = urllib.request.Request(ours.url + "/metrics", headers={"Accept-Encoding": "gzip"})
        with urllib.request.urlopen(request) as answer:
            assert answer.headers["Content-Encoding"] == "gzip"
            text = gzip.decompress(answer.read()).decode()
    assert "nats_up" in text


def test_prometheus_itself_takes_it(stock, tmp_path):
    """OpenMetrics judged by the real scraper: target up, no error, types and units as declared."""
    port = free_port()
    with Exporter("--connections", "all", "--jetstream", "consumers", stock.monitor) as ours:
        config = {"global": {"scrape_interval": "1s"},
                  "scrape_configs": [{"job_name": "nats", "static_configs": [{"targets": [ours.url.split("//")[1]]}]}]}
        (tmp_path / "prometheus.yml").write_text(json.dumps(config))
        process = subprocess.Popen(["prometheus", f"--config.file={tmp_path}/prometheus.yml",
                                    f"--storage.tsdb.path={tmp_path}/data", f"--web.listen-address=127.0.0.1:{port}"],
                                   stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            target = wait_for_target(port)
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/api/v1/targets/metadata?metric="
                                        "nats_server_received_bytes") as answer:
                metadata = json.load(answer)["data"]
        finally:
            process.terminate()
            process.wait(20)
    assert (target["health"], target["lastError"]) == ("up", "")
    assert [(one["type"], one["unit"]) for one in metadata] == [("counter", "bytes")]


def wait_for_target(port):
    deadline = time.monotonic() + 40
    while time.monotonic() < deadline:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/api/v1/targets") as answer:
                active = json.load(answer)["data"]["activeTargets"]
            if active and active[0]["health"] != "unknown":
                return active[0]
        except OSError:
            pass
        time.sleep(0.1)
    raise AssertionError("prometheus never scraped the exporter")


# ---- a server that misbehaves ----

class Scripted(http.server.ThreadingHTTPServer):
    """Answers each path with (status, body bytes) from `answers`, anything else with 404."""
    daemon_threads = True

    def __init__(self, answers):
        self.answers = answers
        self.asked = []
        super().__init__(("127.0.0.1", 0), ScriptedHandler)
        threading.Thread(target=self.serve_forever, daemon=True).start()
        self.url = f"http://127.0.0.1:{self.server_address[1]}"

    def __exit__(self, *_):
        self.shutdown()
        self.server_close()


class ScriptedHandler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.server.asked.append(self.path)
        answer = self.server.answers.get(self.path.split("?")[0], (404, b"404 page not found\n"))
        status, body = answer(self.path) if callable(answer) else answer
        self.send_response(status)
        self.send_header("Content-Length", str(len(body) + (50 if body == b"cut" else 0)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


VARZ = {"server_id": "N" * 56, "server_name": "scripted", "version": "2.14.0", "now": "2026-01-01T00:00:00Z",
        "in_msgs": 9007199254740993, "connections": 2, "cluster": {"name": "blue"},
        "slow_consumer_stats": {"clients": 1, "routes": 2, "gateways": 3, "leafs": 4}}


def document(value):
    return 200, json.dumps(value).encode()


def test_half_broken_server():
    answers = {"/varz": document(VARZ), "/connz": (500, b"{}"), "/subsz": (200, b"<html>"), "/routez": (200, b"cut"),
               "/gatewayz": (200, b"[1]"), "/leafz": document({"leafs": None})}
    with Scripted(answers) as fake, Exporter(fake.url) as ours:
        scrape = ours.scrape()
    up = {labels["endpoint"]: value for labels, value in scrape.all("nats_endpoint_up")}
    assert (up["varz"], up["connz"], up["subsz"], up["routez"], up["gatewayz"], up["leafz"]) == (1, 0, 0, 0, 0, 1)
    reasons = {labels["endpoint"]: labels["reason"]
               for labels, _ in scrape.all("nats_endpoint_scrape_errors_total")}
    assert reasons["connz"] == "http_status"
    assert reasons["subsz"] == reasons["routez"] == reasons["gatewayz"] == "decode"
    assert scrape.one("nats_up", nats_server="scripted", nats_cluster="blue") == 1
    assert scrape.raw("nats_server_received_messages_total") == "9007199254740993"
    assert {labels["kind"]: value for labels, value in scrape.all("nats_server_slow_consumers_by_kind_total")} == {
        "client": 1, "route": 2, "gateway": 3, "leaf": 4}
    assert check_with_promtool(scrape.text) == ""


def test_unlimited_and_absent_give_no_series():
    jsz = {"streams": 1, "account_details": [{"name": "A", "memory": 5, "reserved_memory": 18446744073709551615,
                                              "stream_detail": [{"name": "S", "config": {"max_msgs": -1, "max_bytes": 7},
                                                                 "state": {"messages": 3, "last_seq": 9}}]}]}
    answers = {"/varz": document(VARZ), "/jsz": document(jsz)}
    with Scripted(answers) as fake, Exporter("--jetstream", "streams", fake.url) as ours:
        scrape = ours.scrape()
    assert scrape.one("nats_jetstream_account_memory_used_bytes", account="A") == 5
    assert scrape.all("nats_jetstream_account_memory_reserved_bytes") == []
    assert scrape.all("nats_jetstream_stream_messages_limit") == []
    assert scrape.one("nats_jetstream_stream_bytes_limit", stream="S") == 7
    assert scrape.one("nats_jetstream_stream_last_sequence_total", account="A", stream="S") == 9
    assert scrape.one("nats_jetstream_stream_leader", stream="S") == 1
    assert scrape.all("nats_server_memory_limit_bytes") == scrape.all("nats_server_mem_bytes") == []


def test_names_that_need_escapes():
    name = 'say "hi"\\\nthere'
    connection = {"cid": 1, "kind": "Client", "name": name, "lang": "c", "rtt": "1ms", "pending_bytes": 0}
    answers = {"/varz": document(VARZ), "/connz": document({"connections": [connection], "total": 1})}
    with Scripted(answers) as fake, Exporter("--connections", "all", fake.url) as ours:
        scrape = ours.scrape()
    assert scrape.one("nats_connection_info", name=name) == 1
    assert check_with_promtool(scrape.text) == ""


def connections_page(path):
    """5,000 connections, the later the larger, in pages as asked for."""
    query = dict(pair.split("=") for pair in path.split("?")[1].split("&"))
    if query.get("state") == "closed":
        return document({"connections": [], "total": 0})
    offset, limit = int(query["offset"]), min(int(query["limit"]), 10000)
    every = [{"cid": cid, "kind": "Client", "pending_bytes": 0, "in_bytes": cid, "out_bytes": 0, "in_msgs": 1,
              "out_msgs": 0, "subscriptions": 0} for cid in range(1, 5001)]
    return document({"connections": every[offset:offset + limit], "total": 5000, "offset": offset, "limit": limit})


@pytest.mark.parametrize("how, kept", [("all", 2000), ("top:7", 7)])
def test_limits_keep_the_largest(how, kept):
    with Scripted({"/varz": document(VARZ), "/connz": connections_page}) as fake, \
            Exporter("--connections", how, fake.url) as ours:
        first, second = ours.scrape(), ours.fresh()
    cids = [int(labels["cid"]) for labels, _ in first.all("nats_connection_received_bytes_total")]
    assert cids == list(range(5000, 5000 - kept, -1))
    assert cids == [int(labels["cid"]) for labels, _ in second.all("nats_connection_received_bytes_total")]
    assert first.one("nats_connections_listed") == 5000
    dropped = first.all("nats_exporter_series_dropped", family="nats_connection_received_bytes_total")
    assert [value for _, value in dropped] == ([3000] if how == "all" else [])


def test_routes_gateways_and_leafs():
    routez = {"routes": [{"rid": 5, "remote_id": "NR", "remote_name": "r", "ip": "10.0.0.1", "port": 1, "rtt": "2ms",
                          "pending_size": 7, "in_msgs": 1, "out_msgs": 2, "in_bytes": 3, "out_bytes": 4,
                          "subscriptions": 6, "start": "2026-01-01T00:00:01.5Z", "account": "A", "compression": "off"}]}
    connection = {"cid": 9, "rtt": "1.5s", "pending_bytes": 1, "in_msgs": 2, "out_msgs": 3, "in_bytes": 4,
                  "out_bytes": 5, "subscriptions": 6, "start": "0001-01-01T00:00:00Z"}
    gatewayz = {"name": "here", "outbound_gateways": {"there": {"configured": True, "connection": connection}},
                "inbound_gateways": {"there": [{"configured": False, "connection": {**connection, "cid": 10}}]}}
    leaf = {"account": "A", "ip": "10.0.0.2", "port": 7, "rtt": "441µs", "in_msgs": 1, "out_msgs": 2, "in_bytes": 3,
            "out_bytes": 4, "subscriptions": 5}
    leafz = {"leafnodes": 2, "leafs": [leaf, {**leaf, "id": 12, "name": "edge", "is_spoke": True}]}
    answers = {"/varz": document(VARZ), "/routez": document(routez), "/gatewayz": document(gatewayz),
               "/leafz": document(leafz)}
    with Scripted(answers) as fake, Exporter(fake.url) as ours:
        scrape = ours.scrape()
    assert scrape.one("nats_route_info", rid="5", remote_id="NR", remote_name="r", account="A", ip="10.0.0.1",
                      port="1", compression="off") == 1
    assert scrape.one("nats_route_rtt_seconds", rid="5", remote_name="r") == 0.002
    assert scrape.one("nats_route_pending_bytes") == 7
    assert scrape.one("nats_route_sent_bytes_total") == 4
    assert scrape.one("nats_route_start_time_seconds") == 1767225601.5
    assert scrape.one("nats_gateway_info", direction="outbound", cid="9", gateway_name="here",
                      remote_gateway_name="there", configured="true") == 1
    assert scrape.one("nats_gateway_rtt_seconds", direction="inbound", cid="10") == 1.5
    assert scrape.all("nats_gateway_start_time_seconds") == []
    assert scrape.one("nats_gateway_sent_bytes_total", direction="outbound") == 5
    assert scrape.one("nats_leaf_info", leaf_id="12", leaf_name="edge", role="spoke") == 1
    assert scrape.one("nats_leaf_rtt_seconds", leaf_id="10.0.0.2:7") == 0.000441
    assert scrape.one("nats_leaf_received_messages_total", leaf_id="12") == 1
    assert check_with_promtool(scrape.text) == ""


def test_scrapes_close_together_share_one_fetch():
    with Scripted({"/varz": document(VARZ)}) as fake, Exporter(fake.url) as ours:
        for _ in range(5):
            ours.scrape()
        assert fake.asked.count("/varz") == 1
        ours.fresh()
        assert fake.asked.count("/varz") == 2


def test_collect_asks_only_for_what_is_wanted():
    with Scripted({"/varz": document(VARZ)}) as fake, Exporter("--collect", "server,routes", fake.url) as ours:
        ours.scrape()
        assert {path.split("?")[0] for path in fake.asked} == {"/varz", "/healthz", "/routez"}


# ---- its own endpoints ----

def test_probe(stock):
    host = stock.monitor.split("//")[1]
    with Exporter("--probe-allow", "127.0.0.1:*") as ours:
        assert ours.scrape(f"/probe?target={stock.monitor}").one("nats_up") == 1
        part = ours.scrape(f"/probe?target={host}&collect=routes")
        assert part.one("nats_up") == 1 and part.all("nats_server_connections") == []
        assert ours.get("/probe?target=http://127.0.0.2:8222")[0] == 403
        for bad in ("", "?target=", "?target=file:///etc/passwd", "?target=http://127.0.0.1:1@evil:8222",
                    "?target=http://127.0.0.1:1/x", f"?target={host}&collect=nonsense"):
            status, _, text = ours.get("/probe" + bad)
            assert status == 400 and len(text.splitlines()) == 1, bad
    with Exporter(stock.monitor) as ours:
        status, _, text = ours.get(f"/probe?target={stock.monitor}")
        assert status == 403 and "--probe-allow" in text


def test_own_pages(stock):
    with Exporter("-path", "custom", stock.monitor) as ours:
        assert ours.get("/healthz")[0] == 200
        assert "custom" in ours.scrape_url
        assert ours.scrape("/custom").one("nats_up") == 1
        assert "<h1>" in ours.get("/")[2]
        assert ours.get("/metrics")[0] == 404


def test_basic_authentication(stock):
    with Exporter("-http_user", "me", "-http_pass", "secret", stock.monitor) as ours:
        assert ours.get("/metrics")[0] == 401
        assert ours.get("/metrics", {"Authorization": "Basic bWU6d3Jvbmc="})[0] == 401
        assert ours.get("/metrics", {"Authorization": "Basic bWU6c2VjcmV0"})[0] == 200
        assert ours.get("/healthz")[0] == 200


def test_https(stock, tmp_path):
    subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "1", "-subj", "/CN=localhost",
                    "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", tmp_path / "key", "-out", tmp_path / "cert"],
                   check=True, capture_output=True)
    with Exporter("-tlscert", tmp_path / "cert", "-tlskey", tmp_path / "key", stock.monitor) as ours:
        context = ssl.create_default_context(cafile=tmp_path / "cert")
        with urllib.request.urlopen(ours.scrape_url, context=context) as answer:
            assert b"nats_up" in answer.read()


@pytest.mark.parametrize("arguments, word", [
    ([], "--probe-allow"), (["--nonsense", "http://x"], "--nonsense"), (["localhost:8222"], "localhost:8222"),
    (["http://"], "host"), (["--names", "modern", "http://x"], "modern"), (["--connections", "top:0", "http://x"], "top:0"),
    (["--jetstream", "x", "http://x"], "--jetstream"), (["-jsz", "x", "http://x"], "-jsz"),
    (["--collect", "server,x", "http://x"], "'x'"), (["--limit-series", "0", "http://x"], "--limit-series"),
    (["--timeout", "-1", "http://x"], "--timeout"), (["--listen", "7777", "http://x"], "HOST:PORT"),
    (["-p", "99999", "http://x"], "99999"), (["-varz=maybe", "http://x"], "maybe"), (["--timeout"], "needs"),
    (["-prefix", "a b", "http://x"], "a b"),
    (["-tlscert", "c", "http://x"], "-tlskey"), (["-tlscert", "/nowhere", "-tlskey", "/nowhere", "http://x"], "/nowhere"),
    (["--log", "/nowhere/log", "http://x"], "/nowhere/log"), (["-http_user", "x", "http://x"], "-http_pass"),
    (["--listen", "nowhere.invalid:1", "http://x"], "nowhere.invalid")])
def test_bad_options_end_with_one_line(arguments, word):
    done = subprocess.run([BIN / "clearwing-exporter", *arguments], capture_output=True, text=True, timeout=30)
    lines = [line for line in done.stderr.splitlines() if "no metric flag" not in line]
    assert done.returncode == 1
    assert len(lines) == 1 and word in lines[0] and lines[0].startswith("clearwing-exporter: "), done.stderr


def test_a_port_in_use_is_named(stock):
    with Exporter(stock.monitor) as first:
        address = first.url.split("//")[1]
        done = subprocess.run([BIN / "clearwing-exporter", "--listen", address, stock.monitor],
                              capture_output=True, text=True, timeout=30)
    assert done.returncode == 1 and address in done.stderr and len(done.stderr.splitlines()) == 1


@pytest.mark.parametrize("argument", ["--help", "-h", "--version"])
def test_help_and_version(argument):
    done = subprocess.run([BIN / "clearwing-exporter", argument], capture_output=True, text=True, timeout=30)
    assert done.returncode == 0 and "clearwing-exporter" in done.stdout and done.stderr == ""


def test_the_brokers_own_metrics_agree(broker):
    """What the broker says on its own /metrics is what the exporter reads from its documents."""
    with broker.connect() as client:
        client.send('CONNECT {"verbose":false}\r\nSUB foo 1\r\nPUB foo 5\r\nhello\r\n')
        client.ping()
        with Exporter(broker.monitor) as ours:
            scrape = ours.scrape()
            status, _, body = broker.get("/metrics")
    assert status == 200
    own = Scrape(body.decode())
    assert check_with_promtool(own.text) == ""
    shared = own.types.keys() & scrape.types.keys()
    assert len(shared) > 50
    for family in shared:
        assert own.types[family] == scrape.types[family], family
        help_line = f"# HELP {family} "
        assert help_text(own, help_line) == help_text(scrape, help_line), family
    for name in ("nats_server_connections", "nats_server_received_messages_total", "nats_server_sent_bytes_total",
                 "nats_server_max_payload_bytes", "nats_server_write_deadline_seconds", "nats_subscription_entries",
                 "nats_connections_by_library", "nats_connections_queue_bytes_count"):
        assert own.one(name) == scrape.one(name), name


def help_text(scrape, beginning):
    return next(line for line in scrape.text.splitlines() if line.startswith(beginning))
