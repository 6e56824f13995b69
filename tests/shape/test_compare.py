"""The comparison itself: each kind of difference is found, each list allows what it says and
nothing else."""

import pytest

from tests.shape.compare import Rules, compare, parse, read_rules

RULES = Rules(
    [("x.now", "time"), ("x.list.*.cid", "positive")],
    [("x.new",)],
    [("x.leafs", "null", "array"), ("x.on", "boolean", "missing")],
)
STOCK = {
    "now": "2026-01-01T00:00:00.5Z",
    "count": 1,
    "list": [{"cid": 4, "name": "a"}],
    "leafs": None,
    "on": True,
}


@pytest.mark.parametrize(
    "change, found",
    [
        ({}, None),
        ({"now": "2025-12-31T23:59:59+01:00"}, None),
        ({"new": 1}, None),
        ({"leafs": []}, None),
        ({"list": [{"cid": 9, "name": "a"}]}, None),
        ({"now": "yesterday"}, "x.now: 'yesterday' is not a time"),
        ({"count": 2}, "x.count: 1 is 2 in ours"),
        ({"count": 1.0}, "x.count: integer 1 is fraction 1.0 in ours"),
        ({"count": "1"}, "x.count: integer 1 is string '1' in ours"),
        ({"count": None}, "x.count: integer 1 is null None in ours"),
        ({"on": 1}, "x.on: boolean True is integer 1 in ours"),
        ({"other": 1}, "x.other: only in ours: 1"),
        ({"list": []}, "x.list: 1 elements, ours has 0"),
        ({"list": [{"cid": 0, "name": "a"}]}, "x.list.0.cid: 0 is not a positive"),
        ({"list": [{"cid": 4, "name": "b"}]}, "x.list.0.name: 'a' is 'b' in ours"),
        ({"list": [{"name": "a"}]}, "x.list.0.cid: missing in ours"),
    ],
)
def test_compare(change, found):
    result = compare(STOCK, STOCK | change, ("x",), RULES)
    assert [line[: len(found)] for line in result] == [found] if found else result == []


def test_missing_on_purpose():
    ours = {key: value for key, value in STOCK.items() if key != "on"}
    assert compare(STOCK, ours, ("x",), RULES) == []
    assert compare(STOCK | {"on": "text"}, ours, ("x",), RULES) == [
        'x.on: missing in ours (stock: "text")'
    ]


def test_unordered_lists():
    entries = [{"subject": "a", "sid": "1"}, {"subject": "b", "sid": "1"}]
    assert (
        compare(
            {"subscriptions_list": entries}, {"subscriptions_list": entries[::-1]}, ("x",), RULES
        )
        == []
    )
    assert compare({"connections": entries}, {"connections": entries[::-1]}, ("x",), RULES)


def test_duplicate_key():
    with pytest.raises(ValueError, match="twice"):
        parse('{"a": 1, "a": 2}')


@pytest.mark.parametrize("name", ["volatile.txt", "extra_keys.txt", "differences.txt"])
def test_rules_have_reasons(name):
    assert read_rules(name)
