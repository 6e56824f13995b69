"""Leaves the tests of the stock exporter out where no binary of it is named, and says so once."""

import os

import pytest

from tests.interop import tools

LEFT_OUT = pytest.StashKey[bool]()


def pytest_collection_modifyitems(config, items):
    if os.environ.get(tools.STOCK_EXPORTER):
        return
    left_out = [item for item in items if item.path.name == "test_stock_exporter.py"]
    if left_out:
        config.stash[LEFT_OUT] = True
        items[:] = [item for item in items if item not in left_out]
        config.hook.pytest_deselected(items=left_out)


def pytest_terminal_summary(terminalreporter, config):
    if config.stash.get(LEFT_OUT, False):
        terminalreporter.write_line(
            "tests/interop/test_stock_exporter.py left out: name a prometheus-nats-exporter "
            f"binary in {tools.STOCK_EXPORTER} to run it"
        )
