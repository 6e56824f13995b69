"""The same raw clients doing the same things on both servers, so that their documents can be held
side by side.

Nothing here depends on time: every client waits for the PONG of its last step before the next
client moves, and the
counters differ from client to client, so that every sort order of /connz but the clock's has
exactly one right answer.
"""

import json
import pathlib
import socket
import tempfile

from tests.support.server import Server

ACCOUNTS = """
accounts {
  APP:  { users: [ { user: alice, password: "alice-secret" } ] }
  TEAM: { users: [ { user: bob, password: "bob-secret" } ] }
}
"""

SHARED = """
accounts {
  APP: {
    users: [ { user: alice, password: "alice-secret" } ]
    exports: [ { stream: "news.>" }, { service: "service.echo" },
               { stream: "private.>", accounts:
    [TEAM] } ]
  }
  TEAM: {
    users: [ { user: bob, password: "bob-secret" } ]
    imports: [ { stream: { account: APP, subject: "news.>" }, prefix: "app" },
               { service: { account: APP, subject: "service.echo" }, to: "app.echo" } ]
  }
}
"""

# What each setup is started with: the text of a configuration file, or options.
CONFIGURATIONS = {"accounts": ACCOUNTS, "shared": SHARED}
OPTIONS = {"open": [], "secured": ["--user", "alice", "--pass", "alice-secret"]}
USERS = {
    "open": (None, None),
    "secured": ("alice", "alice"),
    "accounts": ("alice", "bob"),
    "shared": ("alice", "bob"),
}


class Population:
    """A server of one kind under one configuration, with its clients. `cid(name)` tells a client's
    connection id."""

    def __init__(self, kind, setup):
        self.kind, self.setup, self.clients, self.cids = kind, setup, [], {}
        self.folder = tempfile.TemporaryDirectory(prefix="shape-")
        arguments = OPTIONS.get(setup, [])
        if setup in CONFIGURATIONS:
            path = pathlib.Path(self.folder.name) / "server.conf"
            path.write_text(CONFIGURATIONS[setup])
            arguments = ["-c", str(path)]
        self.server = Server(kind, *arguments)
        try:
            self.populate()
        except BaseException:
            self.close()
            raise

    def client(self, name, user=None, **options):
        """A connected client; with a user it logs in with that user's password."""
        client = self.server.connect()
        self.clients.append(client)
        self.cids[name] = client.info["client_id"]
        connect = {
            "verbose": False,
            "pedantic": False,
            "name": name,
            "lang": "raw",
            "version": "1.2.3",
            "protocol": 1,
            "headers": True,
            "no_responders": True,
            **options,
        }
        if user:
            connect |= {"user": user, "pass": f"{user}-secret"}
        client.send(
            f"CONNECT {json.dumps({k: v for k, v in connect.items() if v is not None})}\r\n"
        )
        client.ping()
        return client

    def populate(self):
        first, second = USERS[self.setup]
        alpha, beta, delta, kappa = self.subscribers(first, second)
        for client, name, size, count in (
            (alpha, "alpha", 10, 2),
            (beta, "beta", 30, 3),
            (delta, "delta", 2, 4),
        ):
            client.send(f"PUB own.{name} {size}\r\n{'o' * size}\r\n" * count)
            client.ping()
        self.publisher(first)
        kappa.send("PUB team.work 5\r\nhello\r\n")
        kappa.ping()
        for client in self.clients:
            client.ping()
        self.gone(first)
        self.server.wait_for("/connz?state=closed", lambda z: z["total"] == self.closed)
        for client in self.clients:
            if client.socket.fileno() != -1:
                client.ping()

    def subscribers(self, first, second):
        alpha = self.client("alpha", first)
        alpha.send(
            "SUB orders.* 1\r\nSUB orders.new workers 2\r\nSUB limited 3\r\nUNSUB 3 10\r\n"
            "SUB gone 4\r\nUNSUB 4\r\n"
            "SUB orders.old 5\r\n"
        )
        alpha.ping()
        beta = self.client("beta", first)
        beta.send("SUB orders.> 1\r\nSUB limited 2\r\n")
        beta.ping()
        delta = self.client("delta", second, lang=None, version=None)
        delta.send("SUB team.work team 1\r\n")
        delta.ping()
        kappa = self.client("kappa", second)
        kappa.send("SUB own.delta 1\r\nSUB kappa.> 2\r\nSUB kappa.*.x 3\r\n")
        kappa.ping()
        return alpha, beta, delta, kappa

    def publisher(self, first):
        gamma = self.client("gamma", first)
        gamma.send("".join(f"PUB orders.new {n}\r\n{'x' * n}\r\n" for n in range(1, 8)))
        gamma.send(
            "HPUB orders.old 22 27\r\nNATS/1.0\r\nKey: one\r\n\r\nhello\r\nPUB limited 3\r\nabc\r\n"
            "PUB limited 0\r\n\r\nPUB nobody 2\r\nhi\r\n"
        )
        gamma.ping()

    def gone(self, first):
        """Connections that end in different ways; each is in the closed list before the next
        begins."""
        self.closed = 0

        def ended(client):
            client.close()
            self.closed += 1
            self.server.wait_for("/connz?state=closed", lambda z: z["total"] >= self.closed)

        epsilon = self.client("epsilon", first)
        epsilon.send("SUB epsilon 1\r\nSUB epsilon.two pair 2\r\nPUB epsilon 4\r\nself\r\n")
        epsilon.ping()
        ended(epsilon)
        zeta = self.client("zeta", first)
        zeta.send("BOGUS\r\n")
        zeta.rest()
        ended(zeta)
        eta = self.client("eta", first)
        eta.send("PUB big 1048577\r\n")
        eta.rest()
        ended(eta)
        if first:
            intruder = self.server.connect()
            self.cids["intruder"] = intruder.info["client_id"]
            intruder.send(
                'CONNECT {"user":"mallory","pass":"guess","name":"intruder","lang":"raw"}\r\n'
                "PING\r\n"
            )
            intruder.rest()
            ended(intruder)

    def close(self):
        for client in self.clients:
            try:
                client.socket.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
            client.close()
        self.server.__exit__()
        self.folder.cleanup()
