"""Tables of SQLite and PostgreSQL are read past their cursor, nothing twice."""

import importlib
import os
import pwd
import shutil
import socket
import sqlite3
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from sources_world import World, play, plays

import sixfold as sf
from sixfold.errors import DatabaseFailed, DriverMissing, MissingColumn

COLUMNS = "viewer, video, time, clicked, watched_s"
BIN = next(iter(sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)), None)


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


def write(world, *rows):
    with closing(sqlite3.connect(world.data / "app.db")) as con, con:
        con.execute("create table if not exists plays (id integer, user_id, video_id, time_ms, is_click, play_ms real)")
        con.executemany("insert into plays values (?, ?, ?, ?, ?, ?)", rows)


def test_sqlite_rows_past_the_cursor_are_added_and_nothing_is_there_twice(world):
    write(world, (1, 712, "a", 5, 1, 1500), (2, 713, "b", 4, None, None))
    stream = plays(sf.Database("sqlite:///app.db", "plays", cursor="id"))
    (one,) = world.ingest(stream).sources
    assert (one.read, one.new) == (2, 2)
    assert world.rows(stream, COLUMNS) == [("713", "b", 4000, None, None), ("712", "a", 5000, True, 1.5)]
    (one,) = world.ingest(stream).sources
    assert (one.read, one.new) == (2, 0)
    write(world, (3, 1, "c", 1, 0, 0), (4, 712, "a", 5, 1, 1500), (5, None, "c", 1, 0, 0))
    (one,) = world.ingest(stream).sources
    assert (one.read, one.new, one.duplicates, one.refused) == (5, 1, 1, 1)
    assert [row[0] for row in world.rows(stream, "viewer")] == ["713", "712", "1"]
    offsets = [row[0] for row in world.rows(stream, '"offset"')]
    assert offsets == sorted(set(offsets))
    assert offsets[-1] < 0
    assert world.ingest(stream).rows == {"sqlite table plays": {"read": 5, "duplicates": 1, "refused": 1}}


def test_a_table_without_a_cursor_is_read_whole_each_time(world):
    write(world, (1, 1, 1, 5, 1, 1))
    stream = plays(sf.Database("sqlite:///app.db", "plays"))
    world.ingest(stream)
    write(world, (2, 1, 2, 5, 1, 1))
    (one,) = world.ingest(stream).sources
    assert (one.read, one.new, one.duplicates) == (2, 1, 0)
    assert len(world.rows(stream)) == 2


def test_a_file_beside_a_database_may_change_and_the_databases_rows_stay(world):
    write(world, (1, 1, 1, 5, 1, 1), (2, 1, 2, 5, 1, 1))
    stream = plays([sf.Parquet("a.parquet"), sf.Database("sqlite:///app.db", "plays", cursor="id")])
    world.parquet("a.parquet", [play(9, 9, 9)])
    world.ingest(stream)
    world.parquet("a.parquet", [play(9, 9, 9), play(1, 1, 5)])
    world.ingest(stream)
    assert sorted(world.rows(stream, "viewer, video")) == [("1", "1"), ("1", "2"), ("9", "9")]


@pytest.mark.parametrize(
    ("uri", "table", "cursor", "error", "words"),
    [
        (
            "sqlite:///none.db",
            "plays",
            "id",
            DatabaseFailed,
            "reads sqlite table plays, and the database says: no file ",
        ),
        ("sqlite:///app.db", "play", "id", DatabaseFailed, "the database says: no such table: play$"),
        (
            "sqlite:///app.db",
            "plays",
            "idd",
            MissingColumn,
            "reads column 'idd', which sqlite table plays does not have.",
        ),
        ("postgresql://u:secret@127.0.0.1:1/x", "plays", "id", DatabaseFailed, "the database says: Failed to connect"),
    ],
)
def test_what_a_database_refuses_is_one_error(world, uri, table, cursor, error, words):
    write(world, (1, 1, 1, 5, 1, 1))
    with pytest.raises(error, match=rf"test_database\.py:\d+: Events plays .*{words}") as raised:
        world.ingest(plays(sf.Database(uri, table, cursor=cursor)))
    assert "secret" not in str(raised.value)


def test_a_driver_that_is_not_installed_names_the_extra(world, monkeypatch):
    monkeypatch.setitem(sys.modules, "adbc_driver_sqlite.dbapi", None)
    write(world, (1, 1, 1, 5, 1, 1))
    with pytest.raises(DriverMissing, match=r"adbc_driver_sqlite is not .* pip install 'sixfold\[databases\]'\.$"):
        world.ingest(plays(sf.Database("sqlite:///app.db", "plays", cursor="id")))


@pytest.fixture(scope="module")
def postgres() -> Iterator[str]:
    """The address of a PostgreSQL server that lives as long as the tests of this file."""
    if BIN is None:
        pytest.skip("PostgreSQL is not installed")
    folder = Path(tempfile.mkdtemp(prefix="sixfold-postgres-"))
    as_user: list[str] = []
    if os.getuid() == 0:
        owner = pwd.getpwnam("postgres")
        os.chown(folder, owner.pw_uid, owner.pw_gid)
        as_user = ["setpriv", f"--reuid={owner.pw_uid}", f"--regid={owner.pw_gid}", "--clear-groups"]
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]

    def run(*command: str) -> None:
        done = subprocess.run([*as_user, *command], cwd=folder, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr

    run(str(BIN / "initdb"), "-D", str(folder / "db"), "-A", "trust", "-U", "tester", "--no-sync", "-E", "UTF8")
    control = [str(BIN / "pg_ctl"), "-D", str(folder / "db"), "-w", "-l", str(folder / "log")]
    run(*control, "-o", f"-p {port} -c listen_addresses=127.0.0.1 -c unix_socket_directories=''", "start")
    try:
        yield f"postgresql://tester@127.0.0.1:{port}/postgres"
    finally:
        run(*control, "-m", "immediate", "stop")
        shutil.rmtree(folder)


def execute(uri, *statements):
    driver = importlib.import_module("adbc_driver_postgresql.dbapi")
    with driver.connect(uri, autocommit=True) as con, con.cursor() as cursor:
        for statement in statements:
            cursor.execute(statement)


def test_postgresql_rows_past_the_cursor_are_added_and_nothing_is_there_twice(world, postgres):
    execute(
        postgres,
        "create table plays (changed timestamptz, user_id bigint, video_id text, at timestamp, is_click boolean, "
        "play_ms numeric(10,1), tags text[])",
        "insert into plays values "
        "('2022-01-01 10:00:00.123456+00', 712, 'a', '2022-01-01 08:00', true, 1500.5, '{x,y}'), "
        "('2022-01-01 09:00+00', 713, 'b', '2022-01-01 07:00', null, null, null)",
    )
    world.timezone = "Asia/Shanghai"
    stream = plays(
        sf.Database(postgres, "public.plays", cursor="changed"), time=sf.Time("at"), tags=sf.Categories(), known=None
    )
    (one,) = world.ingest(stream).sources
    assert (one.source, one.read, one.new) == ("postgresql table public.plays", 2, 2)
    midnight = 1640995200_000_000
    assert world.rows(stream, f"{COLUMNS}, tags") == [
        ("713", "b", midnight - 3600_000_000, None, None, None),
        ("712", "a", midnight, True, 1.5005, ["x", "y"]),
    ]
    execute(
        postgres,
        "insert into plays values ('2022-01-01 10:00:00.123457+00', 1, 'c', '2022-01-01 08:00', false, 1, null), "
        "('2022-01-01 11:00+00', 712, 'a', '2022-01-01 08:00', true, 1500.5, '{x,y}')",
    )
    (one,) = world.ingest(stream).sources
    assert (one.read, one.new, one.duplicates) == (4, 1, 1)
    assert world.ingest(stream).sources[0].new == 0


def test_postgresql_names_a_table_that_is_missing_and_takes_no_lock(world, postgres):
    with pytest.raises(DatabaseFailed, match=r'the database says: .*relation "nope" does not exist'):
        world.ingest(plays(sf.Database(postgres, "nope", cursor="id")))
    execute(postgres, "create table short (user_id int, video_id int, time_ms bigint, is_click int, play_ms float8)")
    execute(postgres, "insert into short values (1, 2, 3, 1, 4)")
    stream = plays(sf.Database(postgres, "short", cursor="time_ms"))
    world.ingest(stream)
    execute(postgres, "set lock_timeout = '2s'", "drop table short")
    assert len(world.rows(stream)) == 1
