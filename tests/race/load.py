"""Clients for the stress: threads that connect, subscribe, publish, leave, read slowly or scrape, until told to stop.

Each role checks what it may: a subject that only one client uses is delivered whole and in order; nothing arrives that was
not asked for."""
import random
import socket
import threading
import time

from tests.support.server import RawClient


class Load:
    """Runs roles in threads; `failures` collects what went wrong, `count` what was done."""

    def __init__(self, server, seed):
        self.server = server
        self.seed = seed
        self.stopping = threading.Event()
        self.failures = []
        self.count = {}
        self._lock = threading.Lock()
        self._threads = []

    def start(self, role, times=1):
        for i in range(times):
            chance = random.Random(f"{self.seed}-{role.__name__}-{i}")
            thread = threading.Thread(target=self._run, args=(role, chance, i), daemon=True)
            self._threads.append(thread)
            thread.start()

    def _run(self, role, chance, number):
        try:
            while not self.stopping.is_set():
                done = role(self, chance, number) or 0
                with self._lock:
                    self.count[role.__name__] = self.count.get(role.__name__, 0) + done
        except (OSError, EOFError) as error:
            if not self.stopping.is_set():
                self.failures.append(f"{role.__name__} {number}: {error!r}")
        except AssertionError as error:
            self.failures.append(f"{role.__name__} {number}: {error}")

    def join(self, patience=30):
        deadline = time.monotonic() + patience
        for thread in self._threads:
            thread.join(max(0.1, deadline - time.monotonic()))
            assert not thread.is_alive(), "a client never came to its end"

    def client(self, **more):
        client = RawClient(self.server.host, self.server.port, timeout=60)
        options = {"verbose": "false", "headers": "true", "no_responders": "true", **more}
        client.send("CONNECT {%s}\r\n" % ",".join(f'"{key}":{value}' for key, value in options.items()))
        return client

    def closed_reason(self, client):
        """Why the broker closed this client."""
        document = self.server.json(f"/connz?state=closed&cid={client.info['client_id']}")
        return document["connections"][0]["reason"] if document["connections"] else "not among the closed"


def messages(client, wanted):
    """Reads until `wanted` messages came; returns [(subject, reply or sid, payload)]."""
    found = []
    while len(found) < wanted:
        words = client.line().decode().split()
        if words[0] in ("MSG", "HMSG"):
            payload = client.exactly(int(words[-1]) + 2)[:-2]
            found.append((words[1], words[3 if len(words) == 5 else 2], payload))
        else:
            assert words[0] in ("PING", "PONG", "INFO"), words
    return found


def alone(load, chance, number):
    """A pair with a subject of its own: all arrives, in order, of every size."""
    subject = f"alone.{number}.{chance.randrange(1 << 30)}"
    with load.client() as receiver, load.client() as sender:
        receiver.send(f"SUB {subject} 1\r\n")
        receiver.ping()
        count = chance.randrange(1, 200)
        payloads = [f"{i}:".encode() + b"x" * chance.choice([0, 5, 100, 1020, 2000, 9000]) for i in range(count)]
        sender.send(b"".join(f"PUB {subject} {len(p)}\r\n".encode() + p + b"\r\n" for p in payloads))
        got = messages(receiver, count)
        assert [payload for _, _, payload in got] == payloads, "lost, doubled or out of order"
        receiver.send("UNSUB 1\r\n")
        assert receiver.ping() == b"", "something came twice"
    return count


def groups(load, chance, number):
    """One queue group on three connections: each message reaches exactly one of them."""
    place = f"groups.{number}.{chance.randrange(1 << 30)}"
    subject = f"{place}.x"
    members = [load.client() for _ in range(3)]
    sender = load.client()
    try:
        for i, member in enumerate(members):
            pattern = [subject, f"{place}.*", f"{place}.>"][i]
            member.send(f"SUB {pattern} q{number} 1\r\n")
        for member in members:
            member.ping()
        count = chance.randrange(1, 100)
        sender.send("".join(f"PUB {subject} 4\r\n{i:04}\r\n" for i in range(count)))
        sender.ping()
        seen = []
        for member in members:
            lines = member.ping().split(b"\r\n")
            seen += [payload for line, payload in zip(lines[::2], lines[1::2]) if subject.encode() in line]
        assert sorted(seen) == [f"{i:04}".encode() for i in range(count)], "not exactly once in the group"
    finally:
        for client in (*members, sender):
            client.close()
    return count


def limited(load, chance, number):
    """Automatic unsubscribe while two publishers race for the last places."""
    subject = f"limited.{number}.{chance.randrange(1 << 30)}"
    with load.client() as receiver, load.client() as one, load.client() as two:
        most = chance.randrange(1, 30)
        receiver.send(f"SUB {subject} 1\r\nUNSUB 1 {most}\r\n")
        receiver.ping()
        for _ in range(3):
            for sender in (one, two):
                sender.send(f"PUB {subject} 1\r\nx\r\n" * 20)
        one.ping()
        two.ping()
        lines = receiver.ping().count(b"MSG ")
        assert lines == most, f"{lines} messages arrived, not {most}"
    return most


def requests(load, chance, number):
    """Requests over inboxes; half of them have nobody to answer."""
    with load.client() as server, load.client() as client:
        service = f"service.{number}.{chance.randrange(1 << 30)}"
        server.send(f"SUB {service} workers 1\r\n")
        server.ping()
        for i in range(30):
            inbox = f"_INBOX.{chance.randrange(1 << 40)}"
            client.send(f"SUB {inbox} {i}\r\nUNSUB {i} 1\r\nPUB {service}{'' if i % 2 else '.nobody'} {inbox} 2\r\nhi\r\n")
            if i % 2:
                _, reply, _ = messages(server, 1)[0]
                server.send(f"PUB {reply} 2\r\nho\r\n")
                assert messages(client, 1)[0][2] == b"ho"
            else:
                assert b" 503" in messages(client, 1)[0][2]
    return 30


def churn(load, chance, number):
    """Subscribes, unsubscribes and publishes at random, and leaves with or without notice. It does not read much: to be
    thrown out as a slow consumer is all right, and nothing else is."""
    client = load.client(echo=chance.choice(["true", "false"]))
    sids = []
    try:
        for i in range(chance.randrange(5, 120)):
            what = chance.randrange(6)
            first = chance.choice("abcd")
            if what < 2:
                pattern = chance.choice([f"churn.{first}", "churn.*", "churn.>", f"churn.{first}.>", "*.a", f"churn.{i}"])
                client.send(f"SUB {pattern} {chance.choice(['', 'q ', 'r '])}{i}\r\n")
                sids.append(i)
            elif what == 2 and sids:
                client.send(f"UNSUB {sids.pop(chance.randrange(len(sids)))}{chance.choice(['', ' 3'])}\r\n")
            elif what < 5:
                size = chance.choice([0, 10, 1500])
                client.send(f"PUB churn.{first}{chance.choice(['', '.x'])} {size}\r\n{'p' * size}\r\n")
            else:
                client.ping()
        if chance.randrange(3):
            client.ping()
        elif chance.randrange(2):
            client.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    except (ConnectionError, EOFError):
        if not load.stopping.is_set():
            reason = load.closed_reason(client)
            assert reason.startswith("Slow Consumer"), reason
    finally:
        client.close()
    return 1


def flood(load, chance, number):
    """Large messages to those who read slowly."""
    with load.client() as client:
        for _ in range(10):
            client.send(f"PUB flood 60000\r\n{'f' * 60000}\r\n" * 3)
            client.ping()
            time.sleep(0.02)
    return 30


def slow(load, chance, number):
    """Reads little of a flood, and goes away or is thrown out as a slow consumer."""
    client = load.client()
    try:
        client.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        client.send("SUB flood 1\r\n")
        end = time.monotonic() + chance.uniform(0.2, 3)
        while time.monotonic() < end and not load.stopping.is_set():
            client.socket.recv(1000)
            time.sleep(0.01)
    except ConnectionError:
        pass
    finally:
        client.close()
    return 1


def broken(load, chance, number):
    """Breaks the protocol; the answer is an error or the end of the connection."""
    with load.client() as client:
        client.send(chance.choice(["PUB churn.a\r\n", "XXX\r\n", "SUB churn.> 1\r\nPUB churn.a 3\r\nabcde",
                                   "PUB churn.a 2000000\r\n", "A" * 5000, "CONNECT {\r\n", "PUB churn.a 10\r\nhalf"]))
        try:
            client.socket.shutdown(socket.SHUT_WR)
            client.rest()
        except ConnectionError:
            pass
    return 1


def scrape(load, chance, number):
    """All documents, one after the other."""
    for path in ("/varz", "/connz?subs=1", "/connz?subs=detail&state=all&sort=bytes_to", "/connz?state=closed&sort=reason",
                 "/subsz?subs=1", "/routez", "/accountz?acc=$G", "/metrics", "/healthz", "/subsz?test=churn.a"):
        status, _, body = load.server.get(path, timeout=60)
        assert status == 200 and body, f"{path}: {status}"
    return 1
