"""Reads a wire script: header lines, then statements. README.md in this folder describes the language.

Nothing here touches a socket: a script becomes a Script with a list of Statement, and every mistake in it is
reported with file and line before a server is started.
"""
import dataclasses
import pathlib
import re

HEADERS = ("args", "config", "only", "stock-differs", "clearwing-lacks", "also", "pings")
PLACEHOLDER = re.compile(r"<([^<>]*)>")
ESCAPES = {"r": "\r", "n": "\n", "t": "\t", "s": " ", "0": "\0", "\\": "\\", "<": "<", ">": ">"}


class ScriptError(Exception):
    """The script itself is wrong."""


@dataclasses.dataclass
class Statement:
    """One line. `words` is the line split at blanks, `text` what follows the arrow of a send or expect line,
    `body` the statements of a repeat block."""

    line: int
    source: str
    verb: str
    client: str = ""
    words: list = dataclasses.field(default_factory=list)
    text: str = ""
    body: list = dataclasses.field(default_factory=list)


@dataclasses.dataclass
class Script:
    path: pathlib.Path
    title: str = ""
    args: list = dataclasses.field(default_factory=list)
    config: str = ""
    lacks: str = ""  # the reason, when the script is for the stock server alone
    only: str = ""  # the reason, when the script is for clearwing alone
    also: list = dataclasses.field(default_factory=list)
    exact_pings: bool = False  # the server's own PINGs are part of what is tested
    statements: list = dataclasses.field(default_factory=list)

    def variants(self):
        """How often the script is played: as written, and once more for each word after `also:`."""
        return ["plain"] + self.also


# verb -> the number of words allowed after it, for statements that begin with the name of a client
CLIENT_VERBS = {
    "connect": (0, 2), "send-split": (1, 1), "sync": (0, 0), "expect-close": (0, 1),
    "expect-silence": (1, 1), "end-input": (0, 0), "close": (0, 0), "reset": (0, 0),
    "discard": (0, 0), "closed": (1, 99),
}
PLAIN_VERBS = {
    "pause": (1, 1), "mark": (0, 0), "json": (3, 99), "varz": (2, 99), "connz": (3, 99),
    "info": (3, 99), "tally": (1, 99), "repeat": (1, 1), "end": (0, 0),
    "stop-server": (0, 0),
}


def _count_words(statement, limits, where):
    low, high = limits
    if not low <= len(statement.words) <= high:
        wanted = str(low) if low == high else f"{low} to {high}"
        raise ScriptError(f"{where}: {statement.verb} takes {wanted} words, not {len(statement.words)}")


def _statement(source, number, where):
    arrow = re.match(r"(\w+) ([<>])(?: (.*))?$", source)
    if arrow:
        verb = "send" if arrow[2] == ">" else "expect"
        return Statement(number, source, verb, arrow[1], text=arrow[3] or "")
    words = source.split()
    if words[0] in PLAIN_VERBS:
        statement = Statement(number, source, words[0], words=words[1:])
        _count_words(statement, PLAIN_VERBS[words[0]], where)
    elif len(words) > 1 and words[1] in CLIENT_VERBS:
        statement = Statement(number, source, words[1], words[0], words=words[2:])
        _count_words(statement, CLIENT_VERBS[words[1]], where)
    else:
        raise ScriptError(f"{where}: not a statement: {source!r}")
    return statement


def _header(script, name, value, where):
    if name == "args":
        script.args = value.split()
    elif name == "clearwing-lacks":
        if not value:
            raise ScriptError(f"{where}: say what: 'clearwing-lacks: ...'")
        script.lacks = value
    elif name in ("only", "stock-differs"):
        reason = value.removeprefix("clearwing because ") if name == "only" else value
        if not reason or (name == "only" and reason == value):
            raise ScriptError(f"{where}: say why: 'only: clearwing because ...' or 'stock-differs: ...'")
        script.only = reason
    elif name == "also":
        script.also = value.split()
        if set(script.also) - {"split"}:
            raise ScriptError(f"{where}: 'also:' knows the word split")
    elif name == "pings":
        if value != "exact":
            raise ScriptError(f"{where}: 'pings:' knows the word exact")
        script.exact_pings = True


def load(path):
    """Reads the script at path, or raises ScriptError."""
    script = Script(pathlib.Path(path))
    blocks = [script.statements]
    opened = []
    in_config = False
    for number, raw in enumerate(script.path.read_text().splitlines(), 1):
        where = f"{script.path.name}:{number}"
        if in_config and (raw.startswith((" ", "\t")) or not raw.strip()):
            script.config += raw + "\n"
            continue
        in_config = False
        source = raw.strip()
        if not source:
            continue
        if source.startswith("#"):
            script.title = script.title or source.lstrip("# ")
            continue
        header = re.match(r"([a-z-]+):(?: (.*))?$", source)
        if header and header[1] in HEADERS:
            if script.statements:
                raise ScriptError(f"{where}: the header line '{header[1]}:' comes after a statement")
            in_config = header[1] == "config"
            _header(script, header[1], header[2] or "", where)
            continue
        statement = _statement(source, number, where)
        if statement.verb == "end":
            if len(blocks) == 1:
                raise ScriptError(f"{where}: 'end' without 'repeat'")
            blocks.pop()
            opened.pop()
            continue
        blocks[-1].append(statement)
        if statement.verb == "repeat":
            blocks.append(statement.body)
            opened.append(where)
    if opened:
        raise ScriptError(f"{opened[-1]}: 'repeat' without 'end'")
    if not script.title:
        raise ScriptError(f"{script.path.name}:1: the first line is a comment that says what is tested")
    if not script.statements:
        raise ScriptError(f"{script.path.name}:1: no statements")
    return script


def unescape(text):
    """The bytes of escaped text; characters above 127 are written as UTF-8."""
    out = bytearray()
    position = 0
    while position < len(text):
        character = text[position]
        position += 1
        if character != "\\":
            out += character.encode()
            continue
        following = text[position:position + 1]
        position += 1
        if following == "x":
            out.append(int(text[position:position + 2], 16))
            position += 2
        elif following in ESCAPES and following:
            out += ESCAPES[following].encode("latin-1")
        else:
            raise ScriptError(f"unknown escape \\{following}")
    return bytes(out)


def line_of(text):
    """Splits a send or expect text into (text, line end): CR LF, or nothing after a lone backslash at the end."""
    trailing = len(text) - len(text.rstrip("\\"))
    return (text[:-1], b"") if trailing % 2 else (text, b"\r\n")


def pieces(text):
    """Splits text into ("text", ...) and ("<>", name) at unescaped <...>."""
    result = []
    literal = ""
    position = 0
    while position < len(text):
        character = text[position]
        if character == "\\":
            literal += text[position:position + 2]
            position += 2
            continue
        found = PLACEHOLDER.match(text, position) if character == "<" else None
        if character == "<" and not found:
            raise ScriptError(f"'<' is not closed, write \\< for the character: {text}")
        if found:
            result.append(("text", literal))
            result.append(("<>", found[1]))
            literal = ""
            position = found.end()
        else:
            literal += character
            position += 1
    result.append(("text", literal))
    return [piece for piece in result if piece != ("text", "")]
