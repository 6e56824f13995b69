"""Routes, gateways, leafs, several accounts and replicated streams, on stock servers that really have them."""
import time

import pytest

from tests.exporter.exporter import Exporter, OlderExporter, check_with_promtool, older_exporter
from tests.exporter.federation import Federation
from tests.exporter.test_compat import comparable, request, without


@pytest.fixture(scope="module")
def servers(tmp_path_factory):
    with Federation(tmp_path_factory.mktemp("federation")) as federation:
        listeners = [federation.login(server, "app") for server in (federation.east2, federation.west)]
        for listener in listeners:
            listener.send("SUB news.* 1\r\n")
            listener.ping()
        client = federation.login(federation.east1, "app")
        federation.login(federation.east1, "team")
        request(client, "$JS.API.STREAM.CREATE.S",
                '{"name":"S","subjects":["s.>"],"num_replicas":2,"max_msgs":1000,"storage":"file","max_bytes":-1}')
        request(client, "$JS.API.STREAM.CREATE.A", '{"name":"A","sources":[{"name":"S"}]}')
        request(client, "$JS.API.CONSUMER.DURABLE.CREATE.S.C",
                '{"stream_name":"S","config":{"durable_name":"C","ack_policy":"explicit","deliver_subject":"push.c",'
                '"description":"pushed"}}')
        for _ in range(5):
            request(client, "s.x", "hi")
        for i in range(10):
            client.send(f"PUB news.{i} 5\r\nhello\r\n")
        client.ping()
        federation.east1.wait_for("/routez", lambda routez: routez["routes"][0]["out_msgs"] > 0)
        time.sleep(1)  # what the servers tell each other about the stream has arrived by then
        yield federation


@pytest.fixture(scope="module")
def scrape(servers):
    every = [server.monitor for server in (servers.east1, servers.east2, servers.west, servers.leaf)]
    with Exporter("--jetstream", "consumers", "--connections", "all", *every) as ours:
        yield ours.scrape()


def test_promtool_finds_nothing(scrape):
    assert check_with_promtool(scrape.text) == ""


def test_every_server_is_up_and_named(scrape):
    clusters = {labels["nats_server"]: labels["nats_cluster"] for labels, value in scrape.all("nats_up") if value == 1}
    assert clusters == {"east1": "east", "east2": "east", "west": "west", "leaf": clusters["leaf"]}


def test_routes(servers, scrape):
    route = servers.east1.json("/routez")["routes"][0]
    labels = {"nats_server": "east1", "rid": str(route["rid"])}
    assert scrape.one("nats_route_info", remote_id=route["remote_id"], port=str(route["port"]), **labels) == 1
    assert 0 < scrape.one("nats_route_rtt_seconds", **labels) < 5
    assert 0 < scrape.one("nats_route_sent_messages_total", **labels) <= route["out_msgs"]
    assert abs(scrape.one("nats_route_start_time_seconds", **labels) - time.time()) < 600


def test_gateways(scrape):
    outbound = scrape.all("nats_gateway_info", nats_server="west", direction="outbound", remote_gateway_name="east")
    assert [labels["gateway_name"] for labels, _ in outbound] == ["west"]
    assert len(scrape.all("nats_gateway_info", nats_server="west", direction="inbound")) == 2
    sent = scrape.all("nats_gateway_sent_messages_total", nats_server="east1", direction="outbound")
    assert len(sent) == 1 and sent[0][1] >= 10


def test_leafs(servers, scrape):
    leaf = servers.east1.json("/leafz")["leafs"][0]
    labels = {"nats_server": "east1", "account": "APP", "leaf_id": f"{leaf['ip']}:{leaf['port']}"}
    assert scrape.one("nats_leaf_info", ip=leaf["ip"], **labels) == 1
    assert scrape.one("nats_leaf_subscriptions", **labels) == leaf["subscriptions"]
    assert scrape.one("nats_server_leafnodes", nats_server="east1") == 1


def test_accounts(scrape):
    assert scrape.one("nats_account_connections", nats_server="east1", account="APP") == 1
    assert scrape.one("nats_account_connections", nats_server="east1", account="TEAM X") == 1
    assert scrape.one("nats_account_info", nats_server="east1", account="SYS", is_system="true") == 1
    assert scrape.one("nats_account_info", nats_server="east1", account="APP", jetstream="true") == 1
    assert scrape.one("nats_connections_by_account", nats_server="east1", account="TEAM X") == 1


def test_a_stream_is_told_once_by_its_leader(scrape):
    stream = {"account": "APP", "stream": "S"}
    assert scrape.one("nats_jetstream_stream_leader", **stream) == 1
    assert scrape.one("nats_jetstream_stream_messages", **stream) == 5
    assert scrape.one("nats_jetstream_stream_last_sequence_total", **stream) == 5
    assert scrape.one("nats_jetstream_stream_messages_limit", **stream) == 1000
    assert scrape.all("nats_jetstream_stream_bytes_limit", **stream) == []
    assert scrape.one("nats_jetstream_stream_replica_current", **stream) in (0, 1)
    assert scrape.one("nats_jetstream_stream_replica_lag", **stream) >= 0
    assert scrape.one("nats_jetstream_stream_source_lag", stream="A", source="S", role="source") == 0
    assert scrape.one("nats_jetstream_consumer_pending_messages", consumer="C", **stream) == 5
    assert scrape.one("nats_jetstream_consumer_info", consumer="C", description="pushed", **stream) == 1
    assert sum(value for _, value in scrape.all("nats_jetstream_meta_leader")) == 1


@pytest.mark.parametrize("name", ["east1", "east2", "west", "leaf"])
def test_the_older_names_are_the_same(servers, name):
    binary = older_exporter()
    if not binary:
        pytest.skip("prometheus-nats-exporter is not there, and no Go to build it with")
    server = getattr(servers, name)
    flags = ["-varz", "-connz", "-subz", "-routez", "-gatewayz", "-leafz", "-accstatz", "-accountz", "-healthz",
             "-jsz", "all"]
    with OlderExporter(binary, *flags, server.monitor) as theirs, Exporter(*flags, server.monitor) as ours:
        theirs.scrape(), ours.fresh()
        expected, found = theirs.scrape(), ours.fresh()
    ages = {"jetstream_consumer_last_delivery_seconds", "jetstream_consumer_last_ack_seconds"}  # right only in ours
    assert without(found.shape(), "nats_up", *ages) == without(expected.shape(), *ages)
    moving = ("http_req_stats", "_cpu", "_mem", "rtt", "connz_limit", "nats_up", "seconds", "_msgs", "_bytes", "cache",
              "num_matches", "active_duration", "fanout", "messages", "api_total", "lag", "jetstream_disabled")
    # The older exporter does not escape the blank in this account's name, and so never learns its details.
    details = {key for key in comparable(found, moving)
               if key[0].startswith("gnatsd_accountz_") and ("account_id", "TEAM X") in key[1]}
    assert len(details) == 15
    assert {key: value for key, value in comparable(found, moving).items() if key not in details} == \
        comparable(expected, moving)
