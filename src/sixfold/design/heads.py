"""Section 4, the heads of a model: what is predicted, and how it is learned."""

from dataclasses import dataclass, field
from typing import Literal, get_args

from sixfold.design.columns import Column
from sixfold.design.framing import Label
from sixfold.design.where import caller
from sixfold.errors import InvalidField

__all__ = ["AnyOf", "Binary", "Calibration", "Head", "Loss", "OneOf", "Order", "Regression", "WatchTime"]

Calibration = Literal["isotonic", "beta"]
Loss = Literal["plain", "balanced", "focal"]
"""How a probability is learned where one class is rare: `plain` log loss; `balanced`, in which every class weighs the
same however many rows it has; `focal`, which turns from rows that are learned already (Lin et al., ICCV 2017, gamma 2
as theirs). The last two say more than is true of rare classes, which `calibrate` mends."""


@dataclass(frozen=True, slots=True)
class Binary:
    """The probability that a flag is true; log loss."""

    label: Label
    calibrate: Calibration | None = field(default=None, kw_only=True)
    """How scores become probabilities after training, fitted on validation: `isotonic` (Zadrozny & Elkan, KDD 2002;
    straight lines between the steps, so that order is kept), `beta` (three numbers: Kull et al., AISTATS 2017)."""
    negatives: float = field(default=1.0, kw_only=True)
    """The share of the training rows with a false label that is learned from, drawn at random; the probability is
    corrected for it (He et al., ADKDD 2014)."""
    loss: Loss = field(default="plain", kw_only=True)
    weight: float = field(default=1.0, kw_only=True)
    """How much its loss counts beside those of the other heads."""
    at: str = field(default_factory=caller, repr=False, compare=False, kw_only=True)

    def __post_init__(self) -> None:
        _check(self)
        if isinstance(self.negatives, bool) or not 0 < self.negatives <= 1:
            rule = "above 0 and at most 1"
            raise InvalidField(where=self.at, part="Binary", field="negatives", rule=rule, value=self.negatives)


@dataclass(frozen=True, slots=True)
class _Classes:
    """What heads of labels with classes share; their scores are named `label.class` (`verdict."not sure"`)."""

    label: Label
    loss: Loss = field(default="plain", kw_only=True)
    calibrate: Calibration | None = field(default=None, kw_only=True)
    """As for `Binary`, class by class."""
    weight: float = field(default=1.0, kw_only=True)
    """How much its loss counts beside those of the other heads. The classes of `AnyOf` count one each,
    those of `OneOf` one together."""
    at: str = field(default_factory=caller, repr=False, compare=False, kw_only=True)

    def __post_init__(self) -> None:
        _check(self)


@dataclass(frozen=True, slots=True)
class OneOf(_Classes):
    """The probability of each class of a label that has one; cross-entropy, against shares of votes too.

    They sum to 1; calibrated class by class, they are made to again (Zadrozny & Elkan, KDD 2002).
    """


@dataclass(frozen=True, slots=True)
class AnyOf(_Classes):
    """The probability of each class of a label that may have several, or none; log loss."""


@dataclass(frozen=True, slots=True)
class Regression:
    """A number; absolute error, so the prediction is its median."""

    label: Label
    weight: float = field(default=1.0, kw_only=True)
    at: str = field(default_factory=caller, repr=False, compare=False, kw_only=True)

    def __post_init__(self) -> None:
        _check_weight(self)


@dataclass(frozen=True, slots=True)
class WatchTime:
    """Seconds watched of something that lasts `duration` seconds: the median, learned on a logarithmic scale."""

    label: Label
    duration: Column = field(kw_only=True)
    weight: float = field(default=1.0, kw_only=True)
    at: str = field(default_factory=caller, repr=False, compare=False, kw_only=True)

    def __post_init__(self) -> None:
        _check_weight(self)


@dataclass(frozen=True, slots=True)
class Order:
    """A score that orders the items of one list (`Framing(negatives=)`) and means nothing between lists.

    Trees learn it by LambdaMART (Burges, MSR-TR-2010-82), a network by softmax over the list (Cao et al., ICML 2007).
    """

    label: Label
    weight: float = field(default=1.0, kw_only=True)
    at: str = field(default_factory=caller, repr=False, compare=False, kw_only=True)

    def __post_init__(self) -> None:
        _check_weight(self)


Head = AnyOf | Binary | OneOf | Order | Regression | WatchTime


def _check(head: Binary | _Classes) -> None:
    part = type(head).__name__
    if head.calibrate not in (None, *get_args(Calibration)):
        rule = f"one of {', '.join(get_args(Calibration))}, or left out"
        raise InvalidField(where=head.at, part=part, field="calibrate", rule=rule, value=head.calibrate)
    if head.loss not in get_args(Loss):
        rule = f"one of {', '.join(get_args(Loss))}"
        raise InvalidField(where=head.at, part=part, field="loss", rule=rule, value=head.loss)
    _check_weight(head)


def _check_weight(head: Binary | _Classes | Order | Regression | WatchTime) -> None:
    if isinstance(head.weight, bool) or not 0 < head.weight < float("inf"):
        rule = "above 0"
        raise InvalidField(where=head.at, part=type(head).__name__, field="weight", rule=rule, value=head.weight)
