"""/debug/vars and /raftz, which releases after 2.9.10 have."""
import json
import pathlib
import re

import pytest

from tests.support.server import Server


def status_bytes(pid, name):
    text = pathlib.Path(f"/proc/{pid}/status").read_text()
    return int(re.search(rf"^{name}:\s+(\d+) kB$", text, re.M)[1]) << 10


def test_memory_is_what_the_system_says(broker):
    status, headers, body = broker.get("/debug/vars")
    assert status == 200 and headers["Content-Type"] == "application/json; charset=utf-8"
    assert headers["Access-Control-Allow-Origin"] is None
    document = json.loads(body)
    assert set(document) == {"cmdline", "memstats"}
    for name, row in (("Sys", "VmSize"), ("HeapSys", "VmData"), ("HeapInuse", "RssAnon")):
        told, real = document["memstats"].pop(name), status_bytes(broker.pid, row)
        assert told > 0 and abs(told - real) < 1 << 20, name
    assert document["memstats"] == {"PauseTotalNs": 0, "NumGC": 0, "EnableGC": False}
    assert broker.get("/debug/vars?callback=show")[2].startswith(b"{"), "no other page may read this"
    assert broker.json("/varz")["http_req_stats"] == {"/varz": 1}


@pytest.mark.parametrize("options,hidden", [
    (["--user", "ann", "--pass", "geheim"], ["ann", "geheim"]),
    (["--user=ann", "-pass=geheim"], ["ann", "geheim"]),
    (["--auth", "geheim"], ["geheim"]),
])
def test_command_line_without_secrets(options, hidden):
    with Server("clearwing", *options) as broker:
        words = json.loads(broker.get("/debug/vars")[2])["cmdline"]
        assert words[0].endswith("clearwing") and "--ports_file_dir" in words and broker.folder in words
        for secret in hidden:
            assert not any(secret in word for word in words), words
        expected = pathlib.Path(f"/proc/{broker.pid}/cmdline").read_bytes().split(b"\0")[:-1]
        assert words == [word.decode() for word in expected]


def test_strange_and_long_command_lines():
    words = ["--server_name", "caf\u00e9\"<&>\\", "--client_advertise", "x" * 60000 + ":1", "--pid", "p" * 100 + ".pid"]
    with Server("clearwing", *words) as broker:
        told = json.loads(broker.get("/debug/vars")[2])["cmdline"]
        assert words[1] in told and words[3] in told


def test_no_raft(broker):
    for path in ("/raftz", "/raftz?acc=$G", "/raftz?group=_meta_&acc=x"):
        status, headers, body = broker.get(path)
        assert (status, body) == (404, b"No Raft nodes registered\n")
        assert headers["Content-Type"] == "text/plain; charset=utf-8"
        assert headers["X-Content-Type-Options"] is None and headers["Access-Control-Allow-Origin"] is None
    assert broker.json("/varz")["http_req_stats"] == {"/varz": 1}


def test_the_index_has_them(broker):
    page = broker.get("/")[2].decode()
    assert 'href="./raftz"' in page and 'href="./debug/vars"' in page
