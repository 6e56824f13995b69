"""Random sessions on several connections, compared step by step with a model that is too simple to be wrong.

The model keeps a plain list of subscriptions and matches token by token. After every publish each connection
sends PING, so what came before its PONG is all that this publish caused: exactly one message for each matching
plain subscription, exactly one for each queue group that has a member to take it, a 503 where nobody did. At
the end the counters of the broker must be those of the model. A failure names seed and step; WIRE_SEED=...
plays that seed alone.
"""
import dataclasses
import os
import random
import re

import pytest

SEEDS = [int(os.environ["WIRE_SEED"])] if "WIRE_SEED" in os.environ else list(range(1, 21))
STEPS = 2000
CLIENTS = 4
WORDS = ("a", "b", "a", "b", "c", "*", ">", "a*", "")
MESSAGE = re.compile(rb"(H?MSG) (\S+) (\S+) (?:(\S+) )??(?:(\d+) )?(\d+)\r\n")


def tokens_match(pattern, subject):
    """Whether a pattern matches a published subject, by the definition."""
    pattern, subject = pattern.split("."), subject.split(".")
    if "" in subject:
        return False
    for position, token in enumerate(pattern):
        if token == ">" and position == len(pattern) - 1:
            return len(subject) > position
        if position >= len(subject) or token not in ("*", subject[position]):
            return False
    return len(pattern) == len(subject)


def subscribable(pattern):
    tokens = pattern.split(".")
    return "" not in tokens and ">" not in tokens[:-1]


@dataclasses.dataclass
class Subscription:
    client: int
    sid: str
    subject: str
    queue: str
    delivered: int = 0
    max: int = 0


class Session:
    """The connections, the model beside them, and a random choice of what happens next."""

    def __init__(self, server, seed):
        self.server = server
        self.rng = random.Random(seed)
        self.step = 0
        self.seed = seed
        self.clients = [server.connect() for _ in range(CLIENTS)]
        self.echo = [self.rng.random() < 0.7 for _ in self.clients]
        self.headers = [self.rng.random() < 0.7 for _ in self.clients]
        self.subscriptions = []
        self.in_msgs = [0] * CLIENTS
        self.in_bytes = [0] * CLIENTS
        self.out_msgs = [0] * CLIENTS
        self.out_bytes = [0] * CLIENTS
        for number, client in enumerate(self.clients):
            options = {"echo": self.echo[number], "headers": self.headers[number]}
            options["no_responders"] = self.headers[number]
            json = ",".join(f'"{key}":{str(value).lower()}' for key, value in options.items())
            client.send(f'CONNECT {{"verbose":false,"pedantic":false,{json}}}\r\n')
            assert self.answer(number) == b""

    def fail(self, text):
        pytest.fail(f"WIRE_SEED={self.seed}, step {self.step}: {text}", pytrace=False)

    def random_subject(self):
        return ".".join(self.rng.choice(WORDS) for _ in range(self.rng.choice((1, 2, 2, 3))))

    def find(self, number, sid):
        return next((s for s in self.subscriptions if (s.client, s.sid) == (number, sid)), None)

    def answer(self, number):
        """What comes before the next PONG, less the one PING by which the server measures the round trip."""
        return self.clients[number].ping().replace(b"PING\r\n", b"")

    # --- what happens ---

    def subscribe(self, number):
        subject, sid = self.random_subject(), str(self.rng.randrange(12))
        queue = self.rng.choice(("", "", "q", "r"))
        if subject == "":
            return
        self.clients[number].send(f"SUB {subject} {queue} {sid}\r\n")
        before = self.answer(number)
        known = self.find(number, sid)
        expected = b"" if known or subscribable(subject) else b"-ERR 'Invalid Subject'\r\n"
        if before != expected:
            self.fail(f"SUB {subject} {queue} {sid} was answered {before!r}, not {expected!r}")
        if not known and subscribable(subject):
            self.subscriptions.append(Subscription(number, sid, subject, queue))

    def unsubscribe(self, number):
        sid, maximum = str(self.rng.randrange(12)), self.rng.choice((0, 0, 1, 2, 5))
        self.clients[number].send(f"UNSUB {sid}{f' {maximum}' if maximum else ''}\r\n")
        before = self.answer(number)
        if before:
            self.fail(f"UNSUB {sid} {maximum} was answered {before!r}")
        known = self.find(number, sid)
        if known and maximum > known.delivered:
            known.max = maximum
        elif known:
            self.subscriptions.remove(known)

    def publish(self, number):
        subject = self.random_subject() or "a"
        reply = self.random_subject() if self.rng.random() < 0.4 else ""
        payload = self.rng.randbytes(self.rng.choice((0, 1, 20, 900)))
        header = b"NATS/1.0\r\nA: b\r\n\r\n" if self.headers[number] and self.rng.random() < 0.3 else b""
        sizes = f"{len(header)} {len(header) + len(payload)}" if header else f"{len(payload)}"
        line = f"{'HPUB' if header else 'PUB'} {subject} {reply} {sizes}\r\n"
        self.clients[number].send(line.encode() + header + payload + b"\r\n")
        self.in_msgs[number] += 1
        self.in_bytes[number] += len(header) + len(payload)
        received = []
        for receiver in [number] + [other for other in range(CLIENTS) if other != number]:
            received += self.messages(receiver, self.answer(receiver))
        matching = [s for s in self.subscriptions if tokens_match(s.subject, subject)
                    and (self.echo[number] or s.client != number)]
        for receiver, sid, *message in received:
            whole = self.headers[receiver]
            expected = [subject, reply, header if whole else b"", payload]
            if not matching and whole and message == [reply, "", b"NATS/1.0 503\r\n\r\n", b""]:
                continue
            if message != expected:
                self.fail(f"{line!r} arrived at client {receiver} as {message!r}, not {expected!r}")
        self.check_receivers(line, number, reply, matching, [(r[0], r[1]) for r in received])
        for receiver, sid, *message in received:
            self.count(receiver, sid, len(message[2]) + len(message[3]), matching)

    def messages(self, receiver, data):
        """(client, sid, subject, reply, header, payload) of each message in data."""
        found = []
        while data:
            line = MESSAGE.match(data)
            if not line:
                self.fail(f"client {receiver} got {data!r}")
            end = line.end() + int(line[6])
            middle = line.end() + int(line[5] or 0)
            if data[end:end + 2] != b"\r\n" or (line[1] == b"HMSG") != (line[5] is not None):
                self.fail(f"client {receiver} got {data!r}")
            found.append((receiver, line[3].decode(), line[2].decode(), (line[4] or b"").decode(),
                          data[line.end():middle], data[middle:end]))
            data = data[end + 2:]
        return found

    def check_receivers(self, line, number, reply, matching, received):
        """Plain subscriptions exactly once; of each group one member; 503 only where nobody was there."""
        wanted = sorted((s.client, s.sid) for s in matching if not s.queue)
        groups = {s.queue: [(m.client, m.sid) for m in matching if m.queue == s.queue] for s in matching if s.queue}
        rest = sorted(received)
        for receiver in wanted:
            if receiver not in rest:
                self.fail(f"{line!r} did not reach {receiver}; it reached {sorted(received)}")
            rest.remove(receiver)
        for queue, members in groups.items():
            takers = [receiver for receiver in rest if receiver in members]
            if len(takers) != 1:
                self.fail(f"{line!r} reached {takers} of the group {queue}, which is {members}")
            rest.remove(takers[0])
        inboxes = [(s.client, s.sid) for s in self.subscriptions
                   if s.client == number and not s.queue and reply and tokens_match(s.subject, reply)]
        if not matching and self.headers[number] and inboxes:
            if len(rest) != 1 or rest[0] not in inboxes:
                self.fail(f"{line!r} had nobody to answer; the 503 was expected at one of {inboxes}, not {rest}")
            rest = []
        if rest:
            self.fail(f"{line!r} also reached {rest}")

    def count(self, receiver, sid, size, matching):
        if not matching:
            return  # A 503 is the server's own.
        self.out_msgs[receiver] += 1
        self.out_bytes[receiver] += size
        subscription = self.find(receiver, sid)
        subscription.delivered += 1
        if subscription.max and subscription.delivered >= subscription.max:
            self.subscriptions.remove(subscription)

    def play(self):
        for self.step in range(STEPS):
            action = self.rng.choices((self.subscribe, self.unsubscribe, self.publish), (3, 2, 6))[0]
            action(self.rng.randrange(CLIENTS))

    def check_counters(self):
        entries = self.server.json("/connz?subs=1")["connections"]
        for number, entry in enumerate(entries):
            own = [s.subject for s in self.subscriptions if s.client == number]
            assert entry["in_msgs"] == self.in_msgs[number]
            assert entry["in_bytes"] == self.in_bytes[number]
            assert entry["out_msgs"] == self.out_msgs[number]
            assert entry["out_bytes"] == self.out_bytes[number]
            assert entry["subscriptions"] == len(own)
            assert sorted(entry.get("subscriptions_list", [])) == sorted(own)
        varz = self.server.json("/varz")
        assert varz["in_msgs"] == sum(self.in_msgs) and varz["in_bytes"] == sum(self.in_bytes)
        assert varz["out_msgs"] == sum(self.out_msgs)

    def close(self):
        for client in self.clients:
            client.close()


@pytest.mark.parametrize("seed", SEEDS)
def test_random_session(server, seed):
    session = Session(server, seed)
    session.play()
    assert sum(session.out_msgs) > STEPS / 10, "the seed makes too little happen"
    session.check_counters()
    session.close()
