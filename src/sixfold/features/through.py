"""Rows that read a group of features through a relation, in batch: keys as numbers, pairs as ranges, no row a pair."""
# B = points: a row with one rest of a key, K = keys that have events, R = reads

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from sixfold.design.schema import FeatureGroup
from sixfold.design.system import System
from sixfold.features._pair_kernels import grouped, reads_by_key
from sixfold.features.joins_sql import Relations
from sixfold.features.keyed_sql import asked_by_key
from sixfold.features.pair_ranges import RelationRows, in_order, pair_ranges
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
        self._scratch, self._rest = scratch, [f"k{i}" for i in range(1, len(group.entities))]
        self._asked = int(scratch.read(f"select count(*) from {base}")[0][0].as_py())
        points = scratch.read(asked_by_key(system, group, base, "_row, time as t"))
        row_B, time_B = (np.asarray(points[name], np.int64) for name in ("_row", "t"))
        near_B, nears = _coded(points["k0"])
        rest_B, self._rests = _rests([points[name] for name in self._rest], len(row_B))
        # Where a key has many reads they follow each other in time, and what they look at lies close together.
        order = grouped(rest_B, len(self._rests[0])) if self._rest else np.argsort(time_B, kind="stable")
        self.time_B = time_B[order]
        self._row_B, self._near_B, self._rest_B = row_B[order], near_B[order], rest_B[order]
        near, far = quoted(group.hop.near.name), quoted(group.hop.far.name)
        up_to = "true" if as_of_offset is None else f'"offset" <= {as_of_offset}'
        rows = scratch.read(
            f'select {near} as near, {far} as far, valid_from, "offset" from {ingested.sql(group.hop.table)} '
            f"where {up_to} and {far} is not null"
        )
        code = pc.index_in(rows["near"], nears)
        rows, near_M = rows.filter(code.is_valid()), np.asarray(code.drop_null(), np.int64)
        far_M, self._fars = _coded(rows["far"])
        times = [np.asarray(rows[name], np.int64) for name in ("valid_from", "offset")]
        self._pairs, self._nears = in_order(RelationRows(near_M, far_M, *times)), len(nears)

    def events(self, query: str, columns: Sequence[str]) -> str:
        """The query of those of a group's events that someone may read: `key`, a code, and `known`, `_offset`, these.

        The codes of keys ascend by the rest of the key.
        """
        fars = self._scratch.rows(pa.table({"k0": self._fars, "number": np.arange(len(self._fars))}))
        own = ", ".join(f"e.{name}" for name in ("_known as known", "_offset", *columns))
        joined, number = "", "0"
        if self._rest:
            rests = pa.table(dict(zip([*self._rest, "number"], [*self._rests, np.arange(len(self._rests[0]))])))
            same = " and ".join(f"e.{part} = r.{part}" for part in self._rest)
            joined, number = f" join {self._scratch.rows(rests)} r on {same}", "r.number"
        return (
            f"select {number}::bigint * {len(self._fars)} + f.number as key, {own} from ({query}) e "
            f"join {fars} f on e.k0 = f.k0{joined}"
        )

    def who(self, code_K: Ints, seen_B: Ints | None) -> Who:
        """Who reads the keys that have events.

        Args:
            code_K: Their codes, ascending.
            seen_B: The largest log offset that each row sees; None: everything.
        """
        seen = None if seen_B is None else seen_B[self._row_B]
        ranges = pair_ranges(self._pairs, self._nears, self._near_B, self.time_B, seen)
        rest_K, far_K = np.divmod(code_K, max(len(self._fars), 1))
        places = np.arange(len(self._rests[0]) + 1 if self._rest else 2)
        point_R, starts_K = reads_by_key(
            far_K,
            np.searchsorted(rest_K, places),
            np.searchsorted(self._rest_B, places),
            ranges.begin_B,
            ranges.end_B,
            ranges.far_M,
            len(self._fars),
        )
        row_R, rows = self._row_B[point_R], self._asked
        total = np.bincount(self._row_B, ranges.end_B - ranges.begin_B, rows).astype(np.int64)
        missing = np.where(total == 0, 1, total - np.bincount(row_R, minlength=rows))
        key_R = np.repeat(np.arange(len(code_K)), np.diff(starts_K))
        return Who(row_R, key_R, self.time_B[point_R], missing)


def _coded(texts: pa.ChunkedArray) -> tuple[Ints, pa.Array]:
    """A number for each text, and the texts by number."""
    encoded = texts.combine_chunks().dictionary_encode()
    return np.asarray(encoded.indices, np.int64), encoded.dictionary


def _rests(columns: Sequence[pa.ChunkedArray], rows: int) -> tuple[Ints, list[pa.Array]]:
    """A number for the rest of each row's key, and the parts of the rests by number."""
    if not columns:
        return np.zeros(rows, np.int64), []
    coded = [_coded(column) for column in columns]
    if len(coded) == 1:
        return coded[0][0], [coded[0][1]]
    both, number_B = np.unique(np.stack([c for c, _ in coded]), axis=1, return_inverse=True)
    return number_B.reshape(-1).astype(np.int64), [texts.take(pa.array(c)) for (_, texts), c in zip(coded, both)]
