"""The HTTP surface of the monitoring port: refusals word for word, methods, paths, counters of
requests."""

import contextlib
import functools

import pytest

from tests.shape.compare import parse
from tests.shape.http import ask
from tests.shape.oracles import NEWER as NEWER_SERVERS
from tests.shape.oracles import NEWEST
from tests.shape.queries import METHODS, NEWER_REFUSED, REFUSED, UNCLEAN
from tests.support.server import Server


@pytest.fixture(scope="module")
def oracle():
    with Server("stock") as server:
        yield server


@pytest.fixture(scope="module", params=["clearwing", "stock"])
def subject(request):
    with Server(request.param) as server:
        yield server


def same_text(stock, ours):
    return ours in (stock, stock + b"\n")


@pytest.fixture(scope="module")
def servers():
    """Servers by what they are, started when first needed."""
    with contextlib.ExitStack() as stack:
        yield functools.cache(lambda kind: stack.enter_context(Server(kind)))


def refused_alike(stock, ours):
    assert stock.status in (400, 404), f"the stock server does not refuse this: {stock}"
    assert ours.status == stock.status, ours
    assert ours.content_type == stock.content_type
    assert ours.headers.get("x-content-type-options") == stock.headers.get("x-content-type-options")
    assert same_text(stock.body, ours.body), f"stock {stock.body!r}\nours  {ours.body!r}"


@pytest.mark.parametrize("path", REFUSED)
def test_refused(oracle, subject, path):
    refused_alike(ask(oracle, path), ask(subject, path))


if NEWER_SERVERS:
    @pytest.mark.parametrize("path", REFUSED)
    @pytest.mark.parametrize("binary", NEWER_SERVERS)
    def test_refused_as_by_newer(servers, binary, path):
        refused_alike(ask(servers(binary), path), ask(servers("clearwing"), path))

    @pytest.mark.parametrize("path", NEWER_REFUSED)
    @pytest.mark.parametrize("binary", NEWEST)
    def test_refused_by_the_newest(servers, binary, path):
        refused_alike(ask(servers(binary), path), ask(servers("clearwing"), path))


@pytest.mark.parametrize("method, path", METHODS)
def test_method(oracle, subject, method, path):
    body = b'{"a": "body that nobody reads"}' if method in ("POST", "PUT") else None
    stock, ours = ask(oracle, path, method, body), ask(subject, path, method, body)
    assert ours.status == stock.status, ours
    assert ours.content_type == stock.content_type
    if method == "HEAD":
        assert ours.body == b""
        return
    if stock.content_type == "application/json":
        assert parse(stock.body).keys() - parse(ours.body).keys() == set()
    else:
        assert same_text(stock.body, ours.body), f"stock {stock.body!r}\nours  {ours.body!r}"


@pytest.mark.parametrize("path", UNCLEAN)
def test_unclean_path(oracle, subject, path):
    stock, ours = ask(oracle, path), ask(subject, path)
    assert stock.status == 301
    assert ours.status == 301, ours
    assert ours.headers["location"] == stock.headers["location"]
    assert ours.content_type == stock.content_type
    assert ours.headers["location"].split("?")[0].encode() in ours.body


def test_root(oracle, subject):
    stock, ours = ask(oracle, "/"), ask(subject, "/")
    assert (
        (ours.status, ours.content_type)
        == (stock.status, stock.content_type)
        == (200, "text/html; charset=utf-8")
    )
    for name in (
        "varz",
        "jsz",
        "connz",
        "accountz",
        "accstatz",
        "subsz",
        "routez",
        "leafz",
        "gatewayz",
        "healthz",
    ):
        assert f"/{name}".encode() in stock.body
        assert f"{name}".encode() in ours.body, f"no link to {name}"


@pytest.mark.parametrize(
    "path", ["/ipqueuesz", "/ipqueuesz?all=1", "/ipqueuesz?queues=SendQ&all=1"]
)
def test_internal_queues(oracle, subject, path):
    stock, ours = ask(oracle, path), ask(subject, path)
    assert (ours.status, ours.content_type) == (stock.status, stock.content_type)
    for name, queue in parse(ours.body).items():
        assert type(queue["pending"]) is int, name


def test_stacks(oracle, subject):
    stock, ours = ask(oracle, "/stacksz"), ask(subject, "/stacksz")
    assert ours.status == stock.status
    assert ours.body


@pytest.mark.parametrize("path", ["/varz", "/connz", "/healthz", "/connz?sort=bogus", "/nope"])
def test_length_of_body(subject, path):
    """Whoever asks over a kept connection must know where the body ends."""
    reply = ask(subject, path)
    if "content-length" in reply.headers:
        assert int(reply.headers["content-length"]) == len(reply.body)
    else:
        assert reply.headers["transfer-encoding"] == "chunked"


@pytest.mark.parametrize("path", ["/varz?callback=show", "/healthz?callback=show"])
def test_callback(subject, path):
    """JSONP: honoured by 2.9.10, ignored by the newest; the answer is never anything else."""
    reply = ask(subject, path)
    assert reply.status == 200
    if reply.content_type == "application/javascript":
        assert reply.body.startswith(b"show(") and reply.body.rstrip(b"\n").endswith(b")")
        assert parse(reply.body.rstrip(b"\n")[5:-1])
    else:
        assert reply.content_type == "application/json" and parse(reply.body)


# What releases after 2.9.10 added, and the statuses and texts that either release gives.
NEWER = {
    "/raftz": {404: ("404 page not found", "No Raft nodes registered")},
    "/debug/vars": {404: ("404 page not found",), 200: None},
    "/connz?sort=rtt": {400: ("invalid sorting option: rtt",), 200: None},
    "/healthz?stream=X": {200: ('{"status":"ok"}',), 400: None},
}


@pytest.mark.parametrize("path", NEWER)
def test_newer(subject, path):
    reply = ask(subject, path)
    assert reply.status in NEWER[path], reply
    texts = NEWER[path][reply.status]
    assert texts is None or reply.body.decode().rstrip("\n") in texts


COUNTED = [
    "/varz",
    "/",
    "/connz",
    "/connz?sort=bogus",
    "/connz?limit=x",
    "/subsz",
    "/subscriptionsz",
    "/routez",
    "/routez?subs=x",
    "/gatewayz",
    "/leafz",
    "/accountz",
    "/accstatz",
    "/jsz",
    "/healthz",
    "/stacksz",
    "/ipqueuesz",
    "/nope",
    "/varz",
]


@pytest.mark.parametrize("kind", ["clearwing", "stock"])
def test_request_counts(kind):
    """Only paths already asked for, the alias under one name, refusals by parameters not at all."""
    counts = {}
    for one in (kind, "stock"):
        with Server(one) as server:
            answers = [ask(server, path) for path in COUNTED]
            assert parse(answers[0].body)["http_req_stats"] == {"/varz": 1}
            counts[len(counts)] = parse(answers[-1].body)["http_req_stats"]
    assert counts[0] == counts[1]
