"""HTTP by hand, for what a library would tidy up: one request with exactly this target, over a socket of ours."""
import contextlib
import socket


class Answer:
    def __init__(self, data):
        self.data = data
        head, _, self.body = data.partition(b"\r\n\r\n")
        lines = head.decode("latin-1").split("\r\n")
        self.status = int(lines[0].split()[1])
        pairs = [line.partition(":") for line in lines[1:]]
        self.fields = [(name.lower(), value.strip()) for name, _, value in pairs]
        self.headers = dict(self.fields)
        if self.headers.get("transfer-encoding") == "chunked":
            self.body = unchunk(self.body)

    @property
    def text(self):
        return self.body.decode().removesuffix("\n")

    def all(self, name):
        """Every value of a header that may come several times."""
        return [value for field, value in self.fields if field == name]


def unchunk(data):
    out = b""
    while data:
        size, _, data = data.partition(b"\r\n")
        count = int(size, 16)
        if count == 0:
            break
        out, data = out + data[:count], data[count + 2:]
    return out


def dial(server, timeout=20):
    host, port = server.monitor.split("//")[1].rsplit(":", 1)
    return socket.create_connection((host, int(port)), timeout=timeout)


def read_all(connection):
    data = b""
    with contextlib.suppress(ConnectionResetError):
        while piece := connection.recv(1 << 16):
            data += piece
    return data


def ask(server, target, method="GET", headers=(), body=b""):
    """One request with exactly this target."""
    head = [f"{method} {target} HTTP/1.1", "Host: x", "Connection: close", *headers]
    with dial(server) as connection:
        connection.sendall("\r\n".join(head).encode() + b"\r\n\r\n" + body)
        return Answer(read_all(connection))
