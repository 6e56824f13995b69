"""Clients of the system account and others: requests with their answers, events as they come."""
import itertools
import json
import os
import tempfile
import time

from tests.support.server import Server

CONFIG = """
server_name: "one"
accounts {
  $SYS { users: [ {user: admin, password: p} ] }
  A { users: [ {user: ann, password: p}, {user: amy, password: p} ] }
  B { users: [ {user: bob, password: p} ] }
}
"""
SILENCE = 0.4  # nothing came for so long: nothing will


class NoResponders(Exception):
    pass


class Asker:
    """One connection. Answers and events are (subject, headers, body)."""

    def __init__(self, server, user=None, **options):
        self.raw = server.connect()
        self.inboxes = itertools.count(1)
        self.pongs = 0
        credentials = {"user": user, "pass": "p"} if user else {}
        connect = {"verbose": False, "protocol": 1, "headers": True, "no_responders": True, "lang": "test", "version": "1.0",
                   **credentials, **options}
        self.send(f"CONNECT {json.dumps(connect)}\r\n")
        self.sync()

    def send(self, text):
        self.raw.send(text)

    def subscribe(self, subject, sid="e"):
        self.send(f"SUB {subject} {sid}\r\n")
        self.sync()

    def sync(self):
        """Waits for the server to have taken all; returns what came before."""
        self.send("PING\r\n")
        came = []
        while (message := self.next()) is not None:
            came.append(message)
        return came

    def next(self, seconds=10):
        """The next message; None at a PONG; TimeoutError when there is none in time."""
        self.raw.socket.settimeout(seconds)
        while True:
            line = self.raw.line().decode()
            words = line.split(" ")
            if words[0] == "PONG":
                return None
            if words[0] == "PING":
                self.send("PONG\r\n")
            elif words[0] in ("MSG", "HMSG"):
                body = self.raw.exactly(int(words[-1]) + 2)[:-2]
                size = int(words[-2]) if words[0] == "HMSG" else 0
                return words[1], body[:size], body[size:]
            else:
                assert words[0] == "INFO", line
                self.info = json.loads(line[5:])

    def ask(self, subject, body=b"", headers=b"", seconds=10):
        """The answer's (headers, body)."""
        inbox = f"_INBOX.{os.getpid()}.{next(self.inboxes)}"
        body = body if isinstance(body, bytes) else json.dumps(body).encode()
        self.send(f"SUB {inbox} {inbox}\r\nUNSUB {inbox} 1\r\n")
        if headers:
            line = f"HPUB {subject} {inbox} {len(headers)} {len(headers) + len(body)}\r\n"
        else:
            line = f"PUB {subject} {inbox} {len(body)}\r\n"
        self.raw.send(line.encode() + headers + body + b"\r\n")
        deadline = time.monotonic() + seconds
        try:
            while (message := self.next(max(deadline - time.monotonic(), 0.001))) is None or message[0] != inbox:
                pass
        except TimeoutError:
            self.send(f"UNSUB {inbox}\r\n")
            raise
        if message[1].startswith(b"NATS/1.0 503"):
            raise NoResponders(subject)
        return message[1], message[2]

    def json(self, subject, body=b"", **options):
        return json.loads(self.ask(subject, body, **options)[1])

    def is_silent(self, subject, body=b""):
        try:
            self.ask(subject, body, seconds=SILENCE)
        except TimeoutError:
            return True
        return False

    def events(self, enough, seconds=10):
        """[(subject, document)] until enough(them)."""
        found, deadline = [], time.monotonic() + seconds
        while not enough(found):
            message = self.next(max(deadline - time.monotonic(), 0.001))
            if message:
                found.append((message[0], json.loads(message[2])))
        return found

    def close(self):
        self.raw.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


def start(kind, config=CONFIG):
    with tempfile.NamedTemporaryFile("w", suffix=".conf") as file:
        file.write(config)
        file.flush()
        return Server(kind, "-c", file.name)


class World:
    """A server with an administrator, two clients of A and one of B, who subscribed and said something."""

    def __init__(self, kind):
        self.server = start(kind)
        self.kind = kind
        self.admin = Asker(self.server, "admin", name="the admin")
        self.ann, self.amy = (Asker(self.server, user, name=user) for user in ("ann", "amy"))
        self.bob = Asker(self.server, "bob", name="bob")
        self.id = self.server.json("/varz")["server_id"]
        for subject, sid in [("foo", 1), ("bar.*", 2), ("deep.>", 3)]:
            self.ann.subscribe(subject, sid)
        self.amy.send("SUB foo workers 1\r\n")
        self.amy.send("PUB foo 5\r\nhello\r\nPUB bar.x 2\r\nhi\r\n")
        self.amy.sync()
        self.ann.sync()

    def close(self):
        for client in (self.admin, self.ann, self.amy, self.bob):
            client.close()
        self.server.__exit__()
