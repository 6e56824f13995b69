"""The viewer against answers that no good server gives: wrong status, half a document, a list of tens of thousands,
several servers behind one address. A small HTTP server plays them."""
import contextlib
import datetime
import http.server
import json
import subprocess
import threading
import time

from tests.screen.tmux import TOP, Terminal


class Answers:
    """A monitoring port whose documents are attributes; a tuple (status, bytes) replaces one."""

    def __init__(self):
        self.id, self.total, self.conns, self.varz, self.connz, self.subsz, self.delay = "A", None, [], None, None, {}, 0
        self.requests = 0
        self._begin = time.monotonic()

    def now(self):
        return datetime.datetime.now(datetime.timezone.utc).isoformat().replace("+00:00", "Z")

    def answer(self, path):
        self.requests += 1
        time.sleep(self.delay)
        if path.startswith("/varz"):
            count = int((time.monotonic() - self._begin) * 1000)
            return self.varz or {"server_id": self.id, "server_name": "fake", "version": "2.9.10", "now": self.now(),
                                 "start": "2026-01-01T00:00:00Z", "in_msgs": count, "out_msgs": count}
        if path.startswith("/connz"):
            return self.connz or {"server_id": self.id, "now": self.now(), "num_connections": len(self.conns),
                                  "total": self.total or len(self.conns), "connections": self.conns}
        return self.subsz


@contextlib.contextmanager
def serving(answers):
    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            answer = answers.answer(self.path)
            status, body = answer if isinstance(answer, tuple) else (200, json.dumps(answer).encode())
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            with contextlib.suppress(OSError):
                self.wfile.write(body)

        def log_message(self, *_):
            pass

    httpd = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=httpd.serve_forever, args=(0.05,))
    thread.start()
    try:
        yield f"http://127.0.0.1:{httpd.server_port}"
    finally:
        httpd.shutdown()
        thread.join()
        httpd.server_close()


def conn(cid, **fields):
    return {"cid": cid, "ip": "10.0.0.1", "port": 4000, "name": f"client-{cid}", "start": "2026-01-01T00:00:00Z",
            "in_msgs": 0, "out_msgs": 0, "pending_bytes": 0, "subscriptions": 1, **fields}


def batch(url, *arguments):
    return subprocess.run([TOP, "--interval", "0.1", url, *arguments], capture_output=True, text=True, timeout=30,
                          stdin=subprocess.DEVNULL)


def test_documents_that_are_none():
    cases = [((200, b"<html>"), "/varz is not a JSON object"), ((200, b'{"server_id": "A"'), "/varz is not a JSON object"),
             ((200, b"[]"), "/varz is not a JSON object"), ((200, b"{}"), "not a NATS monitoring port"),
             ((503, b"busy\x1b[2J\r\nmore"), "/varz: HTTP status 503 busy"),
             ((200, b'{"server_id":' * 100000), "/varz is not a JSON object")]
    for document, words in cases:
        answers = Answers()
        answers.varz = document
        with serving(answers) as url:
            run = batch(url, "--json")
        assert run.returncode == 1 and words in run.stderr and run.stdout == "", (document[1][:20], run.stderr)


def test_figures_of_wrong_types_are_absent():
    answers = Answers()
    answers.conns = [conn(1, rtt=7, out_msgs="many", in_msgs=None, name=5), conn(2, pending_bytes=-1), {}]
    with serving(answers) as url:
        document = json.loads(batch(url, "--json", "--sort", "cid").stdout)
    zero, one, two = document["connections"]
    assert one["cid"] == 1 and not {"rtt", "out_msgs", "in_msgs", "name"} & set(one)
    assert zero["cid"] == 0 and two["pending_bytes"] == -1


def test_a_list_that_fails_beside_a_good_server():
    answers = Answers()
    answers.conns = [conn(7)]
    with serving(answers) as url, Terminal(TOP, url, "--interval", "0.2") as terminal:
        terminal.wait_for("client-7")
        answers.connz = (500, b"no list today")
        text = terminal.wait_for("/connz: HTTP status 500 no list today")
        assert "client-7" in text and "● live" in text
        answers.connz = None
        terminal.wait_for(lambda text: "no list today" not in text)
        run = batch(url, "--once")
        assert run.returncode == 0


def test_long_lists_are_counted_paged_and_filtered():
    answers = Answers()
    answers.conns = [conn(number, out_msgs=number) for number in range(1, 20001)]
    answers.total = 48112
    with serving(answers) as url, Terminal(TOP, url, "--view", "connections", "--totals", "--timeout", "10s") as terminal:
        text = terminal.wait_for("20,000 of 48,112 connections, the first by msgs_to", timeout=30)
        assert "client-20000" in text and "client-1 " not in text
        terminal.type("End")
        terminal.wait_for("▸      1 client-1 ")
        terminal.type("PageUp")
        terminal.wait_for(lambda text: "▸     1" in text and "▸      1 client-1 " not in text)
        terminal.type("/")
        terminal.literal("name=client-777")
        terminal.wait_for("▸    777 client-777 ")
        assert "1 match, 20,000 of 48,112" in terminal.text()


def test_the_top_row_shows_whoever_comes_first():
    answers = Answers()
    answers.conns = [conn(1, out_msgs=10), conn(2), conn(3)]
    with serving(answers) as url, Terminal(TOP, url, "--interval", "0.2", "--view", "connections", "--totals") as terminal:
        terminal.wait_for("▸      1 client-1")
        answers.conns = [conn(1, out_msgs=10), conn(2, out_msgs=20), conn(3)]
        terminal.wait_for("▸      2 client-2")


def test_thresholds_are_marked():
    answers = Answers()
    answers.varz = {"server_id": "A", "server_name": "fake", "version": "2.9.10", "now": "2026-01-01T01:00:00Z",
                    "start": "2026-01-01T00:00:00Z", "max_pending": 1000, "slow_consumers": 2}
    answers.conns = [conn(1, pending_bytes=800), conn(2, pending_bytes=300), conn(3, rtt="150ms"), conn(4)]
    with serving(answers) as url, Terminal(TOP, url, "--view", "connections", "--sort", "cid") as terminal:
        text = terminal.wait_for("client-4")
        marks = [line[0] for line in text.split("\n") if " client-" in line]
        assert marks == ["!", "~", "!", " "], text


def test_several_servers_behind_one_address():
    answers = Answers()
    with serving(answers) as url, Terminal(TOP, url, "--interval", "0.2") as terminal:
        terminal.wait_for("● live")
        deadline = time.monotonic() + 10
        while "answers from several servers" not in terminal.text():
            answers.id = "B" if answers.id == "A" else "A"
            time.sleep(0.25)
            assert time.monotonic() < deadline, terminal.text()


def test_absent_figures_are_shown_as_absent():
    answers = Answers()
    answers.conns = [conn(1)]
    with serving(answers) as url, Terminal(TOP, url, "--interval", "0.2", width=160, height=50) as terminal:
        text = terminal.wait_for("client-1")
        assert "CONNS         ·" in text and "slow consumers      ·" in text, text
        row = next(line for line in text.split("\n") if "client-1 " in line)
        assert row.split()[-3] == "·", f"no RTT in {row!r}"


def test_count_ends_the_viewer():
    with serving(Answers()) as url, Terminal(TOP, url, "--interval", "0.2", "--count", "3", "; echo st''atus $?") as terminal:
        terminal.wait_for("status 0")
