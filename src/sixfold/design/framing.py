"""Section 2: what is predicted for whom."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from sixfold.design.aggregates import AggregateSpec
from sixfold.design.columns import Column
from sixfold.design.entities import Entity
from sixfold.design.groups import Events
from sixfold.design.where import caller
from sixfold.errors import InvalidField

__all__ = ["Framing", "Label"]


@dataclass(frozen=True, slots=True)
class Label:
    """What happened after the example: a flag, a number, a class or several, that a model learns to predict.

    A category whose column declares its `values` is a label of one class; a list of them one of several.
    """

    name: str
    value: str | AggregateSpec
    """An expression over the example's row and the tables its keys reach; or, `over` another stream, an aggregate that
    looks forward, over the columns of that stream: `sf.last("verdict", n=20)` of a category gives each class its share
    of the latest 20 votes, `sf.max("upheld")` whether there was one, `sf.count()` how many."""
    over: Events | None = field(default=None, kw_only=True)
    """The stream in which the outcome comes. It is joined by the framing's query, and by its item if the stream has
    it; an event counts for the latest example before it. Without one the label is null, `count` and `sum` are 0."""
    within: str | None = field(default=None, kw_only=True)
    """How long after the example the value counts; until then the label is null. None: known with its row, or of
    another stream whatever has come by the end of the example's part."""
    time: str | None = field(default=None, kw_only=True)
    """When the outcome came about, an expression over the example's row; null where it did not, or nobody knows. With
    it the label of a flag is false where that was later than `within`, and the run reports what waiting costs."""
    at: str = field(default_factory=caller, repr=False, compare=False, kw_only=True)

    def __post_init__(self) -> None:
        if not self.name.isidentifier():
            rule = "a plain name (letters, digits, _)"
            raise InvalidField(where=self.at, part="Label", field="name", rule=rule, value=self.name)


@dataclass(frozen=True, kw_only=True, slots=True)
class Framing:
    """Each row of the `examples` stream asks: what will the query do with this item?"""

    query: Entity
    """Who or what is asked about."""
    item: Entity | None = None
    """What is picked for the query; None: one answer per row."""
    examples: Events
    where: str | None = None
    """Which rows of the stream are ranking examples; None: all."""
    context: Sequence[Column] = ()
    """Columns of the examples that a request brings; every other column of theirs is an outcome."""
    available: str | None = None
    """Which items could be an answer at a time; an expression over the item's tables and `now`."""
    labels: Sequence[Label]
    negatives: int | None = None
    """About how many other items that were available are drawn beside each example of which a label is true, all their
    labels false. None: the stream itself tells what was not chosen."""
    lists: int | None = None
    """With `negatives`: how many examples are learned from, drawn at random where there are more. None: all."""
    at: str = field(default_factory=caller, repr=False, compare=False)

    def __post_init__(self) -> None:
        whole = isinstance(self.negatives, int) and not isinstance(self.negatives, bool)
        if self.negatives is not None and not (whole and 1 <= self.negatives <= 1000):
            rule = "a whole number from 1 to 1000"
            raise InvalidField(where=self.at, part="Framing", field="negatives", rule=rule, value=self.negatives)
        whole = isinstance(self.lists, int) and not isinstance(self.lists, bool)
        if self.lists is not None and (self.negatives is None or not (whole and self.lists > 0)):
            rule = "a whole number above 0, with negatives="
            raise InvalidField(where=self.at, part="Framing", field="lists", rule=rule, value=self.lists)
        if self.negatives is not None and self.item is None:
            rule = "left out: Framing names no item, of which others could be drawn"
            raise InvalidField(where=self.at, part="Framing", field="negatives", rule=rule, value=self.negatives)
