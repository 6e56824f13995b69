"""Who may read the monitoring port once credentials are set, and that nobody learns them from the server."""
import base64
import json
import pathlib
import statistics
import subprocess
import threading
import time

import pytest

from tests.monitor.wire import ask, dial, read_all
from tests.support.server import BIN, Server, binary

# bcrypt of "s3cr3t", of cost 4.
HASH = "$2a$04$abcdefghijklmnopqrstuu35fBIWlNgF8BcAW/t2cO158N8svSFHy"
# bcrypt of "secret", of cost 11: about a tenth of a second of a core.
MEDIUM_HASH = "$2a$07$5/7tU1xmNHKZGrLDRy9l4u.294/K/oDcaxV/ZV4uMewao8jxTYdha"  # of cost 7
SLOW_HASH = "$2a$11$5/7tU1xmNHKZGrLDRy9l4uMVpcHso1jtxq8fRydxjdCiM86Bd3QoW"


def basic(user, password):
    return "Authorization: Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()


def bearer(token):
    return f"Authorization: Bearer {token}"


def status(server, *headers, target="/varz"):
    return ask(server, target, headers=headers).status


@pytest.fixture
def guarded():
    with Server("clearwing", "--http_user", "ann", "--http_password", "pass:word", "--http_token", "t0ken") as server:
        yield server


def test_without_credentials_set_everything_is_open(broker):
    assert status(broker) == status(broker, basic("any", "one")) == status(broker, "Authorization: nonsense") == 200


def test_what_is_let_in(guarded):
    for header in (basic("ann", "pass:word"), bearer("t0ken"), bearer("t0ken").replace("Bearer", "bEARER"),
                   basic("ann", "pass:word").replace("Basic ", "basic   ") + " "):
        answer = ask(guarded, "/varz", headers=[header])
        assert (header, answer.status) == (header, 200)
        assert json.loads(answer.body)["http_req_stats"]


@pytest.mark.parametrize("header", [
    basic("ann", "pass:wor"), basic("ann", "pass:word1"), basic("ann", ""), basic("", "pass:word"), basic("bob", "pass:word"),
    basic("ann", "pass:word\0"), bearer("t0ke"), bearer("t0ken1"), bearer(""), bearer("pass:word"), basic("t0ken", "t0ken"),
    "Authorization: Basic", "Authorization: Basic !!!!", "Authorization: Basic YW5u", "Authorization: Basic " + "YW5u" * 5000,
    "Authorization: Bearer " + "x" * 20000,
], ids=lambda header: header[:50])
def test_wrong_ones(guarded, header):
    answer = ask(guarded, "/varz", headers=[header])
    assert (answer.status, answer.text) == (401, "401 Unauthorized: wrong credentials")
    assert answer.headers["content-type"] == "text/plain; charset=utf-8" and answer.body.count(b"\n") == 1
    assert answer.all("www-authenticate") == ['Basic realm="monitoring", charset="UTF-8"', 'Bearer realm="monitoring"']


@pytest.mark.parametrize("options, schemes, words", [
    (["--http_user", "a", "--http_password", "b"], ["Basic"], "a user and password"),
    (["--http_token", "b"], ["Bearer"], "a bearer token"),
    (["--http_user", "a", "--http_password", "b", "--http_token", "c"], ["Basic", "Bearer"],
     "a user and password, or a bearer token"),
], ids=["user", "token", "both"])
def test_missing_ones(options, schemes, words):
    with Server("clearwing", *options) as server:
        for headers in ([], ["Authorization:"], ["Authorization: Digest username=a"], ["Authorization: " + "x" * 9000]):
            answer = ask(server, "/varz", headers=headers)
            assert (answer.status, answer.text) == (401, "401 Unauthorized: this server's monitoring needs " + words)
            assert [value.split()[0] for value in answer.all("www-authenticate")] == schemes
            assert "access-control-allow-origin" not in answer.headers


def test_what_stays_open_for_probes(guarded):
    for target in ("/healthz", "/h%65althz", "/healthz?js-enabled=1"):
        assert (target, status(guarded, target=target)) == (target, 200)


def test_everything_else_is_closed_and_tells_nothing(guarded):
    listed = ask(guarded, "/", headers=[bearer("t0ken")]).body.decode()
    paths = [part.split('"')[0] for part in listed.split('<a href="./')[1:]]
    assert {"varz", "connz", "metrics", "stacksz", "healthz"} <= set(paths)
    open_ones = {"healthz", "livez", "readyz", "startupz"}
    for path in [*paths, "", "nope"]:
        for method in ("GET", "POST", "HEAD", "OPTIONS"):
            expected = 200 if path in open_ones else 401
            answer = ask(guarded, "/" + path, method, ["Content-Length: 0"])
            assert (method, path, answer.status) == (method, path, expected)
    assert guarded.get("/healthz")[0] == 200
    stats = json.loads(ask(guarded, "/varz", headers=[bearer("t0ken")]).body)["http_req_stats"]
    assert stats["/varz"] == 1 and "/connz" not in stats, "refused requests are none"


def test_hashed_ones():
    with Server("clearwing", "--http_user", "ann", "--http_password", HASH, "--http_token", HASH) as server:
        assert status(server, basic("ann", "s3cr3t")) == status(server, bearer("s3cr3t")) == 200
        assert status(server, basic("ann", "s3cr3T")) == status(server, basic("ann", HASH)) == 401
        assert status(server, bearer(HASH)) == status(server, bearer("s3cr3t ")[:-2]) == 401
        assert "Plaintext passwords" not in server.log()
    with Server("clearwing", "--http_token", "plain") as server:
        assert "Plaintext passwords detected, use nkeys or bcrypt" in server.log()


def cpu_seconds(server):
    fields = pathlib.Path(f"/proc/{server.pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / 100


def test_a_good_header_is_hashed_once():
    """The same one again costs no bcrypt, not even when wrong ones came in between."""
    with Server("clearwing", "--http_user", "ann", "--http_password", SLOW_HASH, "--http_token", SLOW_HASH) as server:
        good = basic("ann", "secret"), bearer("secret")
        assert [status(server, header) for header in good] == [200, 200]
        begin = cpu_seconds(server)
        for _ in range(50):
            assert [status(server, header) for header in good] == [200, 200]
        again = cpu_seconds(server) - begin
        begin = cpu_seconds(server)
        assert status(server, bearer("wrong")) == 401
        one_hash = cpu_seconds(server) - begin
        assert one_hash > 0.02, "the hash is no longer slow: this test proves nothing"
        assert again < 10 * one_hash, f"{again} s for 100 requests, one hash takes {one_hash} s"


def test_guessing_is_slowed_down_and_disturbs_nobody():
    with Server("clearwing", "--http_token", MEDIUM_HASH) as server:
        assert status(server, bearer("secret")) == 200
        statuses, stop = [], time.monotonic() + 3

        def guess(number):
            while time.monotonic() < stop:
                statuses.append(status(server, bearer(f"guess-{number}-{len(statuses)}")))

        threads = [threading.Thread(target=guess, args=(number,)) for number in range(4)]
        for thread in threads:
            thread.start()
        times = []
        while time.monotonic() < stop:
            begin = time.monotonic()
            assert status(server, bearer("secret")) == status(server, target="/healthz") == 200
            times.append(time.monotonic() - begin)
            time.sleep(0.05)
        for thread in threads:
            thread.join()
        assert set(statuses) <= {401, 429}
        assert 1 <= statuses.count(401) <= 40  # on a busy machine the hash alone may be slower than the limit
        assert statistics.median(times) < 0.5
        time.sleep(1.1)
        assert status(server, bearer("guess")) == 401
    with Server("clearwing", "--http_token", "x") as server:
        for number in range(10):
            assert status(server, bearer(f"guess-{number}")) == 401
        answer = ask(server, "/varz", headers=[bearer("x")])
        if answer.status == 429:  # the ten came within one second
            assert answer.headers["retry-after"] == "1" and "try again" in answer.text


def test_no_script_of_another_site_reads_along(guarded):
    """A browser sends what it remembers with <script src=...>: so there is no JSONP where credentials are needed."""
    answer = ask(guarded, "/healthz?callback=f", headers=[bearer("t0ken")])
    assert (answer.headers["content-type"], answer.body) == ("application/json", b'{"status":"ok"}')


def test_the_viewer_takes_them_in_the_address(guarded):
    address = guarded.monitor.split("//")[1]

    def look(given):
        return subprocess.run([BIN / "clearwing-top", "--once", "--json", f"http://{given}{address}"], capture_output=True,
                              text=True, timeout=30)

    done = look("ann:pass%3Aword@")
    assert done.returncode == 0 and json.loads(done.stdout)["server"]["server_id"] and "word" not in done.stdout
    done = look("ann:hush@")
    assert done.returncode == 1 and "401" in done.stderr and "hush" not in done.stderr
    assert "needs a user and password" in look("").stderr


def test_keep_alive_asks_each_time(guarded):
    with dial(guarded) as connection:
        connection.sendall(b"GET /varz HTTP/1.1\r\nHost: x\r\n" + bearer("t0ken").encode() + b"\r\n\r\n" +
                           b"GET /varz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        data = read_all(connection)
    assert data.startswith(b"HTTP/1.1 200 ") and data.count(b"HTTP/1.1 401 ") == 1


SECRETS = ("hush-user", "hush-password", "hush-token")


def test_secrets_are_shown_nowhere(tmp_path):
    flags = ["--http_user", SECRETS[0], f"--http_password={SECRETS[1]}", "-http_token", SECRETS[2], "-DVV"]
    config = tmp_path / "server.conf"
    config.write_text("http_user: hush-user\nhttp_password: hush-password\nhttp_token: hush-token\n")
    for arguments in (flags, ["-c", str(config), "-DVV"]):
        with Server("clearwing", *arguments) as server:
            headers = [bearer(SECRETS[2])]
            assert status(server, basic(*SECRETS[:2])) == 200 and status(server, basic(SECRETS[0], "x")) == 401
            index = ask(server, "/", headers=headers).body.decode()
            shown = [index, server.log(), pathlib.Path(f"/proc/{server.pid}/cmdline").read_bytes().decode()]
            for part in index.split('<a href="./')[1:]:
                shown.append(ask(server, "/" + part.split('"')[0], headers=headers).body.decode())
            for secret in SECRETS:
                assert not any(secret in text for text in shown)


@pytest.mark.parametrize("arguments, words", [
    (["--http_user", "a"], "http_user and http_password go together: set both or none"),
    (["--http_password", "hush"], "http_user and http_password go together: set both or none"),
    (["--http_user", "a:b", "--http_password", "hush"], "http_user cannot contain a colon"),
])
def test_what_cannot_be_is_refused_at_start(arguments, words):
    done = subprocess.run([binary("clearwing"), "-p", "-1", *arguments], capture_output=True, text=True, timeout=20)
    assert done.returncode == 1 and words in done.stderr
    assert done.stderr.count("\n") == 1 and "hush" not in done.stderr


def test_an_open_port_is_said_at_start():
    words = "[WRN] Monitoring on 0.0.0.0 needs no credentials"
    for arguments, warned in ((["-a", "0.0.0.0"], True), (["-a", "127.0.0.1"], False),
                              (["-a", "0.0.0.0", "--http_token", "x"], False)):
        with Server("clearwing", *arguments, "--user", "a", "--pass", "b") as server:
            assert (words in server.log()) == warned, arguments
    with Server("clearwing", "-a", "0.0.0.0", monitor=False) as server:
        assert words not in server.log()
