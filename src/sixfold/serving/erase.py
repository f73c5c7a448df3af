"""`sixfold erase`: everything that is kept of one key of an entity goes, rewritten and not hidden."""

import shutil
from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import msgspec
from rich.table import Table

from sixfold.data.erased import ErasedKeys, write_durably
from sixfold.data.erasing import Taken, erase_data
from sixfold.data.layout import Layout, layout
from sixfold.data.rows import decode
from sixfold.data.shapes import NAME as SHAPES
from sixfold.design.groups import ANSWERS, logged_as
from sixfold.design.schema import Stream, TableSchema
from sixfold.design.system import System
from sixfold.errors import StoreBusy, UnknownInRequest
from sixfold.registry import Releases
from sixfold.stores import Record
from sixfold.stores.opening import States, open_states, rewrite_log
from sixfold.stores.rewriting import ERASED

__all__ = ["Erasure", "erase"]

_PENDING = "erasing.json"
_DERIVED = ("steps", "demo", "spill", "report.html", "data.html", SHAPES)
"""What is made again from data: it goes as a whole."""
_encode = msgspec.msgpack.Encoder().encode


@dataclass
class Erasure:
    """What was removed where."""

    entity: str
    key: str
    places: dict[str, Taken] = field(default_factory=dict)
    """Rows of each stream and table, in the log and ingested, and refused ones."""
    discarded: list[str] = field(default_factory=list)
    """States, and files and folders that are made again from the data."""
    marked: list[str] = field(default_factory=list)
    """Releases that learned from it."""
    naming: list[str] = field(default_factory=list)
    """Files of releases that hold the key itself, such as a model's vocabulary."""
    unknown: list[str] = field(default_factory=list)
    """Streams of the log that the design does not have: what they hold is not known, and stayed."""

    def to_json(self) -> dict[str, Any]:
        """Everything, as plain objects."""
        return asdict(self)

    def tables(self) -> list[Table | str]:
        """For a terminal."""
        table = Table("where", "rows removed", "rows changed", title=f"Erased {self.entity} {self.key}")
        table.title_justify = "left"
        for place, taken in self.places.items():
            if taken.removed or taken.changed:
                table.add_row(place, f"{taken.removed:,}", f"{taken.changed:,}")
        found: list[Table | str] = [table if table.row_count else f"No row held {self.entity} {self.key}."]
        if self.discarded:
            found.append(f"Removed, to be made again from what is left: {', '.join(self.discarded)}.")
        if self.marked:
            found.append(
                f"Learned from it, and marked: {', '.join(self.marked)}. `sixfold run` makes one that did not."
            )
        found += [f"[yellow]still holds the key itself:[/yellow] {path}" for path in self.naming]
        found += [f"[yellow]in the log, not in the design, left as it is:[/yellow] {name}" for name in self.unknown]
        return found


def erase(system: System, workdir: Path, entity: str, key: str, *, now_us: int) -> Erasure:
    """Take a key out of log, ingested data, refused rows, states, steps and reports, and mark releases.

    Rows about the key go; a list of keys, or a table's link, loses it. The log keeps an empty record, so that offsets
    stay. Sources outside the work folder are not touched: the key's salted hash is kept, and their rows of it are left
    out when they are read again. One that was cut off is finished by the next one.

    Args:
        now_us: When it is, for the marks of releases.

    Raises:
        UnknownInRequest: the design has no such entity.
        StoreBusy: a server is running; nothing was erased.
    """
    schemas: tuple[Stream | TableSchema, ...] = (*system.streams.values(), *system.tables.values())
    layouts = [layout(schema) for schema in schemas]
    known = {column.entity for one in layouts for column in one.keyed}
    if entity not in known:
        raise UnknownInRequest(kind="entity", name=entity, known=sorted(known))
    stores = system.deployment.stores
    with closing(open_states(stores, system.name, workdir)) as states:
        discarded = _discarded(states)
    pending = workdir / _PENDING
    if pending.is_file():
        begun = msgspec.json.decode(pending.read_bytes(), type=dict[str, str])
        unfinished = Erasure(begun["entity"], begun["key"], discarded=discarded)
        _erase(system, workdir, layouts, unfinished, now_us, again=True)
        if begun == {"entity": entity, "key": key}:
            return unfinished
    workdir.mkdir(parents=True, exist_ok=True)
    write_durably(pending, msgspec.json.encode({"entity": entity, "key": key}))
    done = Erasure(entity, key, discarded=discarded)
    _erase(system, workdir, layouts, done, now_us, again=False)
    return done


def _erase(system: System, workdir: Path, layouts: list[Layout], done: Erasure, now_us: int, *, again: bool) -> None:
    """Every step may be done again.

    Args:
        again: One was cut off: what it had removed is not seen any more.
    """
    # First of all, so that a step that reads sources meanwhile does not bring it back.
    key_hash = ErasedKeys.load(workdir).add(workdir, done.entity, done.key)
    log = _LogRewriter(system, layouts, done)
    rewrite_log(system.deployment.stores, system.name, workdir, log.changed)
    done.places |= erase_data(workdir, layouts, done.entity, done.key)
    for name in _DERIVED:
        path = workdir / name
        if path.is_dir():
            shutil.rmtree(path)
        elif path.is_file():
            path.unlink()
        else:
            continue
        done.discarded.append(name)
    releases = Releases(workdir / "releases")
    if again or any(taken.removed or taken.changed for taken in done.places.values()):
        done.marked = releases.mark_erased(done.entity, key_hash, now_us)
    done.naming = [str(path.relative_to(workdir)) for path in _naming(workdir, done.key)]
    (workdir / _PENDING).unlink()


def _discarded(states: States) -> list[str]:
    """The names of all states, which are gone then.

    Raises:
        StoreBusy: one is in use.
    """
    names = states.names()
    for name in names:
        if not states.discard(name):
            raise StoreBusy(
                path=name, by="a server", fix="Stop it, erase, and start it again: it builds its state anew."
            )
    states.discard_all_but(())
    return [f"state {name}" for name in names]


class _LogRewriter:
    """Records of the log without a key."""

    def __init__(self, system: System, layouts: list[Layout], done: Erasure) -> None:
        self._system, self._done = system, done
        self._keyed = {logged_as(one.name): [c for c in one.keyed if c.entity == done.entity] for one in layouts}

    def changed(self, record: Record) -> Record:
        """The record as it is to be from now on."""
        if record.stream == ERASED:
            return record
        if record.stream not in self._keyed and record.stream != ANSWERS:
            if record.stream not in self._done.unknown:
                self._done.unknown.append(record.stream)
            return record
        row = decode(record.payload)
        left = self._answer(row) if record.stream == ANSWERS else self._row(record.stream, row)
        taken = self._done.places.setdefault(f"log {record.stream}", Taken())
        if left is None:
            taken.removed += 1
            return Record(record.offset, record.arrival_us, ERASED, 0, b"")
        if left == row:
            return record
        taken.changed += 1
        return record._replace(payload=_encode(left))

    def _row(self, name: str, row: dict[str, Any]) -> dict[str, Any] | None:
        """A posted row; None where it is about the key."""
        key, columns = self._done.key, self._keyed[name]
        if any(row.get(column.name) == key for column in columns if column.own):
            return None
        return {**row, **{c.name: _left(row[c.name], key) for c in columns if c.name in row}}

    def _answer(self, row: dict[str, Any]) -> dict[str, Any] | None:
        """What was logged of an answer; None where the key asked."""
        system, entity, key = self._system, self._done.entity, self._done.key
        if entity == system.query and row.get(system.query) == key:
            return None
        # A row that was decided about is about each of its keys, as an event of its stream is.
        if system.item is None and entity in system.row.base and row["context"].get(entity) == key:
            return None
        items = [one for one in row["items"] if entity != system.item or one["key"] != key]
        items = [{**one, "features": self._features(one["features"])} for one in items]
        own = {name: self._features(row[name]) for name in ("context", "features")}
        return {**row, **own, "items": items}

    def _features(self, values: Mapping[str, Any]) -> dict[str, Any]:
        """Values by canonical name, without the key where they are keys of its entity."""
        kinds = self._system.kinds
        return {
            name: _left(value, self._done.key) if name in kinds and kinds[name].domain == self._done.entity else value
            for name, value in values.items()
        }


def _left(value: Any, key: str) -> Any:
    if isinstance(value, list):
        return [one for one in value if one != key]
    return None if value == key else value


def _naming(workdir: Path, key: str) -> Iterator[Path]:
    """JSON files of releases, and what a tracking server has of them, that hold the key as a text."""
    for folder in ("releases", "mlartifacts"):
        for path in sorted((workdir / folder).rglob("*.json")):
            content = path.read_bytes()
            try:
                named = _names(msgspec.json.decode(content), key)
            except msgspec.DecodeError:
                named = key.encode() in content
            if named:
                yield path


def _names(value: Any, key: str) -> bool:
    if isinstance(value, dict):
        return key in value or any(_names(one, key) for one in value.values())
    if isinstance(value, list):
        return any(_names(one, key) for one in value)
    return bool(value == key)
