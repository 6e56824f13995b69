"""tests/run counts what happened: failures, crashes, hangs and skips that hide something all show up as failed."""
import subprocess
import time

import pytest

from tests import layers
from tests.support.server import ROOT

CASES = """<testsuites><testsuite>
<testcase classname="a" name="good"/>
<testcase classname="a" name="bad"><failure message="no"/></testcase>
<testcase classname="a" name="broken"><error message="no"/></testcase>
<testcase classname="a" name="absent"><skipped message="clearwing lacks: users with rights"/></testcase>
<testcase classname="a" name="hidden"><skipped message="npm is not installed"/></testcase>
</testsuite></testsuites>"""


def test_junit(tmp_path):
    (tmp_path / "report.xml").write_text(CASES)
    passed, skipped, failures = layers.count_junit(tmp_path / "report.xml")
    assert (passed, skipped) == (1, 1)
    assert failures == ["a::bad", "a::broken", "a::hidden: skipped: npm is not installed"]


def test_cmocka(tmp_path):
    (tmp_path / "one.xml").write_text(CASES)
    (tmp_path / "two.xml").write_text("<testsuites><testcase name='cut off'")
    passed, failures = layers.count_cmocka(tmp_path)
    assert passed == 3 and failures[:2] == ["one: bad", "one: broken"] and failures[2].startswith("two.xml: ")


def test_a_program_that_hangs_is_ended_with_all_it_started(tmp_path):
    begin = time.monotonic()
    assert "longer than 1 s" in layers.run(["bash", "-c", "sleep 77.125 & wait"], tmp_path / "log", 1)
    assert time.monotonic() - begin < 20
    time.sleep(0.2)
    assert subprocess.run(["ps", "-eo", "args"], capture_output=True, text=True).stdout.count("sleep 77.125") == 0


def test_a_program_that_is_not_there(tmp_path):
    assert layers.run(["/nonexistent/program"], tmp_path / "log", 1) == "/nonexistent/program: No such file or directory"


@pytest.fixture
def small_world(tmp_path, monkeypatch):
    """A tree with one layer of pytest; call it with the test file's text to have it run and counted."""
    (tmp_path / "tests" / "one").mkdir(parents=True)
    (tmp_path / "logs").mkdir()
    monkeypatch.setattr(layers, "ROOT", tmp_path)
    monkeypatch.setattr(layers, "LOGS", tmp_path / "logs")

    def outcome(text):
        (tmp_path / "tests" / "one" / "test_one.py").write_text(text)
        monkeypatch.chdir(tmp_path)
        monkeypatch.setattr(layers.run, "__defaults__", (None, tmp_path))
        return layers.run_layer(layers.Layer("one", "", paths=("one",)), set(), [])
    return outcome


@pytest.mark.parametrize("text,passed,failed", [
    ("def test_a(): pass\ndef test_b(): pass\n", 2, 0),
    ("def test_a(): pass\ndef test_b(): assert 0\n", 1, 1),
    ("import nonexistent\n", 0, 2),
    ("", 0, 1),
    ("import os\ndef test_a(): os._exit(0)\n", 0, 1),
    ("import pytest\ndef test_a(): pytest.skip('no tool')\n", 0, 1),
])
def test_outcomes(small_world, text, passed, failed):
    outcome = small_world(text)
    assert (outcome.passed, outcome.failed) == (passed, failed), outcome
    assert len(outcome.complaints) == failed


def test_without_its_build_a_layer_fails(small_world):
    outcome = layers.run_layer(layers.Layer("one", "", paths=("one",)), {"release"}, [])
    assert (outcome.passed, outcome.failed) == (0, 1) and "no release build" in outcome.complaints[0]


def test_every_folder_of_tests_is_in_a_layer():
    named = {path.split("/")[0] for row in layers.layers() for path in row.paths}
    folders = {path.parent.name for path in (ROOT / "tests").glob("*/test_*.py")}
    assert folders <= named


@pytest.mark.parametrize("arguments,said", [(["nosuch"], "there is no layer nosuch"), (["--bogus"], "--bogus")])
def test_mistakes(arguments, said):
    done = subprocess.run([ROOT / "tests" / "run", *arguments], capture_output=True, text=True, timeout=60)
    assert done.returncode == 1 and done.stdout == ""
    assert done.stderr.startswith("tests/run: ") and done.stderr.count("\n") == 1 and said in done.stderr


def test_list():
    done = subprocess.run([ROOT / "tests" / "run", "--list"], capture_output=True, text=True, timeout=60)
    assert [line.split()[0] for line in done.stdout.splitlines()] == [row.name for row in layers.layers()]
    assert done.returncode == 0
