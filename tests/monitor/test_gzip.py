"""Answers packed with gzip: only for those who accept it, only when it is worth it, and the same document inside."""
import gzip
import json
import urllib.request

import pytest

from tests.monitor.wire import ask, dial, read_all
from tests.support.server import Server


def encoding(broker, accepted, target="/varz", method="GET"):
    answer = ask(broker, target, method, [f"Accept-Encoding: {accepted}"] if accepted is not None else [])
    assert answer.status == 200
    return answer.headers.get("content-encoding")


def test_who_gets_it(broker):
    for accepted in ("gzip", "GZIP", "gzip, deflate, br, zstd", "*", "gzip;q=0.1", "br;q=1.0, gzip;q=0.8, *;q=0.1", "x-gzip"):
        assert (accepted, encoding(broker, accepted)) == (accepted, "gzip")
    for accepted in (None, "", "identity", "deflate, br", "gzip;q=0", "*;q=0", "gzip;q=0, *", "identity, gzip;q=0.5", "gzip;q=x"):
        assert (accepted, encoding(broker, accepted)) == (accepted, None)


def test_the_document_is_the_same(broker):
    with broker.connect() as client:
        client.send("CONNECT {}\r\n" + "".join(f"SUB subject.{number} {number}\r\n" for number in range(3000)))
        client.ping()
        for target in ("/subsz?subs=1&limit=10000", "/connz?subs=1", "/", "/metrics", "/varz", "/subsz?subs=1&limit=9999&callback=f"):
            plain, packed = ask(broker, target), ask(broker, target, headers=["Accept-Encoding: gzip"])
            assert packed.headers["content-encoding"] == "gzip" and "content-encoding" not in plain.headers
            assert plain.headers["vary"] == packed.headers["vary"] == "Accept-Encoding"
            assert packed.headers["content-type"] == plain.headers["content-type"]
            if "content-length" in packed.headers:
                assert int(packed.headers["content-length"]) == len(packed.body)
            unpacked = gzip.decompress(packed.body)
            assert len(packed.body) < len(plain.body) / 2
            if target.startswith("/subsz"):
                assert unpacked.count(b'"subject": ') == plain.body.count(b'"subject": ') == 3000
            elif target in ("/varz", "/connz?subs=1"):
                assert json.loads(unpacked).keys() == json.loads(plain.body).keys()


@pytest.fixture(scope="module")
def crowded():
    """So many subscriptions that their lists are streamed."""
    with Server("clearwing") as broker, broker.connect() as client:
        client.send("CONNECT {}\r\n" + "".join(f"SUB subject.{number} {number}\r\n" for number in range(40_000)))
        client.ping()
        yield broker


@pytest.mark.parametrize("target", ["/subsz?subs=1&limit=100000", "/connz?subs=detail", "/subsz?subs=1&limit=100000&callback=f"])
def test_streamed_answers(crowded, target):
    plain, packed = ask(crowded, target), ask(crowded, target, headers=["Accept-Encoding: gzip"])
    assert (plain.headers["vary"], packed.headers["vary"]) == ("Accept-Encoding",) * 2
    assert packed.headers["content-encoding"] == "gzip" and "content-encoding" not in plain.headers
    assert packed.headers["content-type"] == plain.headers["content-type"]
    unpacked = gzip.decompress(packed.body)
    assert len(plain.body) > 2 << 20 and len(packed.body) < len(plain.body) / 5
    assert unpacked.count(b'"sid": ') == plain.body.count(b'"sid": ') == 40_000
    if "callback" in target:
        assert unpacked.startswith(b"f(") and unpacked.endswith(b")")
    else:
        assert json.loads(unpacked).keys() == json.loads(plain.body).keys()


def test_streamed_head_and_count(crowded):
    target, accept = "/subsz?subs=1&limit=100000", ["Accept-Encoding: gzip"]
    before = crowded.json("/varz")["http_req_bytes"].get("/subsz", 0)
    head, got = ask(crowded, target, "HEAD", accept), ask(crowded, target, headers=accept)
    for name in ("content-encoding", "vary", "content-type"):
        assert head.headers[name] == got.headers[name]
    assert head.body == b""
    assert crowded.json("/varz")["http_req_bytes"]["/subsz"] - before == len(got.body)


def test_readers_that_leave_in_the_middle(crowded):
    for _ in range(50):
        with dial(crowded) as connection:
            connection.sendall(b"GET /subsz?subs=1&limit=100000 HTTP/1.1\r\nHost: x\r\nAccept-Encoding: gzip\r\n\r\n")
            assert connection.recv(1000).startswith(b"HTTP/1.1 200 ")
    assert len(ask(crowded, "/healthz").body) == 15


def test_small_answers_and_errors_stay_plain(broker):
    for target in ("/healthz", "/ipqueuesz", "/nope", "/connz?sort=bogus", "/subsz", "//varz"):
        answer = ask(broker, target, headers=["Accept-Encoding: gzip"])
        assert len(answer.body) < 1024 and "content-encoding" not in answer.headers and "vary" not in answer.headers, target


def test_head_says_what_get_does(broker):
    for accepted in ("gzip", "identity"):
        got, head = (ask(broker, "/", method, [f"Accept-Encoding: {accepted}"]) for method in ("GET", "HEAD"))
        for name in ("content-encoding", "content-length", "vary", "content-type"):
            assert got.headers.get(name) == head.headers.get(name), name
        assert head.body == b"" and got.body


def test_keep_alive_mixes_both(broker):
    with dial(broker) as connection:
        connection.sendall(b"GET / HTTP/1.1\r\nHost: x\r\nAccept-Encoding: gzip\r\n\r\n"
                           b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        data = read_all(connection)
    assert data.count(b"HTTP/1.1 200 OK") == 2 and data.count(b"Content-Encoding: gzip") == 1
    assert data.endswith(b"</html>\n")


def test_what_is_counted_is_what_was_sent(broker):
    packed = ask(broker, "/", headers=["Accept-Encoding: gzip"])
    assert broker.json("/varz")["http_req_bytes"]["/"] == len(packed.body)


def test_clients_that_ask_for_it_by_themselves(broker):
    request = urllib.request.Request(broker.monitor + "/metrics", headers={"Accept-Encoding": "gzip"})
    with urllib.request.urlopen(request, timeout=10) as answer:
        assert b"nats_server_connections" in gzip.decompress(answer.read())


def test_the_stock_server_never_packs(stock):
    assert encoding(stock, "gzip") is None


@pytest.mark.parametrize("arguments", [[], ["--http_token", "x"]], ids=["open", "guarded"])
def test_with_credentials(arguments):
    with Server("clearwing", *arguments) as broker:
        headers = ["Accept-Encoding: gzip", "Authorization: Bearer x"]
        assert ask(broker, "/varz", headers=headers).headers["content-encoding"] == "gzip"
