"""What `cmake --install` leaves in a folder of its own, and that it works from there."""
import os
import pathlib
import re
import subprocess

import pytest

from tests.support.server import BIN, ROOT

BUILD = pathlib.Path(os.environ.get("CLEARWING_BUILD", BIN.parent))
VERBS = ["publish", "subscribe", "request", "reply", "bench"]


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    folder = tmp_path_factory.mktemp("installed")
    done = subprocess.run(["cmake", "--install", BUILD, "--prefix", folder], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    return folder


@pytest.mark.parametrize("name", ["clearwing", "clearwing-top", "clearwing-exporter", "clearwing-client"] +
                         [f"clearwing-{verb}" for verb in VERBS])
def test_programs(installed, name):
    done = subprocess.run([installed / "bin" / name, "--help"], capture_output=True, text=True, timeout=20)
    assert done.returncode == 0 and done.stdout.lower().startswith("usage: clearwing")


@pytest.mark.parametrize("verb", ["top", "exporter", *VERBS])
def test_verbs(installed, verb):
    through = subprocess.run([installed / "bin" / "clearwing", verb, "--help"], capture_output=True, text=True, timeout=20)
    direct = subprocess.run([installed / "bin" / f"clearwing-{verb}", "--help"], capture_output=True, text=True, timeout=20)
    assert through.returncode == 0 and through.stdout == direct.stdout


@pytest.mark.parametrize("place,source", [
    ("share/bash-completion/completions/clearwing", "packaging/completions/clearwing.bash"),
    ("share/bash-completion/completions/clearwing-top", "packaging/completions/clearwing.bash"),
    ("share/zsh/vendor-completions/_clearwing", "packaging/completions/_clearwing"),
    ("share/fish/vendor_completions.d/clearwing.fish", "packaging/completions/clearwing.fish"),
    ("share/clearwing/dashboards/overview.json", "dashboards/overview.json"),
    ("share/clearwing/dashboards/alerts.yml", "dashboards/alerts.yml"),
    ("share/doc/clearwing/README.md", "README.md"),
    ("share/doc/clearwing/docs/client.md", "docs/client.md"),
])
def test_files(installed, place, source):
    assert (installed / place).read_bytes() == (ROOT / source).read_bytes()


def test_service_starts_the_program_that_is_installed(installed):
    text = (installed / "lib/systemd/system/clearwing.service").read_text()
    assert not re.search(r"@\w+@", text)
    assert [line for line in text.splitlines() if line.startswith("ExecStart=/")][0].endswith("/bin/clearwing $CLEARWING_OPTIONS")
