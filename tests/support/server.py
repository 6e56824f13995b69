"""Starts brokers, ours and the stock one, on free loopback ports with a temporary folder, and stops them by pid.

Where the binaries are is told by the environment:
  CLEARWING_BIN  folder with clearwing, clearwing-top, ...   (default: build/bin of this checkout)
  NATS_SERVER    the stock server's binary                   (default: nats-server, found on PATH or in /usr/sbin)
"""
import json
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import tempfile
import time
import urllib.error
import urllib.request

ROOT = pathlib.Path(__file__).resolve().parents[2]
BIN = pathlib.Path(os.environ.get("CLEARWING_BIN", ROOT / "build" / "bin"))


def stock_binary():
    path = os.environ.get("NATS_SERVER") or shutil.which("nats-server") or "/usr/sbin/nats-server"
    if not os.path.exists(path):
        raise RuntimeError("the stock nats-server is not installed: apt-get install nats-server")
    return path


def binary(kind):
    """The server binary of a kind, "clearwing" or "stock"; a path stands for itself."""
    if os.sep in kind:
        return os.path.abspath(kind)
    return str(BIN / "clearwing") if kind == "clearwing" else stock_binary()


class Server:
    """A running server of either kind. Use as a context manager; `host`, `port`, `monitor` (URL) and `pid` tell
    where it is, `log()` what it printed. `stop()` returns its exit status."""

    def __init__(self, kind, *arguments, monitor=True, env=None, workers=3, preexec=None):
        self.kind = os.path.basename(kind)
        self.folder = tempfile.mkdtemp(prefix=f"{self.kind}-")
        self._log = open(os.path.join(self.folder, "log"), "wb")
        command = [binary(kind), "-a", "127.0.0.1", "-p", "-1", "--ports_file_dir", self.folder]
        if kind == "clearwing" and workers and "--workers" not in arguments:
            # More than a small machine would get, so that the connections of one test live on different ones.
            command += ["--workers", str(workers)]
        if monitor:
            command += ["-m", "-1"]
        self.process = subprocess.Popen(command + [str(a) for a in arguments], stdin=subprocess.DEVNULL,
                                        stdout=self._log, stderr=self._log, cwd=self.folder, env=env,
                                        preexec_fn=preexec)
        self.pid = self.process.pid
        try:
            self._find_ports(monitor)
        except BaseException:
            self.stop()
            raise

    def _find_ports(self, monitor):
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline:
            if self.process.poll() is not None:
                raise RuntimeError(f"{self.kind} exited with {self.process.returncode}:\n{self.log()}")
            for file in pathlib.Path(self.folder).glob("*.ports"):
                try:
                    ports = json.loads(file.read_text())
                except ValueError:
                    continue
                if "nats" in ports and (not monitor or "monitoring" in ports):
                    self.url = ports["nats"][0]
                    self.host, port = self.url.rsplit("/", 1)[1].rsplit(":", 1)
                    self.port = int(port)
                    self.monitor = ports["monitoring"][0] if monitor else None
                    return
            time.sleep(0.01)
        raise RuntimeError(f"{self.kind} wrote no ports file within 30 s:\n{self.log()}")

    def log(self):
        self._log.flush()
        return pathlib.Path(self._log.name).read_text(errors="replace")

    def connect(self):
        """A raw client: reads the INFO line, sends nothing."""
        return RawClient(self.host, self.port)

    def get(self, path, method="GET", timeout=10):
        """An HTTP answer from the monitoring port: (status, headers, body bytes)."""
        request = urllib.request.Request(self.monitor + path, method=method)
        try:
            with urllib.request.urlopen(request, timeout=timeout) as answer:
                return answer.status, answer.headers, answer.read()
        except urllib.error.HTTPError as error:
            return error.code, error.headers, error.read()

    def json(self, path):
        status, _, body = self.get(path)
        assert status == 200, f"{path}: {status} {body!r}"
        return json.loads(body)

    def wait_for(self, path, predicate, timeout=10):
        """Polls a document until predicate(document) holds; returns it, or fails with the last one seen."""
        deadline = time.monotonic() + timeout
        while True:
            document = self.json(path)
            if predicate(document):
                return document
            assert time.monotonic() < deadline, f"{path} never became as expected: {json.dumps(document)[:2000]}"
            time.sleep(0.02)

    def stop(self, how=signal.SIGTERM):
        if self.process.poll() is None:
            self.process.send_signal(how)
            try:
                self.process.wait(20)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
                raise RuntimeError(f"{self.kind} did not stop within 20 s:\n{self.log()}")
        return self.process.returncode

    def __enter__(self):
        return self

    def __exit__(self, *_):
        try:
            status = self.stop()
            log = self.log()
            for word in ("ERROR: AddressSanitizer", "ERROR: LeakSanitizer", "runtime error:",
                         "WARNING: ThreadSanitizer", "internal error:"):
                assert word not in log, log
            if self.kind == "clearwing":
                assert status in (0, -signal.SIGKILL), f"exit status {status}:\n{log}"
        finally:
            self._log.close()
            shutil.rmtree(self.folder, ignore_errors=True)


class RawClient:
    """A socket that speaks lines. `info` is the server's first INFO."""

    def __init__(self, host, port, timeout=10):
        self.socket = socket.create_connection((host, port), timeout=timeout)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.buffer = b""
        line = self.line()
        assert line.startswith(b"INFO "), line
        self.info = json.loads(line[5:])

    def send(self, data):
        self.socket.sendall(data if isinstance(data, bytes) else data.encode())

    def read_some(self):
        data = self.socket.recv(1 << 16)
        if not data:
            raise EOFError(f"closed by the server after {self.buffer!r}")
        self.buffer += data

    def line(self):
        while b"\r\n" not in self.buffer:
            self.read_some()
        line, self.buffer = self.buffer.split(b"\r\n", 1)
        return line

    def exactly(self, count):
        while len(self.buffer) < count:
            self.read_some()
        data, self.buffer = self.buffer[:count], self.buffer[count:]
        return data

    def ping(self):
        """Waits for PONG; returns what came before it."""
        self.send(b"PING\r\n")
        while b"PONG\r\n" not in self.buffer:
            self.read_some()
        before, self.buffer = self.buffer.split(b"PONG\r\n", 1)
        return before

    def rest(self):
        """All that comes until the server closes."""
        try:
            while True:
                self.read_some()
        except (EOFError, ConnectionResetError):
            data, self.buffer = self.buffer, b""
            return data

    def close(self):
        self.socket.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()
