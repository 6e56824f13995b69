"""Many publishers, subscribers and queue members at once, while other connections come and go.

Each message carries publisher and number. What must hold under any interleaving: a plain subscriber sees every
message once and those of one publisher in order; a queue group sees every message once among its members, and
each member those of one publisher in order; subscriptions that come and go on other connections change nothing
for them.
"""
import threading

import pytest

from tests.support.server import RawClient

PUBLISHERS = 4
MESSAGES = 5000
BATCH = 50
MEMBERS = 3
PAYLOADS = {"small": b"x" * 10, "large": b"x" * 3000}
END = 30.0  # seconds without a byte after which a reader gives up


class Receiver(threading.Thread):
    """Subscribes, then reads until its messages are complete or told to stop; keeps (publisher, number) in order."""

    def __init__(self, server, sub, expected=0):
        super().__init__(daemon=True)
        self.client = RawClient(server.host, server.port, timeout=END)
        self.client.send(b'CONNECT {"verbose":false}\r\n' + sub)
        assert self.client.ping() == b""
        self.expected = expected
        self.received = []
        self.error = None
        self.start()

    def run(self):
        try:
            while not self.expected or len(self.received) < self.expected:
                line = self.client.line()
                if line == b"PONG":
                    return
                if line == b"PING":
                    self.client.send(b"PONG\r\n")
                    continue
                operation, subject, _, size = line.split(b" ")
                assert operation == b"MSG", line
                payload = self.client.exactly(int(size) + 2)
                assert payload.endswith(b"x\r\n"), payload[-20:]
                publisher, number = subject.split(b".")[1:]
                self.received.append((int(publisher), int(number)))
        except Exception as error:  # noqa: BLE001 - reported by finish() in the test's thread
            self.error = error

    def finish(self, ping=False):
        if ping:
            self.client.send(b"PING\r\n")
        self.join(60)
        assert not self.is_alive(), f"a receiver hangs after {len(self.received)} messages"
        if self.error:
            raise AssertionError(f"after {len(self.received)} messages") from self.error
        self.client.close()
        return self.received


def publish(server, publisher, payload):
    """Sends all messages of one publisher in batches, and waits until the last was processed."""
    client = RawClient(server.host, server.port, timeout=END)
    client.send(b'CONNECT {"verbose":false}\r\n')
    for start in range(0, MESSAGES, BATCH):
        client.send(b"".join(b"PUB load.%d.%d %d\r\n%s\r\n" % (publisher, number, len(payload), payload)
                             for number in range(start, start + BATCH)))
    client.ping()
    client.close()


def churn(server, stopping):
    """Connections that subscribe to the same messages, leave in every way, and come again."""
    turn = 0
    while not stopping.is_set():
        turn += 1
        client = RawClient(server.host, server.port, timeout=END)
        client.send(b'CONNECT {"verbose":false}\r\nSUB load.> 1\r\nSUB load.*.* 2\r\nUNSUB 2 3\r\n'
                    b"SUB load.1.> others 3\r\nSUB nothing.%d 4\r\nPING\r\n" % turn)
        if turn % 3:
            client.read_some()
            client.send(b"UNSUB 1\r\nUNSUB 3\r\nPING\r\n")
            client.read_some()
        client.close()


def check_order(received):
    """The numbers of each publisher grow strictly."""
    last = {}
    for publisher, number in received:
        assert number > last.get(publisher, -1), f"publisher {publisher}: {number} after {last[publisher]}"
        last[publisher] = number


@pytest.mark.parametrize("size", PAYLOADS)
def test_concurrent(server, size):
    everything = {(publisher, number) for publisher in range(PUBLISHERS) for number in range(MESSAGES)}
    plain = [Receiver(server, sub, len(everything)) for sub in (b"SUB load.> 1\r\n", b"SUB load.*.* 1\r\n")]
    one = Receiver(server, b"SUB load.2.* 1\r\n", MESSAGES)
    members = [Receiver(server, b"SUB load.%s group 1\r\n" % (b">" if number else b"*.*"))
               for number in range(MEMBERS)]
    stopping = threading.Event()
    threads = [threading.Thread(target=publish, args=(server, number, PAYLOADS[size])) for number in range(PUBLISHERS)]
    churners = [threading.Thread(target=churn, args=(server, stopping)) for _ in range(2)]
    for thread in churners + threads:
        thread.start()
    for thread in threads:
        thread.join()
    stopping.set()
    for thread in churners:
        thread.join()

    for receiver in plain:
        received = receiver.finish()
        assert set(received) == everything and len(received) == len(everything)
        check_order(received)
    assert one.finish() == [(2, number) for number in range(MESSAGES)]
    shares = [member.finish(ping=True) for member in members]
    together = [message for share in shares for message in share]
    assert len(together) == len(everything) and set(together) == everything
    for share in shares:
        assert len(share) > len(everything) / MEMBERS / 2
        check_order(share)
    server.wait_for("/varz", lambda document: document["connections"] == 0)
    varz = server.json("/varz")
    assert varz["in_msgs"] == len(everything)
    assert varz["in_bytes"] == len(everything) * len(PAYLOADS[size])
    assert varz["slow_consumers"] == 0
