"""The floor under the broker's speed, and proof that the generator notices what it claims to notice.

The floor is low on purpose: it must hold on a busy machine in short runs. What the real figures are, compare.py tells.
An instrumented build (sanitizers) measures its instrumentation, so the floor is not asked of one.
"""
import pathlib
import socket
import statistics
import struct
import subprocess
import threading

import pytest

from tests.bench import compare, instructions
from tests.support import server as support

ROUNDS = 3
SECONDS = 0.5


def instrumented():
    program = pathlib.Path(support.binary("clearwing"))
    return program.exists() and any(name in program.read_bytes() for name in (b"__asan_init", b"__tsan_init", b"__ubsan_"))


def both():
    return [compare.Side("ours", "clearwing"), compare.Side("stock", "stock")]


@pytest.fixture(scope="module", autouse=True)
def many_files():
    compare.raise_file_limit()


def floor(name, metric_name, least):
    if instrumented():
        pytest.skip("this build is instrumented; its speed means nothing")
    rows, complaints, _ = compare.compare(name, both(), ROUNDS, SECONDS, quick=True)
    assert not complaints, complaints
    row = next(row for row in rows if row.metric.name == metric_name)
    ratio = statistics.median(row.pair_ratios)
    assert ratio >= least, f"{name}: {ratio:.2f} of the stock server's, {least} is the floor\n{row.text()}"


@pytest.mark.parametrize("name", ["one-to-one-128", "fan-out-10"])
def test_twice_the_messages_of_the_stock_server_per_cpu_second(name):
    floor(name, "per CPU second", 2)


def test_half_the_idle_memory_of_the_stock_server():
    floor("idle", "resident bytes", 2)


@pytest.mark.parametrize("name", sorted(compare.WORKLOADS))
def test_every_message_arrives_once_and_in_order(name):
    side = compare.Side("ours", "clearwing")
    _, complaints, runs = compare.compare(name, [side], 1, 0.3, quick=True)
    assert not complaints, complaints
    assert name == "idle" or runs["ours"][0]["units"] > 0


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
        run = compare.run_load(["--relay", "--port", listener.getsockname()[1], "--messages", 100, "one-to-one"])
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
        run = compare.run_load(["--port", listener.getsockname()[1], "one-to-one"])
        thread.join()
    assert run["failure"] == "clearwing-load: connection 0: the server sent: -ERR 'maximum connections exceeded'"


@pytest.mark.parametrize("arguments, complaint", [
    (["--port", "1", "nothing"], '"nothing" is not a workload; --help lists them'),
    (["one-to-one"], "--port is missing: which port does the server listen on?"),
    (["--port", "70000", "one-to-one"], "--port 70000: give a number from 1 to 65535"),
    (["--port", "1", "--seconds", "x", "one-to-one"], "--seconds x: give a number above 0, at most 3600"),
    (["--port", "1", "--bogus", "one-to-one"], "--bogus: unknown option or missing value; --help lists them"),
    (["--port", "1", "request", "--size", "8"], "--size 8: requests need 16 bytes or more to be told apart"),
    (["--port", "1", "one-to-one"], "connection 0: cannot connect, is the server on this port?: Connection refused"),
])
def test_a_wrong_call_is_answered_with_one_line(arguments, complaint):
    done = subprocess.run([compare.LOAD, *arguments], capture_output=True, text=True, timeout=20)
    assert (done.returncode, done.stdout, done.stderr) == (1, "", f"clearwing-load: {complaint}\n")


def test_the_table_favours_ours_above_one():
    row = compare.Row("one-to-one-128", compare.RATE, [{"units_per_cpu_second": v} for v in (30, 10, 20)],
                      [{"units_per_cpu_second": 5}] * 3, "stock")
    assert (row.ratio, row.pair_ratios) == (4, [6, 2, 4])
    less = compare.Row("idle", compare.MEMORY, [{"memory_bytes": 10}], [{"memory_bytes": 40}], "stock")
    assert less.ratio == 4


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
    total, allocations, functions = instructions.per_message(few, many, 100)
    assert (total, allocations, functions[0]) == (10, 0, ("proto_parse", 10, 0))
