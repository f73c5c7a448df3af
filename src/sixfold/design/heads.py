"""Section 4, the heads of a model: what is predicted, and how it is learned."""

from dataclasses import dataclass, field
from typing import Literal, get_args

from sixfold.design.columns import Column
from sixfold.design.framing import Label
from sixfold.design.where import caller
from sixfold.errors import InvalidField

__all__ = ["Binary", "Calibration", "Head", "Regression", "WatchTime"]

Calibration = Literal["isotonic", "beta"]


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
    at: str = field(default_factory=caller, repr=False, compare=False, kw_only=True)

    def __post_init__(self) -> None:
        if self.calibrate not in (None, *get_args(Calibration)):
            rule = f"one of {', '.join(get_args(Calibration))}, or left out"
            raise InvalidField(where=self.at, part="Binary", field="calibrate", rule=rule, value=self.calibrate)
        if isinstance(self.negatives, bool) or not 0 < self.negatives <= 1:
            rule = "above 0 and at most 1"
            raise InvalidField(where=self.at, part="Binary", field="negatives", rule=rule, value=self.negatives)


@dataclass(frozen=True, slots=True)
class Regression:
    """A number; absolute error, so the prediction is its median."""

    label: Label


@dataclass(frozen=True, slots=True)
class WatchTime:
    """Seconds watched of something that lasts `duration` seconds: the median, learned on a logarithmic scale."""

    label: Label
    duration: Column = field(kw_only=True)


Head = Binary | Regression | WatchTime
