"""Section 6: how an answer is made, and how releases follow each other."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from sixfold.design.columns import Column
from sixfold.design.policy import Action
from sixfold.design.stores import Lmdb, Redis, Stores
from sixfold.design.where import caller
from sixfold.errors import InvalidField

__all__ = ["AtMost", "Deployment", "Explore", "Pace", "Rerank", "Retrain", "SecondPrice", "Top"]


@dataclass(frozen=True, slots=True)
class Top:
    """The n items that a model orders first: a source of candidates."""

    model: Any
    n: int
    at: str = field(default_factory=caller, repr=False, compare=False)

    def __post_init__(self) -> None:
        if not isinstance(self.n, int) or self.n < 1:
            raise InvalidField(where=self.at, part="top", field="n", rule="1 or more", value=self.n)


@dataclass(frozen=True, slots=True)
class AtMost:
    """Re-ranking: at most n items of one value of a column in the answer."""

    n: int
    column: Column
    at: str = field(default_factory=caller, repr=False, compare=False, kw_only=True)

    def __post_init__(self) -> None:
        if not isinstance(self.n, int) or self.n < 1:
            raise InvalidField(where=self.at, part="AtMost", field="n", rule="1 or more", value=self.n)

    @property
    def columns(self) -> tuple[Column, ...]:
        """What it reads."""
        return (self.column,)


@dataclass(frozen=True, slots=True)
class Explore:
    """Re-ranking: with this probability a position is given to a candidate drawn at random; propensities are logged."""

    share: float
    at: str = field(default_factory=caller, repr=False, compare=False, kw_only=True)

    def __post_init__(self) -> None:
        if not 0 <= self.share < 1:
            raise InvalidField(
                where=self.at, part="Explore", field="share", rule="at least 0 and below 1", value=self.share
            )

    @property
    def columns(self) -> tuple[Column, ...]:
        """What it reads."""
        return ()


@dataclass(frozen=True, kw_only=True, slots=True)
class Pace:
    """Re-ranking: budgets last the day (probabilistic throttling: Agarwal et al., KDD 2014).

    By now a budget should have been spent in the share of the local day that has passed. Who spent more takes part
    with the probability planned / spent, and who spent all of it not at all. One draw a request for all items that
    share the budget. A null budget is no limit.
    """

    spent: Column
    """What was spent today, a feature such as `sum("price", window="today")`; null is 0."""
    budget: Column
    """What may be spent in a day, in the same unit."""
    at: str = field(default_factory=caller, repr=False, compare=False)

    @property
    def columns(self) -> tuple[Column, ...]:
        """What it reads."""
        return (self.spent, self.budget)


@dataclass(frozen=True, slots=True)
class SecondPrice:
    """Re-ranking: each item has the least price at which it keeps its place.

    The generalised second price (Edelman, Ostrovsky & Schwarz, AER 2007): the value of the best item that could have
    stood there instead, or the reserve. With `bid`, the price is of what is bid for (a click): the share of the bid
    for which the item's value would equal that; `value` must then be in proportion to the bid.
    """

    bid: Column | None = None
    reserve: float = field(default=0.0, kw_only=True)
    """An item of a lesser value is not shown, in the unit of `Deployment(value=)`."""
    at: str = field(default_factory=caller, repr=False, compare=False, kw_only=True)

    def __post_init__(self) -> None:
        if isinstance(self.reserve, bool) or not 0 <= self.reserve < float("inf"):
            raise InvalidField(where=self.at, part="SecondPrice", field="reserve", rule="0 or more", value=self.reserve)

    @property
    def columns(self) -> tuple[Column, ...]:
        """What it reads."""
        return () if self.bid is None else (self.bid,)


Rerank = AtMost | Explore | Pace | SecondPrice


@dataclass(frozen=True, slots=True)
class Retrain:
    """How often the system is run again; kept in the release for whatever schedules runs."""

    every: str
    warm: bool = False
    """Whether the network that predicts learns on from its last weights. Where `every` is shorter than the test part,
    the run then goes through the test part as such a schedule would (see `training.prequential`)."""
    at: str = field(default_factory=caller, repr=False, compare=False, kw_only=True)


@dataclass(frozen=True, kw_only=True, slots=True)
class Deployment:
    """The slots of an answer, in the order in which they run; each may be absent but `predict` (and `value`)."""

    candidates: Sequence[Top] = ()
    """Sources of candidates; none: every available item, or those that the request names."""
    filters: Sequence[str] = ()
    """An item stays while each of these is true; null counts as false."""
    predict: Any
    """The model whose heads score what is left."""
    value: str | None = None
    """What orders the answer, where the framing has an item: an expression over the model's scores and any column."""
    rerank: Sequence[Rerank] = ()
    policy: Sequence[Action] = ()
    """Of a framing without item: what is done with a row, the first action whose threshold it passes."""
    retrain: Retrain | None = None
    stores: Stores = field(default_factory=Lmdb)
    """Where the event log and the online state are kept."""
    at: str = field(default_factory=caller, repr=False, compare=False)

    def __post_init__(self) -> None:
        if not isinstance(self.stores, Lmdb | Redis):
            rule = "sf.Lmdb() or sf.Redis(url)"
            raise InvalidField(where=self.at, part="Deployment", field="stores", rule=rule, value=self.stores)
