"""Paths into JSON documents and the conditions that scripts put on what is found there."""
import json
import re

from tests.wire.script import ScriptError

ABSENT = object()
STEP = re.compile(r"\.?(\w+)|\[(\d+)\]|\[(\w+)=([^\]]*)\]")
TYPES = {
    "int": lambda value: isinstance(value, int) and not isinstance(value, bool),
    "number": lambda value: isinstance(value, (int, float)) and not isinstance(value, bool),
    "string": lambda value: isinstance(value, str),
    "bool": lambda value: isinstance(value, bool),
    "list": lambda value: isinstance(value, list),
    "object": lambda value: isinstance(value, dict),
    "present": lambda value: value is not ABSENT,
    "absent": lambda value: value is ABSENT,
}


def text(value):
    return "(absent)" if value is ABSENT else json.dumps(value)


def _step(document, step):
    name, index, key, wanted = step.groups()
    if name == "length" and isinstance(document, (list, str)):
        return len(document)
    if name:
        return document.get(name, ABSENT) if isinstance(document, dict) else ABSENT
    if not isinstance(document, list):
        return ABSENT
    if index:
        return document[int(index)] if int(index) < len(document) else ABSENT
    return next((row for row in document if str(row.get(key)) == wanted), ABSENT)


def find(document, path):
    """The value at a path such as connections[cid=5].subscriptions_list.length, or ABSENT."""
    position = 0
    while position < len(path) and document is not ABSENT:
        step = STEP.match(path, position)
        if not step:
            raise ScriptError(f"cannot read the path {path!r} from {path[position:]!r} on")
        document = _step(document, step)
        position = step.end()
    return document


def _same(left, right):
    """Equal in value and in JSON type: 1 is not true, and "1" is neither."""
    return left is not ABSENT and type(left) is type(right) and left == right


def condition(words, where):
    """A function of (value, value at the mark) from words such as `= 5`, `is int`, `grew 2`, `~ regex`."""
    operator, argument = words[0], " ".join(words[1:])
    if operator == "is" and argument in TYPES:
        return lambda value, _: TYPES[argument](value)
    if operator == "~":
        return lambda value, _: isinstance(value, str) and re.search(argument, value) is not None
    if operator == "!~":
        return lambda value, _: not isinstance(value, str) or re.search(argument, value) is None
    try:
        wanted = json.loads(argument)
    except ValueError:
        raise ScriptError(f"{where}: {argument!r} is not a JSON value") from None
    tests = {
        "=": lambda value, _: _same(value, wanted),
        "!=": lambda value, _: value is not ABSENT and not _same(value, wanted),
        ">=": lambda value, _: TYPES["number"](value) and value >= wanted,
        "<=": lambda value, _: TYPES["number"](value) and value <= wanted,
        "members": lambda value, _: isinstance(value, list) and sorted(value) == sorted(wanted),
        "grew": lambda value, before: TYPES["number"](value) and value - before == wanted,
    }
    if operator not in tests:
        raise ScriptError(f"{where}: unknown condition {operator!r}")
    return tests[operator]
