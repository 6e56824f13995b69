"""Fixtures that every layer shares: a broker of ours, the stock server, and either of them in turn."""
import pathlib
import sys

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))

from tests.support.server import Server  # noqa: E402


@pytest.fixture
def broker():
    with Server("clearwing") as server:
        yield server


@pytest.fixture
def stock():
    with Server("stock") as server:
        yield server


@pytest.fixture(params=["clearwing", "stock"])
def server(request):
    """The same test against both: what passes on one must pass on the other."""
    with Server(request.param) as running:
        yield running
