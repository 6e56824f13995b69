"""clearwing --health-check: one line, 0 or 1, never longer than a few seconds, whoever answers."""
import contextlib
import json
import socket
import subprocess
import threading
import time

import pytest

from tests.monitor.test_health import stopped, thread
from tests.support.server import BIN

OK_CHECKS = '{"status":"ok","checks":[{"name":"'


def check(*arguments, timeout=10):
    """The exit status, and the one line with where it went."""
    done = subprocess.run([BIN / "clearwing", *map(str, arguments)], capture_output=True, text=True, timeout=timeout,
                          stdin=subprocess.DEVNULL)
    lines = (done.stdout + done.stderr).splitlines()
    assert len(lines) == 1, lines
    assert bool(done.stdout) == (done.returncode == 0)
    assert done.returncode in (0, 1)
    return done.returncode, lines[0]


def monitor_port(server):
    return int(server.monitor.rsplit(":", 1)[1])


def free_port():
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


@contextlib.contextmanager
def answering(*pieces, pause=0, close=True):
    """A server that answers everybody with these bytes; its URL and what it was asked."""
    listener = socket.create_server(("127.0.0.1", 0))
    done, asked = threading.Event(), []

    def serve():
        while not done.is_set():
            try:
                one, _ = listener.accept()
            except OSError:
                return
            with one, contextlib.suppress(OSError):
                asked.append(one.recv(1 << 16) if pieces or not close else b"")
                for piece in pieces:
                    one.sendall(piece)
                    done.wait(pause)
                if not close:
                    done.wait(30)

    worker = threading.Thread(target=serve)
    worker.start()
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}", asked
    finally:
        done.set()
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        worker.join()


def test_port_of_the_options(broker):
    port = monitor_port(broker)
    status, line = check("--health-check", "-m", port)
    assert status == 0 and line.startswith(f"http://127.0.0.1:{port}/readyz: 200 {OK_CHECKS}started")
    for path in ("/livez", "/startupz", "/healthz", "/varz"):
        for arguments in ((f"--health-check={path}", "-m", port), ("-health-check", path, "--http_port", port),
                          ("-a", "127.0.0.1", "-m", port, "--health-check", path)):
            status, line = check(*arguments)
            assert (status, line.split(" ")[:2]) == (0, [f"http://127.0.0.1:{port}{path}:", "200"])
    status, line = check("--health-check", "/nothing", "-m", port)
    assert (status, line) == (1, f"clearwing: http://127.0.0.1:{port}/nothing: 404 404 page not found")


@pytest.mark.parametrize("text,url", [
    ("http: 127.0.0.1:{port}", "http://127.0.0.1:{port}/readyz"),
    ("http_port: {port}", "http://127.0.0.1:{port}/readyz"),
    ("http: 0.0.0.0:{port}\nhost: 127.0.0.3", "http://127.0.0.1:{port}/readyz"),
    ("http: 127.0.0.2:{port}", "http://127.0.0.2:{port}/readyz"),
    ("monitor_port: {port}\nhost: 127.0.0.3", "http://127.0.0.3:{port}/readyz"),
    ("http_port: {port}\nhttp_base_path: nats", "http://127.0.0.1:{port}/nats/readyz"),
    ("http_port: {port}\nhttp_base_path: \"/a/b/\"", "http://127.0.0.1:{port}/a/b/readyz"),
])
def test_the_servers_own_configuration(tmp_path, text, url):
    port = free_port()
    config = tmp_path / "server.conf"
    config.write_text(f"port: {free_port()}\n{text.format(port=port)}\n")
    process = subprocess.Popen([BIN / "clearwing", "-c", config], stderr=subprocess.DEVNULL)
    try:
        deadline = time.monotonic() + 10
        while (answer := check("--health-check", "-c", config))[0] != 0:
            assert time.monotonic() < deadline, answer
            time.sleep(0.05)
        assert answer[1].startswith(f"{url.format(port=port)}: 200 {OK_CHECKS}")
    finally:
        process.terminate()
        assert process.wait(10) == 0
    status, line = check("--health-check", "-c", config)
    assert (status, line) == (1, f"clearwing: {url.format(port=port)}: Connection refused")


def test_a_url(stock, broker):
    """Any NATS server has /healthz."""
    for server in (stock, broker):
        status, line = check("--health-check", f"{server.monitor}/healthz?js-enabled-only=false")
        assert status == 0 and line.endswith('200 {"status":"ok"}')
    for url in (broker.monitor, broker.monitor + "/", broker.monitor.replace("http", "HTTP")):
        assert check("--health-check", url)[1].startswith(f"{broker.monitor}/readyz: 200 {OK_CHECKS}")
    assert check("--health-check", stock.monitor) == (1, f"clearwing: {stock.monitor}/readyz: 404 404 page not found")


def test_a_server_that_is_not_well(broker):
    with stopped(thread(broker, "worker-2")):
        assert check("--health-check", broker.monitor + "/livez")[0] == 0
        time.sleep(5.2)
        status, line = check("--health-check", broker.monitor + "/livez")
    url, code, body = line.removeprefix("clearwing: ").split(" ", 2)
    assert (status, url, code) == (1, f"{broker.monitor}/livez:", "503")
    assert json.loads(body)["checks"][1]["reason"].startswith("worker 2 has not turned")


def test_ipv6():
    try:
        socket.create_server(("::1", 0), family=socket.AF_INET6).close()
    except OSError:
        pytest.skip("no IPv6 here")
    port = free_port()
    process = subprocess.Popen([BIN / "clearwing", "-a", "::1", "-p", str(free_port()), "-m", str(port)],
                               stderr=subprocess.DEVNULL)
    try:
        deadline = time.monotonic() + 10
        while (answer := check("--health-check", f"http://[::1]:{port}"))[0] != 0:
            assert time.monotonic() < deadline, answer
            time.sleep(0.05)
        assert check("--health-check", "-a", "::1", "-m", port)[1].startswith(f"http://[::1]:{port}/readyz: 200")
        assert check("--health-check", "-a", "::", "-m", port)[1].startswith(f"http://[::1]:{port}/readyz: 200")
    finally:
        process.terminate()
        process.wait(10)


def test_the_request():
    with answering(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi") as (url, asked):
        assert check("--health-check", url + "/a/b?c=d") == (0, f"{url}/a/b?c=d: 200 hi")
    head = asked[0].decode().split("\r\n")
    assert head[0] == "GET /a/b?c=d HTTP/1.0" and head[-2:] == ["", ""]
    assert f"Host: {url.removeprefix('http://')}" in head


@pytest.mark.parametrize("pieces,said", [
    ((), "the connection was closed without an answer"),
    ((b"SSH-2.0-OpenSSH_9.2\r\n",), "the answer is not HTTP"),
    ((b"HTTP/2 200\r\n\r\n",), "the answer is not HTTP"),
    ((b"HTTP/1.1 5\r\n\r\nx",), "5 x"),
    ((b"HTTP/1.1 503 no\r\n\r\nline one\nline two",), "503 line one"),
    ((b"HTTP/1.0 204 No Content\r\n\r\n",), "204 "),
    ((b"HTTP/1.1 301 Moved\r\nLocation: /x\r\n\r\n",), "301 "),
    ((b"HTTP/1.1 500 x\r\n\r\n\x1b[2J\x07\xff\x00cut",), "500 ?[2J??"),
    ((b"HTTP/1.1 503 x\r\n\r\n" + b"y" * 100000,), "503 " + "y" * 2000),
    ((b"HTTP/1.1 200 x\r\n" + b"X: y\r\n" * 10000,), None),
], ids=lambda value: repr(value)[:30])
def test_strange_answers(pieces, said):
    with answering(*pieces) as (url, _):
        status, line = check("--health-check", url + "/x")
    if said is not None:
        assert (status, line) == (1, f"clearwing: {url}/x: {said}")
    else:
        assert (status, line) == (0, f"{url}/x: 200 ")


@pytest.mark.parametrize("pieces", [(), (b"HTTP/1.1 200 OK\r\n",) * 60], ids=["silence", "a line every 100 ms"])
def test_no_answer_in_time(pieces):
    with answering(*pieces, pause=0.1, close=False) as (url, _):
        started = time.monotonic()
        assert check("--health-check", url) == (1, f"clearwing: {url}/readyz: no answer within 4 s")
        assert 3.5 < time.monotonic() - started < 6


@pytest.mark.parametrize("arguments,said", [
    ([""], "no monitoring port is set: give it with -m or -c as the server got it, or the URL to ask"),
    (["-m", "-1"], "the monitoring port was left to the system: give it with -m or -c as the server got it, or the URL to ask"),
    (["-ms", "8443"], "the monitoring port speaks https, and only http can be asked: use curl"),
    (["readyz"], '"readyz": expected http://HOST:PORT/PATH, or /PATH of the monitoring port'),
    (["https://127.0.0.1:8222"], '"https://127.0.0.1:8222": only http can be asked, not https'),
    (["http://"], '"http://": expected http://HOST:PORT/PATH'),
    (["http:///readyz"], '"http:///readyz": expected http://HOST:PORT/PATH'),
    (["http://user:secret@127.0.0.1/"], '"...": leave the credentials out: health checks need none'),
    (["http://[::1/"], '"http://[::1/": a bracket is not closed'),
    (["http://x:0"], '"http://x:0": expected a port from 1 to 65535 behind the colon'),
    (["http://x:65536"], '"http://x:65536": expected a port from 1 to 65535 behind the colon'),
    (["http://x:99999999999999999999"], '"http://x:99999999999999999999": expected a port from 1 to 65535 behind the colon'),
    (["http://x:+1"], '"http://x:+1": expected a port from 1 to 65535 behind the colon'),
    (["http://[::1]x"], '"http://[::1]x": expected a port from 1 to 65535 behind the colon'),
    (["http://" + "x" * 300], f'"http://{"x" * 300}": expected http://HOST:PORT/PATH'),
    (["http://x/\r\nEvil: 1"], '"...": an address has no blanks and no control characters'),
    (["/" + "x" * 2000, "-m", "1"], '"...": this is too long'),
])
def test_bad_targets(arguments, said):
    assert check("--health-check", *arguments) == (1, f"clearwing: --health-check: {said}")


def test_a_bad_configuration_is_said_as_at_the_start(tmp_path):
    config = tmp_path / "bad.conf"
    config.write_text("port: x\n")
    status, line = check("--health-check", "-c", config)
    assert status == 1 and "bad.conf:1:" in line and "port" in line
    status, line = check("--health-check", "-c", tmp_path / "missing.conf")
    assert status == 1 and "missing.conf" in line
