"""A contract's test that a backend waives must fail, and only that one."""

from pathlib import Path
from types import SimpleNamespace
from typing import ClassVar

import pytest


class Contract:
    waived: ClassVar[dict[str, str]] = {}

    def test_it_is_fast(self):
        raise AssertionError

    def test_it_is_right(self):
        assert True


class TestSlow(Contract):
    waived: ClassVar[dict[str, str]] = {"test_it_is_fast": "the disk is slow"}


def test_waiving_what_is_no_test_is_refused(pytestconfig):
    ours = pytestconfig.pluginmanager.get_plugin(str(Path(__file__).with_name("conftest.py")))
    item = SimpleNamespace(cls=type("TestOther", (Contract,), {"waived": {"test_ist": "-"}}), nodeid="x.py::TestOther")
    with pytest.raises(pytest.UsageError, match=r"^x\.py::TestOther: waived names no test: test_ist$"):
        ours.pytest_collection_modifyitems([item])
