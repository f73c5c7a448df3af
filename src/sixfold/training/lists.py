"""Examples in lists, as training sees them: which rows stand together, and how what was drawn is corrected for."""
# B = rows, L = lists

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from sixfold.features.lists import LIST, OWN, RATE

__all__ = ["ListRows", "lists_of"]

Ints = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class ListRows:
    """Rows of whole lists, those of a list together."""

    number_B: Ints
    """The list of each row."""
    own_B: NDArray[np.bool_]
    """Whether the row is what was chosen."""
    lift_B: NDArray[np.float64]
    """By how much a logit that is learned from the row's list is too high: -ln of the rate at which others are drawn.

    What was chosen is always there, of what was not one in 1 / rate, so that the odds in a drawn list are 1 / rate
    times as high (He et al., ADKDD 2014).
    """

    @property
    def sizes(self) -> Ints:
        """Rows of each list, shape (L,)."""
        starts = np.flatnonzero(np.concatenate([[True], self.number_B[1:] != self.number_B[:-1]]))
        return np.diff(np.append(starts, len(self.number_B)))

    def at_most(self, most: int) -> Ints:
        """The rows of lists cut to so many: what was chosen, and of the others the first, which are any."""
        sizes = self.sizes
        starts = np.repeat(np.cumsum(sizes) - sizes, sizes)
        place_B = np.arange(len(starts)) - starts
        return np.flatnonzero(self.own_B | (place_B < most - 1))

    def take(self, rows: Ints) -> "ListRows":
        """Some of the rows, in their order."""
        return ListRows(self.number_B[rows], self.own_B[rows], self.lift_B[rows])


def lists_of(examples: pa.Table) -> ListRows:
    """The lists of examples that have them."""
    rate_B = np.asarray(examples[RATE], np.float64)
    # Arrow's own memory may not be written, which torch asks for.
    number_B, own_B = np.asarray(examples[LIST], np.int64).copy(), np.asarray(examples[OWN], bool).copy()
    return ListRows(number_B, own_B, -np.log(rate_B))
