"""The names that a design file may use, and no others."""

from types import ModuleType

import sixfold as sf

NAMES = """
    Action AnyOf AtMost Binary ByColumn ByTime Categories Category Cross Csv Data Database DeepFm Deployment Derived
    Entity Evaluation Events Experts Explore Features Flag Fm Framing Hashed HashedText Image ItemNeighbours JsonLines
    Label Linear Lmdb Mlp Models Network Number OneOf OnnxImage Order Pace Parquet Place Query Redis Regression
    Requirements Retrain Rule SecondPrice System Table Text Time Training Transformer Trees TwoTower WatchTime
    answers count decayed distinct first last max mean min rate since_last std sum top
"""


def test_the_public_names_are_these():
    assert sf.__all__ == NAMES.split()


def test_every_public_name_is_there_and_explains_itself():
    assert [name for name in sf.__all__ if not getattr(sf, name).__doc__] == []


def test_nothing_else_looks_public():
    others = {name: thing for name, thing in vars(sf).items() if not name.startswith("_") and name not in sf.__all__}
    assert [name for name, thing in others.items() if not isinstance(thing, ModuleType)] == []
