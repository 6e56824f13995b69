"""Starts exporters, ours and the older one, reads what they serve, and judges it with promtool.

Where the older exporter is: PROMETHEUS_NATS_EXPORTER, or PATH, or built with Go from tests/exporter/go into .cache/bin.
"""
import fcntl
import os
import pathlib
import re
import shutil
import socket
import subprocess
import time
import urllib.error
import urllib.request

from tests.support.server import BIN, ROOT

HERE = pathlib.Path(__file__).resolve().parent
SAMPLE = re.compile(r"^([a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{(.*)\})? (\S+)$")
LABEL = re.compile(r'([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\]|\\.)*)"(?:,|$)')


def free_port():
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


def older_exporter():
    """The binary of prometheus-nats-exporter, built when need be; None when there is no way to have it."""
    path = os.environ.get("PROMETHEUS_NATS_EXPORTER") or shutil.which("prometheus-nats-exporter")
    if path:
        return path
    built = ROOT / ".cache" / "bin" / "prometheus-nats-exporter"
    built.parent.mkdir(parents=True, exist_ok=True)
    with open(built.parent / "exporter.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not built.exists():
            if not shutil.which("go"):
                return None
            subprocess.run(["go", "build", "-o", str(built), "github.com/nats-io/prometheus-nats-exporter"],
                           cwd=HERE / "go", check=True, timeout=600)
    return str(built)


class Scrape:
    """One answer: `text`, `types` {family: type}, `samples` [(name, labels, value text)]."""

    def __init__(self, text):
        self.text = text
        self.types = dict(re.findall(r"^# TYPE (\S+) (\S+)$", text, re.M))
        self.samples = []
        for line in text.splitlines():
            if not line or line.startswith("#"):
                continue
            match = SAMPLE.match(line)
            assert match, f"not a sample: {line!r}"
            labels = match[2] or ""
            assert LABEL.sub("", labels) == "", f"bad labels: {line!r}"
            pairs = {name: unescape(value) for name, value in LABEL.findall(labels)}
            self.samples.append((match[1], pairs, match[3]))
        keys = [(name, tuple(sorted(labels.items()))) for name, labels, _ in self.samples]
        assert len(keys) == len(set(keys)), "a series stands there twice"

    def names(self):
        return {name for name, _, _ in self.samples}

    def all(self, series, /, **labels):
        """Values (as float) of the series with these labels, as [(labels, value)]."""
        return [(found, float(value)) for one, found, value in self.samples
                if one == series and all(found.get(k) == v for k, v in labels.items())]

    def one(self, series, /, **labels):
        found = self.all(series, **labels)
        assert len(found) == 1, f"{series} {labels}: {found}"
        return found[0][1]

    def raw(self, name):
        """The value's text of the only series of a name."""
        found = [value for one, _, value in self.samples if one == name]
        assert len(found) == 1, f"{name}: {found}"
        return found[0]

    def shape(self):
        """{(name, sorted label names)}."""
        return {(name, tuple(sorted(labels))) for name, labels, _ in self.samples}


def unescape(text):
    return re.sub(r"\\(.)", lambda m: "\n" if m[1] == "n" else m[1], text)


def check_with_promtool(text):
    """What promtool's linter has to say: nothing, when all is well."""
    done = subprocess.run(["promtool", "check", "metrics"], input=text.encode(), capture_output=True, timeout=60)
    return (done.stdout + done.stderr).decode()


class Exporter:
    """A running exporter of ours; arguments as on its command line."""

    def __init__(self, *arguments, program="clearwing-exporter"):
        self.process = subprocess.Popen([str(BIN / program), "--listen", "127.0.0.1:0", *map(str, arguments)],
                                        stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        self.lines = []
        while True:
            line = self.process.stderr.readline()
            self.lines.append(line)
            if not line:
                raise RuntimeError(f"the exporter ended with {self.process.wait()}: {''.join(self.lines)}")
            found = re.search(r"listening on (\S+)", line)
            if found:
                break
        self.scrape_url = found[1]
        self.url = re.match(r"https?://[^/]+", found[1])[0]

    def get(self, path, headers=(), timeout=30):
        """(status, headers, text)."""
        request = urllib.request.Request(self.url + path, headers=dict(headers))
        try:
            with urllib.request.urlopen(request, timeout=timeout) as answer:
                return answer.status, answer.headers, answer.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, error.headers, error.read().decode()

    def scrape(self, path="/metrics", headers=()):
        status, _, text = self.get(path, headers)
        assert status == 200, f"{path}: {status} {text}"
        return Scrape(text)

    def fresh(self, path="/metrics", headers=()):
        """A scrape that shares nothing with those before it."""
        time.sleep(1.05)
        return self.scrape(path, headers)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.terminate()
        status = self.process.wait(20)
        rest = self.process.stderr.read()
        self.process.stderr.close()
        assert status == 0, f"exit status {status}: {rest}"
        for word in ("ERROR: AddressSanitizer", "ERROR: LeakSanitizer", "runtime error:", "WARNING: ThreadSanitizer"):
            assert word not in rest, rest


class OlderExporter:
    """prometheus-nats-exporter, for comparison."""

    def __init__(self, binary, *arguments):
        self.port = free_port()
        self.process = subprocess.Popen([binary, "-a", "127.0.0.1", "-p", str(self.port), *map(str, arguments)],
                                        stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def scrape(self):
        """Its own series (go_*, process_*, promhttp_*) are left out."""
        deadline = time.monotonic() + 20
        while True:
            try:
                with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/metrics", timeout=20) as answer:
                    text = answer.read().decode()
                break
            except OSError:
                assert time.monotonic() < deadline and self.process.poll() is None, "the older exporter does not answer"
                time.sleep(0.05)
        kept = [line for line in text.splitlines()
                if not re.match(r"(# (HELP|TYPE) )?(go|process|promhttp)_", line)]
        return Scrape("\n".join(kept) + "\n")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.terminate()
        self.process.wait(20)
