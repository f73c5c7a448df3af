"""Rows of JSON: those posted over HTTP and those of JSON-lines files, checked and typed as rows of any other file."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from hashlib import blake2b
from operator import attrgetter
from typing import Any

import msgspec

from sixfold.data.layout import MAX_TIME_US, Layout, OutColumn, layout
from sixfold.data.values import Unreadable, converter
from sixfold.data.words import FUTURE, FUTURE_US, WORDS
from sixfold.design.schema import Stream, TableSchema
from sixfold.features.arrays import Array, Values, column
from sixfold.features.expressions import compile as compile_expression
from sixfold.stores.log import NewEvent

__all__ = ["Checked", "Refusal", "RowChecker", "Typed", "decode", "decode_columns", "known_times", "typer"]

_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(dict[str, Any]).decode


@dataclass(frozen=True, slots=True, order=True)
class Refusal:
    """A row that was not taken."""

    index: int
    reason: str


@dataclass(frozen=True, slots=True)
class Checked:
    """What became of posted rows."""

    accepted: list[NewEvent]
    indices: list[int]
    """Where each accepted row stood among the rows."""
    refused: list[Refusal]


class RowChecker:
    """Checks posted rows of one stream or table against its schema, and makes events for the log of them."""

    def __init__(self, schema: Stream | TableSchema, timezone: str) -> None:
        self._layout = layout(schema)
        self._type = typer(self._layout, timezone, own_names=True)
        self._known = known_times(self._layout, timezone)

    def check(self, rows: Sequence[object], now_us: int) -> Checked:
        """The events to append, and what is refused and why.

        Args:
            rows: Each a mapping under the raw names, as in the files; a raw name that is absent may stand under the
                design's own. Other names are ignored, absent outcomes are null.
            now_us: The clock's time, from which a row of a table without `valid_from` counts.
        """
        typed, indices, refused = [], [], []
        for index, row in enumerate(rows):
            values, reasons = self._type(row)
            if reasons:
                refused.append(Refusal(index, "; ".join(reasons)))
            else:
                typed.append(values)
                indices.append(index)
        if self._layout.is_table:
            return Checked([self._version(values, now_us) for values in typed], indices, refused)
        accepted, kept = [], []
        for index, values, known in zip(indices, typed, self._known(typed)):
            if known > now_us + FUTURE_US:
                refused.append(Refusal(index, FUTURE.format((known - now_us) / 1e6)))
            else:
                values["known"] = known
                accepted.append(self._event(values))
                kept.append(index)
        return Checked(accepted, kept, sorted(refused))

    def _event(self, values: Mapping[str, Any]) -> NewEvent:
        same = _encode([values[name] for name in self._layout.identity])
        return NewEvent(self._layout.name, blake2b(same, digest_size=16).digest(), values["time"], _encode(values))

    def _version(self, values: dict[str, Any], now_us: int) -> NewEvent:
        # A corrected row has the key and the time of the one that it corrects: all of it tells it apart.
        values["valid_from"] = values[self._layout.time] if self._layout.time else None
        payload = _encode(values)
        time_us = now_us if values["valid_from"] is None else values["valid_from"]
        return NewEvent(self._layout.name, blake2b(payload, digest_size=16).digest(), time_us, payload)


def decode(payload: bytes) -> dict[str, Any]:
    """The row that an event's payload holds.

    Raises:
        msgspec.DecodeError: the payload is not a row.
    """
    return _decode(payload)


def decode_columns(payloads: Sequence[bytes], names: Sequence[str]) -> list[list[Any]]:
    """For each name its values in the rows that these payloads hold, None where a row has none.

    Raises:
        msgspec.DecodeError: a payload is not a row.
    """
    # The payloads one after the other, behind the head of an array of so many, are one message.
    rows = _rows_decoder(tuple(names)).decode(b"\xdd" + len(payloads).to_bytes(4, "big") + b"".join(payloads))
    return [[getter(row) for row in rows] for getter in map(attrgetter, _fields(names))]


@lru_cache(maxsize=256)
def _rows_decoder(names: tuple[str, ...]) -> "msgspec.msgpack.Decoder[list[Any]]":
    own = [(field, Any, None) for field in _fields(names)]
    row = msgspec.defstruct("Row", own, rename=dict(zip(_fields(names), names)), gc=False)
    return msgspec.msgpack.Decoder(list[row])  # type: ignore[valid-type]


def _fields(names: Sequence[str]) -> list[str]:
    # Names of a design may be words of Python.
    return [f"column_{i}" for i in range(len(names))]


Typed = Callable[[object], tuple[dict[str, Any], list[str]]]
"""From a raw row to its typed values by column, and the reasons to refuse it."""


def typer(rows: Layout, timezone: str, *, own_names: bool) -> Typed:
    """What reads one row of JSON.

    Args:
        own_names: Whether the design's own names stand in for raw names that are absent.
    """
    steps = [
        (c.name, c.raw, c.raw[0], c.name if own_names else c.raw[0], converter(c, timezone), c.required)
        for c in rows.columns
    ]
    late = rows.time if rows.is_table and own_names else None

    def read(row: object) -> tuple[dict[str, Any], list[str]]:
        values: dict[str, Any] = {}
        reasons: list[str] = []
        if not isinstance(row, dict):
            return values, ["a row must be an object"]
        for name, raws, raw, own, convert, required in steps:
            found = raw if raw in row else own
            value = row.get(found) if len(raws) == 1 else _several(row, raws, own)
            if value is not None:
                try:
                    value = convert(value)
                except Unreadable as wrong:
                    reasons.append(f"{found}: {wrong}")
                    value, required = None, False
            # A posted version without its time counts from its arrival.
            if value is None and required and name != late:
                present = found in row if len(raws) == 1 else own in row or all(r in row for r in raws)
                reasons.append(f"{', '.join(raws)}: {WORDS['null' if present else 'missing']}")
            values[name] = value
        return values, reasons

    return read


def known_times(rows: Layout, timezone: str) -> Callable[[Sequence[Mapping[str, Any]]], list[int]]:
    """What gives the known times of typed rows: never before their own time."""
    if rows.known is None:
        return lambda typed: [row["time"] for row in typed]
    expression = rows.known
    run = compile_expression(expression, timezone)
    reads: dict[str, OutColumn] = {name: c for name, c in rows.canonical.items() if name in expression.names}

    def known(typed: Sequence[Mapping[str, Any]]) -> list[int]:
        times: list[int] = [row["time"] for row in typed]
        if not typed:
            return times
        columns: dict[str, Array] = {name: column(c.kind, [row[c.name] for row in typed]) for name, c in reads.items()}
        found = run(columns, column(rows.kinds["time"].kind, times).data)
        assert isinstance(found, Values), "design checks that `known` is one time"
        values, valid = found.data.tolist(), found.valid.tolist()
        if len(values) == 1:
            values, valid = values * len(times), valid * len(times)
        limit = MAX_TIME_US * 2 - 1
        return [min(max(t, k), limit) if ok else t for t, k, ok in zip(times, values, valid)]

    return known


def _several(row: Mapping[str, Any], raws: Sequence[str], own: str) -> Any:
    """The raw values of a key of several columns, None if one is; its own name holds the joined text."""
    values = [row.get(raw) for raw in raws]
    if own in row and not any(raw in row for raw in raws):
        return row[own]
    return None if None in values else values
