"""Keys: which column names each row of a file, and which columns of other files hold such keys."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import duckdb

from sixfold.data.convert import quoted
from sixfold.scaffold.columns import Column
from sixfold.scaffold.files import Loaded
from sixfold.scaffold.meanings import Meaning
from sixfold.scaffold.names import entity_of, has_id_ending, names_someone, words

__all__ = ["Looked", "Reference", "link"]

SAMPLED = 5_000
"""So many different values of a column are looked for among the keys of another file."""
_RELATED, _UNRELATED = 0.5, 0.95
"""The share of them that must be there: where names fit, and where values alone speak."""
_NAMED, _UNNAMED = 0.9, 0.98
"""Of a key's rows so many have a value of their own: real tables have rows twice."""
FOREIGN = 1.2
"""Fewer rows than this of one value: nothing repeats, so nothing can be learned of it."""
_TELLING = 20
"""Fewer different values than this say nothing without a name that fits."""


@dataclass(frozen=True, slots=True)
class Reference:
    """A column whose values are keys."""

    column: str
    entity: str
    evidence: str
    table: "Looked | None" = None
    """The file that has a row for each such key."""


@dataclass(slots=True)
class Looked:
    """A file that was looked at."""

    file: Loaded
    columns: dict[str, Column]
    meanings: dict[str, Meaning]
    key: str | None = None
    """The column that names its rows."""
    referenced: bool = False
    """Whether other files name its rows."""
    references: dict[str, Reference] = field(default_factory=dict)
    """By column, without the key."""

    @property
    def entity(self) -> str | None:
        """What its key is of."""
        return None if self.key is None else entity_of(self.key, file=self.file.stem)

    @property
    def content(self) -> int:
        """How many of its columns say what its key is like."""
        return sum(bool(self.of_kind(kind)) for kind in ("list", "text", "category", "number", "flag", "time"))

    def foreign(self, name: str) -> bool:
        """Whether a column holds keys of something that no file is about: of no use to a model."""
        known = name != self.key and name not in self.references and self.meanings[name].kind in ("number", "text")
        return known and has_id_ending(name) and self.columns[name].each < FOREIGN

    def of_kind(self, *kinds: str) -> list[str]:
        """Its columns of these kinds that are no keys."""
        return [
            name
            for name, one in self.meanings.items()
            if one.kind in kinds and name != self.key and name not in self.references and not self.foreign(name)
        ]


def link(con: duckdb.DuckDBPyConnection, looked: Sequence[Looked]) -> None:
    """Find each file's key, and the columns of the others that hold such keys."""
    for one in looked:
        candidates = sorted(_candidates(one), key=lambda name: -_rank(one, name))
        one.key = candidates[0] if candidates else None
    for one in looked:
        one.references = _references(con, one, looked)
    for one in looked:
        one.referenced = any(r.table is one for other in looked for r in other.references.values())


def _candidates(one: Looked) -> list[str]:
    """Columns with a value of its own in every row, and whose values are no measurements."""
    found = []
    for name, column in one.columns.items():
        kind = one.meanings[name].kind
        whole = column.family == "integer" or column.shares["whole"] >= 0.95
        keyed = has_id_ending(name) or (kind in ("text", "category") and column.words <= 2 and column.length <= 40)
        if (
            column.unique(_NAMED if has_id_ending(name) else _UNNAMED)
            and kind not in ("time", "list", "empty")
            and (keyed or (whole and _is_first(one, name)))
        ):
            found.append(name)
    return found


def _rank(one: Looked, name: str) -> float:
    """How much like the key of its file a column is."""
    parts, stem = words(name), entity_of("id", file=one.file.stem)
    return (
        4.0 * (parts == ["id"])
        + 3.0 * (entity_of(name, file=one.file.stem) == stem)
        + 2.0 * has_id_ending(name)
        + 1.0 * _is_first(one, name)
    )


def _is_first(one: Looked, name: str) -> bool:
    return next(iter(one.columns)) == name


def _references(con: duckdb.DuckDBPyConnection, one: Looked, looked: Sequence[Looked]) -> dict[str, Reference]:
    found: dict[str, Reference] = {}
    for name, column in one.columns.items():
        if name == one.key or not _may_be_key(one.meanings[name], column, name):
            continue
        best: tuple[float, Reference] | None = None
        for other in looked:
            if other is one or other.key is None or other.entity is None:
                continue
            related = _related(name, one, other)
            if not related and (column.distinct < _TELLING or not _speaks(column)):
                continue
            share = _share(con, one, name, other)
            fits = share + related + other.content / 100
            if share >= (_RELATED if related else _UNRELATED) and (best is None or fits > best[0]):
                entity = other.entity if not _role(name, one, other) else entity_of(name, file=one.file.stem)
                evidence = f"{column.distinct:,} different values, {_percent(share)} in {other.file.shown}"
                table = other if entity == other.entity else None
                best = (fits, Reference(name, entity, evidence, table))
        if best is not None:
            found[name] = best[1]
        elif column.each >= FOREIGN and column.distinct > (1 if has_id_ending(name) else _TELLING) and _named(name):
            entity = entity_of(name, file=one.file.stem)
            evidence = f"{column.distinct:,} different values, {column.each:,.1f} rows each"
            found[name] = Reference(name, entity, evidence)
    return found


def _named(name: str) -> bool:
    return has_id_ending(name) or names_someone(name)


def _may_be_key(meaning: Meaning, column: Column, name: str) -> bool:
    if meaning.kind in ("empty", "time", "list", "unreadable", "flag", "constant") or meaning.made is not None:
        return False
    if meaning.kind == "number" and column.shares["whole"] < 0.95 and column.family != "integer":
        return _decimal_key(column) and has_id_ending(name)
    return meaning.kind != "text" or column.words <= 2


def _decimal_key(column: Column) -> bool:
    """Whole numbers beside empty cells are often written as `712.0`."""
    return column.low is not None and column.low == int(column.low)


def _related(name: str, one: Looked, other: Looked) -> bool:
    own, their = entity_of(name, file=one.file.stem), str(other.entity)
    keyed = has_id_ending(name) or len(words(name)) == len(words(their))
    return keyed and (own == their or own.endswith(f"_{their}"))


def _role(name: str, one: Looked, other: Looked) -> bool:
    """Whether a column names another's key in a role of its own, as an organiser is a member."""
    own, their = entity_of(name, file=one.file.stem), str(other.entity)
    return own != their and own.endswith(f"_{their}")


def _speaks(column: Column) -> bool:
    """Whether values that are found among another file's keys are hardly there by chance."""
    if column.is_text and column.shares["whole"] < 0.95:
        return True
    return column.middle is not None and column.middle >= 10_000


def _share(con: duckdb.DuckDBPyConnection, one: Looked, name: str, other: Looked) -> float:
    """Of the different values of a column, the share that are keys of the other file."""

    def as_key(column: str) -> str:
        return rf"regexp_replace({quoted(column)}::varchar, '^(-?\d+)\.0+$', '\1')"

    row = con.execute(
        f"select avg((k.key is not null)::int) from "
        f"(select distinct {as_key(name)} as value from {one.file.table} where {quoted(name)} is not null "
        f"limit {SAMPLED}) left join (select distinct {as_key(str(other.key))} as key from {other.file.table}) k "
        "on value = k.key"
    ).fetchone()
    return float(row[0] or 0.0) if row else 0.0


def _percent(share: float) -> str:
    return "all" if share >= 1 else "none" if share <= 0 else f"{min(share, 0.999):.1%}"
