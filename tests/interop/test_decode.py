"""Documents decoded by Go into the nats-server module's own structs: the strictest readers there
are of our types."""

import json
import subprocess

import pytest

from tests.interop import tools
from tests.shape.population import Population

QUERIES = [
    "/varz",
    "/connz",
    "/connz?subs=1&auth=1",
    "/connz?subs=detail&auth=1&state=all",
    "/connz?state=closed",
    "/subsz",
    "/subsz?subs=1",
    "/routez",
    "/routez?subs=detail",
    "/gatewayz",
    "/gatewayz?accs=1",
    "/leafz",
    "/leafz?subs=1",
    "/accountz",
    "/accountz?acc=$G",
    "/accstatz",
    "/accstatz?unused=1",
    "/jsz",
    "/jsz?consumers=true&config=true&raft=true",
    "/healthz",
]


def decode(endpoint, body):
    return subprocess.run(
        [*tools.go_decoder(), endpoint], input=body, capture_output=True, timeout=60
    )


@pytest.fixture(
    scope="module",
    params=[
        f"{kind}-{setup}"
        for kind in ("clearwing", "stock")
        for setup in ("open", "secured", "accounts")
        if (kind, setup) != ("clearwing", "accounts")  # it has no exports and imports so far
    ],
)
def population(request):
    kind, setup = request.param.split("-")
    population = Population(kind, setup)
    yield population
    population.close()


def same_numbers(sent, decoded, path):
    """Whatever number the structs know came through unchanged; zero may be left out."""
    for key, value in sent.items():
        where = f"{path}.{key}"
        if isinstance(value, dict) and isinstance(decoded.get(key), dict):
            same_numbers(value, decoded[key], where)
        elif type(value) in (int, float) and value and key in decoded:
            assert decoded[key] == value, where


@pytest.mark.parametrize("query", QUERIES)
def test_decodes(population, query):
    status, _, body = population.server.get(query)
    assert status == 200, body
    endpoint = query.split("?")[0].strip("/")
    done = decode(endpoint, body)
    assert done.returncode == 0, f"{done.stderr.decode()}{body.decode()[:3000]}"
    sent, decoded = json.loads(body), json.loads(done.stdout)
    same_numbers(sent, decoded, endpoint)
    for key in ("connections", "subscriptions_list", "account_statz"):
        if isinstance(sent.get(key), list):
            assert len(decoded[key]) == len(sent[key]), key


@pytest.mark.parametrize(
    "endpoint, document",
    [
        ("varz", '{"connections": "1"}'),
        ("varz", '{"in_msgs": 1.5}'),
        ("varz", '{"start": "today"}'),
        ("connz", '{"connections": [{"cid": -1}]}'),
        ("connz", '{"connections": [{"rtt": 5}]}'),
        ("jsz", '{"reserved_memory": -1}'),
        ("healthz", '{"status": 1}'),
        ("leafz", '{"leafs": {}}'),
    ],
)
def test_wrong_types_are_refused(endpoint, document):
    done = decode(endpoint, document.encode())
    assert done.returncode == 1
    assert done.stderr.decode().startswith(f"{endpoint} does not decode: ")
