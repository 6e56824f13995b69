"""A server with a system account and two others, with clients whose traffic is known and over.

`connect` is how a client comes to be here; `Deployment` is the whole; `Requester` is a user of it
who asks, byte by byte, and sees what comes back.
"""

import dataclasses
import itertools
import json
import pathlib
import tempfile
import uuid

from tests.support.server import Server

NAME = "deployment"
CONFIGURATION = f"""
server_name: {NAME}
accounts {{
  $SYS: {{ users: [ {{ user: admin, password: s3cret }} ] }}
  NORTH: {{ users: [ {{ user: norma, password: norma }} ] }}
  SOUTH: {{ users: [ {{ user: sue, password: sue }} ] }}
}}
no_auth_user: norma
"""
PASSWORDS = {"admin": "s3cret", "norma": "norma", "sue": "sue"}

# name: whose it is, subscriptions, how many messages of which size it sends itself and to nobody.
CLIENTS = {
    "one": ("norma", ["one.own", "one.>", "shared"], (2, 700), (1, 11)),
    "two": ("norma", ["two.own", "shared"], (5, 3), (4, 1000)),
    "three": ("sue", ["three.own"], (1, 90000), (7, 2)),
}
ACCOUNTS = {"NORTH": ["one", "two"], "SOUTH": ["three"]}
KINDS = ["clearwing", "stock"]


def connect(server, name, subjects, to_itself, lost, **options):
    """A client that subscribes, sends to its first subject and to nobody, and then rests."""
    client = server.connect()
    says = {"verbose": False, "name": name, "lang": "raw", "version": "1.2.3", **options}
    client.send(f"CONNECT {json.dumps(says)}\r\n")
    for number, subject in enumerate(subjects, 1):
        client.send(f"SUB {subject} {number}\r\n")
    for subject, (count, size) in ((subjects[0], to_itself), ("nobody", lost)):
        client.send(f"PUB {subject} {size}\r\n{'x' * size}\r\n" * count)
    client.ping()
    return client


def figures(name):
    """What the server must count for a client: subscriptions, messages and bytes in and out.
    "one" receives what it sends itself twice."""
    _, subjects, (count, size), (lost, lost_size) = CLIENTS[name]
    copies = 2 if name == "one" else 1
    return {
        "subscriptions": len(subjects),
        "in_msgs": count + lost,
        "in_bytes": count * size + lost * lost_size,
        "out_msgs": copies * count,
        "out_bytes": copies * count * size,
    }


def total(names, key):
    return sum(figures(name)[key] for name in names)


@dataclasses.dataclass
class Answer:
    subject: str
    headers: bytes
    body: bytes

    @property
    def json(self):
        return json.loads(self.body)

    @property
    def no_responders(self):
        return self.headers.startswith(b"NATS/1.0 503")


class Requester:
    """A user's connection, for requests and for what is published."""

    def __init__(self, server, user="admin", **options):
        self.raw = server.connect()
        self.inbox = f"_INBOX.{uuid.uuid4().hex}"
        self.numbers = itertools.count(1)
        says = {"verbose": False, "headers": True, "no_responders": True, "protocol": 1}
        says |= {"name": "requester", "lang": "raw", "version": "1.2.3", "user": user}
        says |= {"pass": PASSWORDS[user], **options}
        self.raw.send(f"CONNECT {json.dumps(says)}\r\nSUB {self.inbox}.* inbox\r\n")
        self.raw.ping()

    def subscribe(self, subject):
        self.raw.send(f"SUB {subject} events\r\n")
        self.raw.ping()

    def next(self):
        """The next message, whatever it is."""
        while True:
            line = self.raw.line()
            if line == b"PING":
                self.raw.send("PONG\r\n")
            elif line.startswith((b"MSG ", b"HMSG ")):
                words = line.decode().split()
                size = int(words[-1])
                head = int(words[-2]) if words[0] == "HMSG" else 0
                payload = self.raw.exactly(size + 2)
                return Answer(words[1], payload[:head], payload[head:size])

    def send(self, subject, body="", headers=None):
        """Sends a request; returns the subject that the answer comes to."""
        reply = f"{self.inbox}.{next(self.numbers)}"
        payload = (body if isinstance(body, str) else json.dumps(body)).encode()
        if headers:
            lines = "".join(f"{key}: {value}\r\n" for key, value in headers.items())
            head = f"NATS/1.0\r\n{lines}\r\n".encode()
            sizes = f"HPUB {subject} {reply} {len(head)} {len(head) + len(payload)}\r\n"
            self.raw.send(sizes.encode() + head + payload + b"\r\n")
        else:
            self.raw.send(f"PUB {subject} {reply} {len(payload)}\r\n".encode() + payload + b"\r\n")
        return reply

    def request(self, subject, body="", headers=None):
        reply = self.send(subject, body, headers)
        while True:
            answer = self.next()
            if answer.subject == reply:
                return answer

    def close(self):
        self.raw.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


class Deployment:
    """A server of a kind with CLIENTS on it. `cids` tells their connections by name."""

    def __init__(self, kind, *arguments, populated=True, more=""):
        self.kind = kind
        self.folder = tempfile.TemporaryDirectory(prefix="deployment-")
        self.path = pathlib.Path(self.folder.name) / "server.conf"
        self.path.write_text(CONFIGURATION + more)
        self.server = Server(kind, "-c", self.path, *arguments)
        self.clients, self.cids = {}, {}
        self.id = self.server.json("/varz")["server_id"]
        for name in CLIENTS if populated else ():
            self.add(name)

    def add(self, name):
        user, *does = CLIENTS[name]
        self.clients[name] = connect(
            self.server, name, *does, user=user, **{"pass": PASSWORDS[user]}
        )
        self.cids[name] = self.clients[name].info["client_id"]

    def requester(self, user="admin", **options):
        return Requester(self.server, user, **options)

    def url(self, user="admin", password=None):
        password = PASSWORDS[user] if password is None else password
        return f"nats://{user}:{password}@{self.server.host}:{self.server.port}"

    def close(self):
        for client in self.clients.values():
            client.close()
        try:
            self.server.__exit__()
        finally:
            self.folder.cleanup()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()
