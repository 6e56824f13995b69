"""Stock servers that know each other: a cluster of two with JetStream and two accounts, a gateway to a second cluster, a
leaf node, and a client at each that the messages of the others reach."""
import contextlib
import pathlib

from tests.exporter.exporter import free_port
from tests.support.server import Server

ACCOUNTS = """
accounts {
  APP { users: [{user: app, password: app}], jetstream: enabled }
  "TEAM X" { users: [{user: team, password: team}] }
  SYS { users: [{user: sys, password: sys}] }
}
system_account: SYS
"""


class Federation:
    """`east1` `east2` `west` `leaf` are the servers."""

    def __init__(self, folder):
        self.folder = pathlib.Path(folder)
        self.ports = {name: free_port() for name in ("east1", "east2", "west", "gate_east1", "gate_east2", "gate_west", "leaf")}
        self.stack = contextlib.ExitStack()
        try:
            self.east1 = self.start("east1", self.member("east1", "east2", leafs=True))
            self.east2 = self.start("east2", self.member("east2", "east1"))
            self.west = self.start("west", self.gateway("west", "west") + self.cluster("west", "west"))
            self.leaf = self.start("leaf", 'leafnodes { remotes [{url: "nats://app:app@127.0.0.1:%d", account: APP}] }\n'
                                   % self.ports["leaf"])
            self.settle()
        except BaseException:
            self.stack.close()
            raise

    def start(self, name, text):
        path = self.folder / f"{name}.conf"
        path.write_text(ACCOUNTS + text)
        return self.stack.enter_context(Server("stock", "-n", name, "-c", path))

    def cluster(self, name, cluster, *peers):
        routes = ", ".join(f'"nats://127.0.0.1:{self.ports[peer]}"' for peer in peers)
        return (f"cluster {{ name: {cluster}, host: 127.0.0.1, port: {self.ports[name]}, routes: [{routes}], "
                "no_advertise: true }\n")

    def gateway(self, name, cluster):
        urls = {"east": ["gate_east1", "gate_east2"], "west": ["gate_west"]}
        remotes = ", ".join('{name: %s, urls: [%s]}' % (
            remote, ", ".join(f'"nats://127.0.0.1:{self.ports[port]}"' for port in ports))
            for remote, ports in urls.items())
        return (f"gateway {{ name: {cluster}, host: 127.0.0.1, port: {self.ports['gate_' + name]}, "
                f"gateways: [{remotes}] }}\n")

    def member(self, name, peer, leafs=False):
        text = self.cluster(name, "east", name, peer) + self.gateway(name, "east")
        text += f'jetstream {{ store_dir: "{self.folder / name}" }}\n'
        if leafs:
            text += f"leafnodes {{ host: 127.0.0.1, port: {self.ports['leaf']} }}\n"
        return text

    def settle(self):
        for server in (self.east1, self.east2):
            server.wait_for("/varz", lambda varz: varz["routes"] == 1, 20)
            server.wait_for("/gatewayz", lambda gatewayz: "west" in gatewayz["outbound_gateways"], 20)
        self.west.wait_for("/gatewayz", lambda gatewayz: "east" in gatewayz["outbound_gateways"]
                           and len(gatewayz["inbound_gateways"].get("east", [])) == 2, 20)
        self.east1.wait_for("/varz", lambda varz: varz["leafnodes"] == 1, 20)
        # A cluster of two has a JetStream leader once both are there.
        self.east1.wait_for("/jsz", lambda jsz: jsz.get("meta_cluster", {}).get("leader"), 30)

    def login(self, server, user):
        client = self.stack.enter_context(server.connect())
        client.send('CONNECT {"verbose":false,"user":"%s","pass":"%s","lang":"c","version":"1"}\r\n' % (user, user))
        client.ping()
        return client

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stack.close()
