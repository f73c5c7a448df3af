"""Where a design keeps its log and its state."""

import pytest
from small import system

import sixfold as sf
from sixfold.design.draw import draw
from sixfold.errors import InvalidField


def test_lmdb_is_the_default_and_is_drawn():
    assert system().deployment.stores == sf.Lmdb()
    assert draw(system()).endswith("\n   stores     LMDB in the work folder")


@pytest.mark.parametrize(
    ("url", "rule", "shown"),
    [
        ("cache:6379", "redis://HOST:PORT/DATABASE", "'cache:6379'"),
        ("mysql://cache/0", "redis://HOST:PORT/DATABASE", "'mysql://cache/0'"),
        ("redis:///0", "redis://HOST:PORT/DATABASE", "'redis:///0'"),
        (6379, "redis://HOST:PORT/DATABASE", "6379"),
        (
            "redis://app:s3cret@cache/0",
            "without a password: name the environment variable that holds it, as in :$NAME@",
            "'redis://app:…@cache/0'",
        ),
    ],
)
def test_a_wrong_address_is_refused_and_a_password_never_shown(url, rule, shown):
    with pytest.raises(InvalidField) as caught:
        sf.Redis(url)
    assert str(caught.value).endswith(f": Redis.url must be {rule}, got {shown}")


def test_a_password_is_named_by_its_variable():
    assert str(sf.Redis("rediss://app:$REDIS_PASSWORD@cache:6380/1")) == (
        "Redis at rediss://app:$REDIS_PASSWORD@cache:6380/1"
    )


def test_stores_are_lmdb_or_redis():
    trees = object()
    with pytest.raises(InvalidField, match=r"Deployment\.stores must be sf\.Lmdb\(\) or sf\.Redis\(url\), got 'redis"):
        sf.Deployment(predict=trees, value="x", stores="redis://cache/0")
