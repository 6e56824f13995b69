"""What the two servers say about the same configuration files and flags. The files use only what both know; where ours
decides otherwise on purpose, the case says why."""
import os
import re
import signal
import subprocess
import time

import pytest

from tests.support.server import Server, binary

# Files that both servers must judge alike: accepted by both, or refused at the same places; a parse error in the same
# words. {"name": text}
ALIKE = {
    "empty": "",
    "comments": "# one\n// two\n",
    "equals": "port = 4222\n",
    "colon": "port: 4222\n",
    "blank": "port 4222\n",
    "value on the next line": "port\n4222\n",
    "value after equals on the next line": "port =\n4222\n",
    "semicolons": "port: 4222; debug: true; trace: false\n",
    "commas": "port: 4222, debug: true\n",
    "json": '{"port": 4222, "authorization": {"user": "a", "password": "b"}}\n',
    "json over lines": '{\n  "port": 4222,\n  "debug": true\n}\n',
    "final brace": "port: 4222\n}\n",
    "carriage returns": "port: 4222\r\nauthorization {\r\n  user: a\r\n  password: b\r\n}\r\n",
    "any case": "PORT: 4222\nMax_Payload: 1MB\n",
    "quoted keys": "'port': 4222\n\"debug\": yes\n",
    "booleans": "debug: yes\ntrace: Off\nlogtime: TRUE\n",
    "quoted boolean": 'debug: "yes"\n',
    "sizes": "max_payload: 1Mb\nmax_pending: 64MiB\nmax_control_line: 4k\n",
    "size in quotes": 'max_payload: "1MB"\n',
    "size too large": "max_payload: 5GB\n",
    "float for a port": "port: 1.5\n",
    "string for a port": 'port: "4222"\n',
    "digits as a password": "authorization { user: a, password: 1234 }\n",
    "digits as a quoted password": 'authorization { user: a, password: "1234" }\n',
    "array for a port": "port: [1, 2 ]\n",
    "map for a port": "port { a: 1 }\n",
    "listen": 'listen: "127.0.0.1:4222"\n',
    "listen bare": "listen: 127.0.0.1:4222\n",
    "listen by name": "listen: localhost:4222\n",
    "listen ipv6": 'listen: "[::1]:4222"\n',
    "listen port": "listen: 4222\n",
    "listen without port": 'listen: "localhost"\n',
    "listen with words": 'listen: "localhost:x"\n',
    "http": 'http: "127.0.0.1:8222"\n',
    "http port": "http_port: 8222\n",
    "monitor port": "monitor_port: -1\n",
    "http with words": 'http: "localhost:x"\n',
    "base path": "http_base_path: /nats\n",
    "duration": 'ping_interval: "1m30s"\n',
    "duration bare": "ping_interval: 20s\n",
    "duration that is a number": "ping_interval: 5\n",
    "duration that is five million": "ping_interval: 5m\n",
    "duration with a bad unit": 'ping_interval: "5x"\n',
    "duration that is a word": 'write_deadline: "soon"\n',
    "duration that is a number, write deadline": "write_deadline: 10\n",
    "fractional duration bare": "write_deadline: 1.5h\n",
    "fractional duration": 'write_deadline: "1.5h"\n',
    "user": "authorization { user: a, password: b, timeout: 3 }\n",
    "user over lines": "authorization {\n  user: a\n  password: b\n  timeout: 0.5\n}\n",
    "user with old names": "authorization { username: a, pass: b }\n",
    "token": 'authorization { token: "s3cret" }\n',
    "user and token": "authorization { user: a, password: b, token: c }\n",
    "bcrypt bare": "authorization { user: a, password: $2a$11$W2zko751KUvVy59mUTWmpOdWjpEm5qhcCZRd05GjI/sSOT.xtiHyG }\n",
    "bcrypt in quotes": 'authorization { token: "$2a$11$W2zko751KUvVy59mUTWmpOdWjpEm5qhcCZRd05GjI/sSOT.xtiHyG" }\n',
    "unknown in authorization": "authorization { user: a\n  pasword: b }\n",
    "unknown": "foo: 1\n",
    "several unknown": "foo: 1\n  bar: 2\nport: 4222\n'baz' { x: 1 }\n",
    "several mistakes": 'foo: 1\nport: "x"\ndebug: "yes"\nmax_payload: 5GB\nserver_name: 5\n',
    "mistake after tabs": "debug: true\n\t\tport: x\n",
    "mistake in quotes": "debug: true\n 'port': x\n",
    "variable": "P: 4222\nport: $P\n",
    "variable from outside": "P: b\nauthorization { user: a, password: $P }\n",
    "variable unused": "P: 4222\nport: 4222\n",
    "variable that comes later": "port: $P\nP: 4222\n",
    "variable of a sibling": "authorization { user: a, password: b, U: x }\nserver_name: $U\n",
    "variable in quotes": 'server_name: "$NOPE"\n',
    "variable of the wrong type": "P: abc\nport: $P\n",
    "environment number": "port: $CONFIG_TEST_PORT\n",
    "environment text": "server_name: $CONFIG_TEST_NAME\n",
    "environment of the wrong type": "port: $CONFIG_TEST_NAME\n",
    "include": "include other.conf\n",
    "include in a map": "authorization { include user.conf }\n",
    "include in quotes": "include 'other.conf'\n",
    "include with an error in it": "port: 4222\ninclude unknown.conf\n",
    "include that is not there": "include nothing.conf\n",
    "include with a parse error": "include broken.conf\n",
    "include of a map": "include {a: 1}\n",
    "block string": "server_name: (\nabc\n)\nport: 4222\n",
    "escapes": 'server_name: "a\\x41\\tb"\n',
    "bad escape": 'server_name: "a\\q"\n',
    "bad hexadecimal": 'server_name: "\\xzz"\n',
    "single quotes": "server_name: 'a\\q'\n",
    "hash in a word": "server_name: a#b\n",
    "slashes in a word": "server_name: a//b\n",
    "two words": "server_name: a b\n",
    "quote in the middle": "server_name: it's here\n",
    "string without end": 'server_name: "abc\nport: 4222\n',
    "duplicate keys": "port: x\nport: 4222\n",
    "separator alone": "= 5\n",
    "point alone": "port: .5\n",
    "number with a point at the end": "port: 5.\n",
    "minus alone": "port: -\n",
    "date": "server_name: 2016-05-04T18:53:41Z\n",
    "date cut short": "server_name: 2016-05-04 \n",
    "array comma first": "port: [,1 ]\n",
    "array comma twice": "port: [1,,2 ]\n",
    "array without commas": "port: [1 2 ]\n",
    "map without commas": "authorization { user: a password: b }\n",
    "map with a comma for a value": "authorization { user: , password: b }\n",
    "brackets crossed": "authorization { ] }\n",
    "limits": "max_connections: 10\nmax_subscriptions: 100\nmax_sub_tokens: 16\nmax_traced_msg_len: 10\n"
              "max_closed_clients: 5\nping_max: 3\n",
    "limits by their old names": "max_conn: 10\nmax_subs: 100\n",
    "tokens beyond the range": "max_sub_tokens: 300\n",
    "zero connections": "max_connections: 0\n",
    "files": "log_file: /tmp/x.log\npid_file: /tmp/x.pid\nports_file_dir: /tmp\n",
    "files by their old names": "logfile: /tmp/x.log\npidfile: /tmp/x.pid\n",
    "log": "debug: true\ntrace: true\ntrace_verbose: true\nlogtime: false\nlogtime_utc: true\n",
    "switches": "no_header_support: true\nno_fast_producer_stall: true\n",
    "advertise": "client_advertise: example.org:4222\n",
    "payload above pending": "max_payload: 64MB\nmax_pending: 1MB\n",
    "lame duck": 'lame_duck_duration: "31s"\nlame_duck_grace_period: 5s\n',
    "lame duck too short": "lame_duck_duration: 10s\n",
    "lame duck with a grace below zero": 'lame_duck_grace_period: "-1s"\n',
    "users": "authorization { users: [ {user: a, password: b}, {username: c, pass: d} ] }\n",
    "users without a password": "authorization { users: [ {user: a} ] }\n",
    "users without a name": "authorization { users: [ {password: a} ] }\n",
    "users that are a map": "authorization { users: {user: a} }\n",
    "users that are numbers": "authorization { users: [ 3 ] }\n",
    "user with an unknown field": "authorization { users: [ {user: a, password: b,\n  bogus: 1} ] }\n",
    "user whose name is a number": "authorization { users: [ {user: 5, password: b} ] }\n",
    "users twice": "authorization { users: [ {user: a, password: b}, {user: a, password: c} ] }\n",
    "users and a user": "authorization { user: a, password: b, users: [ {user: c, password: d} ] }\n",
    "users and a token": "authorization { token: a, users: [ {user: c, password: d} ] }\n",
    "accounts": "accounts { A { users: [ {user: a, password: b} ] }, B { users: [ ] } }\n",
    "accounts by name": "accounts: [A, B ]\n",
    "account twice by name": "accounts: [A, A ]\n",
    "account that is a number": "accounts { A: 5 }\n",
    "account with an unknown field": "accounts { A { bogus: 5 } }\n",
    "account of that reserved name": "accounts { $G { users: [ {user: a, password: b} ] } }\n",
    "account of the system": "accounts { $SYS { users: [ {user: a, password: b} ] } }\n",
    "accounts and users": "accounts { A { users: [ {user: a, password: b} ] } }\nauthorization { users: [ {user: x, password: y} ] }\n",
    "system account": "system_account: A\naccounts { A { users: [ {user: a, password: b} ] } }\n",
    "no auth user": "no_auth_user: a\nauthorization { users: [ {user: a, password: b} ] }\n",
    "authorization is no map": "authorization: 5\n",
    "file is a path in a map": "log_file { a: 1 }\n",
}

# What the stock server of this version does not know at all.
NEWER = {"no_fast_producer_stall", "max_closed_clients", "logtime_utc"}

# Where ours decides otherwise. {"name": (text, stock accepts, ours accepts, what ours says)}
OTHERWISE = {
    "a key without a value is dropped in silence": ("port: 4222\ndebug", True, False, "config is invalid (a.conf:2:1)"),
    "a port that no system has": ("port: 70000\n", True, False, "a.conf:1:0: port: expected a whole number from -1"),
    "a whole number that is too large": ("debug: true\nmax_pending: 99999999999999999999\n", False, False,
                                         "a.conf:2:14: integer '99999999999999999999' is out of the range"),
    "a list without blanks": ("port: [1,2]\n", False, False, "port: expected a whole number, not an array"),
    "a negative limit": ("max_control_line: -5\n", True, False, "max_control_line: expected a whole number from 1"),
    "a timeout that nobody can read": ('authorization { timeout: "5x" }\n', True, False, "invalid duration"),
    "the worker count is ours": ("workers: 2\n", False, True, "is valid"),
    "clusters": ("cluster { port: 6222 }\n", True, False, 'a.conf:1:0: "cluster" is not supported by this broker'),
    "permissions": ("authorization { users: [ {user: a, password: b, permissions: {} } ] }\n", True, False,
                    'a.conf:1:48: "permissions" is not supported by this broker'),
    "imports": ("accounts { A { users: [ ], imports: [ ] } }\n", True, False,
                'a.conf:1:27: "imports" is not supported by this broker'),
    # The stock server's places follow the random order of its maps here.
    "user in two accounts": ("accounts {\n A { users: [ {user: a, password: b} ] }\n B { users: [ {user: a, password: b} ] }\n}\n",
                             False, False, 'a.conf:3:16: Duplicate user "a" detected'),
    "accounts and a user": ("accounts { A { users: [ {user: a, password: b} ] } }\nauthorization { user: x, password: y }\n",
                            False, False, "a.conf:2:1: Can not have a single user/pass and accounts"),
    "accounts that are a number": ("accounts: 5\n", True, False, "a.conf:1:0: accounts: expected a map of accounts"),
    "JetStream": ("debug: true\njetstream: enabled\n", True, False, 'a.conf:2:1: "jetstream" is not supported'),
    "leaf nodes": ("leafnodes { port: 7422 }\n", True, False, '"leafnodes" is not supported by this broker'),
    "log rotation": ("logfile_size_limit: 1MB\n", True, False, '"logfile_size_limit" is not supported by this broker'),
}

OTHER_FILES = {
    "other.conf": "port: 4222\n  debug: true\n",
    "user.conf": "user: a\npassword: b\n",
    "unknown.conf": "debug: true\n  foo: 1\n",
    "broken.conf": "debug: true\nport: .5\n",
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    path = tmp_path_factory.mktemp("config")
    for name, text in OTHER_FILES.items():
        (path / name).write_text(text)
    return path


def run(kind, folder, *arguments):
    env = dict(os.environ, CONFIG_TEST_PORT="4222", CONFIG_TEST_NAME='"some name"')
    done = subprocess.run([binary(kind), *arguments], cwd=folder, env=env, stdin=subprocess.DEVNULL,
                          capture_output=True, text=True, timeout=30)
    return done.returncode, done.stdout, done.stderr


def check(kind, folder, text):
    (folder / "a.conf").write_bytes(text.encode())
    status, out, err = run(kind, folder, "-t", "-c", "a.conf")
    assert out == ""
    return status, err


def places(err):
    """Where mistakes are, and parse errors as they are worded."""
    err = "".join(line for line in err.splitlines(True) if "runtime error" not in line)  # a fault of the stock server's
    found = set(re.findall(r"\b[a-z]+\.conf:\d+:\d+(?=: )", err))
    return found | set(re.findall(r"Parse error on line \d+: .*?'(?=\.?\n)", err))


@pytest.mark.parametrize("name", ALIKE)
def test_alike(folder, name):
    text = ALIKE[name]
    stock_text = "".join(line for line in text.splitlines(True) if line.split(":")[0] not in NEWER)
    stock, stock_err = check("stock", folder, stock_text)
    ours, ours_err = check("clearwing", folder, text)
    assert ours == stock, (stock_err, ours_err)
    if ours == 0:
        assert re.fullmatch(r"(?s).*clearwing: configuration file a\.conf is valid \(sha256:[0-9a-f]{64}\)\n", ours_err)
    else:
        assert places(ours_err) == places(stock_err), (stock_err, ours_err)
        assert all(line.startswith("clearwing: ") for line in ours_err.splitlines())


@pytest.mark.parametrize("name", OTHERWISE)
def test_otherwise(folder, name):
    text, stock_accepts, ours_accepts, message = OTHERWISE[name]
    stock, stock_err = check("stock", folder, text)
    ours, ours_err = check("clearwing", folder, text)
    assert (stock == 0) == stock_accepts, stock_err
    assert (ours == 0) == ours_accepts, ours_err
    assert message in ours_err


def test_unknown_fields_are_worded_alike(folder):
    text = "foo: 1\n  bar: 2\nauthorization { baz: 1 }\n"
    lines = [set(check(kind, folder, text)[1].replace(prefix, "").split("\n")) - {""}
             for kind, prefix in (("stock", "nats-server: "), ("clearwing", "clearwing: "))]
    assert lines[0] == lines[1] and len(lines[0]) == 3


# Same exit status and, but for the program's name, the same first line.
@pytest.mark.parametrize("arguments", [
    ["-c", "nofile.conf"], ["-t"], ["start"], ["-D", "start"], ["--config=nofile.conf"], ["-t", "-c", "nofile.conf"],
])
def test_refusals_are_worded_alike(folder, arguments):
    results = []
    for kind, name in (("stock", "nats-server"), ("clearwing", "clearwing")):
        status, out, err = run(kind, folder, *arguments)
        results.append((status, out.replace(name, "NAME"), err.replace(name, "NAME").strip().splitlines()[0]))
    assert results[0] == results[1] and results[0][0] == 1


@pytest.mark.parametrize("arguments", [["-v"], ["--version"], ["-version"], ["version"]])
def test_version_line_is_the_stock_servers(folder, arguments):
    stock = run("stock", folder, *arguments)
    ours = run("clearwing", folder, *arguments)
    assert (stock[0], ours[0], stock[2], ours[2]) == (0, 0, "", "")
    assert ours[1].splitlines()[0] == stock[1].splitlines()[0]
    assert re.fullmatch(r"clearwing: v\d+\.\d+\.\d+", ours[1].splitlines()[1])


def test_unknown_flag_is_an_error(folder):
    status, out, err = run("clearwing", folder, "--nope")
    assert (status, out) == (1, "") and err.startswith("clearwing: flag provided but not defined: -nope")
    assert run("stock", folder, "--nope")[2].startswith("flag provided but not defined: -nope")


def test_every_stock_flag_is_known(folder):
    """Each flag of the stock server's usage works here or is refused by name; none is unknown."""
    _, out, err = run("stock", folder, "--help")
    flags = set(re.findall(r"(?<![\w<])(--?[A-Za-z][\w]*)", "\n".join(
        line[:37] for line in (out + err).splitlines() if line.lstrip().startswith("-"))))
    assert len(flags) > 50
    for flag in sorted(flags):
        status, _, err = run("clearwing", folder, f"{flag}=x", "-t")
        assert status == 1 or flag.lstrip("-") in ("h", "help", "v", "version"), flag
        assert "not defined" not in err, flag


def test_flags_win_over_the_file(folder):
    (folder / "a.conf").write_text("server_name: filed\nmax_payload: 2KB\nlogtime: false\n")
    for kind in ("stock", "clearwing"):
        with Server(kind, "-c", folder / "a.conf", "-n", "flagged") as server:
            with server.connect() as client:
                assert (client.info["server_name"], client.info["max_payload"]) == ("flagged", 2048)
            assert re.match(r"\[\d+\] \[INF\] ", server.log())


def test_secrets_are_not_in_the_process_list(folder):
    with Server("clearwing", "--user", "joe", "--pass", "s3cret") as server:
        with open(f"/proc/{server.pid}/cmdline", "rb") as file:
            assert b"s3cret" not in file.read()
        assert "s3cret" not in server.log()


def test_pid_and_ports_files(folder):
    for kind in ("stock", "clearwing"):
        pid_file = folder / f"{kind}.pid"
        with Server(kind, "-P", pid_file) as server:
            assert pid_file.read_text() == str(server.pid)
            assert pid_file.stat().st_mode & 0o022 == 0
            ports = [name for name in os.listdir(server.folder) if name.endswith(".ports")]
            assert ports == [f"{os.path.basename(binary(kind))}_{server.pid}.ports"]
            assert server.stop(signal.SIGINT) == 0
            assert not [name for name in os.listdir(server.folder) if "ports" in name]
            assert pid_file.exists()


def test_signal_by_pid_and_by_file(folder):
    with Server("clearwing", "-P", folder / "pid", "-l", folder / "log") as server:
        assert run("clearwing", folder, "--signal", f"reopen={server.pid}") == (0, "", "")
        assert run("clearwing", folder, "-sl=reopen=pid") == (0, "", "")
        deadline = time.monotonic() + 10
        while (folder / "log").read_text().count('Trapped "user defined signal 1" signal') < 2:
            assert time.monotonic() < deadline
            time.sleep(0.02)
        assert run("clearwing", folder, "--signal", "quit=pid") == (0, "", "")
        assert server.process.wait(10) == 0
    status, out, err = run("clearwing", folder, "--signal", "quit=pid")
    assert (status, out) == (1, "") and err.startswith('clearwing: signal "quit" ') and "no such process" in err


def test_configuration_file_is_named_in_the_log(folder):
    (folder / "a.conf").write_text("debug: false\n")
    _, _, err = run("clearwing", folder, "-t", "-c", "a.conf")
    digest = re.search(r"\(sha256:[0-9a-f]{64}\)", err).group()
    with Server("clearwing", "-c", folder / "a.conf") as server:
        assert f"Using configuration file: {folder / 'a.conf'} {digest}" in server.log()
