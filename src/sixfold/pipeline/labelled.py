"""What became of examples: their labels as numbers, and which of them a slice holds."""
# N = examples

from collections.abc import Mapping

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from sixfold.design.system import System
from sixfold.evaluation.class_metrics import majority
from sixfold.features.arrays import from_arrow
from sixfold.features.expressions import holds

__all__ = ["classes_of", "label_of", "within"]

Floats = NDArray[np.float64]


def label_of(examples: pa.Table, name: str) -> Floats:
    """A label of the examples, shape (N,); NaN where it is null."""
    return np.asarray(examples[f"label.{name}"].to_numpy(zero_copy_only=False), np.float64)


def classes_of(system: System, examples: pa.Table) -> Mapping[str, Floats]:
    """Every label of the examples, shape (N,); of votes the majority."""
    found = {name: label_of(examples, name) for name in system.labels}
    for group in system.label_groups.values():
        shares_NC = np.stack([found[name] for name in group.outputs], 1)
        found |= dict(zip(group.outputs, majority(shares_NC, exclusive=group.exclusive).T))
    return found


def within(system: System, examples: pa.Table, name: str | None) -> NDArray[np.bool_]:
    """Which examples a slice holds, shape (N,); all of them where it is None."""
    if name is None:
        return np.ones(len(examples), bool)
    condition = system.slices[name]
    columns = {n: from_arrow(examples[n], system.example_kinds[n]) for n in condition.names}
    return holds(condition, columns, np.asarray(examples["time"], np.int64), len(examples), system.timezone)
