"""For all tests: Hypothesis without deadlines, and contract tests that a backend waives."""

from collections.abc import Mapping

import pytest
from hypothesis import settings

# The cores are shared, so a slow example says nothing; a failing one prints how to repeat it.
settings.register_profile("sixfold", deadline=None, print_blob=True)
settings.load_profile("sixfold")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """A test that its class names in `waived` must fail, for the reason given there."""
    for item in items:
        cls = getattr(item, "cls", None)
        waived: Mapping[str, str] = getattr(cls, "waived", {})
        if unknown := [name for name in waived if not hasattr(cls, name)]:
            raise pytest.UsageError(f"{item.nodeid}: waived names no test: {', '.join(unknown)}")
        if reason := waived.get(getattr(item, "originalname", item.name)):
            item.add_marker(pytest.mark.xfail(reason=reason, strict=True))
