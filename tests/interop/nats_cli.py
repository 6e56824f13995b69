"""The current `nats` command, run as it comes, and its tables read back."""

import dataclasses
import json
import os
import re
import subprocess
import tempfile

from tests.interop import tools

HOME = tempfile.TemporaryDirectory(prefix="nats-cli-")


def environment():
    """Nobody's contexts and variables."""
    clean = {k: v for k, v in os.environ.items() if not k.startswith(("NATS_", "XDG_"))}
    return {**clean, "HOME": HOME.name, "NO_COLOR": "1", "TERM": "dumb", "COLUMNS": "250"}


def command(deployment, *arguments, user="admin", password=None):
    url = deployment.url(user, password)
    return [*tools.nats_cli(), "--server", url, *map(str, arguments)]


def nats(deployment, *arguments, status=0, **who):
    """What it prints; its exit status must be the given one."""
    done = subprocess.run(
        command(deployment, *arguments, **who),
        capture_output=True,
        text=True,
        timeout=60,
        stdin=subprocess.DEVNULL,
        env=environment(),
    )
    assert done.returncode == status, (arguments, done.returncode, done.stdout, done.stderr)
    return done.stdout + (done.stderr if status else "")


def document(deployment, *arguments, **who):
    return json.loads(nats(deployment, *arguments, **who))


@dataclasses.dataclass
class Table:
    title: str
    rows: list
    foot: list


def tables(text):
    """Its boxes: a title, a row of names, the rows by those names, and what stands below."""
    found = []
    for box in re.findall(r"╭.*?╯", text, re.S):
        parts = [[]]
        for line in box.split("\n"):
            if line.startswith("├"):
                parts.append([])
            elif line.startswith("│"):
                parts[-1].append([cell.strip() for cell in line.strip("│").split("│")])
        title, (names,), *rest = parts
        rows = rest[0] if rest else []
        foot = rest[1] if len(rest) > 1 else []
        named = [[dict(zip(names, row, strict=True)) for row in part] for part in (rows, foot)]
        found.append(Table(title[0][0], *named))
    assert found, text
    return found


def fields(text):
    """Its lines of `Name: value`."""
    return dict(re.findall(r"^ +([A-Z][\w ]*?): (.*?) *$", text, re.M))


def octets(number):
    """A number of bytes as it writes them."""
    units = ["B", "KiB", "MiB", "GiB"]
    power = 0
    while number >= 1024 and power < len(units) - 1:
        number, power = number / 1024, power + 1
    if number < 10 and power:
        number = int(number * 10 + 0.5) / 10
        return f"{number:.1f} {units[power]}"
    return f"{int(number * 10 + 0.5) / 10:.0f} {units[power]}"
