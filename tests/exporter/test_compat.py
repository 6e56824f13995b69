"""The older exporter's names: compared with the older exporter itself, both reading the same server."""
import pytest

from tests.exporter.exporter import BIN, Exporter, OlderExporter, older_exporter
from tests.support.server import Server

FLAGS = ["-varz", "-connz", "-subz", "-routez", "-healthz", "-healthz_js_enabled_only", "-healthz_js_server_only",
         "-gatewayz", "-leafz", "-accstatz", "-accountz"]

# What dashboards in the field ask for, with the default prefix.
DASHBOARD_NAMES = """
gnatsd_varz_connections gnatsd_varz_cpu gnatsd_varz_in_bytes gnatsd_varz_in_msgs
gnatsd_varz_jetstream_config_max_memory gnatsd_varz_jetstream_config_max_storage gnatsd_varz_jetstream_stats_memory
gnatsd_varz_jetstream_stats_storage gnatsd_varz_mem gnatsd_varz_out_bytes gnatsd_varz_out_msgs
gnatsd_varz_slow_consumers gnatsd_varz_subscriptions jetstream_consumer_delivered_consumer_seq
jetstream_consumer_num_ack_pending jetstream_consumer_num_pending jetstream_server_total_consumers
jetstream_server_total_streams jetstream_stream_last_seq jetstream_stream_total_bytes jetstream_stream_total_messages
""".split()


@pytest.fixture(scope="module")
def older():
    binary = older_exporter()
    if not binary:
        pytest.skip("prometheus-nats-exporter is not there, and no Go to build it with: name it in "
                    "PROMETHEUS_NATS_EXPORTER")
    return binary


def request(client, subject, body):
    """A JetStream API request; returns when it is answered."""
    client.send("SUB _INBOX.reply 99\r\n")
    client.send(f"PUB {subject} _INBOX.reply {len(body)}\r\n{body}\r\n")
    line = client.line()
    while not line.startswith(b"MSG"):
        line = client.line()
    answer = client.exactly(int(line.split()[-1]) + 2)
    assert b'"error"' not in answer, answer
    client.send("UNSUB 99\r\n")


@pytest.fixture(scope="module")
def busy(tmp_path_factory):
    """A stock server with JetStream, a stream, a mirror, a source, a consumer, and traffic."""
    with Server("stock", "-js", "-sd", tmp_path_factory.mktemp("js")) as server:
        with server.connect() as client, server.connect() as other:
            client.send('CONNECT {"verbose":false,"name":"one","lang":"go","version":"1.2.3"}\r\n')
            other.send('CONNECT {"verbose":false,"name":"two"}\r\nSUB foo 1\r\n')
            other.ping()
            client.ping()
            client.send("PUB foo 5\r\nhello\r\n")
            request(client, "$JS.API.STREAM.CREATE.S", '{"name":"S","subjects":["s.>"],"max_bytes":1000000}')
            request(client, "$JS.API.STREAM.CREATE.M", '{"name":"M","mirror":{"name":"S"}}')
            request(client, "$JS.API.STREAM.CREATE.A", '{"name":"A","sources":[{"name":"S"}]}')
            request(client, "$JS.API.CONSUMER.DURABLE.CREATE.S.C",
                    '{"stream_name":"S","config":{"durable_name":"C","ack_policy":"explicit","description":"d"}}')
            for _ in range(3):
                request(client, "s.x", "hi")
            client.ping()
            yield server


def without(shape, *names):
    return {one for one in shape if one[0] not in names}


@pytest.mark.parametrize("flags", [[flag] for flag in FLAGS] + [["-connz_detailed"], ["-jsz", "accounts"],
                                                               ["-jsz=streams"], ["-jsz", "all"], []],
                         ids=lambda flags: " ".join(flags) or "none")
def test_same_series_and_types(older, busy, flags):
    # Without any flag ours does what the older one's manual says (-varz); the older one ends with an error.
    with OlderExporter(older, *(flags or ["-varz"]), busy.monitor) as theirs, \
            Exporter(*(flags or ["--names", "legacy"]), busy.monitor) as ours:
        # The set of paths in http_req_stats grows with what is asked for, so both have asked for all before.
        theirs.scrape(), ours.fresh()
        expected, found = theirs.scrape(), ours.fresh()
    assert without(found.shape(), "nats_up") == expected.shape()
    types = dict(found.types)
    assert types.pop("nats_up") == "gauge"
    assert types == expected.types


def comparable(scrape, moving):
    return {(name, tuple(sorted(labels.items()))): float(value) for name, labels, value in scrape.samples
            if not any(word in name for word in moving)}


def test_same_values(older, busy):
    flags = [*FLAGS, "-jsz", "all"]
    moving = ("http_req_stats", "_cpu", "_mem", "rtt", "connz_limit", "nats_up", "seconds", "cache", "num_matches",
              "active_duration", "fanout")
    with OlderExporter(older, *flags, busy.monitor) as theirs, Exporter(*flags, busy.monitor) as ours:
        expected, found = comparable(theirs.scrape(), moving), comparable(ours.fresh(), moving)
    assert len(expected) > 100
    assert found == expected


def test_connection_details_have_the_same_values(older, busy):
    moving = ("rtt", "connz_limit", "nats_up", "idle", "uptime")
    with OlderExporter(older, "-connz_detailed", busy.monitor) as theirs, \
            Exporter("-connz_detailed", busy.monitor) as ours:
        expected, found = comparable(theirs.scrape(), moving), comparable(ours.fresh(), moving)
    assert found == expected
    assert len([key for key in expected if key[0] == "gnatsd_connz_start"]) == 2


@pytest.mark.parametrize("prefix", ["default", "nats"])
def test_names_that_dashboards_ask_for(busy, prefix):
    flags = ["-varz", "-jsz=all"] + (["-prefix", "nats"] if prefix == "nats" else [])
    wanted = DASHBOARD_NAMES if prefix == "default" else [
        "nats_" + name.split("_", 1)[1] for name in DASHBOARD_NAMES]
    with Exporter(*flags, busy.monitor) as ours:
        assert set(wanted) <= ours.scrape().names()


def test_server_id_label(busy):
    name = busy.json("/varz")["server_id"]
    for arguments, label in [((busy.monitor,), busy.monitor), ((f"east,{busy.monitor}",), "east"),
                             (("-use_internal_server_id", busy.monitor), name)]:
        with Exporter("-varz", *arguments) as ours:
            assert {labels["server_id"] for _, labels, _ in ours.scrape().samples} == {label}


def test_both_sets_in_one_scrape_are_disjoint(busy):
    with Exporter("--names", "both", *FLAGS, "-jsz=all", "--connections", "all", busy.monitor) as ours:
        both = ours.scrape()
    with Exporter(*FLAGS, "-jsz=all", busy.monitor) as ours:
        legacy = ours.scrape().names() - {"nats_up"}
    assert legacy <= both.names()
    assert {"nats_server_connections", "nats_connection_info"} <= both.names()


def test_started_under_the_older_name(busy, tmp_path):
    link = tmp_path / "prometheus-nats-exporter"
    link.symlink_to(BIN / "clearwing-exporter")
    with Exporter(busy.monitor, program=str(link)) as ours:
        names = ours.scrape().names()
    assert "gnatsd_varz_connections" in names
    assert not any(name.startswith("nats_server_") for name in names)


def test_connection_sums_never_fall(stock):
    with Exporter("-connz", stock.monitor) as ours:
        with stock.connect() as stays:
            stays.send("CONNECT {\"verbose\":false}\r\nSUB foo 1\r\n")
            stays.ping()
            with stock.connect() as goes:
                goes.send("CONNECT {\"verbose\":false}\r\nPUB foo 5\r\nhello\r\n")
                goes.ping()
                before = ours.scrape()
            stock.wait_for("/connz", lambda connz: connz["num_connections"] == 1)
            stock.wait_for("/connz?state=closed", lambda connz: connz["total"] == 1)
            after = ours.fresh()
    assert before.one("gnatsd_connz_in_msgs") == after.one("gnatsd_connz_in_msgs") == 1
    assert before.one("gnatsd_connz_num_connections") == 2
    assert after.one("gnatsd_connz_num_connections") == 1


def test_flags_of_older_releases_are_accepted(busy):
    with Exporter("-varz", "-channelz", "-serverz", "-DV", "-ri", "5", busy.monitor) as ours:
        assert "gnatsd_varz_connections" in ours.scrape().names()
    assert "ignored" in "".join(ours.lines)


def test_a_dead_server_leaves_no_stale_series():
    with Server("stock") as server, Exporter("-varz", "-healthz", server.monitor) as ours:
        assert ours.scrape().one("nats_up") == 1
        server.stop()
        down = ours.fresh()
    assert down.names() == {"nats_up", "gnatsd_healthz_status_value"}
    assert down.one("nats_up") == 0
    assert down.one("gnatsd_healthz_status_value", value="unreachable") == 0
