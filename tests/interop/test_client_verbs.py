"""clearwing publish, subscribe, request, reply and bench against both servers, and against one that misbehaves.

Every verb runs as its own process by its own link. `FaultyBroker` is a broker of a few lines that loses, repeats or
refuses on purpose: what bench finds there proves that a clean result elsewhere means something.
"""
import base64
import contextlib
import json
import os
import pty
import re
import shutil
import signal
import socket
import subprocess
import threading
import time

import pytest

from tests.support.server import BIN, ROOT, Server

VERBS = ("publish", "subscribe", "request", "reply", "bench")
# The example pair of the public nkey documentation; it guards nothing.
SEED = "SUACSSL3UAHUDXKFSNVUZRF5UHPMWZ6BFDTJ7M6USDXIEDNPPQYYYCU3VY"
PUBLIC = "UDXU4RCSJNZOIQHZNWXHXORDPRTGNJAHAHFRGZNEEJCPQTT2M7NLCNF4"

pytestmark = pytest.mark.skipif(not (BIN / "clearwing-client").exists(), reason="clearwing-client is not built")


def environment(url=None, **more):
    clean = {key: value for key, value in os.environ.items() if not key.startswith("NATS_")}
    if url:
        clean["NATS_URL"] = url
    return {**clean, **more}


def url_of(server):
    return f"nats://{server.host}:{server.port}"


def run(server, verb, *arguments, stdin=None, timeout=60, **more):
    """One verb to its end: (exit status, stdout, stderr); server may be None or a URL."""
    url = server if server is None or isinstance(server, str) else url_of(server)
    if isinstance(stdin, str):
        stdin = stdin.encode()
    done = subprocess.run([BIN / f"clearwing-{verb}", *map(str, arguments)], input=stdin if stdin is not None else b"",
                          capture_output=True, timeout=timeout, env=environment(url, **more))
    stderr = done.stderr.decode()
    assert "Sanitizer" not in stderr and "runtime error" not in stderr, stderr
    return done.returncode, done.stdout.decode("utf-8", "surrogateescape"), stderr


def bench(server, *arguments, status=0, **more):
    code, out, err = run(server, "bench", "--json", *arguments, **more)
    assert code == status, (code, out, err)
    lines = out.splitlines()
    assert len(lines) == 1, out
    return json.loads(lines[0]), err


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return listener.getsockname()[1]


class Running:
    """A verb in the background, ready once it has said so; `end()` gives what run() gives."""

    def __init__(self, server, verb, *arguments, ready=True):
        url = server if isinstance(server, str) else url_of(server)
        self.process = subprocess.Popen([BIN / f"clearwing-{verb}", *map(str, arguments)], stdin=subprocess.DEVNULL,
                                        stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment(url))
        self.said = b""
        if ready:
            self.wait_said(b"listening on" if verb == "subscribe" else b"answering on")

    def wait_said(self, words):
        while words not in self.said:
            line = self.process.stderr.readline()
            assert line, f"ended with {self.process.wait()}: {self.said!r}"
            self.said += line

    def interrupt(self):
        self.process.send_signal(signal.SIGINT)

    def end(self, timeout=30):
        out, err = self.process.communicate(timeout=timeout)
        err = (self.said + err).decode()
        assert "Sanitizer" not in err and "runtime error" not in err, err
        return self.process.returncode, out.decode("utf-8", "surrogateescape"), err

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        self.process.stdout.close()
        self.process.stderr.close()


class FaultyBroker:
    """Speaks enough of the protocol for one bench. `treat(number)` says how often message `number` is delivered."""

    def __init__(self, treat=lambda number: 1, **info):
        self.treat = treat
        self.info = {"server_id": "faulty", "version": "2.9.0", "max_payload": 1048576, "headers": True, **info}
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"nats://127.0.0.1:{self.listener.getsockname()[1]}"
        self.lock = threading.Lock()
        self.subs, self.connects, self.sockets, self.number = [], [], [], 0
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        with contextlib.suppress(OSError):
            while True:
                conn, _ = self.listener.accept()
                self.sockets.append(conn)
                threading.Thread(target=self._serve, args=(conn,), daemon=True).start()

    def _serve(self, conn):
        with contextlib.suppress(OSError):
            conn.sendall(b"INFO " + json.dumps(self.info).encode() + b"\r\n")
            file = conn.makefile("rb")
            for line in file:
                words = line.decode().split()
                if words[0] == "CONNECT":
                    self.connects.append(json.loads(line[8:]))
                elif words[0] == "PING":
                    conn.sendall(b"PONG\r\n")
                elif words[0] == "SUB":
                    self.subs.append((words[1], words[-1], conn))
                elif words[0] == "PUB":
                    self._publish(words[1], file.read(int(words[-1]) + 2))

    def _publish(self, subject, payload):
        with self.lock:
            times = self.treat(self.number)
            self.number += 1
            for pattern, sid, conn in self.subs:
                if pattern == subject:
                    head = f"MSG {subject} {sid} {len(payload) - 2}\r\n".encode()
                    conn.sendall((head + payload) * times)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for one in (self.listener, *self.sockets):
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
            one.close()


# --- publish and subscribe ------------------------------------------------------------------------------------


def test_publish_reaches_a_plain_client(server):
    with server.connect() as raw:
        raw.send("CONNECT {}\r\nSUB orders.* 1\r\n")
        raw.ping()
        code, out, err = run(server, "publish", "orders.new", "hello")
        assert (code, out, err) == (0, "published 1 message, 5 bytes, to orders.new\n", "")
        assert raw.line() == b"MSG orders.new 1 5"
        assert raw.exactly(7) == b"hello\r\n"


def test_publish_takes_the_payload_from_everywhere(server, tmp_path):
    binary = bytes(range(256))
    (tmp_path / "payload").write_bytes(binary)
    with Running(server, "subscribe", "p", "--json", "--count", "5") as sub:
        assert run(server, "publish", "p")[0] == 0
        assert run(server, "publish", "p", "-", stdin=b"from stdin\n")[0] == 0
        assert run(server, "publish", "p", "--file", tmp_path / "payload")[0] == 0
        assert run(server, "publish", "p", "--lines", stdin="one\ntwo")[1] == "published 2 messages, 6 bytes, to p\n"
        code, out, _ = sub.end()
    assert code == 0
    seen = [json.loads(line) for line in out.splitlines()]
    assert [m.get("data") for m in seen] == ["", "from stdin\n", None, "one", "two"]
    assert base64.b64decode(seen[2]["data_base64"]) == binary
    assert [m["size"] for m in seen] == [0, 11, 256, 3, 3]


def test_publish_counts_and_pauses(server):
    with Running(server, "subscribe", "c", "--raw", "--count", "12") as sub:
        started = time.monotonic()
        code, out, _ = run(server, "publish", "c", "{{count}} of {{count}}", "--count=12", "--interval=20ms")
        assert code == 0 and out.startswith("published 12 messages")
        assert time.monotonic() - started >= 11 * 0.02
        assert sub.end()[1].splitlines() == [f"{i} of {i}" for i in range(1, 13)]


@pytest.mark.parametrize("arguments, status, printed", [
    (["--lines"], 0, b"published 1 message, 5 bytes, to i\n"), (["-"], 1, b"")])
def test_waiting_for_stdin_can_be_interrupted(server, arguments, status, printed):
    with Running(server, "subscribe", "i", "--count", "1") as sub:
        with subprocess.Popen([BIN / "clearwing-publish", "i", *arguments], env=environment(url_of(server)),
                              stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
            process.stdin.write(b"first\n")
            process.stdin.flush()
            if status == 0:
                assert sub.end()[1] == "#1 i, 5 bytes\nfirst\n"  # sent while stdin is still open
            else:
                time.sleep(0.3)
            process.send_signal(signal.SIGINT)
            assert process.stdout.read() == printed
            assert process.wait(10) == status


def test_headers_and_reply_subject_are_carried_and_shown(server):
    arguments = ["h", "body", "--header", "Trace: a:b", "--header", "X-Many: 1", "--header", "X-Many:2", "--reply", "r.1"]
    with Running(server, "subscribe", "h", "--count", "1") as text, \
            Running(server, "subscribe", "h", "--count", "1", "--json") as document:
        assert run(server, "publish", *arguments)[0] == 0
        assert text.end()[1].splitlines() == \
            ["#1 h, 4 bytes, reply to r.1", "Trace: a:b", "X-Many: 1", "X-Many: 2", "body"]
        assert json.loads(document.end()[1]) == {
            "number": 1, "subject": "h", "reply": "r.1", "size": 4, "data": "body",
            "headers": {"Trace": ["a:b"], "X-Many": ["1", "2"]}}


def test_subscribe_ends_on_sigint_with_a_count(server):
    with Running(server, "subscribe", "a.*", "b.>") as sub:
        for subject in ("a.1", "b.2.3", "c.4"):
            assert run(server, "publish", subject, subject)[0] == 0
        for expected in ("#1 a.1, 3 bytes", "a.1", "#2 b.2.3, 5 bytes", "b.2.3"):
            assert sub.process.stdout.readline().decode().rstrip("\n") == expected
        sub.interrupt()
        code, out, err = sub.end()
    assert code == 0 and out == ""
    assert err.endswith("clearwing subscribe: received 2 messages, 8 bytes\n")


def test_subscribe_keeps_the_order_across_subjects(server):
    names = [f"o.{i % 7}" for i in range(200)]
    with Running(server, "subscribe", *sorted(set(names)), "--json", "--count", "200") as sub:
        with server.connect() as raw:
            raw.send("CONNECT {}\r\n" + "".join(f"PUB {name} 0\r\n\r\n" for name in names))
            raw.ping()
        out = sub.end()[1]
    assert [json.loads(line)["subject"] for line in out.splitlines()] == names


def test_a_queue_group_shares(server):
    with Running(server, "subscribe", "q", "--queue", "g") as one, Running(server, "subscribe", "q", "--queue", "g") as two:
        assert run(server, "publish", "q", "x", "--count", "200")[0] == 0
        time.sleep(0.2)
        counts = []
        for sub in (one, two):
            sub.interrupt()
            counts.append(int(re.search(r"received (\d+) messages", sub.end()[2]).group(1)))
    assert sum(counts) == 200 and min(counts) > 0, counts


def test_terminal_escapes_are_not_passed_on_but_raw_changes_nothing(server):
    payload = b"a\x1b[31m\xc2\x9bb\x7f"
    with Running(server, "subscribe", "e", "--count", "1") as text, \
            Running(server, "subscribe", "e", "--count", "1", "--raw") as raw:
        assert run(server, "publish", "e", "-", stdin=payload)[0] == 0
        assert text.end()[1].splitlines()[1] == "a\\x1b[31m\\xc2" + "\udc9b" + "b\\x7f"
        assert raw.end()[1].encode("utf-8", "surrogateescape") == payload + b"\n"


def test_subscribe_connects_again_after_the_server_went_away():
    port = free_port()
    first = Server("stock", "-p", port)
    with first:
        sub = Running(f"nats://127.0.0.1:{port}", "subscribe", "again", "--count", "1")
    with sub:
        sub.wait_said(b"connection lost")
        with Server("stock", "-p", port) as second:
            sub.wait_said(b"connected again")
            assert run(second, "publish", "again", "x")[0] == 0
            assert sub.end()[0] == 0


def test_a_closed_pipe_ends_subscribe(server):
    with Running(server, "subscribe", "pipe") as sub:
        sub.process.stdout.close()
        for _ in range(2):
            run(server, "publish", "pipe", "x")
        assert sub.process.wait(10) == 1
        sub.process.stdout = open(os.devnull, "rb")


# --- request and reply ----------------------------------------------------------------------------------------


def test_request_gets_a_fixed_reply_and_its_time(server):
    with Running(server, "reply", "time", "it is {{count}}", "--header", "Zone: UTC", "--count", "2") as service:
        code, out, err = run(server, "request", "time")
        assert (code, err) == (0, "")
        assert re.fullmatch(r"#1 _INBOX\.\S+, 7 bytes, in [\d.]+(µs|ms|s)\nZone: UTC\nit is 1\n", out), out
        document = json.loads(run(server, "request", "time", "--json")[1])
        assert document["data"] == "it is 2" and document["headers"] == {"Zone": ["UTC"]}
        assert 0 < document["latency_us"] < 10e6
        code, out, err = service.end()
        assert code == 0 and err.endswith("clearwing reply: answered 2 requests\n")
        assert out == "#1 time, 0 bytes, answered with 7 bytes\n#2 time, 0 bytes, answered with 7 bytes\n"


def test_reply_echoes_and_stops_on_sigint(server):
    with Running(server, "reply", "echo.>", "--echo", "--queue", "workers") as service:
        code, out, err = run(server, "request", "echo.x", "n{{count}}", "--count", "5", "--raw")
        assert code == 0 and out.splitlines() == ["n1", "n2", "n3", "n4", "n5"]
        assert re.search(r"5 requests, 5 replies, min \S+ mean \S+ max \S+\n$", err)
        service.interrupt()
        assert service.end()[0] == 0


def test_reply_runs_a_command(server):
    command = 'printf "%s:" "$NATS_SUBJECT"; tr a-z A-Z'
    with Running(server, "reply", "up.*", "--command", command):
        assert run(server, "request", "up.one", "--raw", "shout")[:2] == (0, "up.one:SHOUT\n")
        big = "x" * 500_000
        assert run(server, "request", "up.two", "--raw", "-", stdin=big)[1] == "up.two:" + big.upper() + "\n"


@pytest.mark.parametrize("command, failure", [
    ("echo no; exit 3", "the command failed"),
    ("kill -9 $$", "the command was ended by a signal"),
    ("sleep 30 | cat", "the command did not end within --timeout"),
    ("head -c 3000000 /dev/zero", "the command's output is larger than the server's max_payload"),
])
def test_a_failing_command_is_an_error_for_the_requester(server, command, failure):
    with Running(server, "reply", "bad", "--command", command, "--timeout", "500ms") as service:
        document = json.loads(run(server, "request", "bad", "--json", "--timeout", "10s")[1])
        assert document["headers"] == {"Nats-Service-Error": [failure], "Nats-Service-Error-Code": ["500"]}
        service.wait_said(failure.encode())


def test_no_responders_and_timeout_are_told_apart(server):
    started = time.monotonic()
    code, out, err = run(server, "request", "nobody", "--timeout", "20s")
    assert (code, out) == (3, "") and time.monotonic() - started < 10
    assert err == "clearwing request: no responders: nobody is subscribed to nobody\n"
    with Running(server, "subscribe", "silent"):
        code, out, err = run(server, "request", "silent", "--timeout", "300ms")
        assert (code, out) == (2, "")
        assert err == "clearwing request: timeout: no reply to silent within 300ms; allow more with --timeout\n"
        code, _, err = run(server, "request", "silent", "--timeout", "100ms", "--count", "2")
        assert code == 2 and err.endswith("2 requests, no replies\n")


# --- bench ----------------------------------------------------------------------------------------------------


def check_percentiles(latency, samples):
    assert latency["samples"] == samples
    order = [latency[key] for key in ("min", "p50", "p90", "p99", "p99.9", "max")]
    assert order == sorted(order) and order[0] > 0 and latency["min"] <= latency["mean"] <= latency["max"], latency


def check_flow(flow, messages, size):
    assert flow["messages"] == messages and flow["bytes"] == messages * size
    assert flow["messages_per_second"] == pytest.approx(messages / flow["seconds"], rel=1e-6)
    assert flow["bytes_per_second"] == pytest.approx(messages * size / flow["seconds"], rel=1e-6)


CLEAN = {"lost": 0, "repeated": 0, "unexpected": 0, "dropped_by_client": 0, "interrupted": False}


@pytest.mark.parametrize("arguments, mode, copies", [
    (["--subscribers", 0, "--publishers", 3], "publish", 0),
    (["--publishers", 3, "--subscribers", 4], "fanout", 4),
    (["--publishers", 3, "--subscribers", 4, "--queue", "g"], "queue", 1),
])
def test_bench_counts_every_message(server, arguments, mode, copies):
    before = server.json("/varz")
    report, err = bench(server, "bench.here", "--messages", 10001, "--size", 64, *arguments)
    assert err == ""
    assert report["mode"] == mode and report["subject"] == "bench.here"
    assert {key: report[key] for key in CLEAN} == CLEAN
    assert report["expected"] == 10001 * copies
    check_flow(report["sent"], 10001, 64)
    if copies:
        check_flow(report["received"], 10001 * copies, 64)
        check_percentiles(report["latency_us"], 10001 * copies)
        assert report["latency_us"]["measured_from"] == "sent"
    else:
        assert "received" not in report and "latency_us" not in report
    after = server.json("/varz")
    assert after["in_msgs"] - before["in_msgs"] == 10001
    assert after["out_msgs"] - before["out_msgs"] == 10001 * copies
    assert after["in_bytes"] - before["in_bytes"] == 10001 * 64


def test_bench_of_requests(server):
    report, err = bench(server, "--request", "--publishers", 2, "--subscribers", 2, "--messages", 501, "--size", 32)
    assert err == "" and report["mode"] == "request" and report["expected"] == 501
    assert {key: report[key] for key in CLEAN} == CLEAN
    assert (report["timeouts"], report["no_responders"]) == (0, 0)
    check_flow(report["received"], 501, 32)
    check_percentiles(report["latency_us"], 501)


def test_bench_of_requests_to_someone_else(server):
    with Running(server, "reply", "svc", "fixed answer"):
        report, _ = bench(server, "svc", "--request", "--subscribers", 0, "--messages", 50)
        assert report["received"]["messages"] == 50
    report, err = bench(server, "svc", "--request", "--subscribers", 0, "--messages", 50, status=1)
    assert report["no_responders"] == report["lost"] == 50
    assert err == "clearwing bench: 50 of 50 requests had no responders\n"
    with Running(server, "subscribe", "svc"):
        report, err = bench(server, "svc", "--request", "--subscribers", 0, "--messages", 2, "--timeout", "100ms",
                            status=1)
        assert report["timeouts"] == 2 and "2 of 2 requests got no right reply within --timeout" in err


@pytest.mark.parametrize("size", [0, 15])
def test_bench_of_payloads_too_small_for_a_stamp_compares_counts(server, size):
    report, _ = bench(server, "--size", size, "--subscribers", 2, "--messages", 1000)
    assert report["received"]["messages"] == report["expected"] == 2000
    assert "latency_us" not in report


def test_bench_keeps_its_rate(server):
    report, _ = bench(server, "--rate", 1000, "--messages", 1000, "--publishers", 2)
    # 1000 messages at 1000/s: the last one is due after 0.999 s, and an open loop does not drift.
    assert 0.99 <= report["sent"]["seconds"] < 1.5
    check_percentiles(report["latency_us"], 1000)
    assert report["latency_us"]["measured_from"] == "due"


def test_a_stall_shows_in_the_percentiles_of_all_requests_it_delayed(server):
    """One requester at 200/s over 2 s, the server stopped for 0.6 s of it. Timed from sending, one request in 400 would
    be slow and p90 would show nothing; timed from when each was due, 120 requests waited, 60 of them over 0.3 s."""
    result = {}

    def measure():
        result["report"], _ = bench(server, "--request", "--rate", 200, "--messages", 400, "--timeout", "10s")

    thread = threading.Thread(target=measure)
    thread.start()
    time.sleep(0.2)
    server.wait_for("/connz", lambda document: document["num_connections"] >= 2)
    time.sleep(0.5)
    os.kill(server.pid, signal.SIGSTOP)
    time.sleep(0.6)
    os.kill(server.pid, signal.SIGCONT)
    thread.join()
    latency = result["report"]["latency_us"]
    assert latency["max"] > 500_000
    assert latency["p90"] > 200_000, latency
    assert latency["p50"] < 300_000, latency


def test_bench_finds_what_was_lost():
    with FaultyBroker(lambda number: 0 if number % 10 == 3 else 1) as broker:
        report, err = bench(broker.url, "--messages", 200, "--timeout", "500ms", status=1)
        assert (report["expected"], report["received"]["messages"]) == (200, 180)
        assert (report["lost"], report["repeated"]) == (20, 0)
        assert "20 of 200 messages were lost" in err


def test_bench_finds_what_came_twice():
    with FaultyBroker(lambda number: 2 if number == 5 else 1) as broker:
        report, err = bench(broker.url, "--messages", 200, "--timeout", "500ms", status=1)
        assert (report["lost"], report["repeated"]) == (0, 1)
        assert err == "clearwing bench: 1 messages came twice or out of order\n"


@pytest.mark.parametrize("size", [8, 64])
def test_a_loss_is_not_made_up_for_by_a_repetition(size):
    """Counts alone cannot tell; stamped payloads can."""
    with FaultyBroker(lambda number: {4: 0, 9: 2}.get(number, 1)) as broker:
        stamped = size >= 16
        report, _ = bench(broker.url, "--messages", 50, "--size", size, "--timeout", "300ms", status=int(stamped))
        assert (report["lost"], report["repeated"]) == ((1, 1) if stamped else (0, 0))
    with FaultyBroker(lambda number: {4: 0, 9: 2}.get(number, 1)) as broker:
        report, _ = bench(broker.url, "--messages", 50, "--size", size, "--queue", "g", "--timeout", "300ms",
                          status=int(stamped))
        assert (report["lost"], report["repeated"]) == ((1, 1) if stamped else (0, 0))


def test_bench_notices_strangers(server):
    """Other people's messages on the subject are not taken for its own."""
    with server.connect() as raw:
        raw.send("CONNECT {\"verbose\":false}\r\n")
        raw.ping()
        result = {}

        def measure():
            result["bench"] = bench(server, "shared", "--rate", 100, "--messages", 100, status=1)

        thread = threading.Thread(target=measure)
        thread.start()
        server.wait_for("/connz", lambda document: document["num_connections"] >= 3)
        time.sleep(0.2)
        raw.send("PUB shared 3\r\nabc\r\n")
        thread.join()
    report, err = result["bench"]
    assert report["unexpected"] == 1 and report["lost"] == 0
    assert "1 messages did not belong to this run" in err


def test_bench_interrupted_reports_what_it_did(server):
    with Running(server, "bench", "--json", "--rate", "100", "--messages", "100000", ready=False) as running:
        server.wait_for("/varz", lambda document: document["in_msgs"] > 20)
        running.interrupt()
        code, out, err = running.end()
    report = json.loads(out)
    assert code == 0 and report["interrupted"] is True and report["lost"] == 0
    assert 20 < report["sent"]["messages"] == report["received"]["messages"] < 100000
    assert re.search(r"interrupted after \d+ of 100000 messages", err)


def test_bench_says_that_the_server_went_away():
    with Server("stock") as server:
        running = Running(server, "bench", "--json", "--rate", "100", "--messages", "100000", ready=False)
        server.wait_for("/varz", lambda document: document["in_msgs"] > 20)
    with running:
        code, _, err = running.end()
    assert code == 1 and "the server closed the connection" in err


def test_bench_across_servers(server):
    report, _ = bench(server, "--subscriber-server", url_of(server), "--subscribers", 3, "--messages", 500)
    assert report["expected"] == report["received"]["messages"] == 1500
    with Server("stock") as apart:
        code, _, err = run(server, "bench", "--subscriber-server", url_of(apart), "--timeout", "300ms")
        assert code == 1 and "does not reach the subscribers" in err and err.count("\n") == 1


def test_bench_over_a_leaf_node(tmp_path):
    """The subscribers sit behind a leaf connection; the run waits until their interest has travelled."""
    port = free_port()
    (tmp_path / "leaf").mkdir()
    with configured("stock", tmp_path, f"leafnodes {{ host: 127.0.0.1, port: {port} }}\n") as hub, \
            configured("stock", tmp_path / "leaf",
                       f"leafnodes {{ remotes: [ {{ url: 'nats://127.0.0.1:{port}' }} ] }}\n") as leaf:
        for arguments, received in ([], 2000), (["--queue", "g"], 1000):
            report, err = bench(hub, "--subscriber-server", url_of(leaf), "--subscribers", 2, "--messages", 1000,
                                "--timeout", "10s", *arguments)
            assert err == "" and report["received"]["messages"] == report["expected"] == received


def test_bench_text_and_progress_only_on_a_terminal(server):
    arguments = [BIN / "clearwing-bench", "--rate", "1000", "--messages", "1000"]
    code, out, err = run(server, *["bench", *arguments[1:]])
    assert code == 0 and err == ""
    assert re.search(r"published +1,000 messages in", out) and re.search(r"received +1,000 messages in", out)
    assert re.search(r"latency +p50 .* p90 .* p99 .* p99\.9 .* max ", out)
    ours, theirs = pty.openpty()
    with subprocess.Popen(arguments, stdout=subprocess.PIPE, stderr=theirs, env=environment(url_of(server))) as process:
        os.close(theirs)
        shown = b""
        with contextlib.suppress(OSError):
            while chunk := os.read(ours, 4096):
                shown += chunk
        assert process.wait() == 0
    os.close(ours)
    assert re.search(rb"\r\[#* *\] +\d+% [\d,]+ messages/s", shown), shown


# --- credentials and TLS --------------------------------------------------------------------------------------


def configured(kind, folder, text):
    file = folder / "server.conf"
    file.write_text(text)
    return Server(kind, "-c", file)


@pytest.fixture(params=["clearwing", "stock"])
def kind(request):
    return request.param


# What the broker lacks so far, and the client can do: nkeys, permissions, TLS.
stock_only = pytest.mark.parametrize("kind", ["stock"], indirect=True)


def test_user_token_and_their_refusal(kind):
    with Server(kind, "--user", "zoe", "--pass", "s3cret") as server:
        assert run(server, "publish", "a", "x", "--user", "zoe", "--password", "s3cret")[0] == 0
        assert run(server, "publish", "a", "x", NATS_USER="zoe", NATS_PASSWORD="s3cret")[0] == 0
        assert run(f"nats://zoe:s3cret@127.0.0.1:{server.port}", "publish", "a", "x")[0] == 0
        for arguments in ([], ["--user", "zoe", "--password", "wr0ng"]):
            code, out, err = run(server, "publish", "a", "x", *arguments)
            assert code == 1 and out == "" and err.count("\n") == 1
            assert "cannot connect to nats://127.0.0.1" in err and "check --user" in err and "wr0ng" not in err
        code, _, err = run(f"nats://zoe:wr0ng@127.0.0.1:{server.port}", "publish", "a", "x")
        assert code == 1 and "wr0ng" not in err and "zoe" not in err
    with Server(kind, "--auth", "t0ken") as server:
        assert run(server, "publish", "a", "x", "--token", "t0ken")[0] == 0
        assert run(server, "publish", "a", "x", "--token", "other")[0] == 1


@stock_only
def test_nkey(kind, tmp_path):
    (tmp_path / "seed").write_text(SEED + "\n")
    (tmp_path / "broken").write_text(SEED[:-1] + "A\n")
    with configured(kind, tmp_path, f"authorization {{ users = [ {{ nkey: {PUBLIC} }} ] }}\n") as server:
        assert run(server, "publish", "a", "x", "--nkey", tmp_path / "seed")[0] == 0
        assert run(server, "publish", "a", "x")[0] == 1
        code, _, err = run(server, "publish", "a", "x", "--nkey", tmp_path / "broken")
        assert code == 1 and "there is no user seed in it" in err and SEED[:20] not in err


def test_credentials_file_is_presented(tmp_path):
    token = "eyJ0eXAiOiJKV1QifQ.eyJzdWIiOiJ4In0.c2ln"
    (tmp_path / "user.creds").write_text(
        f"-----BEGIN NATS USER JWT-----\n{token}\n------END NATS USER JWT------\n\n"
        f"-----BEGIN USER NKEY SEED-----\n{SEED}\n------END USER NKEY SEED------\n")
    with FaultyBroker(nonce="abcdefghijklmno", auth_required=True) as broker:
        assert run(broker.url, "publish", "a", "x", "--creds", tmp_path / "user.creds")[0] == 0
        assert broker.connects[0]["jwt"] == token and len(broker.connects[0]["sig"]) >= 86
        assert broker.connects[0]["name"] == "clearwing publish"


@stock_only
def test_permissions(kind, tmp_path):
    text = """authorization { users = [ { user: zoe, password: pw,
              permissions: { publish: ["ok.>"], subscribe: ["ok.>", "_INBOX.>"] } } ] }\n"""
    who = ["--user", "zoe", "--password", "pw"]
    with configured(kind, tmp_path, text) as server:
        assert run(server, "publish", "ok.x", "x", *who)[0] == 0
        for verb, arguments in (("publish", ["no.x", "x"]), ("subscribe", ["no.x"]), ("reply", ["no.x", "y"]),
                                ("bench", ["no.x", "--messages", "10", "--timeout", "500ms"])):
            code, out, err = run(server, verb, *arguments, *who)
            assert code == 1 and out == "", (verb, out, err)
            assert re.search(r"the server refused: .*[Pp]ermissions [Vv]iolation.*no\.x", err), (verb, err)


@stock_only
def test_tls(kind, tmp_path):
    cert, key = tmp_path / "cert.pem", tmp_path / "key.pem"
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
                    "-keyout", key, "-out", cert, "-days", "2", "-subj", "/CN=localhost", "-addext",
                    "subjectAltName=DNS:localhost,IP:127.0.0.1"], check=True, capture_output=True)
    with Server(kind, "--tls", "--tlscert", cert, "--tlskey", key) as server:
        assert run(server, "publish", "a", "x", "--tls-ca", cert)[0] == 0
        assert run(f"tls://127.0.0.1:{server.port}", "publish", "a", "x", NATS_CA=str(cert))[0] == 0
        assert run(server, "publish", "a", "x", "--tls-insecure")[0] == 0
        code, _, err = run(f"tls://127.0.0.1:{server.port}", "publish", "a", "x")
        assert code == 1 and "trust the server's certificate with --tls-ca" in err and err.count("\n") == 1
    with Server(kind) as server:
        code, _, err = run(server, "publish", "a", "x", "--tls-ca", cert)
        assert code == 1 and "the server has no TLS" in err


def test_the_connection_has_a_name(server):
    with Running(server, "subscribe", "n"), Running(server, "subscribe", "n", "--name", "my tap"):
        names = {conn["name"] for conn in server.json("/connz")["connections"]}
        assert names == {"clearwing subscribe", "my tap"}


# --- bad input ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("verb, arguments, words", [
    ("publish", [], "the subject is missing: clearwing publish SUBJECT"),
    ("publish", ["a", "b", "c"], 'unexpected argument "c"'),
    ("publish", ["a", "--serve", "x"], "unknown option --serve; did you mean --server?"),
    ("publish", ["a", "--nothing-like-it"], "unknown option --nothing-like-it; see clearwing publish --help"),
    ("publish", ["a", "-c", "3"], "unknown option -c"),
    ("publish", ["a", "--count"], "--count needs a value: --count N"),
    ("publish", ["a", "--count", "0"], '--count: "0" is not a whole number from 1 to'),
    ("publish", ["a", "--count", "-1"], '--count: "-1" is not a whole number'),
    ("publish", ["a", "--count", "5x"], '--count: "5x" is not a whole number'),
    ("publish", ["a", "--count", "99999999999999999999999"], "is not a whole number"),
    ("publish", ["a", "--timeout", "5"], '--timeout: "5" is not a duration: write a number and a unit'),
    ("publish", ["a", "--timeout", "-5s"], '--timeout: "-5s" is not a duration'),
    ("publish", ["a", "--timeout", "inf"], '--timeout: "inf" is not a duration'),
    ("publish", ["a", "--timeout", "2h"], '--timeout: "2h" is out of range: from 1ms to 1h0m0s'),
    ("publish", ["a", "--lines=yes"], "--lines takes no value"),
    ("publish", ["a", "--user", ""], "--user: the value is empty"),
    ("publish", ["a", "--password", "x"], "--password needs --user"),
    ("publish", ["a", "--user", "x", "--token", "y"], "exclude each other"),
    ("publish", ["a", "--tls-cert", "/dev/null"], "--tls-cert and --tls-key belong together"),
    ("publish", ["a", "--creds", "/no/such/file"], "--creds /no/such/file: the file cannot be read"),
    ("publish", ["a", "--nkey", "/no/such/file"], "--nkey /no/such/file: No such file"),
    ("publish", ["a", "--file", "/no/such/file"], "--file /no/such/file: No such file"),
    ("publish", ["a", "--file", "/"], "Is a directory"),
    ("publish", ["a", "b", "--file", "/dev/null"], "exclude each other"),
    ("publish", ["a", "--lines", "--count", "2"], "--lines reads the messages from stdin"),
    ("publish", ["a", "--header", "no colon"], '--header "no colon": write \'Name: value\''),
    ("publish", ["a", "--header", "a b: c"], "the name without spaces"),
    ("publish", ["a", "--header", "a: b\r\nX: y"], "the value has a line break"),
    ("publish", [""], "subject has 0 bytes"),
    ("publish", ["a..b"], 'subject "a..b" has an empty token'),
    ("publish", ["a."], "has an empty token"),
    ("publish", ["a b"], "has a space or control character"),
    ("publish", ["a\r\nPING"], "has a space or control character"),
    ("publish", ["a.*"], 'subject "a.*" has the wildcard *'),
    ("publish", ["a.>"], "has the wildcard >"),
    ("publish", ["a", "--reply", "b.*"], '--reply "b.*" has the wildcard *'),
    ("publish", ["x" * 3000], "subject has 3000 bytes"),
    ("subscribe", ["a", "b..c"], 'subject "b..c" has an empty token'),
    ("subscribe", ["a.>.b"], "> stands for all that follows"),
    ("subscribe", ["a", "--queue", "x y"], '--queue "x y" has a space'),
    ("subscribe", ["a", "--raw", "--json"], "--raw and --json exclude each other"),
    ("request", ["a", "--raw", "--json"], "--raw and --json exclude each other"),
    ("request", [">"], "has the wildcard >"),
    ("reply", ["a"], "the answer is missing: give one of PAYLOAD, --echo or --command"),
    ("reply", ["a", "b", "--echo"], "there is more than one answer"),
    ("bench", ["--size", "99999999999"], '--size: "99999999999" is not a whole number from 0 to'),
    ("bench", ["--messages", "2", "--publishers", "3"], "--messages 2 is less than --publishers 3"),
    ("bench", ["--subscribers", "0", "--queue", "q"], "--queue needs subscribers"),
    ("bench", ["--rate", "1e3"], '--rate: "1e3" is not a whole number'),
    ("publish", ["a", "--server", "ws://h:1"], '--server "ws://h:1": the scheme ws:// is not supported'),
    ("publish", ["a", "--server", "nats://:4222"], "this is not a server's address"),
    ("publish", ["a", "--server", "nats://h:0"], "the port must be a number from 1 to 65535"),
    ("publish", ["a", "--server", "nats://h:70000"], "the port must be a number from 1 to 65535"),
    ("publish", ["a", "--server", "nats://h,,nats://i"], "this is not a server's address"),
    ("publish", ["a", "--server", "nats://u:secret@h:x"], 'nats://h:x": the port must be'),
])
def test_bad_input_is_one_clear_line(verb, arguments, words):
    code, out, err = run(None, verb, *arguments)
    assert code == 1 and out == ""
    assert words in err and "secret" not in err, err
    assert err.startswith(f"clearwing {verb}: ") and err.count("\n") == 1, err


def test_bad_environment_names_the_variable():
    code, _, err = run(None, "publish", "a", NATS_TIMEOUT="soon")
    assert code == 1 and err.startswith('clearwing publish: NATS_TIMEOUT: "soon" is not a duration')


@pytest.mark.parametrize("verb, arguments", [("publish", ["a"]), ("subscribe", ["a"]), ("request", ["a"]),
                                             ("reply", ["a", "b"]), ("bench", [])])
def test_connection_refused(verb, arguments):
    port = free_port()
    code, out, err = run(None, verb, *arguments, "--server", f"127.0.0.1:{port}")
    assert (code, out) == (1, "")
    assert err == (f"clearwing {verb}: cannot connect to 127.0.0.1:{port}: connection refused or host unknown; "
                   "is a server running there? choose another with --server\n")


def test_the_next_server_is_tried(server):
    assert run(None, "publish", "a", "--server", f"nats://127.0.0.1:{free_port()},{url_of(server)}")[0] == 0


def test_a_server_that_says_nothing():
    with socket.create_server(("127.0.0.1", 0)) as mute:
        started = time.monotonic()
        code, _, err = run(f"nats://127.0.0.1:{mute.getsockname()[1]}", "publish", "a", "--timeout", "300ms")
        assert code == 1 and time.monotonic() - started < 5
        assert "cannot connect" in err and "allow more with --timeout" in err and err.count("\n") == 1


def test_what_the_server_cannot_take(kind, tmp_path):
    with configured(kind, tmp_path, "max_payload: 1000\n") as server:
        for verb in ("publish", "request"):
            code, out, err = run(server, verb, "a", "x" * 1001)
            assert code == 1 and out == "" and "larger than the server's max_payload of 1000" in err
        code, _, err = run(server, "bench", "--size", "1001")
        assert code == 1 and "--size 1001 is larger than the server's max_payload of 1000" in err
    with FaultyBroker(headers=False) as broker:
        code, _, err = run(broker.url, "publish", "a", "x", "--header", "a: b")
        assert code == 1 and "the server does not support headers: leave out --header" in err


# --- names, help and completions ------------------------------------------------------------------------------


def test_every_verb_has_its_link_and_its_first_argument():
    for verb in VERBS:
        assert os.readlink(BIN / f"clearwing-{verb}") == "clearwing-client"
        by_link = subprocess.run([BIN / f"clearwing-{verb}", "--help"], capture_output=True, check=True).stdout
        by_word = subprocess.run([BIN / "clearwing-client", verb, "--help"], capture_output=True, check=True).stdout
        assert by_link == by_word and by_link.startswith(f"Usage: clearwing {verb} ".encode())
    unknown = subprocess.run([BIN / "clearwing-client", "pub"], capture_output=True)
    assert unknown.returncode == 1
    assert unknown.stderr == b'clearwing-client: unknown verb "pub"; use publish, subscribe, request, reply or bench\n'


def test_listed_options_are_those_of_the_help_and_the_manual():
    manual = (ROOT / "docs" / "client.md").read_text()
    for verb in VERBS:
        listed = {line.split("\t")[0] for line in run(None, verb, "--list-options")[1].splitlines()}
        helped = set(re.findall(r"^  (--[a-z-]+)", run(None, verb, "--help")[1], re.MULTILINE))
        assert listed == helped and {"--server", "--help"} < listed and "--list-options" not in listed
        for option in listed:
            assert f"`{option}" in manual, f"docs/client.md does not mention {option} of {verb}"
