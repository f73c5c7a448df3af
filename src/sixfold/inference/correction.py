"""From a model's score to a probability: undoing the sampling of negatives, then calibration."""
# B = rows, K = knots

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

__all__ = ["Correction"]

Floats = NDArray[np.float64]
_SMALLEST = 1e-9


class Correction(Struct, frozen=True):
    """What is done to the scores of one head, in the order of the fields."""

    negatives: float = 1.0
    """The share of negatives that was learned from: of the odds, so much is true (He et al., ADKDD 2014)."""
    scores: tuple[float, ...] = ()
    """Knots of an isotonic calibration, ascending."""
    values: tuple[float, ...] = ()
    """The probability at each knot, ascending; straight lines between, and beyond them to 0 and 1."""
    beta: tuple[float, float, float] | None = None
    """(a, b, c) of a beta calibration: the logit of the probability is `a ln p - b ln(1 - p) + c`."""

    def apply(self, score_B: Floats) -> Floats:
        """Probabilities of these scores, shape (B,)."""
        found = score_B
        if self.negatives != 1.0:
            found = found * self.negatives / (found * self.negatives + 1.0 - found)
        if self.scores:
            found = np.interp(found, self.scores, self.values)
        if self.beta is not None:
            a, b, c = self.beta
            p = np.clip(found, _SMALLEST, 1 - _SMALLEST)
            found = 1.0 / (1.0 + np.exp(-(a * np.log(p) - b * np.log1p(-p) + c)))
        return found
