"""A small stream and a small table to ingest, and ways to look at what came of them."""

import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

import sixfold as sf
from sixfold.data.ingest import ingest_schemas
from sixfold.data.ingested import Ingested
from sixfold.data.report import Report
from sixfold.design import resolve
from sixfold.design.schema import Stream, TableSchema
from sixfold.stores.log import EventLog

NOW = 1_700_000_000_000_000


def plays(source: Any, **options: Any) -> Stream:
    """Who watched what, for how long, with its outcome known when it ended."""
    viewer, video = sf.Entity("viewer"), sf.Entity("video")
    columns: dict[str, Any] = {"clicked": sf.Flag("is_click"), "watched_s": sf.Number("play_ms", unit="ms")}
    options = {"time": sf.Time("time_ms", unit="ms"), "known": "time + watched_s", **columns, **options}
    return resolve.stream(sf.Events("plays", source, viewer.key("user_id"), video.key("video_id"), **options))


def videos(source: Any, **options: Any) -> TableSchema:
    """What is known of a video."""
    video, author, tag = sf.Entity("video"), sf.Entity("author"), sf.Entity("tag")
    columns: dict[str, Any] = {"author": author.key("author_id"), "tags": tag.keys("tag", split=",")}
    return resolve.table(sf.Table("videos", source, video.key("video_id"), **{**columns, **options}))


def play(user: Any, video: Any, time_ms: Any, click: Any = 1, play_ms: Any = 1000) -> dict[str, Any]:
    """One raw row of `plays`."""
    return {"user_id": user, "video_id": video, "time_ms": time_ms, "is_click": click, "play_ms": play_ms}


class World:
    """Raw data in one folder, ingested data in another."""

    def __init__(self, folder: Path, timezone: str = "UTC") -> None:
        self.data, self.folder, self.timezone = folder / "data", folder / "work" / "ingested", timezone
        self.data.mkdir()

    def parquet(self, name: str, rows: Sequence[Mapping[str, Any]]) -> None:
        """Write a Parquet file of these rows."""
        pq.write_table(pa.Table.from_pylist([dict(row) for row in rows]), self.data / name)

    def json_lines(self, name: str, rows: Iterable[object]) -> None:
        """Write a file with one JSON value a line; a `bytes` is written as it is."""
        lines = [row if isinstance(row, bytes) else json.dumps(row).encode() for row in rows]
        (self.data / name).write_bytes(b"".join(line + b"\n" for line in lines))

    def text(self, name: str, text: str) -> None:
        """Write a file."""
        (self.data / name).write_text(text)

    def ingest(self, *schemas: Stream | TableSchema, log: EventLog | None = None, now_us: int = NOW) -> Report:
        """Ingest them all."""
        return ingest_schemas(schemas, self.timezone, self.data, self.folder, log=log, now_us=now_us)

    def rows(self, schema: Stream | TableSchema, columns: str = "*") -> list[tuple[Any, ...]]:
        """What is ingested, in the order of offsets."""
        sql = Ingested.of_schemas([schema], self.folder).sql(schema.name)
        return duckdb.sql(f'select {columns} from {sql} order by "offset"').fetchall()

    def refused(self, name: str) -> list[dict[str, Any]]:
        """The lines of the quarantine file."""
        path = self.folder.parent / "quarantine" / f"{name}.jsonl"
        return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []
