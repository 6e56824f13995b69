"""What the system account is answered and told, decoded by Go into the nats-server module's own structs."""

import json

import pytest

from tests.interop.deployment import KINDS, Deployment
from tests.interop.test_decode import decode, same_numbers

SERVICES = ["VARZ", "CONNZ", "SUBSZ", "ROUTEZ", "GATEWAYZ", "LEAFZ", "ACCOUNTZ", "JSZ", "HEALTHZ"]


@pytest.fixture(scope="module", params=KINDS)
def deployment(request):
    with Deployment(request.param) as running:
        yield running


def decoded(kind, document):
    """As Go sees it; every number that its struct knows came through."""
    done = decode(kind, json.dumps(document).encode())
    assert done.returncode == 0, done.stderr
    result = json.loads(done.stdout)
    same_numbers(document, result, kind)
    return result


@pytest.mark.parametrize("service", SERVICES)
def test_services(deployment, service):
    options = {"subscriptions": True, "subscriptions_detail": True, "auth": True} if service == "CONNZ" else {}
    with deployment.requester() as admin:
        answer = admin.request(f"$SYS.REQ.SERVER.{deployment.id}.{service}", options).json
    assert decoded("answer", answer)["server"]["id"] == deployment.id
    decoded(service.lower(), answer["data"])


@pytest.mark.parametrize("service,kind", [("CONNZ", "connz"), ("SUBSZ", "subsz"), ("LEAFZ", "leafz"), ("STATZ", "accstatz")])
def test_account_services(deployment, service, kind):
    with deployment.requester() as admin:
        answer = admin.request(f"$SYS.REQ.ACCOUNT.NORTH.{service}").json
    decoded(kind, answer["data"])


def test_statistics(deployment):
    with deployment.requester() as admin:
        message = decoded("statsz", admin.request("$SYS.REQ.SERVER.PING").json)
    assert message["server"]["name"] == "deployment" and message["statsz"]["connections"] == 4


def test_errors(deployment):
    with deployment.requester() as admin:
        answer = decoded("answer", admin.request("$SYS.REQ.SERVER.PING.CONNZ", {"sort": "bogus"}).json)
    assert answer["error"]["code"] == 500


def test_events(deployment):
    with deployment.requester() as admin:
        for subject in ("$SYS.ACCOUNT.SOUTH.>",):
            admin.subscribe(subject)
        deployment.requester("sue", name="visitor").close()
        heard = {}
        while not {"CONNECT", "DISCONNECT", "CONNS"} <= set(heard):
            message = admin.next()
            heard[message.subject.rsplit(".", 1)[1]] = message.json
    for name, kind in [("CONNECT", "connect"), ("DISCONNECT", "disconnect"), ("CONNS", "conns")]:
        assert decoded(kind, heard[name])["server"]["id"] == deployment.id
    assert decoded("disconnect", heard["DISCONNECT"])["client"]["name"] == "visitor"


def test_user_info():
    with Deployment("clearwing") as deployment, deployment.requester("sue") as sue:
        assert decoded("user", sue.request("$SYS.REQ.USER.INFO").json["data"])["user"] == "sue"
