"""Clients that publish at a known rate, so that what the viewer shows can be told in advance."""
import json
import select
import threading
import time

from tests.support.server import RawClient


def client(server, name, **options):
    raw = RawClient(server.host, server.port)
    connect = {"verbose": False, "pedantic": False, "lang": "test", "version": "1.0", "name": name, **options}
    raw.send(f"CONNECT {json.dumps(connect)}\r\nPING\r\n")
    while b"PONG\r\n" not in raw.buffer:
        raw.read_some()
    raw.buffer = b""
    return raw


class Traffic:
    """One publisher `publisher-<subject>` and `subscribers` readers per subject. `rate` messages per second of `size`
    bytes are sent in `steps` bursts a second, by the clock, so a late burst is followed by a full one. `wave` bends
    the rate: seconds to a factor."""

    def __init__(self, server, subjects, rate=1000, size=100, subscribers=1, steps=20, wave=None, names=None):
        publisher_name, reader_name = names or ("publisher-{0}", "reader-{0}-{1}")
        self.rate, self.size, self.steps, self.wave = rate, size, steps, wave
        self.publishers, self.readers, self.sent = [], [], 0
        for subject in subjects:
            for number in range(subscribers):
                reader = client(server, reader_name.format(subject, number))
                reader.send(f"SUB {subject} 1\r\n")
                self.readers.append(reader)
            self.publishers.append((client(server, publisher_name.format(subject)), subject))
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=self._publish), threading.Thread(target=self._read)]
        for thread in self._threads:
            thread.start()

    def _publish(self):
        begin, due = time.monotonic(), 0.0
        payload = b"x" * self.size
        while not self._stop.wait(1 / self.steps):
            elapsed = time.monotonic() - begin
            factor = self.wave(elapsed) if self.wave else 1
            due += self.rate * factor / self.steps if self.wave else 0
            target = int(due if self.wave else elapsed * self.rate)
            count = target - self.sent
            for raw, subject in self.publishers:
                raw.send(b"PUB %s %d\r\n%s\r\n" % (subject.encode(), self.size, payload) * count)
            self.sent = target

    def _read(self):
        sockets = {raw.socket: raw for raw in self.readers + [raw for raw, _ in self.publishers]}
        while not self._stop.is_set():
            ready, _, _ = select.select(sockets, [], [], 0.1)
            for socket in ready:
                data = socket.recv(1 << 18)
                if not data:
                    del sockets[socket]
                elif b"PING\r\n" in data and len(data) < 64:
                    socket.sendall(b"PONG\r\n")

    def stop(self):
        self._stop.set()
        for thread in self._threads:
            thread.join()
        for raw in self.readers + [raw for raw, _ in self.publishers]:
            raw.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()
