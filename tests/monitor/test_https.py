"""The monitoring port over HTTPS: which versions it speaks, what is refused at the start, and that plain HTTP pays nothing."""
import contextlib
import json
import pathlib
import re
import shutil
import socket
import ssl
import subprocess
import time
import urllib.request

import pytest

from tests.support.server import Server, binary


def openssl(*arguments, data=b"", status=0):
    done = subprocess.run(["openssl", *map(str, arguments)], input=data, capture_output=True, timeout=30)
    assert status is None or done.returncode == status, done.stderr
    return done.stdout + done.stderr


def make_pair(folder, name, *algorithm):
    algorithm = algorithm or ("ec", "-pkeyopt", "ec_paramgen_curve:prime256v1")
    openssl("req", "-x509", "-newkey", *algorithm, "-nodes", "-subj", "/CN=localhost", "-days", "2", "-addext",
            "subjectAltName=IP:127.0.0.1,DNS:localhost", "-keyout", folder / f"{name}.key", "-out", folder / f"{name}.pem")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    made = tmp_path_factory.mktemp("tls")
    make_pair(made, "one")
    make_pair(made, "two", "rsa:2048")
    (made / "text").write_text("no PEM at all\n")
    (made / "empty").write_text("")
    (made / "bad.pem").write_text("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n")
    openssl("ec", "-in", made / "one.key", "-aes128", "-passout", "pass:x", "-out", made / "locked.key")
    return made


@contextlib.contextmanager
def https(folder, *arguments, kind="clearwing", pair="one"):
    """A server with HTTPS; its `monitor` is set."""
    files = ["--https_cert", folder / f"{pair}.pem", "--https_key", folder / f"{pair}.key"] if kind == "clearwing" else \
        ["--tls", "--tlscert", folder / f"{pair}.pem", "--tlskey", folder / f"{pair}.key"]
    with Server(kind, "-ms", "-1", *files, *arguments, monitor=False) as server:
        (file,) = pathlib.Path(server.folder).glob("*.ports")
        (server.monitor,) = json.loads(file.read_text())["monitoring"]
        assert server.monitor.startswith("https://127.0.0.1:")
        yield server


def port_of(server):
    return int(server.monitor.rsplit(":", 1)[1])


def fetch(server, folder, path, pair="one", headers=None, **limits):
    context = ssl.create_default_context(cafile=str(folder / f"{pair}.pem"))
    for name, value in limits.items():
        setattr(context, name, value)
    request = urllib.request.Request(server.monitor + path, headers=headers or {})
    with urllib.request.urlopen(request, timeout=10, context=context) as answer:
        return answer.read()


@pytest.mark.parametrize("kind", ["clearwing", "stock"])
def test_documents(folder, kind):
    with https(folder, kind=kind) as server:
        document = json.loads(fetch(server, folder, "/varz"))
        assert (document["http_port"], document["https_port"], document["http_host"]) == (0, -1, "127.0.0.1")
        assert f"[INF] Starting https monitor on 127.0.0.1:{port_of(server)}" in server.log()
        assert "Starting http monitor" not in server.log()
        assert fetch(server, folder, "/healthz") == b'{"status":"ok"}'


def test_curl_and_a_key_of_another_kind(folder):
    with https(folder, pair="two") as server:
        done = subprocess.run(["curl", "-sS", "--cacert", folder / "two.pem", "-w", "%{http_code} %{ssl_verify_result}",
                               server.monitor + "/healthz"], capture_output=True, text=True, timeout=20)
        assert (done.returncode, done.stdout) == (0, '{"status":"ok"}200 0'), done.stderr


def test_only_versions_that_are_safe(folder):
    with https(folder) as server:
        for flag, spoken in (("-tls1", False), ("-tls1_1", False), ("-tls1_2", True), ("-tls1_3", True)):
            text = openssl("s_client", flag, "-cipher", "ALL:@SECLEVEL=0", "-connect", f"127.0.0.1:{port_of(server)}",
                           data=b"Q", status=None).decode()
            assert ("Cipher is (NONE)" not in text) == spoken, (flag, text)
        for cipher in ("aNULL", "eNULL", "RC4", "3DES", "EXPORT"):
            text = openssl("s_client", "-tls1_2", "-cipher", f"{cipher}:@SECLEVEL=0", "-connect",
                           f"127.0.0.1:{port_of(server)}", data=b"Q", status=None).decode()
            assert "Cipher is (NONE)" in text or "no cipher match" in text or "Error with command" in text, cipher


def test_client_certificates_are_not_asked_for(folder):
    with https(folder) as server:
        text = openssl("s_client", "-connect", f"127.0.0.1:{port_of(server)}", data=b"Q", status=None).decode()
        assert "No client certificate CA names sent" in text


def test_credentials_over_https(folder):
    with https(folder, "--http_token", "t0ken") as server:
        with pytest.raises(urllib.error.HTTPError, match="401"):
            fetch(server, folder, "/varz")
        assert b"server_id" in fetch(server, folder, "/varz", headers={"Authorization": "Bearer t0ken"})


def test_large_answers_and_keep_alive(folder):
    """Two documents of several megabytes over one connection, read slowly at first."""
    with https(folder) as server, server.connect() as client:
        client.send("CONNECT {}\r\n" + "".join(f"SUB {'x' * 60}.{number} {number}\r\n" for number in range(40000)))
        client.ping()
        context = ssl.create_default_context(cafile=str(folder / "one.pem"))
        with socket.create_connection(("127.0.0.1", port_of(server)), timeout=20) as plain, \
                context.wrap_socket(plain, server_hostname="localhost") as connection:
            request = b"GET /subsz?subs=1&limit=100000 HTTP/1.1\r\nHost: x\r\n%s\r\n"
            connection.sendall(request % b"" + request % b"Connection: close\r\n")
            time.sleep(0.5)
            data = b""
            while piece := connection.recv(1 << 16):
                data += piece
        assert data.count(b"HTTP/1.1 200 OK\r\n") == 2
        data = re.sub(rb"\r\n[0-9A-F]+\r\n", b"", data)  # the seams of the chunks
        assert data.count(b'"x' + b"x" * 59) == 2 * 40000


@pytest.mark.parametrize("kind", ["clearwing", "stock"])
def test_plain_http_is_told_so(folder, kind):
    with https(folder, kind=kind) as server, socket.create_connection(("127.0.0.1", port_of(server)), timeout=20) as connection:
        connection.sendall(b"GET /varz HTTP/1.1\r\nHost: x\r\n\r\n")
        data = b""
        while piece := connection.recv(1 << 16):
            data += piece
        assert data.rstrip() == b"HTTP/1.0 400 Bad Request\r\n\r\nClient sent an HTTP request to an HTTPS server."


def test_deadlines_hold_for_tls(folder):
    """A handshake that does not go on, and a request that trickles in."""
    context = ssl.create_default_context(cafile=str(folder / "one.pem"))
    with https(folder) as server, socket.create_connection(("127.0.0.1", port_of(server)), timeout=20) as silent, \
            socket.create_connection(("127.0.0.1", port_of(server)), timeout=20) as plain, \
            context.wrap_socket(plain, server_hostname="localhost") as connection:
        begin = time.monotonic()
        silent.sendall(b"\x16\x03\x01")
        with contextlib.suppress(OSError):
            for byte in b"GET /varz HTTP/1.1\r\nX: " + b"y" * 99:
                connection.send(bytes([byte]))
                time.sleep(0.25)
                assert time.monotonic() - begin < 12
        assert silent.recv(1) == b"" and 4.5 < time.monotonic() - begin < 10


@pytest.mark.parametrize("data", [b"GET /varz HTTP/1.1\r\nHost: x\r\n\r\n", b"\x16\x03\x01\x00\x05hello", b"\x16\x03\x01\xff\xff" + b"x" * 70000,
                                  b"\x00" * 100, b"\x80\x2e\x01\x00\x02"], ids=repr)
def test_what_is_not_tls(folder, data):
    with https(folder) as server:
        with socket.create_connection(("127.0.0.1", port_of(server)), timeout=20) as connection:
            with contextlib.suppress(OSError):
                connection.sendall(data)
                connection.shutdown(socket.SHUT_WR)
                while piece := connection.recv(1 << 16):
                    assert b"200 OK" not in piece and b"server_id" not in piece
        assert fetch(server, folder, "/healthz") == b'{"status":"ok"}'


def start(*arguments):
    done = subprocess.run([binary("clearwing"), "-a", "127.0.0.1", "-p", "-1", *map(str, arguments)], capture_output=True,
                          text=True, timeout=20)
    assert done.returncode == 1
    return done.stderr.splitlines()[-1]


def test_both_ports_are_refused_in_nats_servers_words(folder):
    words = "Can't start monitoring: can't specify both HTTP (8222) and HTTPs (8223) ports"
    assert start("-m", 8222, "-ms", 8223).endswith("[FTL] " + words)
    stock = subprocess.run([binary("stock"), "-a", "127.0.0.1", "-p", "-1", "-m", "8222", "-ms", "8223"],
                           capture_output=True, text=True, timeout=20)
    assert words in stock.stderr


def test_https_without_a_certificate():
    line = start("-ms", -1)
    assert "[FTL] Can't start monitoring: TLS cert and key required for HTTPS" in line and "monitor_tls" in line


@pytest.mark.parametrize("cert, key, words", [
    ("nope.pem", "one.key", "open {folder}/nope.pem: no such file or directory"),
    ("one.pem", "nope.key", "open {folder}/nope.key: no such file or directory"),
    ("", "one.key", "open {folder}/: is a directory"),
    ("text", "one.key", "no PEM certificate in {folder}/text: "),
    ("empty", "one.key", "no PEM certificate in {folder}/empty: "),
    ("bad.pem", "one.key", "no PEM certificate in {folder}/bad.pem: "),
    ("one.key", "one.pem", "no PEM certificate in {folder}/one.key: "),
    ("one.pem", "text", "no PEM key without a password in {folder}/text: "),
    ("one.pem", "one.pem", "no PEM key without a password in {folder}/one.pem: "),
    ("one.pem", "locked.key", "no PEM key without a password in {folder}/locked.key: "),
    ("one.pem", "two.key", "the key does not go with {folder}/one.pem: "),
    ("one.pem", "huge", "open {folder}/huge: file too large"),
])
def test_files_that_will_not_do(folder, cert, key, words):
    with open(folder / "huge", "wb") as file:
        file.truncate(8 << 20)
    line = start("-ms", -1, "--https_cert", f"{folder}/{cert}", "--https_key", f"{folder}/{key}")
    assert "[FTL] Can't start monitoring: error parsing X509 certificate/key pair: " + words.format(folder=folder) in line


@pytest.mark.parametrize("text, words", [
    ('https: "127.0.0.1:-1"\nmonitor_tls { cert_file: "one.pem" }', "missing 'key_file' in TLS configuration"),
    ('https: "127.0.0.1:-1"\nmonitor_tls { key_file: "one.pem" }', "missing 'cert_file' in TLS configuration"),
    ('monitor_tls: 5', "monitor_tls: expected a map, not"),
    ('monitor_tls { ca_file: "x" }', 'unknown field "ca_file"'),
    ('https: "127.0.0.1"', "could not parse address string"),
    ('tls { cert_file: "one.pem" }', '"tls" is not supported by this broker'),
])
def test_configurations_that_will_not_do(tmp_path, text, words):
    config = tmp_path / "server.conf"
    config.write_text(text + "\n")
    assert words in start("-c", config)


def test_configuration_file(folder, tmp_path):
    shutil.copy(folder / "one.pem", tmp_path)
    config = tmp_path / "server.conf"
    config.write_text(f'https: "127.0.0.1:-1"\nMonitor_TLS {{ cert_file: "{tmp_path}/one.pem", key_file: "{folder}/one.key" }}\n')
    with Server("clearwing", "-c", config, monitor=False) as server:
        (file,) = pathlib.Path(server.folder).glob("*.ports")
        (server.monitor,) = json.loads(file.read_text())["monitoring"]
        assert fetch(server, folder, "/healthz") == b'{"status":"ok"}'


def loads_gnutls(server):
    return "libgnutls" in pathlib.Path(f"/proc/{server.pid}/maps").read_text()


def test_plain_http_loads_no_gnutls(folder, broker):
    broker.json("/varz")
    assert not loads_gnutls(broker)
    with https(folder) as server:
        assert loads_gnutls(server)
