"""Thousands of connections in one thread: each has one subscription to crowd.all, and more if asked, and counts what it gets."""
import contextlib
import resource
import select
import socket
import time


# What a client library says, with a name of its own.
CONNECT = (b'CONNECT {"verbose":false,"pedantic":false,"tls_required":false,"name":"crowd-%d","lang":"c","version":"3.9.1",'
           b'"protocol":1,"echo":true,"headers":true,"no_responders":true}\r\n')


def room(wanted):
    """How many connections this process and a broker with the same limit can hold."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return min(wanted, hard - 200)


class Crowd:
    """Use as a context manager."""

    def __init__(self, server, count, subject="crowd.all", batch=500, more=0):
        self.poll = select.epoll()
        self.sockets = {}
        self.received = {}
        self.more = "".join(f"SUB crowd.more.{i}.{{0}} {i + 2}\r\n" for i in range(more))
        for first in range(0, count, batch):
            self._join(server, min(batch, count - first), subject)

    def _join(self, server, count, subject):
        new = []
        for _ in range(count):
            one = socket.create_connection((server.host, server.port), timeout=60)
            one.sendall(CONNECT % len(self.sockets) + b"SUB %s 1\r\n" % subject.encode() +
                        self.more.format(len(self.sockets)).encode() + b"PING\r\n")
            one.setblocking(False)
            self.poll.register(one, select.EPOLLIN)
            self.sockets[one.fileno()] = one
            self.received[one.fileno()] = b""
            new.append(one.fileno())
        self.read_until(lambda data: data.endswith(b"PONG\r\n"), new)
        for number in new:
            self.received[number] = b""

    def read_until(self, enough, numbers=None, seconds=60):
        """Reads until what each of them (all) has received is enough."""
        missing = set(self.sockets if numbers is None else numbers)
        missing = {number for number in missing if not enough(self.received[number])}
        deadline = time.monotonic() + seconds
        while missing:
            assert time.monotonic() < deadline, f"{len(missing)} of the crowd still wait"
            for number, _ in self.poll.poll(0.1, 1000):
                data = self.sockets[number].recv(1 << 16)
                assert data, "the broker closed one of the crowd"
                if data.endswith(b"PING\r\n"):
                    self.sockets[number].sendall(b"PONG\r\n")
                    data = data[:-6]
                self.received[number] += data
                if enough(self.received[number]):
                    missing.discard(number)

    def close(self):
        for one in self.sockets.values():
            one.close()
        self.sockets.clear()
        with contextlib.suppress(OSError):
            self.poll.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()
