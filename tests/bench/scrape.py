"""Reads addresses of a monitoring port at a fixed rate while something else is measured.

One thread for each address. A read is due every 1/rate seconds whatever the server does; one that takes longer delays
the next, and what was due meanwhile is left out and shows as fewer reads per second. Answers are read to their end and
thrown away. Who scrapes is usually another machine: the threads have the lowest priority there is, so that what disturbs
the measured run is the server's part of it.
"""
import os
import socket
import threading
import time
import urllib.parse

TIMEOUT_SECONDS = 60


def read_once(host, port, path, buffer):
    """(status, bytes) of one answer."""
    with socket.create_connection((host, port), timeout=TIMEOUT_SECONDS) as connection:
        connection.sendall(f"GET {path} HTTP/1.1\r\nHost: {host}:{port}\r\nConnection: close\r\n\r\n".encode())
        count = connection.recv_into(buffer)
        head, total = bytes(buffer[:min(count, 64)]), count
        while count:
            count = connection.recv_into(buffer)
            total += count
    words = head.split(None, 2)
    if len(words) < 2 or not words[1].isdigit():
        raise ValueError(f"{path}: {head!r} is no answer of HTTP")
    return int(words[1]), total


class Scraper:
    """Scrapes while it is entered. Afterwards `reads` tells how often each address was read, `trouble` what went wrong."""

    def __init__(self, url, paths, rate):
        address = urllib.parse.urlsplit(url)
        self.host, self.port, self.rate = address.hostname, address.port, rate
        self.reads, self.bytes, self.trouble = {}, 0, None
        # What a server does not have is not asked for again: the stock one has no /metrics.
        self.paths = [path for path in paths if read_once(self.host, self.port, path, bytearray(1 << 20))[0] == 200]

    def _read_often(self, path):
        os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))  # this thread only
        buffer = bytearray(1 << 20)
        start, due = time.monotonic(), 0
        while not self._end.wait(max(0, start + due / self.rate - time.monotonic())):
            try:
                status, length = read_once(self.host, self.port, path, buffer)
            except (OSError, ValueError) as error:
                self.trouble = f"scraping {path}: {error}"
                return
            if status != 200:
                self.trouble = f"scraping {path}: status {status}"
                return
            self.reads[path] = self.reads.get(path, 0) + 1
            self.bytes += length
            due = max(due + 1, int((time.monotonic() - start) * self.rate))

    def __enter__(self):
        self._end, self._start = threading.Event(), time.monotonic()
        self._threads = [threading.Thread(target=self._read_often, args=(path,)) for path in self.paths]
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self._end.set()
        for thread in self._threads:
            thread.join()
        self.seconds = time.monotonic() - self._start

    def slowest_rate(self):
        """Reads per second of the address that was read least."""
        return min((self.reads.get(path, 0) for path in self.paths), default=0) / self.seconds
