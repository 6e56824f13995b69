"""The driver itself: a client that fails, lies or dies is a failed test, whatever its exit status
says."""

import sys

import pytest

from tests.interop import tools
from tests.interop.driver import Driver

GOOD = '{"case": "wildcards", "ok": true, "checks": 1}'


def drive(monkeypatch, program):
    monkeypatch.setitem(tools.CLIENTS, "fake", lambda: [sys.executable, "-c", program])
    return Driver("fake", "wildcards", "stock").run()


def test_good_result(monkeypatch):
    assert drive(monkeypatch, f"print('{GOOD}')")["checks"] == 1


@pytest.mark.parametrize(
    "program, reason",
    [
        (
            'print(\'{"case": "wildcards", "ok": false, "checks": 1, "error": "lost one"}\')',
            "lost one",
        ),
        ('print(\'{"case": "wildcards", "ok": true, "checks": 0}\')', "checked nothing"),
        ('print(\'{"case": "headers", "ok": true, "checks": 1}\')', "asked for wildcards"),
        (f"print('{GOOD}', flush=True); raise SystemExit(3)", "exit status 3"),
        ("raise SystemExit('a broken client')", "a broken client"),
        ("import os; os.abort()", "no result"),
    ],
)
def test_bad_result(monkeypatch, program, reason):
    with pytest.raises(AssertionError, match=reason):
        drive(monkeypatch, program)


def test_missing_tool_is_a_failure(monkeypatch):
    monkeypatch.setenv("PATH", "")
    with pytest.raises(
        tools.ToolMissing, match="^no-such-tool is not installed: install no-such-package$"
    ):
        tools.need("no-such-tool", "no-such-package")


def test_provided_exporter(monkeypatch, tmp_path):
    monkeypatch.delenv(tools.STOCK_EXPORTER, raising=False)
    with pytest.raises(tools.ToolMissing, match=f"^{tools.STOCK_EXPORTER} does not name a"):
        tools.prometheus_nats_exporter()
    tool = tmp_path / "tool"
    monkeypatch.setenv(tools.STOCK_EXPORTER, str(tool))
    with pytest.raises(tools.ToolMissing, match=f"names {tool}, which is not a program$"):
        tools.prometheus_nats_exporter()
    tool.write_text("")
    tool.chmod(0o755)
    assert tools.prometheus_nats_exporter() == str(tool)
