"""How the values of columns are distributed, in a few bins: for plots, and to compare one ingestion with the next."""
# B = rows

from collections.abc import Mapping

import duckdb
import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from sixfold.data.convert import quoted
from sixfold.data.erased import write_durably
from sixfold.data.ingested import Ingested
from sixfold.design.kinds import Kind
from sixfold.design.schema import Stream, TableSchema
from sixfold.design.system import System
from sixfold.errors import IngestedDamaged

__all__ = ["NAME", "Shape", "Shapes", "look", "psi", "shape"]

NAME = "shapes.json"
ROWS = 200_000
"""Larger streams and tables are sampled."""
_BINS, _VALUES, _DIFFERENT = 20, 20, 1_000
_DAY_US = 86_400_000_000


class Shape(msgspec.Struct, frozen=True):
    """How often values fall into bins."""

    base: str
    """Of the column's kind: `number`, `flag`, `text` or `time`."""
    edges: list[float] = []
    """Of numbers and times (in days): what lies below the first and from the last on has a bin of its own."""
    values: list[str] = []
    """Of flags and texts; all others have the last bin."""
    counts: list[int] = []
    """Shape (edges + 1,) or (values + 1,)."""
    nulls: int = 0


class Shapes(msgspec.Struct):
    """The distributions of an ingestion, and those of the one before it that had other data."""

    made_of: dict[str, list[str]]
    """The files of each stream and table."""
    own: dict[str, Shape]
    """By `group.column`, in bins of their own: what the next ingestion is compared with."""
    now: dict[str, Shape] = {}
    """In the bins of `before`, where there is one."""
    before: dict[str, Shape] = {}


def look(con: duckdb.DuckDBPyConnection, system: System, ingested: Ingested) -> Shapes:
    """The distributions of what is ingested; kept beside it, so that the next one can be compared.

    Keys, and texts with many different values, have none: they would be a copy of the data.

    Raises:
        IngestedDamaged: what was kept is not readable.
    """
    schemas: dict[str, Stream | TableSchema] = {**system.streams, **system.tables}
    path = ingested.folder.parent / NAME
    made_of = {name: [file.name for file in ingested.files(name)] for name in schemas}
    try:
        kept = msgspec.json.decode(path.read_bytes(), type=Shapes) if path.is_file() else None
    except msgspec.DecodeError as error:
        raise IngestedDamaged(path=str(path), reason=str(error), fix="Delete the file and run again.") from None
    if kept is not None and kept.made_of == made_of:
        return kept
    found, before = Shapes(made_of, {}), {} if kept is None else kept.own
    for name, schema in schemas.items():
        kinds = {field.name: field.kind for field in schema.fields}
        if isinstance(schema, Stream):
            kinds["time"] = Kind("time")
        if not kinds:
            continue
        columns = ", ".join(quoted(column) for column in kinds)
        relation = f"(select {columns} from {ingested.sql(name)})"
        rows = con.sql(f"select * from {relation} using sample reservoir({ROWS} rows) repeatable (0)").to_arrow_table()
        for column, kind in kinds.items():
            _add(found, before, f"{name}.{column}", rows[column], kind)
    write_durably(path, msgspec.json.encode(found))
    return found


def _add(found: Shapes, before: Mapping[str, Shape], name: str, column: pa.ChunkedArray, kind: Kind) -> None:
    own = shape(column, kind)
    if own is None:
        return
    found.own[name] = found.now[name] = own
    old = before.get(name)
    if old is not None and old.base == own.base and (like := shape(column, kind, like=old)) is not None:
        found.before[name], found.now[name] = old, like


def shape(column: pa.ChunkedArray, kind: Kind, *, like: Shape | None = None) -> Shape | None:
    """The distribution of a column; of a list its length. None for texts with many different values.

    Args:
        like: Whose bins to use.
    """
    values = column.combine_chunks()
    if kind.image:
        return None
    if kind.is_list:
        values, kind = pc.list_value_length(values), Kind("number")
    known = values.drop_null()
    if kind.base in ("number", "time"):
        numbers = np.asarray(pc.cast(known, pa.float64()))
        numbers = numbers[np.isfinite(numbers)] / (_DAY_US if kind.base == "time" else 1)
        edges = _edges(numbers) if like is None else np.array(like.edges)
        counts = np.bincount(np.searchsorted(edges, numbers, "right"), minlength=len(edges) + 1)
        return Shape(kind.base, edges=edges.tolist(), counts=counts.tolist(), nulls=len(values) - len(numbers))
    texts = pc.cast(known, pa.string())
    often = {one["values"]: one["counts"] for one in pc.value_counts(texts).to_pylist()}
    if like is None and len(often) > _DIFFERENT:
        return None
    chosen = sorted(sorted(often), key=lambda one: -often[one])[:_VALUES] if like is None else like.values
    counts_V = [often.get(one, 0) for one in chosen]
    rest = len(texts) - sum(counts_V)
    return Shape(kind.base, values=chosen, counts=[*counts_V, rest], nulls=len(values) - len(texts))


def psi(before: Shape, now: Shape) -> float:
    """The population stability index of two distributions over the same bins, nulls one of them.

    From 0.1 on a shift is worth a look, from 0.25 on it is large (Siddiqi, Credit Risk Scorecards, 2006). Half a row is
    added to each bin, so that an empty one gives no infinity.
    """
    old, new = (np.array([*one.counts, one.nulls]) + 0.5 for one in (before, now))
    p, q = old / old.sum(), new / new.sum()
    return float(((q - p) * np.log(q / p)).sum())


def _edges(numbers: NDArray[np.float64]) -> NDArray[np.float64]:
    """The values themselves where they are few, else bins of equal width over all but the outermost hundredths."""
    different = np.unique(numbers)
    if len(different) <= _BINS:
        return different
    low, high = np.quantile(numbers, [0.01, 0.99])
    return np.linspace(low, high, _BINS + 1) if low < high else different[:: len(different) // _BINS]
