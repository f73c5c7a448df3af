"""The steps from raw data to examples: ingestion, ranking examples, what retrieval needs."""
# I = items

from collections.abc import Iterable
from contextlib import closing
from dataclasses import dataclass

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

from sixfold.data.checks import Profile, profile
from sixfold.data.ingest import ingest
from sixfold.data.report import Report
from sixfold.design.models import ItemNeighbours, Network, Trees, TwoTower
from sixfold.design.system import System
from sixfold.design.units import duration_us
from sixfold.errors import ChecksFailed, LogShorter
from sixfold.features.batch import attach_as_known
from sixfold.features.examples import build, positives, queries
from sixfold.features.lists import lists
from sixfold.features.local_time import floor_local
from sixfold.features.pools import item_rows, no_items
from sixfold.features.rows import with_nulls
from sixfold.pipeline.job import Job

__all__ = [
    "MAX_PERIODS",
    "Sides",
    "check_data",
    "examples_step",
    "ingest_step",
    "profile_data",
    "read_of_examples",
    "retrieval_step",
    "sides",
]

MAX_PERIODS = 60
"""Items' columns are computed for so many periods before the last; older positives are left out."""


@dataclass(frozen=True, slots=True)
class Sides:
    """Canonical names that lists need, by what they depend on."""

    query: tuple[str, ...]
    item: tuple[str, ...]


def sides(system: System) -> Sides:
    """What towers, rules, filters, slices and availability read, on the query's side and on the item's."""
    names: set[str] = set()
    for model in system.models.values():
        if isinstance(model, TwoTower):
            names |= {*system.inputs([*model.query, *model.item], where=model.at, part=model.name)}
    conditions = [*system.rules.values(), *system.filters, *system.slices.values()]
    for expression in conditions + ([system.available] if system.available else []):
        names |= expression.names & system.kinds.keys()  # a list is never sliced by an outcome
    item = {name for name in names if system.item in system.depends(name)}
    return Sides(tuple(sorted(names - item)), tuple(sorted(item - {str(system.item)})))


def ingest_step(job: Job, *, now_us: int) -> Report:
    """Bring in files, databases and the event log; safe to run again."""
    log = job.open_log()
    try:
        if (last := log.last()) < (taken := job.ingested.offset):
            raise LogShorter(log="the event log", last=last, taken=taken, by=str(job.workdir / "ingested"))
        return ingest(job.system, job.data, job.workdir / "ingested", log=log, now_us=now_us)
    finally:
        log.close()


def profile_data(job: Job, report: Report) -> Profile:
    """What the ingested data looks like, and what the design's checks say of it."""
    with closing(job.connect()) as con:
        return profile(con, job.system, job.ingested, report)


def check_data(job: Job, report: Report) -> Profile:
    """Profile the data, and stop where a check does not hold: what is trained on such data would be released too.

    Raises:
        ChecksFailed: one or more do not hold.
    """
    found = profile_data(job, report)
    if found.failed:
        raise ChecksFailed(where=job.system.data_at, failed=[(one.text, value) for one, value in found.failed])
    return found


def examples_step(job: Job) -> None:
    """Ranking examples, or their lists, with every input of every model: `examples.parquet`."""
    system, path = job.system, job.folder("examples") / "examples.parquet"
    with job.connect() as con:
        if system.negatives is None:
            pq.write_table(build(con, system, job.ingested, read_of_examples(system)), path)
            return
        writer: pq.ParquetWriter | None = None
        for some in lists(con, system, job.ingested, read_of_examples(system), seed=job.seed):
            writer = writer or pq.ParquetWriter(path, some.schema)
            writer.write_table(some)
        if writer is not None:
            writer.close()


def read_of_examples(system: System) -> list[str]:
    """Canonical names of what models and slices read of an example."""
    names: set[str] = set()
    for model in system.models.values():
        if isinstance(model, Network | Trees):
            names |= {*system.inputs(model.inputs, where=model.at, part=model.name)}
            names |= {str(head.duration) for head in model.heads if hasattr(head, "duration")}
    conditions = list(system.slices.values())
    if system.negatives is not None:
        listed = sides(system)
        names |= {*listed.query, *listed.item, str(system.item)}
        conditions.append(system.value)
    for condition in conditions:
        names |= condition.names & system.kinds.keys()  # outcomes come with the examples
    return sorted(names)


def retrieval_step(job: Job) -> None:
    """For each label that retrieval learns: positives, items by period, the queries asked in the test part."""
    system = job.system
    labels = {m.positives.name for m in system.models.values() if isinstance(m, TwoTower | ItemNeighbours)}
    if not system.item or not (labels or system.rules):
        return
    if system.negatives is not None:
        return _liked(job, {m.positives.name for m in system.models.values() if isinstance(m, ItemNeighbours)})
    read = sides(system)
    every_us = duration_us(system.evaluation.ask_every, where="", part="Evaluation", field="ask_every")
    with job.connect() as con:
        for label in sorted(labels or set(list(system.labels)[:1])):
            folder = job.folder("retrieval") / label
            folder.mkdir(exist_ok=True)
            liked = positives(con, system, job.ingested, label, read.query)
            asked = queries(con, system, job.ingested, label)
            asked = with_nulls(system, asked.filter(pc.equal(asked["part"], "test")))
            asked = attach_as_known(con, system, job.ingested, asked, read.query)
            times = np.concatenate([np.asarray(liked["time"], np.int64), np.asarray(asked["time"], np.int64)])
            starts = np.unique(floor_local(times, every_us, system.timezone))[-MAX_PERIODS:]
            items = _items(con, job)
            rows = _periods(system, items, starts)
            pq.write_table(liked, folder / "positives.parquet")
            pq.write_table(asked, folder / "queries.parquet")
            pq.write_table(attach_as_known(con, system, job.ingested, rows, read.item), folder / "items.parquet")


def _liked(job: Job, labels: Iterable[str]) -> None:
    """Positives alone: lists come with the examples."""
    with job.connect() as con:
        for label in sorted(labels):
            folder = job.folder("retrieval") / label
            folder.mkdir(exist_ok=True)
            pq.write_table(positives(con, job.system, job.ingested, label), folder / "positives.parquet")


def _items(con: duckdb.DuckDBPyConnection, job: Job) -> list[str]:
    """The keys of all items: of their table, or where they have none, of the examples.

    Raises:
        NoItems: there is none.
    """
    found = con.execute(f"select distinct key from ({item_rows(job.system, job.ingested)}) order by key").fetchall()
    if not found:
        raise no_items(job.system)
    return [key for (key,) in found]


def _periods(system: System, items: Iterable[str], starts: NDArray[np.int64]) -> pa.Table:
    """All items at the start of each period, periods one after the other; query keys and context are null."""
    keys = pa.array(list(items), pa.string())
    columns: dict[str, pa.Array] = {
        "time": pa.array(np.repeat(starts, len(keys))),
        str(system.item): pa.concat_arrays([keys] * len(starts)),
    }
    return with_nulls(system, pa.table(columns))
