"""The stock nats-top, unmodified, against both servers: what it prints once, and what it draws.

Its figures are held against the server's own documents, and against what the clients are known to
have done. Nothing moves while the one-shot modes are read, so that equal means equal.
"""

import csv
import json
import re
import subprocess
import time
import urllib.parse

import pytest

from tests.interop import tools
from tests.interop.deployment import connect
from tests.screen.tmux import Terminal
from tests.screen.traffic import Traffic
from tests.support.server import Server

COLUMNS = (
    "HOST CID NAME SUBS PENDING MSGS_TO MSGS_FROM BYTES_TO BYTES_FROM LANG VERSION UPTIME "
    "LAST_ACTIVITY"
).split()

# name: subscriptions, then how many messages of which size it publishes to nobody and to itself.
CLIENTS = {
    "north": {"subjects": ["n.one", "n.two", "n.three"], "to_itself": (2, 700), "lost": (1, 11)},
    "south": {"subjects": ["s.one"], "to_itself": (5, 3), "lost": (4, 1000)},
    "west": {"subjects": ["w.one", "w.two"], "to_itself": (1, 90000), "lost": (7, 2)},
    "east": {"subjects": ["e.1", "e.2", "e.3", "e.4"], "to_itself": (0, 0), "lost": (0, 0)},
}

# Orders that follow from CLIENTS alone; "cid" and "start" are the order of connecting.
ORDERS = {
    "cid": ["north", "south", "west", "east"],
    "start": ["north", "south", "west", "east"],
    "subs": ["east", "north", "west", "south"],
    "msgs_to": ["south", "north", "west", "east"],
    "msgs_from": ["south", "west", "north", "east"],
    "bytes_to": ["west", "north", "south", "east"],
    "bytes_from": ["west", "south", "north", "east"],
}
SORTS = [*ORDERS, "pending", "last", "idle", "uptime", "stop", "reason", "rtt"]


@pytest.fixture(scope="module", params=["clearwing", "stock"])
def populated(request):
    """A server with the four clients, all of whose traffic is over."""
    with Server(request.param) as server:
        clients = [connect(server, name, **does) for name, does in CLIENTS.items()]
        yield server
        for client in clients:
            client.close()


def port(server):
    return str(urllib.parse.urlsplit(server.monitor).port)


def once(server, *arguments):
    """What nats-top prints in one go; it must end well and say nothing else."""
    done = subprocess.run(
        [*tools.nats_top(), "-m", port(server), "-o", "-", *arguments],
        capture_output=True,
        text=True,
        timeout=60,
        stdin=subprocess.DEVNULL,
    )
    assert (done.returncode, done.stderr) == (0, ""), done
    return done.stdout


def scaled(number):
    """nats-top's own form: powers of 1024, one decimal."""
    for unit, size in (("G", 2**30), ("M", 2**20), ("K", 2**10)):
        if number >= size:
            return f"{number / size:.1f}{unit}"
    return str(number)


def seconds(uptime):
    units = {"y": 31536000, "d": 86400, "h": 3600, "m": 60, "s": 1}
    return sum(int(number) * units[unit] for number, unit in re.findall(r"(\d+)([ydhms])", uptime))


def gotime(text):
    """A JSON time in the form that Go prints."""
    return text.replace("T", " ").replace("Z", " +0000 UTC")


def bracketed(server, look):
    """(/varz before, what look() gave, /varz after): what moves lies between the two."""
    return server.json("/varz"), look(), server.json("/varz")


def same_head(head, before, after, size):
    """The figures of the first lines, against those of /varz; uptime and the load lie between."""
    assert head["version"] == before["version"]
    assert seconds(before["uptime"]) <= seconds(head["uptime"]) <= seconds(after["uptime"])
    assert head["error"] == ""
    assert 0 <= float(head["cpu"]) <= 100 * before["cores"]
    assert re.fullmatch(r"\d+(\.\d[KMG])?", head["mem"]) and head["mem"] != "0"
    assert int(head["slow"]) == before["slow_consumers"] == 0
    for way in ("in", "out"):
        assert head[f"{way}_msgs"] == size(before[f"{way}_msgs"]) == size(after[f"{way}_msgs"])
        assert head[f"{way}_bytes"] == size(before[f"{way}_bytes"])
        assert (head[f"{way}_msgs_rate"], head[f"{way}_bytes_rate"]) == ("0.0", "0")
    assert before["in_msgs"] == 20 and before["out_msgs"] == 8
    assert before["in_bytes"] == 2 * 700 + 11 + 5 * 3 + 4 * 1000 + 90000 + 7 * 2


def same_row(row, connection, size):
    """One line of the table against the connection of /connz."""
    does = CLIENTS[connection["name"]]
    count, length = does["to_itself"]
    assert connection["out_msgs"] == count and connection["out_bytes"] == count * length
    expected = {
        "HOST": f"{connection['ip']}:{connection['port']}",
        "CID": str(connection["cid"]),
        "NAME": connection["name"],
        "SUBS": str(len(does["subjects"])),
        "PENDING": "0",
        "MSGS_TO": size(count),
        "MSGS_FROM": size(count + does["lost"][0]),
        "BYTES_TO": size(count * length),
        "BYTES_FROM": size(count * length + does["lost"][0] * does["lost"][1]),
        "LANG": "raw",
        "VERSION": "1.2.3",
        "LAST_ACTIVITY": gotime(connection["last_activity"]),
    }
    assert abs(seconds(row["UPTIME"]) - seconds(connection["uptime"])) <= 1
    assert {key: value for key, value in row.items() if key != "UPTIME"} == expected


def same_table(server, rows, size):
    connections = server.json("/connz")["connections"]
    assert [row["CID"] for row in rows] == [str(c["cid"]) for c in connections]
    assert [c["name"] for c in connections] == list(CLIENTS)
    for row, connection in zip(rows, connections):
        same_row(row, connection, size)


HEAD = re.compile(
    r"NATS server version (?P<version>\S+) \(uptime: (?P<uptime>\w+)\) ?(?P<error>.*)\n"
    r"Server: ?(?P<name>\S*) *\n"
    r"  ID:   (?P<id>\S+) *\n"
    r"  Load: CPU:  (?P<cpu>[\d.]+)%  Memory: (?P<mem>\S+)  Slow Consumers: (?P<slow>\d+) *\n"
    r"  In:   Msgs: (?P<in_msgs>\S+)  Bytes: (?P<in_bytes>\S+)  "
    r"Msgs/Sec: (?P<in_msgs_rate>\S+)  Bytes/Sec: (?P<in_bytes_rate>\S+) *\n"
    r"  Out:  Msgs: (?P<out_msgs>\S+)  Bytes: (?P<out_bytes>\S+)  "
    r"Msgs/Sec: (?P<out_msgs_rate>\S+)  Bytes/Sec: (?P<out_bytes_rate>\S+) *\n"
    r".*\nConnections Polled: (?P<polled>\d+) *\n"
)


def parse_table(text):
    """(figures of the head, rows) of what it prints or draws; times hold blanks, so are last."""
    head = HEAD.search(text)
    assert head, text
    lines = [line for line in text[head.end() :].split("\n") if line.strip()]
    header = lines[0].split()
    rows = [dict(zip(header, line.split(maxsplit=len(COLUMNS) - 1))) for line in lines[1:]]
    for row in rows:
        if "LAST_ACTIVITY" in row:
            row["LAST_ACTIVITY"] = row["LAST_ACTIVITY"].strip()
    return head.groupdict(), header, rows


def parse_delimited(text, delimiter):
    """The same of the delimited form, which is several tables in one."""
    lines = list(csv.reader(text.splitlines(), delimiter=delimiter))
    first, server, load, incoming, outgoing, blank, polled, header, *rows = lines
    assert (first[0], server, blank) == ("NATS server version", ["Server:"], [])
    assert load[:2] == ["Load:", "CPU:"] and load[3:6:2] == ["Memory:", "Slow Consumers:"]
    head = {
        "version": first[1],
        "uptime": re.fullmatch(r"\(uptime: (\w+)\)", first[2])[1],
        "error": first[3],
        "cpu": load[2].removesuffix("%"),
        "mem": load[4],
        "slow": load[6],
        "polled": polled[1],
    }
    for way, line in (("in", incoming), ("out", outgoing)):
        assert line[0] == f"{way.capitalize()}:"
        figures = dict(zip(line[1::2], line[2::2]))
        head[f"{way}_msgs"], head[f"{way}_bytes"] = figures["Msgs:"], figures["Bytes:"]
        head[f"{way}_msgs_rate"] = figures["Msgs/Sec:"]
        head[f"{way}_bytes_rate"] = figures["Bytes/Sec:"]
    return head, header, [dict(zip(header, row, strict=True)) for row in rows]


@pytest.mark.parametrize("raw", [[], ["-b"]], ids=["scaled", "raw"])
def test_one_shot_table(populated, raw):
    size = str if raw else scaled
    before, text, after = bracketed(populated, lambda: once(populated, *raw))
    head, header, rows = parse_table(text)
    assert header == COLUMNS
    assert head["polled"] == "4"
    assert head["id"] == before["server_id"]
    assert head["name"] == (
        "" if before["server_name"] == before["server_id"] else before["server_name"]
    )
    same_head(head, before, after, size)
    same_table(populated, rows, size)


@pytest.mark.parametrize("raw", [[], ["-b"]], ids=["scaled", "raw"])
@pytest.mark.parametrize("delimiter", [",", ";"])
def test_one_shot_delimited(populated, delimiter, raw):
    size = str if raw else scaled
    before, text, after = bracketed(populated, lambda: once(populated, "-l", delimiter, *raw))
    head, header, rows = parse_delimited(text, delimiter)
    assert header == COLUMNS
    assert head["polled"] == "4"
    same_head(head, before, after, size)
    same_table(populated, rows, size)


def test_one_shot_to_a_file(populated, tmp_path):
    done = subprocess.run(
        [*tools.nats_top(), "-m", port(populated), "-o", tmp_path / "out", "-l", ","],
        capture_output=True,
        timeout=60,
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")
    _, _, rows = parse_delimited((tmp_path / "out").read_text(), ",")
    assert [row["NAME"] for row in rows] == list(CLIENTS)


def test_subscriptions(populated):
    _, header, rows = parse_delimited(once(populated, "-l", ",", "-u"), ",")
    assert header == [*COLUMNS, "SUBSCRIPTIONS"]
    for row in rows:
        assert sorted(row["SUBSCRIPTIONS"].split()) == sorted(CLIENTS[row["NAME"]]["subjects"])


@pytest.mark.parametrize("limit", [1, 3])
def test_limit_takes_the_first_of_the_order(populated, limit):
    head, _, rows = parse_delimited(
        once(populated, "-l", ",", "-n", str(limit), "-sort", "subs"), ","
    )
    assert head["polled"] == str(limit)
    assert [row["NAME"] for row in rows] == ORDERS["subs"][:limit]


@pytest.mark.parametrize("sort", SORTS)
def test_sort(populated, sort):
    """Every key that nats-top takes. What our server refuses is shown as an error."""
    status, _, body = populated.get(f"/connz?limit=1024&sort={sort}")
    if status == 400:
        # Closed connections alone have an end; and the stock server may be older than sort=rtt.
        assert sort in ("stop", "reason") or (populated.kind != "clearwing" and sort == "rtt")
        if populated.kind != "clearwing":
            return  # no line end after its text, over which nats-top itself stumbles
    head, _, rows = parse_delimited(once(populated, "-l", ",", "-sort", sort), ",")
    if status == 400:
        said = body.decode().splitlines()[0][:80]
        assert head["error"] == f'stats request failed 400: "{said}"'
        assert (head["polled"], rows) == ("0", [])
        return
    assert (status, head["error"], head["polled"]) == (200, "", "4")
    assert sort not in ("stop", "reason")
    names = [row["NAME"] for row in rows]
    if sort in ORDERS:
        assert names == ORDERS[sort]
    elif sort in ("last", "uptime"):
        key = "last_activity" if sort == "last" else "start"
        connections = json.loads(body)["connections"]
        times = {c["name"]: c[key].rstrip("Z").ljust(29, "0") for c in connections}
        assert [times[name] for name in names] == sorted(times.values(), reverse=True)
    else:
        assert sorted(names) == sorted(CLIENTS)


def test_unknown_sort_is_refused(populated):
    done = subprocess.run(
        [*tools.nats_top(), "-m", port(populated), "-sort", "colour", "-o", "-"],
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 1
    assert "invalid option to sort by: colour" in done.stderr


# In a terminal


def figures(text):
    """The rates and totals that a screen shows, as numbers."""
    head, _, _ = parse_table(text)
    units = {"": 1, "K": 2**10, "M": 2**20, "G": 2**30}
    numbers = {}
    for key, value in head.items():
        if re.fullmatch(r"(in|out)_\w+", key):
            number, unit = re.fullmatch(r"(-?[\d.]+)([KMG]?)", value).groups()
            numbers[key] = float(number) * units[unit]
    return numbers | {"uptime": seconds(head["uptime"])}


@pytest.fixture
def window(server):
    """nats-top in a terminal of 120 by 30, over a server with known traffic."""
    with Traffic(server, ["known.one", "known.two"], rate=200, size=100):
        command = [*tools.nats_top(), "-m", port(server), ";", "echo", "left with $?"]
        with Terminal(*command, width=120, height=30) as terminal:
            terminal.wait_for("Connections Polled: 4")
            yield terminal


def next_redraws(terminal, count):
    """Screens whose uptimes differ: so many real redraws."""
    screens = []
    deadline = time.monotonic() + 10 * count
    while len(screens) < count:
        text = terminal.text()
        if not screens or figures(text)["uptime"] > figures(screens[-1])["uptime"]:
            screens.append(text)
        assert time.monotonic() < deadline, f"the screen stands still:\n{text}"
        time.sleep(0.05)
    return screens


def test_redraws_show_the_traffic(server, window):
    # The first figures are since the start of the counters, not since a poll.
    window.wait_for(lambda text: figures(text)["in_msgs_rate"] > 0, what="a rate")
    screens = next_redraws(window, 5)
    version = server.json("/varz")["version"]
    seen = [figures(text) for text in screens]
    for text, now in zip(screens, seen):
        assert f"NATS server version {version} (uptime: {now['uptime']}s)" in text
        assert all(number >= 0 for number in now.values()), text
        rows = parse_table(text)[2]
        assert sorted(row["NAME"] for row in rows) == [
            "publisher-known.one",
            "publisher-known.two",
            "reader-known.one-0",
            "reader-known.two-0",
        ]
    for earlier, later in zip(seen, seen[1:]):
        for key in ("in_msgs", "out_msgs", "in_bytes", "out_bytes"):
            assert later[key] >= earlier[key], (earlier, later)
    assert seen[-1]["in_msgs"] > seen[0]["in_msgs"]
    rates = sorted(now["in_msgs_rate"] for now in seen)
    assert 200 < rates[2] < 600, rates  # 400 a second; the median, for the machine's sake
    rates = sorted(now["out_bytes_rate"] for now in seen)
    assert 20000 < rates[2] < 60000, rates


def rows_by_name(text):
    return {row["NAME"]: row for row in parse_table(text)[2]}


def reader_count(text):
    """MSGS_TO of one reader: a total, or about 200 as a rate."""
    number, unit = re.fullmatch(
        r"([\d.]+)([KM]?)", rows_by_name(text)["reader-known.one-0"]["MSGS_TO"]
    ).groups()
    return float(number) * {"": 1, "K": 2**10, "M": 2**20}[unit]


def test_keys(window):
    """One key, one effect; the next key waits for it, for nats-top loses what comes too fast."""
    window.resize(220, 30)  # or the last columns have no room
    window.wait_for("LAST_ACTIVITY", what="the last column")
    window.type("s")
    window.wait_for("SUBSCRIPTIONS", what="the subscriptions column")
    window.type("s")
    window.wait_for(lambda text: "SUBSCRIPTIONS" not in text, what="no subscriptions column")
    window.wait_for(lambda text: reader_count(text) > 900, what="a total that is no rate")
    window.type("Space")
    window.wait_for(lambda text: 50 < reader_count(text) < 800, what="one reader's rate")
    window.type("Space")
    window.wait_for(lambda text: reader_count(text) > 900, what="the total again")
    window.type("?")
    window.wait_for("Press any key to continue")
    window.type("x")
    window.wait_for("Connections Polled: 4")
    window.type("q")
    window.wait_for("left with 0")


def test_sorts_on_demand(window):
    def first(*names):
        return lambda text: [row["NAME"] for row in parse_table(text)[2]][:2] == list(names)

    window.wait_for(first("reader-known.one-0", "publisher-known.one"), what="the order of cid")
    window.type("o")
    window.wait_for("sort by [cid]:")
    for end in range(1, 5):  # it loses keys that come faster than it draws
        window.literal("subs"[end - 1])
        window.wait_for("sort by [cid]: " + "subs"[:end])
    window.type("Enter")
    window.wait_for(first("reader-known.one-0", "reader-known.two-0"), what="readers first")


def test_a_server_that_goes_away(server):
    command = [*tools.nats_top(), "-m", port(server), ";", "echo", "left with $?"]
    with Terminal(*command, width=120, height=30) as terminal:
        terminal.wait_for("Connections Polled: 0")
        terminal.wait_for(lambda text: f"version {server.json('/varz')['version']} " in text)
        server.stop()
        terminal.wait_for("could not get stats from server")
        terminal.type("q")
        terminal.wait_for("left with 0")
