"""Official, unmodified clients against both servers: one test per client, case and server."""

import subprocess

import pytest

from tests.interop import cases, tools
from tests.interop.driver import Driver

LANGUAGES = list(tools.CLIENTS)


@pytest.mark.parametrize("language", LANGUAGES)
def test_client_has_every_case(language):
    command = tools.CLIENTS[language]()
    listed = subprocess.run(
        [*command, "--list"], capture_output=True, text=True, timeout=60, check=True
    ).stdout.split()
    assert listed == list(cases.CASES)


@pytest.mark.parametrize("kind", ["clearwing", "stock"])
@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("case", cases.CASES)
def test_client(language, case, kind):
    Driver(language, case, kind).run()
