"""The current `nats` command against both servers: what it prints about connections, accounts and the server is what its
clients did."""

import os
import re
import select
import subprocess
import time

import pytest

from tests.interop import nats_cli
from tests.interop.deployment import ACCOUNTS, CLIENTS, KINDS, Deployment, connect, figures, total
from tests.interop.nats_cli import document, fields, nats, octets, tables


@pytest.fixture(scope="module", params=KINDS)
def deployment(request):
    with Deployment(request.param) as running:
        yield running


def count(text):
    return int(text.replace(",", ""))


def row_figures(row):
    return [row[name] for name in ("In Msgs", "Out Msgs", "In Bytes", "Out Bytes", "Subs")]


def expected_row(names):
    numbers = [total(names, key) for key in ("in_msgs", "out_msgs", "in_bytes", "out_bytes", "subscriptions")]
    return [f"{numbers[0]:,}", f"{numbers[1]:,}", octets(numbers[2]), octets(numbers[3]), f"{numbers[4]:,}"]


def test_server_info(deployment):
    text = nats(deployment, "server", "info")
    assert f"Server information for deployment ({deployment.id})" in text
    found, varz = fields(text), deployment.server.json("/varz")
    assert found["Version"] == varz["version"] and found["Host"] == f"127.0.0.1:{deployment.server.port}"
    assert found["Auth Required"] == "true" and found["TLS Required"] == "false"
    assert count(found["Maximum Connections"]) == varz["max_connections"]
    assert int(found["Connections"]) == len(CLIENTS) + 1
    assert found["Slow Consumers"] == "0"


def test_server_list(deployment):
    [table] = [table for table in tables(nats(deployment, "server", "list")) if table.title.startswith("Server Overview")]
    [row] = table.rows
    assert (row["Name"], row["JS"], row["Conns"], row["Routes"], row["GWs"], row["Slow"]) == \
        ("deployment", "no", str(len(CLIENTS) + 1), "0", "0", "0")


def test_server_ping(deployment):
    text = nats(deployment, "server", "ping", "1")
    assert re.search(r"^deployment +rtt=", text, re.M), text


def test_report_connections(deployment):
    rows = {row["Name"]: row for row in tables(nats(deployment, "server", "report", "connections"))[0].rows}
    for name in CLIENTS:
        assert row_figures(rows[name]) == expected_row([name]), name
        assert rows[name]["CID"] == str(deployment.cids[name])
        assert rows[name]["Account"] == next(account for account, names in ACCOUNTS.items() if name in names)


def test_report_accounts(deployment):
    rows = {row["Account"]: row for row in tables(nats(deployment, "server", "report", "accounts"))[0].rows}
    for account, names in ACCOUNTS.items():
        assert rows[account]["Connections"] == str(len(names))
        assert row_figures(rows[account]) == expected_row(names), account


def test_report_health(deployment):
    [row] = tables(nats(deployment, "server", "report", "health"))[0].rows
    assert row["Server"] == "deployment" and "ok" in row["Status"].lower()


def test_requests(deployment):
    """Each answer is the document that the monitoring port has."""
    connections = document(deployment, "server", "request", "connections")["data"]["connections"]
    for row in connections:
        if row.get("name") in CLIENTS:
            assert {key: row[key] for key in figures(row["name"])} == figures(row["name"])
    assert {row["cid"] for row in connections} >= set(deployment.cids.values())
    assert document(deployment, "server", "request", "variables")["data"]["server_id"] == deployment.id
    assert document(deployment, "server", "request", "subscriptions")["data"]["num_subscriptions"] > 0
    assert document(deployment, "server", "request", "routes")["data"]["num_routes"] == 0
    assert document(deployment, "server", "request", "gateways")["data"]["outbound_gateways"] == {}
    assert document(deployment, "server", "request", "leafnodes")["data"]["leafnodes"] == 0
    assert set(document(deployment, "server", "request", "accounts")["data"]["accounts"]) >= set(ACCOUNTS)
    assert document(deployment, "server", "request", "jetstream")["data"]["disabled"] is True
    assert document(deployment, "server", "request", "jetstream-health")["data"]["status"] == "ok"


def test_server_account_info(deployment):
    found = fields(nats(deployment, "server", "account", "info", "NORTH"))
    assert (found["Complete"], found["System Account"], found["JetStream"]) == ("true", "false", "false")


def test_check(deployment):
    text = nats(deployment, "server", "check", "connection", user="norma")
    assert text.startswith("OK Connection")
    text = nats(deployment, "server", "check", "server", "--name", "deployment", "--conn-warn", "50", "--conn-critical", "100")
    assert text.startswith("OK deployment") and f"connections={len(CLIENTS) + 1};50;100" in text
    text = nats(deployment, "server", "check", "server", "--name", "deployment", "--conn-warn", "1", "--conn-critical", "2", status=2)
    assert text.startswith("CRITICAL deployment")


def test_account_report(deployment):
    text = nats(deployment, "account", "report", "connections", user="sue")
    rows = {row["Name"]: row for row in tables(text)[0].rows}
    assert set(rows) - {"three"} <= {name for name in rows if name.startswith("NATS CLI")}
    assert row_figures(rows["three"]) == expected_row(["three"])


def test_account_info(deployment):
    found = fields(nats(deployment, "account", "info", user="norma"))
    assert found["Connected Server ID"] == deployment.id and found["Headers Supported"] == "true"


def test_not_for_everybody(deployment):
    """A user of another account gets no answer, and the command says what it thinks of that."""
    text = nats(deployment, "server", "list", user="sue", status=1)
    assert "system" in text.lower() or "no results" in text.lower() or "responders" in text.lower(), text


def test_events(deployment):
    listening = subprocess.Popen(nats_cli.command(deployment, "events", "--all", "--json"), text=True,
                                 stdout=subprocess.PIPE, stderr=subprocess.STDOUT, env=nats_cli.environment())
    try:
        heard = []
        deadline = time.monotonic() + 20
        while not any("visitor" in line for line in heard):
            assert time.monotonic() < deadline, heard
            connect(deployment.server, "visitor", ["v"], (1, 1), (0, 1), user="sue", **{"pass": "sue"}).close()
            time.sleep(0.3)
            while select.select([listening.stdout], [], [], 0)[0]:
                piece = os.read(listening.stdout.fileno(), 65536).decode()
                if not piece:
                    break
                heard.append(piece)
        assert "client_connect" in "".join(heard)
    finally:
        listening.kill()
        listening.wait()


def test_kick():
    """Releases of the stock server from 2.10 on have it."""
    with Deployment("clearwing") as deployment:
        nats(deployment, "server", "request", "kick", deployment.cids["one"], deployment.id)
        assert deployment.clients["one"].rest() == b""
        rows = deployment.server.json("/connz?state=closed")["connections"]
        assert "Kicked" in {row["reason"] for row in rows if row["cid"] == deployment.cids["one"]}
