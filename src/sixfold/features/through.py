"""Rows that read a group of features through a relation, in batch: keys as numbers, pairs as ranges, no row a pair."""
# B = points: a row with one rest of a key, K = keys that have events, R = reads

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from sixfold.design.schema import FeatureGroup
from sixfold.design.system import System
from sixfold.features._pair_kernels import reads_by_key
from sixfold.features.joins_sql import Relations
from sixfold.features.keyed_sql import asked_by_key
from sixfold.features.pair_ranges import RelationRows, pair_ranges
from sixfold.features.scratch import Scratch, quoted

__all__ = ["Through", "Who"]

Ints = NDArray[np.int64]


class Who(NamedTuple):
    """Which rows read which keys."""

    row_R: Ints
    key_R: Ints
    time_R: Ints
    missing: Ints
    """How many keys of each row have no events; 1 where it has no key at all."""


class Through:
    """The points of a table's rows, and numbers for the texts of keys.

    Args:
        base: A table with `_row`, `time` and the keys that the group is asked by.
        as_of_offset: Rows of the relation with a larger offset count as not there; None: none.
    """

    def __init__(
        self,
        scratch: Scratch,
        system: System,
        ingested: Relations,
        group: FeatureGroup,
        base: str,
        as_of_offset: int | None,
    ) -> None:
        assert group.hop is not None, "it is read through a relation"
        self._rows_asked = _count(scratch, base)
        self._scratch, self._rest = scratch, [f"k{i}" for i in range(1, len(group.entities))]
        points = scratch.table(asked_by_key(system, group, base, "_row, time as t"))
        near, far = quoted(group.hop.near.name), quoted(group.hop.far.name)
        nears = scratch.table(_numbered("k0", points))
        up_to = "true" if as_of_offset is None else f'"offset" <= {as_of_offset}'
        rows = scratch.table(
            f'select n.number as near, {far} as k0, valid_from, "offset" from {ingested.sql(group.hop.table)} r '
            f"join {nears} n on r.{near} = n.k0 where {up_to} and {far} is not null"
        )
        self._fars = scratch.table(_numbered("k0", rows))
        self._rests = scratch.table(_numbered(", ".join(self._rest), points)) if self._rest else ""
        read = scratch.read(
            f'select r.near, f.number, r.valid_from, r."offset" from {rows} r join {self._fars} f on r.k0 = f.k0'
        )
        self._rows = RelationRows(*(np.asarray(column, np.int64) for column in read.columns))
        self._nears = _count(scratch, nears)
        self._sizes = _count(scratch, self._fars), _count(scratch, self._rests) if self._rest else 1
        same = " and ".join(f"p.{part} = r.{part}" for part in self._rest)
        joined, number = (f" join {self._rests} r on {same}", "r.number") if self._rest else ("", "0")
        found = scratch.read(
            f"select p._row, p.t, n.number, {number} as rest from {points} p "
            f"join {nears} n on p.k0 = n.k0{joined} order by rest, p.t"
        )
        self._row_B, self.time_B, self._near_B, self._rest_B = (np.asarray(c, np.int64) for c in found.columns)

    def events(self, query: str, columns: Sequence[str]) -> str:
        """The query of those of a group's events that someone may read: `code`, `_known`, `_offset`, these columns."""
        own = ", ".join(f"e.{name}" for name in ("_known", "_offset", *columns))
        same = " and ".join(f"e.{part} = r.{part}" for part in self._rest)
        joined, number = (f" join {self._rests} r on {same}", "r.number") if self._rest else ("", "0")
        return (
            f"select {number}::bigint * {self._sizes[0]} + f.number as code, {own} from ({query}) e "
            f"join {self._fars} f on e.k0 = f.k0{joined}"
        )

    def who(self, code_K: Ints, seen_B: Ints | None) -> Who:
        """Who reads the keys that have events.

        Args:
            code_K: Their codes, ascending.
            seen_B: The largest log offset that each row sees; None: everything.
        """
        seen = None if seen_B is None else seen_B[self._row_B]
        ranges = pair_ranges(self._rows, self._nears, self._near_B, self.time_B, seen)
        rest_K, far_K = np.divmod(code_K, max(self._sizes[0], 1))
        places = np.arange(self._sizes[1] + 1)
        point_R, starts_K = reads_by_key(
            far_K,
            np.searchsorted(rest_K, places),
            np.searchsorted(self._rest_B, places),
            ranges.begin_B,
            ranges.end_B,
            ranges.far_M,
            self._sizes[0],
        )
        row_R, rows = self._row_B[point_R], self._rows_asked
        total = np.bincount(self._row_B, ranges.end_B - ranges.begin_B, rows).astype(np.int64)
        missing = np.where(total == 0, 1, total - np.bincount(row_R, minlength=rows))
        key_R = np.repeat(np.arange(len(code_K)), np.diff(starts_K))
        return Who(row_R, key_R, self.time_B[point_R], missing)


def _numbered(columns: str, table: str) -> str:
    """The query of the different values of these columns, with a number from 0 on for each."""
    return f"select *, row_number() over () - 1 as number from (select distinct {columns} from {table})"


def _count(scratch: Scratch, table: str) -> int:
    found: pa.Table = scratch.read(f"select count(*) from {table}")
    return int(found[0][0].as_py())
