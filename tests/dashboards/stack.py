"""A small world for the dashboard: servers under load, an exporter, and a Prometheus that scrapes them with the shipped
configuration. Everything listens on free loopback ports, lives in a temporary folder, and is stopped by its process."""
import contextlib
import json
import pathlib
import random
import re
import shutil
import socket
import subprocess
import tempfile
import threading
import time
import urllib.error
import urllib.parse
import urllib.request

import yaml

from tests.dashboards import queries
from tests.support.server import BIN

# Not 1: the exporter shares one reading between scrapes within a second, so every other scrape would show no growth.
SCRAPE_SECONDS = 2
STEP_SECONDS = 1


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@contextlib.contextmanager
def process(folder, name, command, ready, timeout=30):
    """Runs a program until the block ends; ready() says when it serves."""
    with open(pathlib.Path(folder) / f"{name}.log", "w+b") as log:
        running = subprocess.Popen([str(word) for word in command], stdout=log, stderr=log, cwd=folder)
        try:
            deadline = time.monotonic() + timeout
            while not answers(ready):
                log.seek(0)
                text = log.read().decode(errors="replace")
                assert running.poll() is None, f"{name} exited with {running.returncode}:\n{text}"
                assert time.monotonic() < deadline, f"{name} did not answer within {timeout} s:\n{text}"
                time.sleep(0.05)
            yield running
        finally:
            running.terminate()
            try:
                running.wait(20)
            except subprocess.TimeoutExpired:
                running.kill()
                running.wait()
                raise


def answers(url):
    try:
        with urllib.request.urlopen(url, timeout=5) as answer:
            return answer.status == 200
    except OSError:
        return False


@contextlib.contextmanager
def exporter(folder, *servers):
    """clearwing-exporter for these servers; gives its host:port."""
    port = free_port()
    command = [BIN / "clearwing-exporter", "-a", "127.0.0.1", "-p", port] + [server.monitor for server in servers]
    with process(folder, "exporter", command, f"http://127.0.0.1:{port}/metrics"):
        yield f"127.0.0.1:{port}"


@contextlib.contextmanager
def prometheus(folder, targets):
    """Debian's Prometheus with dashboards/prometheus.yml and its rules; targets: job name to host:port."""
    config = yaml.safe_load((queries.FOLDER / "prometheus.yml").read_text())
    config["global"] = {"scrape_interval": f"{SCRAPE_SECONDS}s", "evaluation_interval": f"{SCRAPE_SECONDS}s"}
    jobs = {job["job_name"]: job for job in config["scrape_configs"]}
    config["scrape_configs"] = []
    for name, target in targets.items():
        jobs[name]["static_configs"] = [{"targets": [target]}]
        config["scrape_configs"].append(jobs[name])
    file = pathlib.Path(folder) / "prometheus.yml"
    file.write_text(yaml.safe_dump(config))
    shutil.copy(queries.RULES, folder)
    port = free_port()
    command = ["prometheus", f"--config.file={file}", f"--storage.tsdb.path={folder}/data",
               f"--web.listen-address=127.0.0.1:{port}", "--log.level=warn"]
    with process(folder, "prometheus", command, f"http://127.0.0.1:{port}/-/ready"):
        yield Prometheus(f"http://127.0.0.1:{port}")


class Prometheus:
    """Asks as Grafana asks: variables and windows filled in."""

    def __init__(self, url):
        self.url = url
        self.started = time.time()
        self.pinned = None

    def now(self):
        """The moment asked about; a picture pins it, so that all its panels show the same one."""
        return self.pinned or time.time()

    def api(self, path, **arguments):
        query = urllib.parse.urlencode(arguments, doseq=True)
        try:
            with urllib.request.urlopen(f"{self.url}/api/v1/{path}?{query}", timeout=20) as answer:
                reply = json.load(answer)
        except urllib.error.HTTPError as error:
            raise AssertionError(f"{path} {arguments}: {error.read().decode()}") from error
        assert reply["status"] == "success", reply
        return reply["data"]

    def label_values(self, metric, label):
        now = self.now()
        return self.api(f"label/{label}/values", **{"match[]": metric, "start": self.started, "end": now})

    def range_seconds(self):
        return max(10, int(self.now() - self.started))

    def fill(self, expr, variables):
        """Grafana's windows: $__rate_interval is the step and one scrape, at least four scrapes."""
        rate = max(STEP_SECONDS + SCRAPE_SECONDS, 4 * SCRAPE_SECONDS)
        expr = expr.replace("$__rate_interval", f"{rate}s").replace("$__range", f"{self.range_seconds()}s")
        for name, value in variables.items():
            expr = expr.replace("$" + name, value)
        assert "$" not in expr, expr
        return expr

    def instant(self, expr, **variables):
        return self.api("query", query=self.fill(expr, variables), time=self.now())["result"]

    def range(self, expr, **variables):
        now = self.now()
        return self.api("query_range", query=self.fill(expr, variables), start=now - self.range_seconds(), end=now,
                        step=STEP_SECONDS)["result"]

    def variables(self, dashboard, **chosen):
        """The values of the dashboard's variables with All chosen, or the chosen one; each must offer something."""
        filled = {}
        for item in dashboard["templating"]["list"]:
            if item["type"] != "query":
                continue
            metric, label = item["query"]["query"].removeprefix("label_values(").removesuffix(")").rsplit(", ", 1)
            offered = self.label_values(self.fill(metric, filled), label)
            if item["name"] in chosen:
                assert chosen[item["name"]] in offered, f"{item['name']} offers only {offered}"
                filled[item["name"]] = chosen[item["name"]]
            elif "allValue" in item:
                filled[item["name"]] = item["allValue"]
            else:
                assert offered, f"variable {item['name']} offers nothing"
                filled[item["name"]] = "(" + "|".join(offered) + ")"
        return filled


def labels_of_legend(legend):
    return re.findall(r"\{\{(\w+)\}\}", legend)


class Load:
    """A modest mixture: events with and without listeners, a queue group, requests with and without a service, clients
    that come and go, subscriptions that change, and one client that speaks no NATS. Stops when the block ends."""

    RATE = 20

    def __init__(self, server):
        self.server = server
        self.stopping = threading.Event()
        self.failures = []
        self.clients = [self._connect("readers"), self._connect("service"), self._connect("publisher")]
        readers, service, publisher = self.clients
        readers.send(b"SUB events.> 1\r\nSUB events.created 2\r\nSUB work.* crew 3\r\nSUB work.* crew 4\r\n")
        service.send(b"SUB svc.echo 1\r\n")
        publisher.send(b"SUB _INBOX.load.* 1\r\n")
        for client in self.clients:
            client.ping()
        jobs = [lambda: self._read(readers), lambda: self._serve(service), lambda: self._read(publisher),
                self._publish, self._come_and_go]
        self.threads = [threading.Thread(target=self._guard, args=(job,), daemon=True) for job in jobs]

    def _connect(self, name):
        client = self.server.connect()
        client.send(b'CONNECT {"verbose":false,"headers":true,"no_responders":true,"lang":"raw","version":"1",'
                    b'"name":"%s"}\r\n' % name.encode())
        return client

    def _guard(self, job):
        try:
            job()
        except (OSError, EOFError) as error:
            if not self.stopping.is_set():
                self.failures.append(repr(error))

    def _lines(self, client):
        """The lines that come, PINGs answered, so that the server can measure the round trip."""
        while not self.stopping.is_set():
            line = client.line()
            if line == b"PING":
                client.send(b"PONG\r\n")
            elif line.startswith((b"MSG ", b"HMSG ")):
                client.exactly(int(line.split()[-1]) + 2)
                yield line

    def _read(self, client):
        for _ in self._lines(client):
            pass

    def _serve(self, client):
        for line in self._lines(client):
            words = line.split()
            if len(words) == 5:
                client.send(b"PUB " + words[3] + b" 4\r\nfine\r\n")

    def _publish(self):
        client = self.clients[2]
        dice = random.Random(1)
        number = 0
        while not self.stopping.wait(1 / self.RATE):
            number += 1
            payload = b"x" * dice.choice((0, 16, 200, 1000))
            for subject in (b"events.created", b"events.changed", b"work.%d" % (number % 3), b"nobody.listens"):
                client.send(b"PUB %s %d\r\n%s\r\n" % (subject, len(payload), payload))
            client.send(b"PUB svc.echo _INBOX.load.%d 2\r\nhi\r\n" % number)
            client.send(b"PUB svc.missing _INBOX.load.%d 0\r\n\r\n" % number)

    def _come_and_go(self):
        while not self.stopping.wait(0.3):
            with self._connect("visitor") as visitor:
                visitor.send(b"SUB once 1\r\nUNSUB 1\r\n")
                visitor.ping()
            with self.server.connect() as stranger:
                stranger.send(b"GET / HTTP/1.1\r\n\r\n")
                stranger.rest()

    def __enter__(self):
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self.stopping.set()
        for client in self.clients:
            with contextlib.suppress(OSError):
                client.socket.shutdown(socket.SHUT_RDWR)
        for thread in self.threads:
            thread.join(10)
        for client in self.clients:
            client.close()


@contextlib.contextmanager
def folder():
    path = tempfile.mkdtemp(prefix="dashboards-")
    try:
        yield path
    finally:
        shutil.rmtree(path, ignore_errors=True)
