"""What the monitoring port tells about itself: in /varz, and the same in /metrics."""
import time

from tests.monitor.wire import ask, dial
from tests.support.server import Server


def series(broker, name, headers=()):
    """{label value: number} of a family in /metrics."""
    found = {}
    for line in ask(broker, "/metrics", headers=headers).body.decode().splitlines():
        if line.startswith(name + "{"):
            labels, value = line[len(name) + 1:].rsplit("} ", 1)
            found[labels.rsplit("=", 1)[1].strip('"')] = float(value)
    assert found, name
    return found


def test_time_and_bytes_by_path(broker):
    assert "/varz" not in broker.json("/varz")["http_req_ns"]
    sizes = [len(ask(broker, target).body) for target in ("/connz", "/connz?limit=bad", "/subsz", "/subscriptionsz")]
    ask(broker, "/connz", "HEAD")
    ask(broker, "/nope")
    begin = time.monotonic()
    document = broker.json("/varz")
    assert document["http_req_bytes"]["/connz"] == sizes[0] + sizes[1], "what HEAD does not send is not counted"
    assert document["http_req_bytes"]["/subsz"] == sizes[2] + sizes[3]
    assert set(document["http_req_bytes"]) == set(document["http_req_ns"]) == {"/connz", "/subsz", "/varz"}
    assert all(0 < spent < 5e9 for spent in document["http_req_ns"].values()), document["http_req_ns"]
    spent = series(broker, "nats_server_http_answering_seconds_total")
    assert abs(spent["/subsz"] - document["http_req_ns"]["/subsz"] / 1e9) < 1e-9
    assert spent["/varz"] > document["http_req_ns"]["/varz"] / 1e9, "that request itself"
    assert series(broker, "nats_server_http_sent_bytes_total")["/connz"] == sizes[0] + sizes[1]
    assert time.monotonic() - begin < 5


def test_connections_by_state(broker):
    # Connections of earlier questions are noticed to have gone a moment later.
    broker.wait_for("/varz", lambda varz: varz["http_connections"] == {"asking": 0, "answering": 1, "idle": 0})
    with dial(broker) as idle, dial(broker) as asking:
        asking.sendall(b"GET /var")
        idle.sendall(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
        assert idle.recv(1 << 16).endswith(b'{"status":"ok"}')
        broker.wait_for("/varz", lambda varz: varz["http_connections"] == {"asking": 1, "answering": 1, "idle": 1})
        assert series(broker, "nats_server_http_connections") == {"asking": 1, "answering": 1, "idle": 1}
    broker.wait_for("/varz", lambda varz: varz["http_connections"] == {"asking": 0, "answering": 1, "idle": 0})


def test_who_was_turned_away():
    with Server("clearwing", "--http_token", "t0ken") as broker:
        good = ["Authorization: Bearer t0ken"]
        assert ask(broker, "/varz").status == ask(broker, "/nope").status == 401
        for number in range(12):
            ask(broker, "/varz", headers=[f"Authorization: Bearer {number}"])
        with dial(broker) as connection:
            connection.sendall(b"\x16\x03\x01")
            connection.recv(1)
        with dial(broker) as connection:
            connection.sendall(b"GET /")
            assert connection.recv(1) == b""
        counts = series(broker, "nats_server_http_turned_away_total", good)
        assert counts["credentials"] + counts["guessing"] == 14 and counts["credentials"] >= 12
        assert (counts["deadline"], counts["not_http"], counts["busy"]) == (1, 1, 0)
        asked = series(broker, "nats_server_http_requests_total", good)
        assert asked["/varz"] == 0, "refused requests are none"
