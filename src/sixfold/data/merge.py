"""From the stage to Parquet: duplicates dropped, rows in order, offsets given."""

from collections.abc import Sequence
from pathlib import Path

import duckdb

from sixfold.data.convert import literal, quoted
from sixfold.data.layout import Layout

__all__ = ["FIRST_ADDED", "FIRST_FILE", "RANK_ADDED", "RANK_LOG", "RANK_OLD", "drop_duplicates", "dropped", "write"]

FIRST_FILE, FIRST_ADDED = -(2**50), -(2**49)
"""Offsets of the first row of files, and of the first that a database added past its cursor: exact as doubles too."""
RANK_OLD, RANK_ADDED, RANK_LOG = 10_000, 10_001, 10_002
"""Sources that are read whole rank by their number; after them what was added before, what is added now, the log."""

_ORDER = "{'rank': _rank, 'tie': _tie, 'row': rowid}"


def drop_duplicates(con: duckdb.DuckDBPyConnection, layout: Layout, existing: Sequence[Path]) -> None:
    """Make the table `dropped`: the stage's rows that go, and whether each differs from the one that stays.

    The first row of an event stays, and the last of a table's version, which corrects those before it.
    `existing` are files of rows that are not staged, before which staged ones go.
    """
    same = [f"{{}}.{quoted(name)} is not distinct from {{}}.{quoted(name)}" for name in layout.identity]
    own = " and ".join(one.format("s", "t") for one in same)
    ids = ", ".join(quoted(name) for name in layout.identity)
    kept = "arg_max" if layout.is_table else "arg_min"
    # By hash first: exact groups of all rows would hold every key in memory at once.
    often = f"select hash({ids}) from stage where _reasons is null group by all having count(*) > 1"
    con.execute(
        f"create or replace temp table twins as select {ids}, {kept}(rowid, {_ORDER}) as kept "
        f"from stage where _reasons is null and hash({ids}) in ({often}) group by {ids} having count(*) > 1"
    )
    content = {side: f"hash({', '.join(f'{side}.{quoted(c.name)}' for c in layout.columns)})" for side in "skt"}
    con.execute(
        "create or replace temp table dropped as "
        f"select s.rowid as row, s._number, {content['s']} <> {content['k']} as differs "
        f"from twins t join stage s on {own} join stage k on k.rowid = t.kept "
        "where s._reasons is null and s.rowid <> t.kept"
    )
    if existing:
        parts = f"read_parquet([{', '.join(literal(str(path)) for path in existing)}])"
        con.execute(
            f"insert into dropped select s.rowid, s._number, {content['s']} <> {content['t']} "
            f"from stage s join {parts} t on {own} where s._reasons is null "
            "and s.rowid not in (select row from dropped)"
        )


def dropped(con: duckdb.DuckDBPyConnection) -> dict[int, tuple[int, int, int, int]]:
    """By source number: rows staged, duplicates, those that differed, rows refused. Drop duplicates before."""
    found = con.execute(
        "select _number, count(*), count(d.row), count(*) filter (d.differs), count(_reasons) from stage s "
        "left join (select row, differs from dropped) d on s.rowid = d.row group by _number"
    ).fetchall()
    return {number: (read, duplicates, differing, refused) for number, read, duplicates, differing, refused in found}


def write(con: duckdb.DuckDBPyConnection, layout: Layout, path: Path, *, ranks: tuple[int, int], first: int) -> int:
    """Write the stage's rows of these ranks (from, to), by known time and source order, and say how many.

    Rows without an offset get `first`, `first + 1`, … in that order. Without any row, no file is written.
    """
    which = f"_reasons is null and _rank between {ranks[0]} and {ranks[1]} and rowid not in (select row from dropped)"
    rows: int = con.execute(f"select count(*) from stage where {which}").fetchall()[0][0]
    if rows == 0:
        return 0
    own = ", ".join(quoted(c.name) for c in layout.columns)
    time = layout.extra[0]
    con.execute(
        f'copy (select {own}, {time}, arrival, coalesce("offset", {first} - 1 + '
        'count(*) filter ("offset" is null) over (rows unbounded preceding)) as "offset" '
        f"from (select *, rowid as _row from stage where {which} order by {time}, _rank, _tie, _row)) "
        f"to {literal(str(path))} (format parquet, compression zstd)"
    )
    return rows
