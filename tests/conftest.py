"""For all tests: Hypothesis without deadlines, contract tests that a backend waives, and a Redis server."""

from collections.abc import Iterator, Mapping

import pytest
from hypothesis import settings

from sixfold.testing.redis_server import RedisServer

# The cores are shared, so a slow example says nothing; a failing one prints how to repeat it.
settings.register_profile("sixfold", deadline=None, print_blob=True)
settings.load_profile("sixfold")


@pytest.fixture(scope="session")
def redis_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    """A server that tests share, each under names of its own; whoever kills it starts one of its own."""
    with RedisServer(tmp_path_factory.mktemp("redis")) as server:
        yield server


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """A test that its class names in `waived` must fail, for the reason given there."""
    for item in items:
        cls = getattr(item, "cls", None)
        waived: Mapping[str, str] = getattr(cls, "waived", {})
        if unknown := [name for name in waived if not hasattr(cls, name)]:
            raise pytest.UsageError(f"{item.nodeid}: waived names no test: {', '.join(unknown)}")
        if reason := waived.get(getattr(item, "originalname", item.name)):
            item.add_marker(pytest.mark.xfail(reason=reason, strict=True))
