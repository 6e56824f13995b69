"""Both servers, the same clients: one test per document, under three configurations.

The stock server is compared with itself too: that run shows that volatile.txt names all that
differs by itself.
"""

import pytest

from tests.shape.compare import Rules, compare, parse
from tests.shape.http import ask
from tests.shape.oracles import NEWER, NEWEST, version
from tests.shape.population import Population
from tests.shape.queries import DOCUMENTS, NEWER_DOCUMENTS, Query

RULES = Rules.from_files()


@pytest.fixture(scope="module")
def populations():
    """Servers by (role, kind, setup), started when first needed and kept for the module."""
    running = {}

    def get(role, kind, setup):
        if (role, kind, setup) not in running:
            running[role, kind, setup] = Population(kind, setup)
        return running[role, kind, setup]

    yield get
    for population in running.values():
        population.close()


def answer(population, query):
    path = query.path
    for name, cid in population.cids.items():
        path = path.replace(f"<{name}>", str(cid))
    return ask(population.server, path)


def forget_earlier_questions(connection, query):
    """The stock server leaves the lists that one question asked for in its memory of a closed
    connection, and shows them
    to whoever asks next. What it answers must not depend on the order of these tests."""
    asked = "subs=detail" in query.path.lower()
    if not asked:
        connection.pop("subscriptions_list_detail", None)
    if asked or "subs=" not in query.path:
        connection.pop("subscriptions_list", None)


def comparable(document, query, kind):
    document = {key: value for key, value in document.items() if key not in query.without}
    for connection in (document.get("connections") or []) if query.endpoint == "connz" else []:
        if connection.get("pending_bytes") == len("PING\r\n"):  # on its way at that moment
            connection["pending_bytes"] = 0
        if "stop" in connection:  # what was still unsent at the end is a matter of microseconds
            assert type(connection["pending_bytes"]) is int
            connection["pending_bytes"] = 0
            if kind == "stock":
                forget_earlier_questions(connection, query)
    detail = document.get("account_detail", {})
    if "imports" in detail:  # the service that 2.10 added
        detail["imports"] = [entry for entry in detail["imports"] if entry["subject"] != "$SYS.REQ.USER.INFO"]
    if query.accounts:
        document["subscriptions_list"] = [
            entry
            for entry in document.get("subscriptions_list", [])
            if entry["account"] in query.accounts and not entry["subject"].startswith("$SYS.")
        ]
    return document


# Setups whose configuration the broker refuses: it has no imports and exports so far.
LACKING = {"shared"}
CASES = [
    pytest.param(query, kind, oracle, id=f"{query}-{kind}{'-' + name if name else ''}")
    for kind, oracle, name in [
        ("clearwing", "stock", ""),
        ("stock", "stock", ""),
        *(("clearwing", binary, ".".join(map(str, version(binary)))) for binary in NEWER),
    ]
    for query in DOCUMENTS
    + ([Query("open", path) for path in NEWER_DOCUMENTS] if oracle in NEWEST else [])
    if not (kind == "clearwing" and query.setup in LACKING)
]


@pytest.mark.parametrize("query, kind, oracle", CASES)
def test_document(populations, query, kind, oracle):
    stock = answer(populations("oracle", oracle, query.setup), query)
    ours = answer(populations("subject", kind, query.setup), query)
    assert stock.status == 200, f"the question is wrong: {stock.body!r}"
    assert ours.status == 200, ours.body
    assert ours.content_type == stock.content_type
    documents = [parse(stock.body), parse(ours.body)]
    if oracle in NEWER:  # 2.9.17 turned the two subjects of an import round, and 2.10 has one more
        for document in documents:
            document.get("account_detail", {}).pop("imports", None)
    found = compare(
        comparable(documents[0], query, "stock"),
        comparable(documents[1], query, kind),
        (query.endpoint,),
        RULES,
    )
    assert not found, f"{len(found)} differences:\n" + "\n".join(found)


@pytest.mark.parametrize("kind", ["clearwing", "stock"])
@pytest.mark.parametrize("order", ["idle", "last", "uptime", "pending", "rtt"])
def test_sort_by_the_clock(populations, order, kind):
    """The clock's orders differ from run to run; what is sorted must be the order that the answer
    itself tells."""
    server = populations("subject", kind, "open").server
    reply = ask(server, f"/connz?sort={order}")
    if order == "rtt" and reply.status == 400:
        assert reply.body.rstrip(b"\n") == b"invalid sorting option: rtt"  # before 2.9.17
        return
    connections = parse(reply.body)["connections"]
    assert len(connections) == 5
    assert sorted(c.get("name") for c in connections) == [
        "alpha",
        "beta",
        "delta",
        "gamma",
        "kappa",
    ]
    if order == "last":
        times = [c["last_activity"].rstrip("Z").ljust(29, "0") for c in connections]
        assert times == sorted(times, reverse=True)
    if order == "uptime":
        starts = [c["start"].rstrip("Z").ljust(29, "0") for c in connections]
        assert starts == sorted(starts, reverse=True)
