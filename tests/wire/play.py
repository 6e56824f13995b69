"""Plays a wire script against a running server.

The idea: one thread, blocking sockets, no sleeps other than those the script asks for. What a client
receives is compared byte for byte with what the next expect line says, in order; nothing may be skipped, and
nothing may be left over at the end. The one exception is the PING by which a server measures the round trip
some seconds after CONNECT: on a slow machine it can come between any two messages, so it is dropped there
unless the script expects it or says `pings: exact`. Each failure names script and line, what was expected and
what came.
"""
import json
import os
import re
import select
import socket
import struct
import time

from tests.wire import documents
from tests.wire.script import ScriptError, line_of, pieces, unescape

# Seconds that an expected byte, close or counter may take on a busy machine.
PATIENCE = float(os.environ.get("WIRE_PATIENCE", "10"))
SPLIT_GAP = 0.0002  # seconds between the pieces of a split write, so that they arrive one by one
SEND_MAX = 1 << 18  # consecutive send lines make one write, up to this many bytes

PATTERNS = {"int": rb"-?[0-9]+", "any": rb"[^\r\n]*", "word": rb"[^ \r\n]+"}


class WireFailure(AssertionError):
    """The server did not do what the script says."""


def show(data, limit=600):
    """Bytes as they would be written in a script."""
    text = "".join(
        {13: "\\r", 10: "\\n\n            ", 9: "\\t", 92: "\\\\"}.get(byte)
        or (chr(byte) if 32 <= byte < 127 else f"\\x{byte:02x}")
        for byte in data[:limit])
    more = f" ... ({len(data)} bytes in all)" if len(data) > limit else ""
    return (text.rstrip() or "(nothing)") + more


class Client:
    """One connection: what was received and not yet explained, and what waits to be sent."""

    def __init__(self, name, address, receive_buffer=0):
        self.name = name
        self.info = {}
        self.buffer = b""
        self.outgoing = b""
        self.last_sent = b""
        self.split = 0
        self.ended = False
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        if receive_buffer:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        self.socket.settimeout(PATIENCE)
        self.socket.connect(address)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def flush(self):
        """Writes what is waiting. A closed peer is no failure here: the script says what it expects."""
        data, self.outgoing = self.outgoing, b""
        if not data:
            return
        self.last_sent = data
        try:
            if not self.split:
                self.socket.sendall(data)
                return
            for start in range(0, len(data), self.split):
                self.socket.sendall(data[start:start + self.split])
                time.sleep(SPLIT_GAP)
        except (BrokenPipeError, ConnectionResetError):
            pass

    def receive(self, timeout):
        """Waits for more bytes. False when none came in time or the server has closed."""
        if self.ended:
            return False
        ready, _, _ = select.select([self.socket], [], [], max(0, timeout))
        if not ready:
            return False
        try:
            data = self.socket.recv(1 << 16)
        except ConnectionResetError:
            data = b""
        self.ended = not data
        self.buffer += data
        return not self.ended


class Player:
    """Runs the statements of one script on one server."""

    def __init__(self, script, server, split=False):
        self.script = script
        self.server = server
        self.split = 1 if split else 0
        self.clients = {}
        self.loop = []
        self.marked = {}
        self.statement = None

    # --- what a failure looks like ---

    def fail(self, expected, received, client=None):
        where = f"{self.script.path}:{self.statement.line}"
        lines = [f"{where}: {self.statement.source}", f"  script:   {self.script.title}",
                 f"  server:   {self.server.kind}", f"  expected: {expected}", f"  received: {received}"]
        if client:
            client.receive(0.05)  # Whether the server has closed is worth knowing.
            state = "closed by the server" if client.ended else "open"
            lines += [f"  sent:     {show(client.last_sent, 200)}", f"  client:   {client.name}, {state}"]
        if self.loop:
            lines.append(f"  repeat:   round {self.loop[-1]}")
        raise WireFailure("\n".join(lines))

    # --- placeholders ---

    def client(self, name):
        if name not in self.clients:
            raise ScriptError(f"{self.script.path}:{self.statement.line}: no client is called {name}")
        return self.clients[name]

    def value(self, name):
        """The bytes of a placeholder that stands for one fixed value, or None if it is a pattern."""
        repeated = re.match(r"(.+)\*(\d+)$", name)
        if repeated:
            return unescape(repeated[1]) * int(repeated[2])
        if name == "i":
            return str(self.loop[-1]).encode()
        if name.startswith("cid:"):
            return str(self.client(name[4:]).info["client_id"]).encode()
        if name not in PATTERNS:
            raise ScriptError(f"{self.script.path}:{self.statement.line}: unknown placeholder <{name}>")
        return None

    def fill(self, text):
        """Text with fixed placeholders only, as bytes."""
        out = b""
        for kind, piece in pieces(text):
            value = unescape(piece) if kind == "text" else self.value(piece)
            if value is None:
                raise ScriptError(f"{self.script.path}:{self.statement.line}: <{piece}> is only for expect lines")
            out += value
        return out

    def pattern(self, text):
        """(literal bytes, None), or (None, regular expression) when a placeholder is a pattern."""
        parts = [(kind, unescape(piece) if kind == "text" else self.value(piece), piece)
                 for kind, piece in pieces(text)]
        if all(value is not None for _, value, _ in parts):
            return b"".join(value for _, value, _ in parts), None
        return None, b"".join(PATTERNS[piece] if value is None else re.escape(value)
                              for _, value, piece in parts)

    # --- statements of one client ---

    def do_connect(self, statement):
        options = dict(word.split("=") if "=" in word else (word, "1") for word in statement.words)
        unknown = set(options) - {"no-info", "receive-buffer"}
        if unknown:
            raise ScriptError(f"{self.script.path}:{statement.line}: unknown option {unknown.pop()}")
        if statement.client in self.clients:
            self.clients[statement.client].socket.close()
        client = Client(statement.client, (self.server.host, self.server.port),
                        int(options.get("receive-buffer", 0)))
        client.split = self.split
        self.clients[statement.client] = client
        if "no-info" in options:
            return
        line = self.take_line(client, "an INFO line")
        if not re.fullmatch(rb"INFO \{[^\r\n]*\} ?\r\n", line):
            self.fail("an INFO line", show(line), client)
        client.info = json.loads(line[5:])

    def drop_pings(self, client, deadline):
        """Drops the server's own PINGs from the front of the buffer, which is at the start of a message."""
        ping = b"PING\r\n"
        while not self.script.exact_pings:
            if client.buffer.startswith(ping):
                client.buffer = client.buffer[len(ping):]
            elif client.buffer and ping.startswith(client.buffer):
                if not client.receive(deadline - time.monotonic()):
                    return
            else:
                return

    def take_line(self, client, expected):
        deadline = time.monotonic() + PATIENCE
        while not client.buffer and client.receive(deadline - time.monotonic()):
            pass
        self.drop_pings(client, deadline)
        while b"\r\n" not in client.buffer:
            if not client.receive(deadline - time.monotonic()):
                self.fail(expected, show(client.buffer), client)
        end = client.buffer.index(b"\r\n") + 2
        line, client.buffer = client.buffer[:end], client.buffer[end:]
        return line

    def do_send(self, statement):
        client = self.client(statement.client)
        text, end = line_of(statement.text)
        client.outgoing += self.fill(text) + end
        if len(client.outgoing) >= SEND_MAX:
            client.flush()

    def do_expect(self, statement):
        client = self.client(statement.client)
        text, end = line_of(statement.text)
        literal, pattern = self.pattern(text)
        if pattern is None:
            self.take_exactly(client, literal + end)
            return
        line = self.take_line(client, text)
        if not re.fullmatch(pattern + end, line):
            self.fail(text, show(line + client.buffer), client)

    def take_exactly(self, client, wanted):
        deadline = time.monotonic() + PATIENCE
        pinged = wanted.startswith(b"PING")
        while len(client.buffer) < len(wanted) or not client.buffer.startswith(wanted):
            if not pinged:
                self.drop_pings(client, deadline)
            if client.buffer.startswith(wanted):
                break
            if not wanted.startswith(client.buffer) or not client.receive(deadline - time.monotonic()):
                self.differ(client, wanted)
        client.buffer = client.buffer[len(wanted):]

    def differ(self, client, wanted):
        """Fails; of long texts only the part around the first difference is shown."""
        same = len(os.path.commonprefix([wanted, client.buffer]))
        start = max(0, same - 60) if same > 200 else 0
        skipped = f"... {start} equal bytes, then ...\n            " if start else ""
        self.fail(skipped + show(wanted[start:]), skipped + show(client.buffer[start:]), client)

    def do_sync(self, statement):
        client = self.client(statement.client)
        client.outgoing += b"PING\r\n"
        client.flush()
        self.take_exactly(client, b"PONG\r\n")

    def do_expect_close(self, statement):
        client = self.client(statement.client)
        discard = statement.words == ["discarding"]
        deadline = time.monotonic() + PATIENCE
        self.drop_pings(client, deadline)
        while client.receive(deadline - time.monotonic()):
            self.drop_pings(client, deadline)
            if client.buffer and not discard:
                self.fail("close, and nothing before it", show(client.buffer), client)
            client.buffer = b""
        if not client.ended or (client.buffer and not discard):
            self.fail("close, and nothing before it", show(client.buffer), client)
        client.buffer = b""

    def do_expect_silence(self, statement):
        client = self.client(statement.client)
        deadline = time.monotonic() + float(statement.words[0]) / 1000
        while client.receive(deadline - time.monotonic()):
            self.drop_pings(client, deadline)
        if client.buffer or client.ended:
            self.fail(f"nothing for {statement.words[0]} ms", show(client.buffer), client)

    def do_discard(self, statement):
        """Sends PING and drops everything up to its PONG."""
        client = self.client(statement.client)
        client.outgoing += b"PING\r\n"
        client.flush()
        self.deliveries(client)

    def do_end_input(self, statement):
        self.client(statement.client).socket.shutdown(socket.SHUT_WR)

    def do_close(self, statement):
        client = self.client(statement.client)
        client.socket.close()
        client.ended = True

    def do_reset(self, statement):
        client = self.client(statement.client)
        client.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        client.socket.close()
        client.ended = True

    def do_send_split(self, statement):
        size = statement.words[0]
        self.client(statement.client).split = 0 if size == "off" else int(size)

    # --- counting deliveries ---

    def deliveries(self, client):
        """Reads up to the PONG that answers a PING already sent; returns the sids of the messages before it."""
        sids = []
        while True:
            line = self.take_line(client, "MSG lines, then PONG")
            if line == b"PONG\r\n":
                return sids
            message = re.fullmatch(rb"H?MSG \S+ (\S+) (?:\S+ )??(?:\d+ )?(\d+)\r\n", line)
            if not message:
                self.fail("MSG lines, then PONG", show(line + client.buffer), client)
            sids.append(message[1].decode("latin-1"))
            self.skip(client, int(message[2]) + 2)

    def skip(self, client, count):
        deadline = time.monotonic() + PATIENCE
        while len(client.buffer) < count:
            if not client.receive(deadline - time.monotonic()):
                self.fail(f"{count} bytes of a message", show(client.buffer), client)
        client.buffer = client.buffer[count:]

    def do_tally(self, statement):
        """tally NAME[.SID]=RANGE ... [total=RANGE]: how many messages each client got since the last expect."""
        wanted = []
        for word in statement.words:
            key, _, limits = word.partition("=")
            low, _, high = limits.partition("..")
            wanted.append((key, int(low), int(high or low)))
        counts = {"total": 0}
        for name in dict.fromkeys(key.split(".")[0] for key, _, _ in wanted if key != "total"):
            client = self.client(name)
            client.outgoing += b"PING\r\n"
            client.flush()
            sids = self.deliveries(client)
            counts[name] = len(sids)
            counts["total"] += len(sids)
            for sid in sids:
                counts[f"{name}.{sid}"] = counts.get(f"{name}.{sid}", 0) + 1
        for key, low, high in wanted:
            if not low <= counts.get(key, 0) <= high:
                self.fail(" ".join(statement.words), json.dumps(counts))

    # --- documents ---

    def check(self, path, where, words):
        """Polls a document until the value at `where` is as the words say."""
        test = documents.condition(words, f"{self.script.path}:{self.statement.line}")
        deadline = time.monotonic() + PATIENCE
        while True:
            value = documents.find(self.server.json(path), where)
            before = documents.find(self.marked, where) if path == "/varz" else None
            if test(value, before):
                return
            if time.monotonic() > deadline:
                since = f" (at the mark: {documents.text(before)})" if words[0] == "grew" else ""
                self.fail(f"{path} {where} {' '.join(words)}", documents.text(value) + since)
            time.sleep(0.02)

    def words(self, statement):
        return [self.fill(word).decode() if "<cid" in word else word for word in statement.words]

    def do_json(self, statement):
        path, where, *test = self.words(statement)
        self.check(path, where, test)

    def do_varz(self, statement):
        where, *test = self.words(statement)
        self.check("/varz", where, test)

    def do_connz(self, statement):
        name, where, *test = self.words(statement)
        cid = self.client(name).info["client_id"]
        self.check("/connz?subs=1&auth=1", f"connections[cid={cid}].{where}", test)

    def do_closed(self, statement):
        """NAME closed REASON: what /connz remembers."""
        cid = self.client(statement.client).info["client_id"]
        self.check("/connz?state=closed", f"connections[cid={cid}].reason",
                   ["=", json.dumps(" ".join(statement.words))])

    def do_info(self, statement):
        name, where, *test = self.words(statement)
        value = documents.find(self.client(name).info, where)
        if not documents.condition(test, f"{self.script.path}:{statement.line}")(value, None):
            self.fail(" ".join(statement.words), documents.text(value))

    def do_mark(self, _):
        self.marked = self.server.json("/varz")

    # --- control ---

    def do_pause(self, statement):
        time.sleep(float(statement.words[0]) / 1000)

    def do_stop_server(self, _):
        self.server.stop()

    def do_repeat(self, statement):
        self.loop.append(0)
        for self.loop[-1] in range(1, int(statement.words[0]) + 1):
            self.play(statement.body)
        self.loop.pop()

    def play(self, statements):
        for statement in statements:
            for client in self.clients.values():
                if client.outgoing and (statement.verb not in ("send", "repeat")
                                        or client.name != statement.client):
                    client.flush()
            self.statement = statement
            getattr(self, "do_" + statement.verb.replace("-", "_"))(statement)

    def run(self):
        """Plays everything; then no client may hold bytes that no line explained."""
        try:
            self.play(self.script.statements)
            for client in self.clients.values():
                client.flush()
                if client.socket.fileno() >= 0:
                    client.receive(0)
                    self.drop_pings(client, time.monotonic())
                    if client.buffer:
                        self.fail("nothing more at the end of the script", show(client.buffer), client)
        except (OSError, ScriptError) as error:
            self.fail("to go on", f"{type(error).__name__}: {error}")
        finally:
            for client in self.clients.values():
                client.socket.close()
