"""Section 5: how models are compared, and what a release must reach."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from sixfold.design.columns import Column
from sixfold.design.where import caller
from sixfold.errors import InvalidField

__all__ = ["ByColumn", "ByTime", "Evaluation", "Split"]


@dataclass(frozen=True, kw_only=True, slots=True)
class ByTime:
    """The last part of the examples tests, the part before it validates: whole local days (`1d`) or shares (`0.1`)."""

    validation: str | float
    test: str | float
    at: str = field(default_factory=caller, repr=False, compare=False)

    def __post_init__(self) -> None:
        for name in ("validation", "test"):
            value = getattr(self, name)
            days = isinstance(value, str) and value[:-1].isdigit() and value.endswith("d") and int(value[:-1]) > 0
            if not days and not (isinstance(value, float) and 0 < value < 1):
                rule = "whole days such as '1d', or a share between 0 and 1"
                raise InvalidField(where=self.at, part="ByTime", field=name, rule=rule, value=value)
        if isinstance(self.validation, str) != isinstance(self.test, str):
            rule = "days if validation is days, a share if it is a share"
            raise InvalidField(where=self.at, part="ByTime", field="test", rule=rule, value=self.test)


@dataclass(frozen=True, slots=True)
class ByColumn:
    """The data's owner has fixed the split in a column of the examples."""

    column: Column
    train: str = field(kw_only=True)
    validation: str = field(kw_only=True)
    test: str = field(kw_only=True)
    at: str = field(default_factory=caller, repr=False, compare=False, kw_only=True)


Split = ByTime | ByColumn


@dataclass(frozen=True, kw_only=True, slots=True)
class Evaluation:
    """Metrics, slices and gates are written in one language: `[model.]metric[@k][(label)][[slice]]`."""

    split: Split
    metrics: Sequence[str]
    slices: Mapping[str, str] = field(default_factory=dict)
    """Name to expression: the examples that it is true for."""
    gates: Sequence[str] = ()
    """What a release must reach: two metrics, or a metric and a number, with `>=`, `<=` or `beats`."""
    ask_every: str = "1d"
    """Lists are asked for each query at every multiple of this, in local time; relevant is what it did then."""
    lists: int | None = None
    """With `Framing(negatives=)`: how many lists of validation and of test are measured, drawn at random where there
    are more. None: all."""
    at: str = field(default_factory=caller, repr=False, compare=False)

    def __post_init__(self) -> None:
        whole = isinstance(self.lists, int) and not isinstance(self.lists, bool)
        if self.lists is not None and not (whole and self.lists > 0):
            rule = "a whole number above 0"
            raise InvalidField(where=self.at, part="Evaluation", field="lists", rule=rule, value=self.lists)
