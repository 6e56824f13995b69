"""The viewer as a person sees it: in a real terminal, against a real server, with traffic whose figures are known."""
import json
import os
import re
import signal
import socket
import subprocess
import time

import pytest

from tests.screen.tmux import TOP, Terminal
from tests.screen.traffic import Traffic, client
from tests.support.server import Server

SIZES = [(80, 24), (160, 50)]
FACTORS = {"": 1, "k": 1e3, "M": 1e6, "G": 1e9, "B": 1, "KiB": 2**10, "MiB": 2**20, "GiB": 2**30}
NUMBER = r"(-?[\d.]+) ?([kMG]?(?:iB)?|B|KiB|MiB|GiB)(?= |$|[▲▼])"


@pytest.fixture(params=SIZES, ids=lambda size: f"{size[0]}x{size[1]}")
def size(request):
    return {"width": request.param[0], "height": request.param[1]}


def number(text):
    value, unit = re.fullmatch(r"(-?[\d.,]+) ?([a-zA-Z]*)", text).groups()
    return float(value.replace(",", "")) * FACTORS[unit]


def figures(text, label):
    """The numbers behind a label at the start of a line; none when there is no such line."""
    rest = next((line.strip()[len(label):] for line in text.split("\n") if line.strip().startswith(label)), "")
    return [float(value) * FACTORS[unit] for value, unit in re.findall(NUMBER, rest)]


def row(text, name):
    return next((line for line in text.split("\n") if f" {name} " in line), None)


def top(server, *arguments, **options):
    return Terminal(TOP, server.monitor, *arguments, **options)


def once(server, *arguments, check=True, **options):
    run = subprocess.run([TOP, server.monitor, "--interval", "0.5", *arguments], capture_output=True, text=True,
                         timeout=30, stdin=subprocess.DEVNULL, **options)
    assert not check or (run.returncode, run.stderr) == (0, ""), run
    return run


def names_in_order(text):
    return re.findall(r"^[▸ !~] {4,}\d+ (\S+)", text, re.M)


# Views


def test_overview_shows_known_rates(server, size):
    with Traffic(server, ["a", "b"], rate=500, size=100, subscribers=2), \
            top(server, "--interval", "0.5", **size) as terminal:
        time.sleep(4)
        text = terminal.text()
        for label, expected in (("MSGS IN", 1000), ("MSGS OUT", 2000), ("BYTES IN", 1e5), ("BYTES OUT", 2e5)):
            now, ten, sixty, peak, total = figures(text, label)[:5]
            assert ten == pytest.approx(expected, rel=0.25), f"{label}\n{text}"
            assert now == pytest.approx(expected, rel=0.5), f"{label}\n{text}"
            assert peak >= now and total > ten, text
        assert re.search(r"CONNS\s+6 of 65,536", text), text
        assert "6 of 6 connections" in text and "● live" in text and "● live  0.5s" in text
        assert all(len(line) <= size["width"] for line in text.split("\n"))
        assert ("MSGS/s  ▲ out" in text) == (size["width"] >= 96)


def test_overview_says_what_the_server_does_not_offer(stock):
    with top(stock, width=160, height=50) as terminal:
        text = terminal.wait_for("stale connections")
        assert re.search(r"stale connections +·", text) and re.search(r"no responders +·", text), text
        assert re.search(r"slow consumers +0", text), text


def test_connections_show_known_totals(server, size):
    with client(server, "quiet") as quiet, client(server, "reader") as reader, client(server, "writer") as writer:
        reader.send("SUB x 1\r\n")
        reader.ping()
        writer.send("PUB x 5\r\nhello\r\n" * 1234)
        writer.ping()
        quiet.ping()
        with top(server, "--view", "connections", "--totals", "--raw", "--interval", "0.2", **size) as terminal:
            text = terminal.wait_for(lambda text: row(text, "reader") and "1,234" in row(text, "reader"))
            assert "1,234" in row(text, "writer"), text
            assert "1,234" not in row(text, "quiet"), text
            assert re.search(r"^ 3 of 3 connections · sort MSGS_TO ▼ · totals", text, re.M), text
            assert "MSGS_TO▼" in text and "MSGS_TO/s" not in text
            if size["width"] == 160:
                assert "6,170" in row(text, "reader"), text
                assert f"127.0.0.1:{reader.socket.getsockname()[1]}" in row(text, "reader"), text


def test_detail_shows_the_subscriptions_of_the_row(server, size):
    with Traffic(server, ["orders"], rate=400, subscribers=1), client(server, "idler"), \
            top(server, "--interval", "0.3", **size) as terminal:
        terminal.wait_for(lambda text: row(text, "reader-orders-0"))
        terminal.type("g", "Enter")
        text = terminal.wait_for("SUBSCRIPTIONS 1")
        assert "CID" in text and "reader-orders-0 ──" in text
        terminal.wait_for(lambda text: any(re.search(r"^ +orders +- +1 +[\d.k]+ +[1-9]\d\d", line)
                                           for line in text.split("\n")), what="the rate of the subscription")
        assert "MSGS_TO/s" in text and "PENDING" in text and "RTT" in text
        terminal.type("G")
        terminal.wait_for(lambda text: "SUBSCRIPTIONS 0" in text and "idler ──" in text)
        terminal.type("Enter")
        terminal.wait_for(lambda text: "SUBSCRIPTIONS" not in text)


def test_limit_is_told(server):
    with client(server, "one"), client(server, "two"), client(server, "three"), \
            top(server, "--view", "connections", "--limit", "2", "--interval", "0.2") as terminal:
        terminal.wait_for("2 of 3 connections, the first by msgs_to")
        terminal.type("n")
        terminal.type("C-u")
        terminal.literal("10")
        terminal.type("Enter")
        terminal.wait_for("3 of 3 connections ·")


# Keys


def test_sorting(server):
    with client(server, "bbb") as b, client(server, "aaa"), client(server, "ccc") as c, \
            top(server, "--view", "connections", "--sort", "name", "--interval", "0.2") as terminal:
        c.send("SUB x 1\r\nSUB y 2\r\n")
        b.send("SUB z 1\r\n")
        terminal.wait_for(lambda text: names_in_order(text) == ["aaa", "bbb", "ccc"])
        terminal.type("r")
        terminal.wait_for(lambda text: names_in_order(text) == ["ccc", "bbb", "aaa"])
        terminal.type("o")
        terminal.wait_for("Sort by")
        terminal.literal("subs")
        terminal.type("Enter")
        text = terminal.wait_for(lambda text: names_in_order(text) == ["ccc", "bbb", "aaa"] and "SUBS▼" in text)
        assert "sort SUBS ▼" in text
        terminal.type("r")
        terminal.wait_for(lambda text: names_in_order(text) == ["aaa", "bbb", "ccc"])
        terminal.type(">")
        terminal.wait_for("sort PENDING ▼")
        terminal.type("<")
        terminal.wait_for("sort SUBS ▼")


def test_mouse(server):
    def press(button, x, y):
        place = chr(33 + x) + chr(33 + y)
        terminal.literal("\x1b[M" + chr(32 + button) + place + ("\x1b[M#" + place if button == 0 else ""))

    with client(server, "bbb"), client(server, "aaa"), client(server, "ccc"), \
            top(server, "--interval", "0.2", env={"TERM": "tmux-256color"}) as terminal:
        terminal.wait_for(lambda text: len(names_in_order(text)) == 3)
        press(0, 17, 1)
        text = terminal.wait_for("3 of 3 connections · sort")
        headings = next(number for number, line in enumerate(text.split("\n")) if " CID NAME" in line)
        press(0, 12, headings)
        terminal.wait_for(lambda text: names_in_order(text) == ["aaa", "bbb", "ccc"])
        press(0, 12, headings)
        terminal.wait_for(lambda text: names_in_order(text) == ["ccc", "bbb", "aaa"])
        press(0, 12, headings + 2)
        terminal.wait_for(lambda text: re.search(r"^▸ +\d+ bbb", text, re.M))
        press(65, 12, headings)
        terminal.wait_for(lambda text: re.search(r"^▸ +\d+ aaa", text, re.M))
        assert "1" in terminal.value("#{mouse_any_flag}#{mouse_button_flag}#{mouse_standard_flag}")
        terminal.type("m")
        terminal.wait_for("the mouse selects text")
        assert terminal.value("#{mouse_any_flag}#{mouse_button_flag}#{mouse_standard_flag}") == "000"


def test_cursor_follows_its_connection(server):
    with client(server, "first"), client(server, "second") as second, client(server, "third"), \
            top(server, "--view", "connections", "--sort", "subs", "--interval", "0.2") as terminal:
        terminal.wait_for(lambda text: names_in_order(text) == ["first", "second", "third"])
        terminal.type("Down")
        terminal.wait_for(lambda text: re.search(r"^▸ +\d+ second", text, re.M))
        second.send("SUB x 1\r\n")
        text = terminal.wait_for(lambda text: names_in_order(text) == ["second", "first", "third"])
        assert re.search(r"^▸ +\d+ second", text, re.M), text


def test_filter(server):
    with client(server, "alpha"), client(server, "beta"), client(server, "gamma"), \
            top(server, "--view", "connections", "--interval", "0.2") as terminal:
        terminal.wait_for(lambda text: len(names_in_order(text)) == 3)
        terminal.type("/")
        terminal.literal("BET")
        terminal.wait_for(lambda text: names_in_order(text) == ["beta"] and "1 match, 3 of 3" in text)
        terminal.type("Enter")
        terminal.wait_for("filter BET")
        terminal.type("Escape")
        terminal.wait_for(lambda text: len(names_in_order(text)) == 3)
        terminal.type("/")
        terminal.literal("~^(alpha|gamma)$")
        terminal.wait_for(lambda text: sorted(names_in_order(text)) == ["alpha", "gamma"])
        terminal.type("C-u")
        terminal.literal("bogus:1")
        text = terminal.wait_for("no such column")
        assert len(names_in_order(text)) == 3, "a term without sense hides nothing"
        terminal.type("Escape")
        terminal.wait_for(lambda text: "Filter:" not in text and len(names_in_order(text)) == 3)


def test_pause_freezes_and_loses_nothing(server):
    with Traffic(server, ["a"], rate=300), top(server, "--interval", "0.2") as terminal:
        terminal.wait_for(lambda text: figures(text, "MSGS IN")[4:] > [300])
        terminal.type("p")
        before = terminal.wait_for("PAUSED")
        after = terminal.wait_for(lambda text: re.search(r"PAUSED [2-5]s", text))
        assert figures(before, "MSGS IN") == figures(after, "MSGS IN")
        terminal.type("p")
        text = terminal.wait_for(lambda text: figures(text, "MSGS IN")[4] > figures(before, "MSGS IN")[4] + 300)
        spark = [len(re.search(r"[▁▂▃▄▅▆▇█]*$", next(line for line in screen.split("\n") if "MSGS IN" in line))[0])
                 for screen in (before, text)]
        assert spark[1] >= min(spark[0] + 8, 15), f"samples of the pause are missing\n{text}"


def test_totals_raw_interval_and_ascii_keys(server):
    with client(server, "one") as one, top(server, "--view", "connections") as terminal:
        one.send("PUB x 1\r\na\r\n" * 12345)
        one.ping()
        terminal.wait_for("sort MSGS_TO/s ▼ · rates")
        terminal.type("Space")
        terminal.wait_for(lambda text: "12.3k" in text and "totals" in text)
        terminal.type("b")
        terminal.wait_for("12,345")
        terminal.type("+")
        terminal.wait_for("● live  0.5s")
        terminal.type("-", "-")
        terminal.wait_for("● live  2s")
        terminal.type("A")
        text = terminal.wait_for("* live  2s")
        assert text.isascii(), text
        terminal.type("A")
        terminal.wait_for("● live  2s")


def test_help_is_made_from_the_keys(server, size):
    listed = subprocess.run([TOP, "--list-keys"], capture_output=True, text=True, check=True).stdout
    with top(server, **size) as terminal:
        terminal.wait_for("● live")
        terminal.type("?")
        text = terminal.wait_for("─ Keys ")
        missing = []
        for line in listed.strip().split("\n")[2:]:
            help = line.rstrip(" |").rsplit("| ", 1)[1]
            if help[:22] not in text:
                missing.append(help)
        assert not missing, f"{missing}\n{text}"
        terminal.type("x")
        terminal.wait_for(lambda text: "─ Keys " not in text)


def test_several_servers(server):
    with Server("stock", "--name", "other-one") as other, client(other, "lonely"), \
            top(server, other.monitor, "--interval", "0.2", "--view", "connections") as terminal:
        terminal.wait_for(lambda text: "other-one" in text and "0 of 0 connections" in text)
        terminal.type("]")
        terminal.wait_for(lambda text: "1 of 1 connections" in text and text.lstrip().startswith("other-one"))
        terminal.type("[")
        terminal.wait_for("0 of 0 connections")
        other.stop(signal.SIGKILL)
        terminal.type("]")
        text = terminal.wait_for("✗ no answer")
        assert "lonely" in text, "what was known stays"


def test_snapshot_file(server, tmp_path):
    with client(server, "one"), Terminal(f"cd {tmp_path} && {TOP}", server.monitor) as terminal:
        terminal.wait_for(lambda text: row(text, "one"))
        terminal.type("w")
        terminal.wait_for("written to top-")
        (file,) = tmp_path.glob("top-*.json")
        assert [conn["name"] for conn in json.loads(file.read_text())["connections"]] == ["one"]


# Failure


def test_server_killed_and_restarted(server):
    kind, port = server.kind, server.monitor.rsplit(":", 1)[1]
    with top(server, "--interval", "0.3") as terminal:
        with Traffic(server, ["a"], rate=500):
            terminal.wait_for(lambda text: len(figures(text, "MSGS IN")) > 4 and figures(text, "MSGS IN")[4] > 600)
        total = figures(terminal.text(), "MSGS IN")[4]
        server.process.kill()
        server.process.wait()
        text = terminal.wait_for("✗ no answer")
        text = terminal.wait_for(lambda text: re.search(r"data is \ds old · .*/varz: ", text))
        assert figures(text, "MSGS IN")[4] >= total, "the last figures stay"
        assert terminal.wait_for(lambda text: re.search(r"data is [2-9]s old", text))
        seen = []
        with Server(kind, "-m", port) as again:
            text = terminal.wait_for("restarted: rates and averages start again")
            seen.append(text)
            assert figures(text, "MSGS IN")[-1] == 0, text
            with Traffic(again, ["a"], rate=500):
                text = terminal.wait_for(lambda text: len(figures(text, "MSGS IN")) > 4
                                         and figures(text, "MSGS IN")[0] > 300)
                seen.append(text)
            assert "● live" in text
            assert not any(re.search(r"-\d", line) for text in seen for line in text.split("\n")
                           if line.strip().startswith(("MSGS", "BYTES", "CONN"))), seen


def test_server_that_accepts_and_never_answers(server):
    with top(server, "--interval", "0.5") as terminal:
        terminal.wait_for("● live")
        os.kill(server.pid, signal.SIGSTOP)
        try:
            terminal.wait_for("✗ no answer")
            terminal.type("2")
            terminal.wait_for(lambda text: "sort MSGS_TO/s" in text, timeout=1, what="keys work while a poll hangs")
        finally:
            os.kill(server.pid, signal.SIGCONT)
        terminal.wait_for("● live")
        terminal.wait_for("the server answers again")


def test_hostile_names_do_not_reach_the_terminal(server):
    with client(server, "evil\x1b[2J\x1b]0;owned\x07\r\n\u202e\u0007end"), \
            top(server, "--view", "connections", width=120) as terminal:
        text = terminal.wait_for("evil")
        assert "evil·[2J·]0;owned" in text, text
        assert "● live" in text and terminal.value("#{pane_title}") != "owned"


# Terminal


def test_resize(server):
    with client(server, "one"), top(server) as terminal:
        terminal.wait_for("● live")
        terminal.resize(160, 50)
        text = terminal.wait_for("MSGS/s  ▲ out")
        assert "q Quit" in text.split("\n")[-1] and len(text.split("\n")) == 50, text
        terminal.resize(50, 10)
        terminal.wait_for("terminal too small (50x10, need 60x12)")
        terminal.resize(80, 24)
        text = terminal.wait_for("● live")
        assert "q Quit" in text.split("\n")[-1] and len(text.split("\n")) == 24, text


@pytest.mark.parametrize("how", ["q", "C-c", signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGSEGV])
def test_leaving_restores_the_terminal(server, how):
    with top(server) as terminal:
        terminal.wait_for("● live")
        assert terminal.value("#{alternate_on} #{cursor_flag}") == "1 0"
        if isinstance(how, str):
            terminal.type(how)
        else:
            os.kill(terminal.child(), how)
        terminal.wait_for(lambda text: "● live" not in text)
        terminal.type("stty -a | tr ';' '\\n' | grep -ow -e '-\\?icanon' -e '-\\?echo'; echo st''atus $?", "Enter")
        text = terminal.wait_for("status 0")
        assert "\nicanon" in text and "\necho" in text, text
        assert terminal.value("#{alternate_on} #{cursor_flag}") == "0 1"


def test_suspend_and_resume(server):
    with top(server, "--interval", "0.2") as terminal:
        terminal.wait_for("● live")
        terminal.type("C-z")
        terminal.wait_for("Stopped")
        assert terminal.value("#{alternate_on}") == "0"
        terminal.resize(100, 30)
        terminal.type("fg", "Enter")
        text = terminal.wait_for("● live")
        assert len(text.split("\n")) == 30, text


@pytest.mark.parametrize("env", [{"LC_ALL": "C", "LANG": "C"}, {"TERM": "vt100"}], ids=["C-locale", "vt100"])
def test_plain_terminals(server, env):
    with Traffic(server, ["a"], rate=100), top(server, "--interval", "0.3", width=100, height=30, env=env) as terminal:
        text = terminal.wait_for("live")
        time.sleep(1.5)
        text = terminal.text()
        assert "LC_ALL" not in env or text.isascii(), text
        assert "MSGS/s" in text and "TOP CONNECTIONS" in text


def test_no_color(server):
    with client(server, "one"), top(server, env={"NO_COLOR": "1"}) as terminal:
        terminal.wait_for("● live")
        colored = "\n".join(terminal.screen(colors=True))
        assert not re.search(r"\x1b\[[\d;]*(?:3[0-7]|4[0-7]|38|48)(?:;|m)", colored)
        assert "\x1b[7m" in colored, "the bars stay visible"
        terminal.type("c")
        terminal.wait_for(lambda _: re.search(r"\x1b\[[\d;]*38;5;", "\n".join(terminal.screen(colors=True))))


# One-shot


def test_json_has_the_documented_shape(server):
    with Traffic(server, ["a"], rate=800, size=50, subscribers=2):
        time.sleep(0.3)
        document = json.loads(once(server, "--json").stdout)
    assert list(document) == ["schema", "time", "interval_seconds", "server", "rates", "connections_total",
                              "connections", "errors"]
    assert document["schema"] == "top/1" and document["errors"] == []
    assert document["interval_seconds"] == pytest.approx(0.5, abs=0.3)
    assert document["server"]["server_id"] == server.json("/varz")["server_id"]
    assert document["server"]["connections"] == document["connections_total"] == 3
    assert document["rates"]["in_msgs"] == pytest.approx(800, rel=0.4)
    assert document["rates"]["out_bytes"] == pytest.approx(document["rates"]["out_msgs"] * 50, rel=0.01)
    by_name = {conn["name"]: conn for conn in document["connections"]}
    assert set(by_name) == {"publisher-a", "reader-a-0", "reader-a-1"}
    assert by_name["publisher-a"]["rates"]["in_msgs"] == pytest.approx(800, rel=0.4)
    assert by_name["reader-a-0"]["rates"]["in_msgs"] == 0
    assert isinstance(by_name["reader-a-0"]["out_msgs"], int) and by_name["reader-a-0"]["subscriptions"] == 1
    assert by_name["reader-a-0"]["account"] == "$G" and 0 <= by_name["reader-a-0"]["rtt"] < 5
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT[\d:.]+Z", by_name["publisher-a"]["start"])


def test_json_of_one_poll_and_of_many(server):
    document = json.loads(once(server, "--json", "--interval", "0").stdout)
    assert document["interval_seconds"] is None and document["rates"]["in_msgs"] is None
    lines = once(server, "--json", "--count", "3", "--interval", "100ms").stdout.splitlines()
    assert [json.loads(line)["schema"] for line in lines] == ["top/1"] * 3


def test_csv_quotes_and_round_trips(server):
    import csv
    import io
    with client(server, 'a,"b"\nc'), client(server, "plain") as plain:
        plain.send("SUB x 1\r\n")
        plain.ping()
        rows = list(csv.DictReader(io.StringIO(once(server, "--csv", "--sort", "name:desc").stdout)))
    assert [entry["name"] for entry in rows] == ["plain", 'a,"b"\nc']
    assert rows[0]["subs"] == "1" and rows[0]["msgs_to"] == "0" and rows[0]["msgs_to_per_second"] == "0"
    assert rows[0]["host"].startswith("127.0.0.1:") and float(rows[0]["rtt"]) >= 0


def test_text_sort_limit_filter_and_file(server, tmp_path):
    with client(server, "aa"), client(server, "ab"), client(server, "b"):
        text = once(server, "--sort", "name:desc").stdout
        assert re.findall(r"^ +\d+ (\S+)", text, re.M) == ["b", "ab", "aa"]
        text = once(server, "--filter", "name~^a", "--sort", "name").stdout
        assert re.findall(r"^ +\d+ (\S+)", text, re.M) == ["aa", "ab"] and "Connections: 2 of 3" in text
        assert "Connections: 1 of 3, see --limit" in once(server, "--limit", "1").stdout
        file = tmp_path / "out.txt"
        assert once(server, "-o", str(file), "-l", ";", "-sort", "cid").stdout == ""
        assert re.search(r"^CID;NAME;.*\n\d+;aa;", file.read_text(), re.M)


def test_nats_top_flags(server):
    host, port = server.monitor.split("//")[1].split(":")
    run = subprocess.run([TOP, "-s", host, "-m", port, "-n", "5", "-d", "0.2", "-o", "-", "-b"], capture_output=True,
                         text=True, timeout=20)
    assert run.returncode == 0 and "Connections: 0" in run.stdout, run


@pytest.mark.parametrize("arguments, words", [
    (["--nope"], "unknown option --nope"),
    (["--limit"], "--limit needs a value"),
    (["--limit", "0"], "--limit wants a number from 1 to 1000000, not '0'"),
    (["--interval", "soon"], "--interval wants a time like 500ms, 2s or 1m, not 'soon'"),
    (["--interval", "1ms"], "--interval must be from 100ms to 1h"),
    (["--sort", "size"], "--sort 'size' is not one of cid name account"),
    (["--filter", "bogus:1"], "--filter bogus:1: no such column"),
    (["--json", "--csv"], "--json and --csv exclude each other"),
    (["ftp://x"], "'ftp://x' is not a monitoring URL"),
    (["--cert", "x"], "--cert and --key are only of use together"),
    (["-o", "/nonexistent/x"], "cannot write /nonexistent/x: No such file or directory"),
])
def test_bad_options_are_one_clear_line(arguments, words):
    run = subprocess.run([TOP, *arguments], capture_output=True, text=True, timeout=20, stdin=subprocess.DEVNULL)
    assert run.returncode == 1 and run.stdout == ""
    assert words in run.stderr and run.stderr.count("\n") == 1, run.stderr


def closed_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def test_unreachable_at_the_start():
    url = f"http://127.0.0.1:{closed_port()}"
    run = subprocess.run([TOP, "--once", url], capture_output=True, text=True, timeout=20)
    assert run.returncode == 1 and run.stderr.count("\n") == 1
    assert f"{url} does not answer as a monitoring port: /varz: " in run.stderr
    with Terminal(TOP, url, "; echo st''atus $?") as terminal:
        text = terminal.wait_for("status 1")
        assert "does not answer as a monitoring port" in text and terminal.value("#{alternate_on}") == "0"


def test_not_a_monitoring_port(server):
    url = server.monitor + "/nothing/here"
    run = subprocess.run([TOP, "--once", url], capture_output=True, text=True, timeout=20)
    assert run.returncode == 1 and "/varz: HTTP status 404" in run.stderr, run


def test_passwords_are_not_shown(server):
    url = server.monitor.replace("//", "//me:secret@")
    with Terminal(TOP, url) as terminal:
        assert "secret" not in terminal.wait_for("● live").split("$", 1)[-1]
    run = subprocess.run([TOP, "--once", f"http://me:secret@127.0.0.1:{closed_port()}"], capture_output=True, text=True)
    assert run.returncode == 1 and "secret" not in run.stderr


# Documentation


@pytest.mark.parametrize("option, heading", [("--list-keys", "## Keys"), ("--list-options", "## Options")])
def test_the_page_has_the_tables(option, heading):
    from tests.support.server import ROOT
    page = (ROOT / "docs" / "top.md").read_text()
    table = subprocess.run([TOP, option], capture_output=True, text=True, check=True).stdout
    assert heading in page and table in page, f"docs/top.md is not up to date: put the output of clearwing-top {option} there"
