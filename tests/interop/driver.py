"""Runs one case of one official client against one server, and plays the server's part in it."""

import json
import pathlib
import subprocess
import tempfile
import threading

from tests.interop import cases, tools
from tests.support.server import Server


class Driver:
    """One running client program. Reads its JSON lines, acts on its steps, and holds the result."""

    def __init__(self, language, name, kind):
        self.case, self.name, self.kind = cases.CASES[name], name, kind
        self.command = tools.CLIENTS[language]()
        self.folder = tempfile.TemporaryDirectory(prefix="interop-")
        self.arguments = list(self.case.server)
        if self.case.config:
            path = pathlib.Path(self.folder.name) / "server.conf"
            path.write_text(self.case.config)
            self.arguments += ["-c", str(path)]

    def run(self):
        """Returns the result document; raises AssertionError with everything the program said if
        it failed."""
        self.server = Server(self.kind, *self.arguments)
        try:
            return self._run_client()
        finally:
            self.server.__exit__()
            self.folder.cleanup()

    def _run_client(self):
        url = f"nats://{self.server.host}:{self.server.port}"
        self.lines = []
        with tempfile.TemporaryFile("w+") as errors:
            client = subprocess.Popen(
                [*self.command, self.name, url, self.server.monitor, *self.case.client],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                text=True,
            )
            watchdog = threading.Timer(self.case.seconds, client.kill)
            watchdog.start()
            try:
                result = self._converse(client)
                client.stdin.close()
                status = client.wait(20)
            finally:
                watchdog.cancel()
                if client.poll() is None:
                    client.kill()
                client.wait()
                client.stdout.close()
            errors.seek(0)
            said = "".join(self.lines) + errors.read()[-4000:]
        assert (
            result is not None
        ), f"no result within {self.case.seconds} s, exit status {client.returncode}:\n{said}"
        assert result["ok"], f"{result.get('error')}\n{said}"
        assert status == 0, f"exit status {status} after a good result:\n{said}"
        assert result["checks"] > 0, f"the case checked nothing:\n{said}"
        return result

    def _converse(self, client):
        for line in client.stdout:
            self.lines.append(line)
            document = json.loads(line)
            if "case" in document:
                assert document["case"] == self.name, f"asked for {self.name}: {line}"
                return document
            getattr(self, "step_" + document["step"])(document)
            client.stdin.write("go\n")
            client.stdin.flush()
        return None

    def step_restart(self, _):
        """Kills the server without notice and starts another on the same ports."""
        self.server.process.kill()
        self.server.process.wait()
        port = self.server.port
        self.server.__exit__()
        self.server = Server(self.kind, *self.arguments, "-p", port)
        assert self.server.port == port, "the new server listens on another port"

    def step_connz(self, document):
        """The connection shows the name, language and version that its client says it has."""
        connections = self.server.json("/connz")["connections"]
        mine = [c for c in connections if c.get("name") == document["name"]]
        assert len(mine) == 1, f"{document['name']!r} is not in {connections}"
        assert mine[0]["lang"] == document["lang"], mine[0]
        assert mine[0]["version"] == document["version"], mine[0]
        assert mine[0]["ip"] == "127.0.0.1" and mine[0]["port"] > 0, mine[0]

    def step_subscriptions(self, document):
        """The only connection has so many subscriptions."""
        self.server.wait_for(
            "/connz",
            lambda z: [c["subscriptions"] for c in z["connections"]] == [document["expected"]],
        )

    def step_counts(self, document):
        """The server's own counters agree with what the client sent and received."""
        expected = {key: document[key] for key in ("in_msgs", "out_msgs", "in_bytes", "out_bytes")}
        varz = self.server.wait_for("/varz", lambda v: v["in_msgs"] >= expected["in_msgs"])
        assert {key: varz[key] for key in expected} == expected
        assert varz["connections"] == document["connections"]
        assert varz["slow_consumers"] == 0
