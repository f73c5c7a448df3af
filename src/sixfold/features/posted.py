"""Which ingested rows came through the log, and what the log held at a time."""

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from sixfold.design.system import System
from sixfold.features.joins_sql import Relations
from sixfold.features.scratch import Scratch

__all__ = ["offsets_as_of", "posted"]


def posted(scratch: Scratch, ingested: Relations, names: Iterable[str]) -> list[str]:
    """Those of these streams and tables that have rows of the log."""
    query = 'select coalesce(max("offset"), -1) >= 0 from {}'
    return [name for name in names if scratch.read(query.format(ingested.sql(name)))[0][0].as_py()]


def offsets_as_of(
    scratch: Scratch, system: System, ingested: Relations, times: NDArray[np.int64]
) -> NDArray[np.int64] | None:
    """The largest log offset that had arrived at each of these times (rule T7), of the rows that were ingested.

    Returns:
        Shape as `times`, -1 for none; None where no row came through the log, and so everything is seen.
    """
    names = posted(scratch, ingested, [*system.streams, *system.tables])
    if not names:
        return None
    parts = [f'select arrival, "offset" from {ingested.sql(name)} where "offset" >= 0' for name in names]
    # Arrivals never decrease with the offset.
    found = scratch.read(f"select * from ({' union all '.join(parts)}) order by 2")
    offsets = np.concatenate([[-1], np.asarray(found[1], np.int64)])
    return offsets[np.searchsorted(np.asarray(found[0], np.int64), times, "right")]
