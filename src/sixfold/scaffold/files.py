"""The files that a design is proposed from: found, grouped, and loaded as ingestion would read them."""

import glob
import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import duckdb

from sixfold.data.convert import literal
from sixfold.errors import FileUnreadable, NothingToRead

__all__ = ["Loaded", "find_files", "load_files"]

MOST_ROWS, MOST_CELLS = 1_000_000, 30_000_000
"""Larger files are looked at by a sample of so many rows, and of fewer where they are wide."""
_FORMATS = {
    "Csv": (".csv", ".tsv", ".csv.gz", ".tsv.gz"),
    "Parquet": (".parquet", ".pq"),
    "JsonLines": (".jsonl", ".ndjson", ".jsonl.gz", ".json"),
}
_CSV = "header = true, all_varchar = true, union_by_name = true, ignore_errors = true, quote = '\"', escape = '\"'"
_READERS = {
    "Csv": f"read_csv([{{}}], {_CSV})",
    "Parquet": "read_parquet([{}], union_by_name = true, binary_as_string = true)",
    "JsonLines": "read_json([{}], format = 'newline_delimited', union_by_name = true, ignore_errors = true)",
}
SNIFFED = "read_csv([{}], header = true, union_by_name = true, sample_size = -1)"
"""How a query over CSV files reads them."""


@dataclass(frozen=True, slots=True)
class Loaded:
    """Files of one kind, such as a log in parts, and the table that holds their rows or a sample of them."""

    paths: tuple[Path, ...]
    format: str
    """`Csv`, `Parquet` or `JsonLines`."""
    table: str
    """SQL name."""
    rows: int
    """Of the files; the table may have fewer."""
    loaded: int
    """Rows of the table."""
    columns: dict[str, str]
    """Raw name to DuckDB type."""

    @property
    def stem(self) -> str:
        """The file's name without its ending; of a log in parts without what tells them apart."""
        name = self.paths[0].name.split(".")[0]
        return _same(name) or name if len(self.paths) > 1 else name

    @property
    def shown(self) -> str:
        """The file's name, as comments have it."""
        more = f" and {len(self.paths) - 1} more" if len(self.paths) > 1 else ""
        return self.paths[0].name + more

    @property
    def semicolons(self) -> bool:
        """Whether it is a CSV whose values are not separated by commas, so that numbers may have them."""
        if self.format != "Csv":
            return False
        with self.paths[0].open("rb") as file:
            head = file.readline()
        return head.count(b";") + head.count(b"\t") > head.count(b",")

    @property
    def sniffed(self) -> str:
        """SQL for the rows with the types that a query over the files sees."""
        return SNIFFED.format(_listed(self.paths)) if self.format == "Csv" else self.table


def find_files(patterns: Sequence[str]) -> list[Path]:
    """The files that paths, globs and folders name.

    Raises:
        NothingToRead: one of them names none.
        FileUnreadable: a file is of another format.
    """
    found: list[Path] = []
    for pattern in patterns:
        path = Path(pattern)
        if path.is_dir():
            matched = [one for one in sorted(path.iterdir()) if one.is_file() and _format(one)]
        else:
            matched = [path] if path.exists() else [Path(one) for one in sorted(glob.glob(pattern, recursive=True))]
            matched = [one for one in matched if one.is_file()]
        if not matched:
            raise NothingToRead(pattern=pattern, folder=path.is_dir())
        found += matched
    if unknown := [path for path in found if _format(path) is None]:
        endings = ", ".join(ending for endings in _FORMATS.values() for ending in endings)
        raise FileUnreadable(path=str(unknown[0]), reason=f"its name must end in one of {endings}")
    return list(dict.fromkeys(Path(os.path.abspath(path)) for path in found))


def load_files(con: duckdb.DuckDBPyConnection, paths: Sequence[Path]) -> tuple[list[Loaded], list[Path]]:
    """Load each file, parts of one log together; and those that hold no row.

    Raises:
        FileUnreadable: a file is damaged or cannot be opened.
        NothingToRead: no file holds a row.
    """
    empty: list[Path] = []
    alike: dict[object, list[Path]] = {}
    for path in paths:
        columns = _columns(con, path)
        if not columns:
            empty.append(path)
            continue
        alike.setdefault((_format(path), path.parent, _same(path.name), tuple(columns)), []).append(path)
    loaded: list[Loaded] = []
    for group in alike.values():
        one = _load(con, tuple(group), f"file_{len(loaded)}")
        if one.rows:
            loaded.append(one)
        else:
            empty += group
    if not loaded:
        raise NothingToRead(pattern=", ".join(map(str, paths)), empty=True)
    return loaded, empty


def _columns(con: duckdb.DuckDBPyConnection, path: Path) -> dict[str, str]:
    if not path.stat().st_size:
        return {}
    described = f"describe select * from {_reader((path,))}"
    try:
        if problem := _not_utf8(path):
            raise FileUnreadable(path=str(path), reason=problem)
        found = {str(name): str(kind) for name, kind, *_ in con.execute(described).fetchall()}
    except (duckdb.Error, OSError) as error:
        raise FileUnreadable(path=str(path), reason=_one_line(error)) from None
    if _format(path) == "JsonLines" and list(found) == ["json"]:
        raise FileUnreadable(path=str(path), reason="it does not have one JSON object a line")
    return found


def _not_utf8(path: Path) -> str:
    """What is wrong with the bytes of a file of texts, looked for at its beginning."""
    with path.open("rb") as file:
        head = file.read(1_000_000)
    if _format(path) == "Parquet" or path.name.lower().endswith(".gz"):
        return ""
    try:
        head.decode()
    except UnicodeDecodeError as error:
        if error.start < len(head) - 4:
            return f"it is not in UTF-8 (byte {error.start:,}). Convert it first, such as by iconv -f latin1 -t utf-8"
    return "it holds a null byte, so it is no text" if b"\0" in head else ""


def _load(con: duckdb.DuckDBPyConnection, paths: tuple[Path, ...], table: str) -> Loaded:
    reader, columns = _reader(paths), _columns(con, paths[0])
    most = max(10_000, min(MOST_ROWS, MOST_CELLS // len(columns)))
    try:
        counted = con.execute(f"select count(*) from {reader}").fetchone()
        rows = int(counted[0]) if counted else 0
        sample = f"using sample reservoir({most} rows) repeatable (7)" if rows > most else ""
        con.execute(f"create table {table} as select * from {reader} {sample}")
    except duckdb.Error as error:
        raise FileUnreadable(path=str(paths[0]), reason=_one_line(error)) from None
    return Loaded(paths, str(_format(paths[0])), table, rows, min(rows, most), columns)


def _reader(paths: Sequence[Path]) -> str:
    return _READERS[str(_format(paths[0]))].format(_listed(paths))


def _listed(paths: Sequence[Path]) -> str:
    return ", ".join(literal(glob.escape(str(path))) for path in paths)


def _format(path: Path) -> str | None:
    name = path.name.lower()
    return next((form for form, endings in _FORMATS.items() if name.endswith(endings)), None)


def _same(name: str) -> str:
    """What the names of a log's parts share: `log-2024-01.csv` and `log-2024-02.csv` are `log.csv`."""
    return re.sub(r"[-_. ]?(part)?[-_. ]*\d+", "", name)


def _one_line(error: Exception) -> str:
    if isinstance(error, OSError):
        return error.strerror or str(error)
    return " ".join(str(error).split("\n\nLINE ")[0].split())[:300]
