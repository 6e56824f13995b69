"""Holds two JSON documents against each other: every key of the stock server's is in ours, with
its type and its value.

Three lists beside this file say what may differ, each line with its reason:
  volatile.txt     values that differ from run to run, and the form they must have all the same
  extra_keys.txt   keys that ours may have and the stock server's document does not
  differences.txt  types that differ on purpose; `missing` where ours truly has no such thing
A path names the endpoint and then the keys, joined by dots: `connz.connections.*.cid`. `*` stands
for any one part.
"""

import json
import pathlib
import re

HERE = pathlib.Path(__file__).resolve().parent

# Arrays that the stock server builds from maps, so that their order says nothing.
UNORDERED = {
    "subscriptions_list",
    "subscriptions_list_detail",
    "imports",
    "exports",
    "accounts",
    "account_statz",
    "approved_accounts",
}

TIME = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,9})?(Z|[+-]\d\d:\d\d)"
UPTIME = r"(\d+y)?(\d+d)?(\d+h)?(\d+m)?\d+s"
DURATION = r"0s|(\d+h)?(\d+m)?\d+(\.\d+)?(ns|µs|ms|s)"


def is_count(value):
    return type(value) is int and value >= 0


def text_like(pattern):
    return lambda value: isinstance(value, str) and re.fullmatch(pattern, value) is not None


FORMS = {
    "time": text_like(TIME),
    "uptime": text_like(UPTIME),
    "duration": text_like(DURATION),
    "server-id": text_like(r"N[A-Z2-7]{55}"),
    "version": text_like(r"\d+\.\d+\.\d+(-[0-9A-Za-z.-]+)?"),
    "text": lambda value: isinstance(value, str),
    "count": is_count,
    "positive": lambda value: is_count(value) and value > 0,
    "port": lambda value: is_count(value) and 0 < value < 65536,
    "number": lambda value: type(value) in (int, float) and value >= 0,
    "list": lambda value: isinstance(value, list),
    "object": lambda value: isinstance(value, dict),
}


def read_rules(name):
    """The lines of a list as tuples of words; the reason after `#` is required."""
    rules = []
    for number, line in enumerate((HERE / name).read_text().splitlines(), 1):
        if not line.strip() or line.startswith("#"):
            continue
        words, _, reason = line.partition("#")
        if not reason.strip():
            raise ValueError(f"{name}:{number}: no reason given after #")
        rules.append(tuple(words.split()))
    return rules


def matches(pattern, path):
    parts = pattern.split(".")
    return len(parts) == len(path) and all(part in ("*", name) for part, name in zip(parts, path))


class Rules:
    """The three lists, and which of their lines were ever needed."""

    def __init__(self, volatile, extra, differences):
        self.volatile, self.extra, self.differences = volatile, extra, differences

    @classmethod
    def from_files(cls):
        return cls(
            read_rules("volatile.txt"), read_rules("extra_keys.txt"), read_rules("differences.txt")
        )

    def form(self, path):
        for pattern, form in self.volatile:
            if matches(pattern, path):
                return form
        return None

    def allows_key(self, path):
        return any(matches(pattern, path) for (pattern,) in self.extra)

    def allows_types(self, path, stock, ours):
        return any(
            matches(pattern, path) and (one, other) == (stock, ours)
            for pattern, one, other in self.differences
        )


def no_duplicates(pairs):
    document = dict(pairs)
    if len(document) != len(pairs):
        raise ValueError(f"a key twice in one object: {[key for key, _ in pairs]}")
    return document


def parse(body):
    return json.loads(body, object_pairs_hook=no_duplicates)


def type_name(value):
    return {
        dict: "object",
        list: "array",
        str: "string",
        bool: "boolean",
        int: "integer",
        float: "fraction",
        type(None): "null",
    }[type(value)]


def sort_key(element):
    if not isinstance(element, dict):
        return str(element)
    names = ("acc", "account", "subject", "qgroup", "to", "sid", "type")
    return json.dumps([str(element.get(name, "")) for name in names])


def compare(stock, ours, path, rules):
    """A list of lines, one for each difference that no rule allows."""
    where = ".".join(path)
    form = rules.form(path)
    if form:
        return [] if FORMS[form](ours) else [f"{where}: {ours!r} is not a {form}"]
    if type_name(stock) != type_name(ours):
        if rules.allows_types(path, type_name(stock), type_name(ours)):
            return []
        return [f"{where}: {type_name(stock)} {stock!r} is {type_name(ours)} {ours!r} in ours"]
    if isinstance(stock, dict):
        return compare_objects(stock, ours, path, rules)
    if isinstance(stock, list):
        return compare_arrays(stock, ours, path, rules)
    return [] if stock == ours else [f"{where}: {stock!r} is {ours!r} in ours"]


def compare_objects(stock, ours, path, rules):
    found = []
    for key, value in stock.items():
        if key in ours:
            found += compare(value, ours[key], path + (key,), rules)
        elif not rules.allows_types(path + (key,), type_name(value), "missing"):
            found.append(
                f"{'.'.join(path + (key,))}: missing in ours (stock: {json.dumps(value)[:200]})"
            )
    for key, value in ours.items():
        if key not in stock and not rules.allows_key(path + (key,)):
            found.append(f"{'.'.join(path + (key,))}: only in ours: {json.dumps(value)[:200]}")
    return found


def compare_arrays(stock, ours, path, rules):
    if path[-1] in UNORDERED:
        stock, ours = sorted(stock, key=sort_key), sorted(ours, key=sort_key)
    if len(stock) != len(ours):
        return [
            f"{'.'.join(path)}: {len(stock)} elements, ours has {len(ours)}:\n"
            f"  stock {json.dumps(stock)[:1500]}\n"
            f"  ours  {json.dumps(ours)[:1500]}"
        ]
    found = []
    for index, (one, other) in enumerate(zip(stock, ours)):
        found += compare(one, other, path + (str(index),), rules)
    return found
