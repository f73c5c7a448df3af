"""What the values of each column look like: measured once, by DuckDB, with ingestion's own ideas of what a value is."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

import duckdb

from sixfold.data.convert import family, quoted
from sixfold.data.words import FLAGS, ISO_TIME, NUMBER_TEXT, WHOLE_TEXT
from sixfold.scaffold.files import Loaded

__all__ = ["SEPARATORS", "Column", "look_at"]

LOOKED_AT, LOOKED_AT_IN_ALL = 10_000, 300_000
"""The shape of values is told from so many rows and values; how many differ, from all rows that are loaded."""
FEW = 24
"""Values of columns with no more than so many are listed."""
_AT_ONCE = 40
SEPARATORS = ("|", ";", ",")


@dataclass(frozen=True, slots=True)
class Column:
    """One column of a file, measured."""

    raw: str
    family: str
    """As `sixfold.data.convert.family` has it; a CSV's is `csv`."""
    sql_type: str
    rows: int
    filled: int
    """Rows that are not null."""
    distinct: int
    low: float | None
    high: float | None
    middle: float | None
    """Smallest, largest and median number, where it holds numbers."""
    shares: dict[str, float]
    """Of the values that are there: `flag number whole iso zoned clock comma dated`, and of texts `|`, `;`, `,`."""
    length: float
    """Characters of a text, on average."""
    words: float
    few: tuple[str, ...] = ()
    """The values, most frequent first, where they are few."""
    counts: tuple[int, ...] = ()
    """How often each of them is there."""

    @property
    def each(self) -> float:
        """Rows of one value, on average."""
        return self.filled / max(1, self.distinct)

    def unique(self, share: float = 0.98) -> bool:
        """Whether every row has a value of its own, but for a few rows that are there twice."""
        return self.filled == self.rows > 1 and self.distinct >= share * self.filled

    @property
    def is_text(self) -> bool:
        """Whether it holds texts, of whatever meaning."""
        return self.family in ("csv", "text")


def look_at(con: duckdb.DuckDBPyConnection, file: Loaded) -> list[Column]:
    """Measure every column of a file."""
    found: list[Column] = []
    names = list(file.columns)
    for first in range(0, len(names), _AT_ONCE):
        found += _measured(con, file, names[first : first + _AT_ONCE])
    return found


def _measured(con: duckdb.DuckDBPyConnection, file: Loaded, names: Sequence[str]) -> list[Column]:
    kinds = {name: family(file.columns[name], csv=file.format == "Csv") for name in names}
    rows, *told = con.execute(
        f"select count(*), {', '.join(_of_all(name, kinds[name]) for name in names)} from {file.table}"
    ).fetchall()[0]
    most = max(500, min(LOOKED_AT, LOOKED_AT_IN_ALL // len(file.columns)))
    texts = ", ".join(_as_text(name, kinds[name]) for name in names)
    sample = f"(select * from {file.table} using sample reservoir({most} rows) repeatable (7))"
    looked = con.execute(f"select {texts} from {sample}").fetchall()
    columns = []
    for at, name in enumerate(names):
        filled, distinct, low, high, middle = told[at * 5 : at * 5 + 5]
        shares, length, words = _shape([row[at] for row in looked if row[at] is not None])
        few, counts = _few(con, file, name) if 0 < distinct <= FEW and kinds[name] != "list" else ((), ())
        columns.append(
            Column(
                name, kinds[name], file.columns[name], int(rows), int(filled), int(distinct),
                low, high, middle, shares, length, words, few, counts,
            )
        )  # fmt: skip
    return columns


def _of_all(name: str, kind: str) -> str:
    column = quoted(name)
    number = f"try_cast({column} as double)" if kind in ("csv", "text") else f"{column}::double"
    finite = f"case when isfinite({number}) then {number} end"
    if kind not in ("csv", "text", "integer", "float", "decimal"):
        finite = "null::double"
    distinct = f"count(distinct {column})" if kind not in ("list", "other", "bytes") else "-1"
    return f"count({column}), {distinct}, min({finite}), max({finite}), quantile_cont({finite}, 0.5)"


def _as_text(name: str, kind: str) -> str:
    return "null::varchar" if kind in ("list", "other", "bytes", "null") else f"trim({quoted(name)}::varchar, ' ')"


_FORMS = {
    "number": re.compile(NUMBER_TEXT),
    "whole": re.compile(WHOLE_TEXT),
    "iso": re.compile(ISO_TIME),
    "comma": re.compile(r"-?[0-9.]*[0-9],[0-9]+"),
    "dated": re.compile(r"[0-9]{1,4}[./-][0-9]{1,2}[./-][0-9]{1,4}([ T].*)?"),
}
_ZONED = re.compile(r".*:.*(Z|[+-][0-9:]{2,6})")


def _shape(values: Sequence[str]) -> tuple[dict[str, float], float, float]:
    """What share of the values is of which form; how long they are, in characters and in words."""
    n = max(1, len(values))
    found = {name: [v for v in values if form.fullmatch(v)] for name, form in _FORMS.items()}
    shares = {name: len(those) / n for name, those in found.items()}
    shares["flag"] = sum(value.lower() in FLAGS for value in values) / n
    shares["zoned"] = sum(bool(_ZONED.fullmatch(value)) for value in found["iso"]) / n
    shares["clock"] = sum(":" in value for value in found["iso"]) / n
    shares |= {one: sum(one in value for value in values) / n for one in SEPARATORS}
    return shares, sum(map(len, values)) / n, sum(len(value.split()) for value in values) / n


def _few(con: duckdb.DuckDBPyConnection, file: Loaded, name: str) -> tuple[tuple[str, ...], tuple[int, ...]]:
    found = con.execute(
        f"select {quoted(name)}::varchar as _value, count(*) as _n from {file.table} where {quoted(name)} is not null "
        "group by _value order by _n desc, _value"
    ).fetchall()
    return tuple(str(value) for value, _ in found), tuple(int(count) for _, count in found)
