"""A batch of a stream's events as columns: what the aggregates of its groups see."""
# N = events, A = columns of tiles

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, cast

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from sixfold.data.rows import decode_columns
from sixfold.design.expressions import Expression
from sixfold.design.kinds import TIME, Kind
from sixfold.design.schema import Stream
from sixfold.features.arrays import Array, Values, column, from_arrow
from sixfold.features.dictionary import Dictionary
from sixfold.features.expressions import evaluate
from sixfold.features.hashing import hash_numbers, hash_texts
from sixfold.features.keys import Codes, factorize, length, pair_keys, spread
from sixfold.features.layout import FAR, MAX_MEASURE, NEVER, Layout, ListSpec, Measure
from sixfold.features.read_plan import Lookup
from sixfold.features.tables import Tables
from sixfold.stores.log import Record

__all__ = ["EventBatch", "event_kinds", "from_records", "from_table", "look_up"]


class EventBatch:
    """Events in the order of their offsets.

    Args:
        columns: By canonical name, each of N rows; what tables add is put in later, by `look_up`.
        known: Shape (N,), microseconds.
        offsets: Shape (N,), ascending.
    """

    def __init__(
        self, columns: dict[str, Array], known: NDArray[np.int64], offsets: NDArray[np.int64], timezone: str
    ) -> None:
        self.columns, self.known, self.offsets, self._timezone = columns, known, offsets, timezone
        self._values: dict[Expression, Values] = {}
        self._seen: dict[tuple[Expression | None, Expression | None], NDArray[np.bool_]] = {}

    def touching(self, layout: Layout) -> NDArray[np.int64]:
        """The events that an aggregate of the group sees; the others change no row, and no clock."""
        touched = np.zeros(len(self.known), bool)
        pairs = [(one.expression, one.where) for one in layout.measures]
        pairs += [(one.expression, one.where) for one in layout.lists]
        for expression, where in dict.fromkeys(pairs):
            touched |= self.seen(expression, where)
        return np.flatnonzero(touched)

    def tiles(self, layout: Layout, dictionary: Dictionary) -> NDArray[np.int64]:
        """Each event as a tile of its own: the columns of all levels, floats by their bits, shape (N, A)."""
        columns: list[NDArray[Any]] = []
        for one in layout.measures:
            seen = self.seen(one.expression, one.where)
            columns += self._measured(one, seen, dictionary)
        tiles = np.empty((len(self.known), len(columns)), np.int64)
        for i, one_column in enumerate(columns):
            tiles[:, i] = one_column.view(np.int64)
        return tiles

    def entries(self, lists: Sequence[ListSpec], dictionary: Dictionary) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
        """What each event puts in each list, as the slots of a row keep it, and whether it does: shape (N, lists)."""
        slots, seen = np.zeros((len(self.known), len(lists)), np.int64), np.zeros((len(self.known), len(lists)), bool)
        for i, one in enumerate(lists):
            seen[:, i] = self.seen(one.expression, one.where)
            data = self._value(one.expression).data
            if one.function == "distinct":
                slots[:, i] = _hashes(data, seen[:, i])
            else:
                slots[:, i] = _slots(data, seen[:, i], one.expression.kind, dictionary)
        return slots, seen

    def seen(self, expression: Expression | None, where: Expression | None) -> NDArray[np.bool_]:
        """Which events an aggregate sees (rule T9), shape (N,)."""
        if (found := self._seen.get((expression, where))) is not None:
            return found
        seen = np.ones(len(self.known), bool)
        if expression is not None:
            value = self._value(expression)
            seen &= value.valid
            if expression.kind.base == "number":
                with np.errstate(invalid="ignore"):
                    seen &= np.abs(value.data) <= MAX_MEASURE
        if where is not None:
            holds = self._value(where)
            seen &= holds.valid & holds.data.astype(bool)
        self._seen[expression, where] = seen
        return seen

    def _measured(self, one: Measure, seen: NDArray[np.bool_], dictionary: Dictionary) -> list[NDArray[Any]]:
        """The columns of one measure."""
        if one.op == "latest":
            return [np.where(seen, self.known, NEVER)]
        if one.op == "count" or (one.expression is None and one.op != "decayed"):
            return [seen.astype(np.float64)]
        if one.op == "first":
            assert one.expression is not None, "first has an expression"
            slots = _slots(self._value(one.expression).data, seen, one.expression.kind, dictionary)
            return [np.where(seen, self.known, FAR), slots]
        value = 1.0 if one.expression is None else self._value(one.expression).data.astype(np.float64)
        if one.op in ("min", "max"):
            return [np.where(seen, value, np.inf if one.op == "min" else -np.inf)]
        values = np.where(seen, value, 0.0)
        if one.op == "std":
            return [seen.astype(np.float64), values, np.zeros(len(seen))]
        return [np.where(seen, self.known, NEVER), values] if one.op == "decayed" else [values]

    def _value(self, expression: Expression) -> Values:
        if (value := self._values.get(expression)) is None:
            found = evaluate(expression, self.columns, self.known, self._timezone)
            value = self._values[expression] = cast(Values, spread(found, len(self.known)))
        return value


def from_records(records: Sequence[Record], kinds: Mapping[str, Kind], timezone: str) -> EventBatch:
    """The columns `kinds` of records of one stream."""
    read = decode_columns([record.payload for record in records], ["known", *map(_bare, kinds)])
    columns = {name: column(kind, items) for (name, kind), items in zip(kinds.items(), read[1:])}
    offsets = np.array([record.offset for record in records], np.int64)
    return EventBatch(columns, np.array(read[0], np.int64), offsets, timezone)


def from_table(table: pa.Table, kinds: Mapping[str, Kind], timezone: str) -> EventBatch:
    """The columns `kinds` of ingested rows of one stream, ascending by offset."""
    columns = {name: from_arrow(table.column(_bare(name)), kind) for name, kind in kinds.items()}
    known, offsets = (table.column(name).to_numpy().astype(np.int64) for name in ("known", "offset"))
    return EventBatch(columns, known, offsets, timezone)


def event_kinds(stream: Stream) -> dict[str, Kind]:
    """Kinds of a stream's own columns by canonical name."""
    return {
        **{key.entity: Kind("text", key.is_list, key.entity) for key in stream.keys},
        f"{stream.name}.time": TIME,
        **{f"{stream.name}.{one.name}": one.kind for one in stream.fields},
    }


def look_up(
    steps: Iterable[Lookup],
    columns: dict[str, Array],
    tables: Tables,
    at: NDArray[np.int64],
    offsets: NDArray[np.int64] | None = None,
    *,
    codes: Codes,
) -> None:
    """Add to `columns` what these steps find, as of `at` (shape (B,) or (1,))."""
    for step in steps:
        keys = [columns[on] for on in step.on]
        rows = len(at) if len(at) > 1 else max(length(key) for key in keys)
        pairs = pair_keys([_single(key) for key in keys], rows, codes)
        columns.update(tables.lookup(step.table, step.columns, pairs.texts, pairs.which, at, offsets))


def _bare(name: str) -> str:
    return name.rpartition(".")[2]


def _single(key: Array) -> Array:
    """The key of a lookup; no table is looked up by a list of keys."""
    if isinstance(key, Values):
        return key
    return Values(np.zeros(len(key.valid), object), np.zeros(len(key.valid), bool))


def _slots(data: NDArray[Any], seen: NDArray[np.bool_], kind: Kind, dictionary: Dictionary) -> NDArray[np.int64]:
    if kind.base == "text":
        codes, texts = factorize(data, seen)
        known = np.append(dictionary.codes(kind, texts), 0)
        return known[codes]
    if kind.base == "number":
        # -0.0 and 0.0 are one value.
        return (data.astype(np.float64) + 0.0).view(np.int64)
    return data.astype(np.int64)


def _hashes(data: NDArray[Any], seen: NDArray[np.bool_]) -> NDArray[np.int64]:
    if data.dtype != np.object_:
        return hash_numbers(data)
    codes, texts = factorize(data, seen)
    return np.append(hash_texts(texts), 0)[codes]
