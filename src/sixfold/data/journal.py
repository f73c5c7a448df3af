"""The event log as a source: its records, typed already, by stream and table."""

from collections.abc import Callable, Mapping
from typing import Any

import duckdb
import msgspec

from sixfold.data.convert import quoted
from sixfold.data.layout import Layout
from sixfold.data.rows import decode
from sixfold.data.stage import log_table, typed_table
from sixfold.stores.log import EventLog, Record

__all__ = ["take_log"]

_BATCH = 20_000


def take_log(
    con: duckdb.DuckDBPyConnection, log: EventLog, groups: Mapping[str, tuple[Layout, int]], last: int
) -> None:
    """Put each group's records, beyond the offset that it took and up to `last`, into its `log_table`.

    Args:
        groups: Layout and offset taken, by name.
    """
    readers = {name: _reader(layout) for name, (layout, _) in groups.items()}
    after = min((offset for _, offset in groups.values()), default=last)
    while after < last and (records := log.read(after, _BATCH)):
        after = records[-1].offset
        rows: dict[str, list[dict[str, Any]]] = {}
        for record in records:
            if record.offset <= last and record.stream in groups and record.offset > groups[record.stream][1]:
                rows.setdefault(record.stream, []).append(readers[record.stream](record))
        for name, typed in rows.items():
            _keep(con, groups[name][0], typed)


def _keep(con: duckdb.DuckDBPyConnection, layout: Layout, typed: list[dict[str, Any]]) -> None:
    con.register("_batch", typed_table(layout, typed))
    table = quoted(log_table(layout))
    con.execute(f"create temp table if not exists {table} as from _batch limit 0")
    con.execute(f"insert into {table} from _batch")
    con.unregister("_batch")


_TYPES: dict[str, tuple[type, ...]] = {"number": (int, float), "flag": (bool,), "time": (int,), "text": (str,)}


def _reader(layout: Layout) -> Callable[[Record], dict[str, Any]]:
    """What makes a typed row of a record, or a refused one where it does not fit the design any more."""
    checks = [(c.name, _TYPES[c.kind.base], c.kind, c.required and not layout.is_table) for c in layout.columns]

    def read(record: Record) -> dict[str, Any]:
        place = {"arrival": record.arrival_us, "offset": record.offset}
        try:
            values = decode(record.payload)
        except msgspec.DecodeError:
            return {**place, "_reasons": ["not a row"], "_raw": record.payload.hex()}
        reasons = []
        for name, types, kind, required in checks:
            value = values.get(name)
            if value is None:
                if required:
                    reasons.append(f"{name}: is null")
            elif not (
                isinstance(value, list) and all(isinstance(x, types) for x in value)
                if kind.is_list
                else isinstance(value, types)
            ):
                reasons.append(f"{name}: {str(value)[:60]!r} is not a {kind}")
        if reasons:
            return {**place, "_reasons": reasons, "_raw": msgspec.json.encode(values).decode()}
        if layout.is_table:
            valid = values.get("valid_from")
            return {**values, **place, "valid_from": record.arrival_us if valid is None else valid}
        return {**values, **place, "known": max(values.get("known") or values["time"], values["time"])}

    return read
