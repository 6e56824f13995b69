"""The floor under the broker's speed, and proof that the generator notices what it claims to notice.

The floor is low on purpose: it must hold on a busy machine in short runs. What the real figures are, compare.py tells.
An instrumented build (sanitizers) measures its instrumentation, so the floor is not asked of one.
"""
import http.server
import json
import math
import os
import pathlib
import resource
import socket
import statistics
import struct
import subprocess
import threading
import time

import pytest

from tests.bench import candidates, compare, instructions, runs, scale, scrape, table, workloads
from tests.support import server as support

ROUNDS = 3
SECONDS = 0.5


def instrumented():
    program = pathlib.Path(support.binary("clearwing"))
    return program.exists() and any(name in program.read_bytes() for name in (b"__asan_init", b"__tsan_init", b"__ubsan_"))


def both():
    return [candidates.Side("ours", "clearwing"), candidates.Side("stock", "stock")]


@pytest.fixture(scope="module", autouse=True)
def many_files():
    runs.raise_file_limit()


def median_of_pairs(name, figure_name):
    if instrumented():
        pytest.skip("this build is instrumented; its speed means nothing")
    rows, complaints, _, _ = compare.compare(name, both(), ROUNDS, SECONDS, quick=True)
    assert not complaints, complaints
    row = next(row for row in rows if row.figure.name == figure_name)
    return statistics.median(row.pair_ratios), row.text()


@pytest.mark.parametrize("name", ["one-to-one-128", "fan-out-10"])
def test_twice_the_messages_of_the_stock_server_per_cpu_second(name):
    ratio, text = median_of_pairs(name, "per CPU second")
    assert ratio >= 2, text


def test_less_than_half_the_idle_memory_of_the_stock_server():
    ratio, text = median_of_pairs("idle", "resident bytes")
    assert ratio <= 0.5, text


@pytest.mark.parametrize("name", [name for name, workload in workloads.WORKLOADS.items() if not runs.missing(workload)])
def test_every_message_arrives_once_and_in_order(name):
    side = candidates.Side("ours", "clearwing")
    _, complaints, _, found = compare.compare(name, [side], 1, 0.3, quick=True, limit=True)
    assert not complaints, complaints
    assert name == "idle" or found["ours"][0]["units"] > 0
    for figure in workloads.WORKLOADS[name].figures:
        assert figure.value(found["ours"][0]) >= 0
    assert bool(found["relay"]) == bool(workloads.WORKLOADS[name].limit)


# A relay that does one thing wrong to the stream of messages, each of which has this length on the wire.
LINE = b"MSG bench.0.0 1 128\r\n"
WIRE = len(LINE) + 128 + 2


def drop(messages):
    del messages[50]


def double(messages):
    messages.insert(50, messages[49])


def swap(messages):
    messages[50], messages[51] = messages[51], messages[50]


def change(messages):
    sequence = struct.pack("<Q", 7777)
    messages[50] = LINE + sequence + messages[50][len(LINE) + 8:]


def drop_one_double_another(messages):
    messages[50] = messages[49]


def faulty_relay(listener, fault):
    subscriber, _ = listener.accept()
    publisher, _ = listener.accept()
    with subscriber, publisher:
        received = b""
        while len(received) < 100 * WIRE:
            received += publisher.recv(1 << 16)
        messages = [received[at:at + WIRE] for at in range(0, len(received), WIRE)]
        fault(messages)
        subscriber.sendall(b"".join(messages))
        publisher.recv(1)


def none(messages):
    """Nothing wrong: shows that the relay of this test is not itself the fault."""


@pytest.mark.parametrize("fault, complaint", [
    (none, None),
    (drop, "messages were lost"),
    (double, "more messages than expected"),
    (swap, "messages out of order"),
    (change, "messages were changed"),
    (drop_one_double_another, "messages out of order"),
])
def test_the_generator_notices(fault, complaint):
    with socket.create_server(("127.0.0.1", 0)) as listener:
        relay = threading.Thread(target=faulty_relay, args=(listener, fault))
        relay.start()
        run = runs.run_load(["--relay", "--port", listener.getsockname()[1], "--messages", 100, "one-to-one"])
        relay.join()
    assert run["failure"] == complaint


def test_an_error_of_the_server_ends_the_run_with_its_text():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        def refuse():
            client, _ = listener.accept()
            with client:
                client.sendall(b"INFO {} \r\n-ERR 'maximum connections exceeded'\r\n")
                client.recv(1 << 16)
        thread = threading.Thread(target=refuse)
        thread.start()
        run = runs.run_load(["--port", listener.getsockname()[1], "one-to-one"])
        thread.join()
    assert run["failure"] == "clearwing-load: connection 0: the server sent: -ERR 'maximum connections exceeded'"


@pytest.mark.parametrize("arguments, complaint", [
    (["--port", "1", "nothing"], '"nothing" is not a workload; --help lists them'),
    (["one-to-one"], "--port is missing: which port does the server listen on?"),
    (["--port", "70000", "one-to-one"], "--port 70000: give a number from 1 to 65535"),
    (["--port", "1", "--seconds", "x", "one-to-one"], "--seconds x: give a number above 0, at most 3600"),
    (["--port", "1", "--bogus", "one-to-one"], "--bogus: unknown option or missing value; --help lists them"),
    (["--port", "1", "--subject", "a.b", "one-to-one"], "--subject a.b: give one word of a subject, at most 16 bytes"),
    (["--port", "1", "--hold", "one-to-one"], "--hold works with idle-connections only"),
    (["--port", "1", "request", "--size", "8"], "--size 8: requests need 16 bytes or more to be told apart"),
    (["--port", "1", "one-to-one"], "connection 0: cannot connect, is the server on this port?: Connection refused"),
])
def test_a_wrong_call_is_answered_with_one_line(arguments, complaint):
    done = subprocess.run([runs.LOAD, *arguments], capture_output=True, text=True, timeout=20)
    assert (done.returncode, done.stdout, done.stderr) == (1, "", f"clearwing-load: {complaint}\n")


def test_an_unknown_workload_is_named(capsys):
    with pytest.raises(SystemExit) as ended:
        compare.main(["--workloads", "fan-in", "--ours", support.stock_binary()])
    assert ended.value.code == 2
    assert "there is no fan-in" in capsys.readouterr().err


PROFILE = """version: 1
events: Ir

fl=(1) proto.c
fn=(1) proto_parse
16 100
+2 20
cfi=(2) mem.c
cfn=(2) malloc
calls=3 0
17 999
18 5

fn=(3) proto_line'2
30 7
cfn=(2)
calls=1 0
31 50

fn=(2)
40 60
"""


def test_a_profile_separates_own_instructions_from_those_of_callees():
    profile = instructions.Profile(PROFILE)
    assert profile.instructions == {"proto_parse": 125, "proto_line": 7, "malloc": 60}
    assert (profile.calls["malloc"], profile.allocations()) == (4, 4)


def test_the_cost_of_a_message_is_the_difference_of_two_runs():
    few, many = instructions.Profile(PROFILE), instructions.Profile(PROFILE.replace("16 100", "16 1100"))
    cost = instructions.Cost(few, many, 100)
    assert (cost.instructions, cost.allocations, cost.functions[0]) == (10, 0, ("proto_parse", 10, 0))


def test_two_builds_are_set_against_each_other():
    few = instructions.Profile(PROFILE)
    costs = [instructions.Cost(few, instructions.Profile(PROFILE.replace("16 100", f"16 {count}")), 100)
             for count in (1100, 1100, 9100)]
    other = instructions.Cost(few, instructions.Profile(PROFILE.replace("16 100", "16 900")), 100)
    assert instructions.row_text("one-to-one-128", costs, [other]).split() == [
        "one-to-one-128", "10.0", "0.0000", "8.0", "0.0000", "+2.0", "+25.0%", "+0.0000"]
    assert instructions.row_text("one-to-one-128", costs, []).split() == ["one-to-one-128", "10.0", "0.0000"]


def test_a_build_without_a_broker_is_named(capsys, tmp_path):
    with pytest.raises(SystemExit):
        instructions.main(["--compare-build", str(tmp_path)])
    assert f"--compare-build {tmp_path}: there is no clearwing" in capsys.readouterr().err
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "clearwing").touch()
    assert instructions.binary_of(tmp_path) == str(tmp_path / "bin" / "clearwing")


# From here on: statistics and texts, without servers.

def documents(values, **more):
    return [dict({"units_per_cpu_second": value, "server_cpu_seconds": 0.5, "load_cpu_seconds": 0.25, "wall_seconds": 1}, **more)
            for value in values]


def make_row(name, ours, other, limit=(), with_goal=True):
    workload = workloads.WORKLOADS[name]
    return table.Row(name, workload.figures[0], ours, other, "stock", limit, with_goal)


def test_a_row_has_the_ratio_of_medians_and_those_of_each_pair():
    row = make_row("one-to-one-128", documents((30, 10, 20)), documents((5, 5, 5)), documents((40, 50, 60)))
    assert (row.ratio, row.pair_ratios, row.of_limit, row.cpu, row.busy) == (4, [6, 2, 4], 0.4, [0.5, 0.5], [0.25, 0.25])
    assert row.text().split() == ["one-to-one-128", "per", "CPU", "second", "20", "5", "4.00", "2.00..6.00", ">=3", "yes", "0.40",
                                  "0.50/0.50", "25%/25%", "stock"]


def test_one_run_that_is_far_off_does_not_move_the_median():
    assert make_row("one-to-one-128", documents((20, 20, 900)), documents((5, 5, 5))).ratio == 4


def test_goals_are_judged_in_their_direction():
    assert make_row("one-to-one-128", documents((15,)), documents((5,))).reached is True
    assert make_row("one-to-one-128", documents((14.9,)), documents((5,))).reached is False
    memory = [[{"memory_bytes": value, "server_cpu_seconds": 0}] for value in (40, 41, 100)]
    assert make_row("idle", memory[0], memory[2]).reached is True
    assert make_row("idle", memory[1], memory[2]).reached is False
    assert make_row("idle", memory[0], memory[2], with_goal=False).reached is None


def test_a_bound_on_our_own_figure_does_not_look_at_the_other():
    goal = workloads.Goal("own<=2")
    assert goal.reached(2.0, 0.1) and goal.reached(1.5, 30) and not goal.reached(2.1, 0.1)
    with pytest.raises(ValueError, match="is no goal"):
        workloads.Goal("about 2")


def test_the_summary_names_what_was_not_reached():
    reached = make_row("one-to-one-128", documents((15,)), documents((5,)))
    failed = make_row("publish-16", documents((15,)), documents((5,)))
    assert table.summary([reached, failed]) == "goals reached: 1 of 2; not: publish-16 per CPU second 3.00 (>=5)"
    assert table.summary([reached]) == "goals reached: 1 of 1"
    assert table.summary([make_row("publish-16", documents((1,)), documents((1,)), with_goal=False)]).startswith("no goals here")


@pytest.mark.parametrize("load, server, is_told", [(0.95, 0.5, True), (0.95, 0.95, False), (0.5, 0.5, False)])
def test_a_generator_without_time_left_is_told(load, server, is_told):
    found = documents((1,), load_cpu_seconds=load, server_cpu_seconds=server)
    warning = table.bottleneck(workloads.WORKLOADS["publish-16"], "ours", found)
    assert (warning is not None) == is_told
    assert table.bottleneck(workloads.WORKLOADS["one-per-write"], "ours", found) is None


@pytest.mark.parametrize("rate, is_told", [(5.2, False), (2.5, True)])
def test_fewer_scrapes_than_wanted_are_told(rate, is_told):
    warning = table.too_few_scrapes(workloads.WORKLOADS["scraped"], "ours", [{"scrapes_per_second": rate}])
    assert (warning is not None) == is_told
    assert table.too_few_scrapes(workloads.WORKLOADS["idle"], "ours", [{}]) is None


def test_numbers_are_short():
    assert [table.short(value) for value in (0.123456, 999, 1234, 1.5e6, 2e9)] == ["0.123", "999", "1.23k", "1.5M", "2G"]
    assert math.isnan(table.divided(1, 0))


# A server that does nothing for a while: what was due meanwhile must count from when it was due.

def stalling_relay(listener, stall_seconds):
    subscriber, _ = listener.accept()
    publisher, _ = listener.accept()
    with subscriber, publisher:
        begin, stalled = time.monotonic(), False
        while data := publisher.recv(1 << 16):
            if not stalled and time.monotonic() > begin + 0.5:
                stalled = True
                time.sleep(stall_seconds)
            subscriber.sendall(data)


def latency_with_stall(stall_seconds):
    with socket.create_server(("127.0.0.1", 0)) as listener:
        relay = threading.Thread(target=stalling_relay, args=(listener, stall_seconds))
        relay.start()
        run = runs.run_load(["--relay", "--port", listener.getsockname()[1], "--seconds", 1, "latency", "--rate", 1000])
        relay.join()
    assert run["failure"] is None
    return run["latency_us"]


def test_a_stall_is_felt_by_all_that_was_due_meanwhile():
    """Four tenths of the second: a generator that waits along would see one slow message of a thousand."""
    latency = latency_with_stall(0.4)
    assert latency["count"] == pytest.approx(1000, abs=100)
    # The messages due in the stall waited from 0.4 s down to nothing: the slowest tenth of all of them more than 0.3 s.
    assert 250_000 < latency["p90"] < 500_000
    assert 350_000 < latency["p99"] < 600_000
    assert latency["p50"] < 100_000


def test_quantiles_are_of_the_values_that_were_measured():
    """Without a stall the same relay is quick, so what the test above sees is the stall."""
    latency = latency_with_stall(0)
    assert latency["p50"] <= latency["p90"] <= latency["p99"] <= latency["p999"] <= latency["max"]
    assert latency["p50"] < 50_000


def test_a_server_that_counts_wrongly_fails_the_run(monkeypatch):
    class Miscounting:
        def json(self, path):
            assert path == "/varz"
            return {"in_msgs": 17}

    run = {"failure": None, "messages_total": 10}
    runs.check_count(Miscounting(), 7, run)
    assert run["failure"] is None
    runs.check_count(Miscounting(), 8, run)
    assert run["failure"] == "10 messages were sent, the server counted 9"


# The scraper.

@pytest.fixture
def monitor():
    class Answers(http.server.BaseHTTPRequestHandler):
        def do_GET(self):  # noqa: N802 (the library's name)
            body = b"x" * 100_000
            self.send_response(404 if self.path == "/nothing" else 200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_):
            """Quiet."""

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Answers) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def test_addresses_are_read_at_their_rate_and_absent_ones_left_out(monitor):
    scraper = scrape.Scraper(monitor, ("/a", "/nothing", "/b"), 20)
    with scraper:
        time.sleep(1)
    assert scraper.trouble is None
    assert sorted(scraper.reads) == ["/a", "/b"]
    assert all(3 <= count <= 22 for count in scraper.reads.values())  # least: its threads come after everybody else's
    assert scraper.bytes >= sum(scraper.reads.values()) * 100_000
    assert 2 <= scraper.slowest_rate() <= 22


# What is compared.

def test_a_side_is_read_from_text(tmp_path):
    program = tmp_path / "server"
    program.write_text("#!/bin/sh\necho server: v9.8.7\n")
    program.chmod(0o755)
    side = candidates.read_side(f"quiet={program} GOGC=400 GOMAXPROCS=1 --flag 'two words'")
    assert (side.label, side.kind, side.options) == ("quiet", str(program), ["--flag", "two words"])
    assert side.changes == {"GOGC": "400", "GOMAXPROCS": "1"} and side.environment["PATH"] == os.environ["PATH"]
    assert side.version() == "9.8.7" and not side.is_plain_stock("9.8.7")


@pytest.mark.parametrize("text, complaint", [("", "give NAME=BINARY"), ("quiet", "give NAME=BINARY"), ("quiet=", "give NAME=BINARY"),
                                             ("a=/no/such/server", "there is no program /no/such/server"),
                                             ("a=no-such-server", "there is no program no-such-server")])
def test_a_side_that_is_none_is_named(text, complaint):
    with pytest.raises(ValueError, match=complaint):
        candidates.read_side(text)


def test_goals_are_about_the_stock_server_as_it_comes():
    version = candidates.Side("stock", "stock").version()
    assert candidates.Side("stock", "stock").is_plain_stock(version)
    assert not candidates.Side("tuned", "stock", environment=candidates.TUNED).is_plain_stock(version)
    assert not candidates.Side("stock", "stock", ["-D"]).is_plain_stock(version)
    assert not candidates.Side("stock", "stock").is_plain_stock("1.0.0")


def test_what_cannot_be_had_is_skipped_with_its_reason(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    assert candidates.install("v1.2.3", tmp_path) == (None, "nats-server v1.2.3: Go is not installed: apt-get install golang-go")
    go = tmp_path / "go"
    go.write_text("#!/bin/sh\necho first >&2\necho 'unknown revision v1.2.3' >&2\nexit 1\n")
    go.chmod(0o755)
    assert candidates.install("v1.2.3", tmp_path) == (None, "nats-server v1.2.3: go install failed: unknown revision v1.2.3")
    (tmp_path / "v1.2.3" / "nats-server").touch()
    assert candidates.install("v1.2.3", tmp_path) == (str(tmp_path / "v1.2.3" / "nats-server"), None)


def test_what_the_machine_cannot_hold_is_skipped_with_its_reason(monkeypatch):
    monkeypatch.setattr(resource, "getrlimit", lambda _: (1024, 20000))
    assert runs.missing(workloads.WORKLOADS["idle-connections"]) is None
    assert runs.missing(workloads.WORKLOADS["idle-100000"]) == "idle-100000: the limit of open files is 20000 (ulimit -Hn), 100200 are needed"


@pytest.mark.parametrize("text, steps", [("1", [1]), ("1,2,4", [1, 2, 4]), ("0", None), ("1,x", None), ("1,,2", None)])
def test_steps_of_the_scale(text, steps):
    if steps:
        assert scale.read_steps(text) == steps
    else:
        with pytest.raises(ValueError, match="give numbers of workers"):
            scale.read_steps(text)


def test_the_scale_says_what_this_machine_cannot_show():
    assert scale.remark(2, 4) == ""
    assert scale.remark(2, 2) == "not shown here: 2 workers and 2 generators need 4 cores, there are 2"


def test_the_scale_runs_generators_beside_each_other(capsys):
    assert scale.run([candidates.Side("ours", "clearwing")], [1, 2], 0.2, 1) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[:2] for line in lines[1:]] == [["ours", "1"], ["ours", "2"]]
    assert all(float(line.split()[2].replace(",", "")) > 1000 for line in lines[1:])


def test_rows_and_runs_are_written_for_other_programs(tmp_path, capsys):
    target = tmp_path / "result.json"
    status = compare.main(["--quick", "--rounds", "1", "--workloads", "one-to-one-128", "--json", str(target)])
    document = json.loads(target.read_text())
    assert status == 0, capsys.readouterr().out
    assert [row["workload"] for row in document["rows"]][0] == "one-to-one-128"
    assert set(document["runs"]["one-to-one-128"]) >= {"ours", "relay"}
    assert document["rows"][0]["of_limit"] > 0 and document["rows"][0]["generator_busy"][0] > 0
