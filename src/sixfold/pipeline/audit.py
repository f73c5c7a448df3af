"""The skew audit: what answers logged of their features, beside the same features recomputed point-in-time."""

import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import duckdb
import msgspec
import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from rich.table import Table

from sixfold.data.ingest import ingest_schemas
from sixfold.data.ingested import Ingested
from sixfold.design.groups import ANSWERS
from sixfold.design.schema import Stream, TableSchema
from sixfold.design.system import System
from sixfold.errors import NoAnswers
from sixfold.features.arrays import column, to_arrow
from sixfold.features.batch import attach
from sixfold.monitoring.skew import FeatureSkew, same
from sixfold.pipeline.job import make_folder
from sixfold.registry import Releases
from sixfold.stores import EventLog
from sixfold.stores.opening import open_log, where_log

__all__ = ["Audit", "audit"]

_BATCH = 10_000
_BEHIND = (1, 10, 100, 1000)
"""A value that was right so many offsets earlier is stale."""


@dataclass(frozen=True)
class Audit:
    """What an audit found."""

    answers: int
    features: list[FeatureSkew]
    redefined: list[str]
    """Features of the design that mean something else than in a release that answered."""
    seconds: float

    def worst(self) -> float:
        """The largest share of values that differ, of any feature."""
        return max((one.share for one in self.features), default=0.0)

    def to_json(self) -> dict[str, Any]:
        """Everything, as plain objects."""
        features = [{**asdict(one), "share": one.share} for one in self.features]
        return {"answers": self.answers, "features": features, "redefined": self.redefined, "seconds": self.seconds}

    def table(self) -> Table:
        """A row a feature."""
        columns = ("feature", "compared", "equal", "late", "unsettled", "different", "such as")
        table = Table(*columns, title=f"{self.answers} answers, {self.seconds:.1f} s", title_justify="left")
        for one in self.features:
            kinds = ", ".join(f"{count} {kind}" for kind, count in one.different.items()) or "0"
            shown = [f"{e.key}: {_short(e.served)} for {_short(e.recomputed)} ({e.request_id})" for e in one.examples]
            counts = (one.compared, one.equal, one.late, one.unsettled)
            table.add_row(one.name, *map(str, counts), kinds, "\n".join(shown))
        return table


def audit(system: System, workdir: Path, *, since_us: int | None = None, sample: int | None = None) -> Audit:
    """Recompute what logged answers used.

    Every answer is recomputed with the definitions of the release that gave it, from the history that its state began
    with and the log up to the offset that had been applied, as a store serves (rule T5).

    Args:
        system: The design of today; what it defines otherwise than a release that answered is listed.
        since_us: Answers before it are left out.
        sample: At most so many answers, evenly spread over the log; None: all.

    Raises:
        NoAnswers: the log holds none.
        ReleaseMissing, ReleaseDamaged: a release that answered is gone.
    """
    begun = time.perf_counter()
    found: dict[str, FeatureSkew] = {}
    redefined: set[str] = set()
    with closing(open_log(system.deployment.stores, system.name, make_folder(workdir))) as log:
        answers = _sampled(list(_answers(log, since_us)), sample)
        if not answers:
            raise NoAnswers(path=where_log(system.deployment.stores, system.name, workdir))
        releases = Releases(workdir / "releases")
        for (release, until_us), own in _grouped(answers).items():
            served = releases.open(release).system
            redefined |= _redefined(served, system)
            with _Data(served, workdir, log, until_us) as data, closing(duckdb.connect()) as con:
                _Recomputed(con, served, data, own).compare(found)
    features = [found[name] for name in sorted(found)]
    return Audit(len(answers), features, sorted(redefined), time.perf_counter() - begun)


def _answers(log: EventLog, since_us: int | None) -> Iterator[dict[str, Any]]:
    after = -1
    while records := log.read(after, _BATCH):
        after = records[-1].offset
        for record in records:
            if record.stream == ANSWERS and (since_us is None or record.time_us >= since_us):
                yield msgspec.msgpack.decode(record.payload)


def _sampled(answers: list[dict[str, Any]], sample: int | None) -> list[dict[str, Any]]:
    if sample is None or len(answers) <= sample:
        return answers
    return [answers[i] for i in np.linspace(0, len(answers) - 1, sample).astype(int).tolist()]


def _grouped(answers: Iterable[dict[str, Any]]) -> dict[tuple[str, int | None], list[dict[str, Any]]]:
    groups: dict[tuple[str, int | None], list[dict[str, Any]]] = {}
    for answer in answers:
        groups.setdefault((answer["release"], answer["history_until"]), []).append(answer)
    return groups


def _redefined(served: System, today: System) -> set[str]:
    """Features that two designs compute differently."""
    changed = {
        f"{name}.{one.name}"
        for name, group in served.features.items()
        for one in group.aggregates
        if name not in today.features or one not in today.features[name].aggregates
    }
    expressions = [{f"{d.name}.{n}": e for d in s.derived.values() for n, e, _ in d.columns} for s in (served, today)]
    changed |= {name for name, one in expressions[0].items() if expressions[1].get(name) != one}
    if served.timezone != today.timezone:
        changed |= served.kinds.keys() - served.row.base
    return changed


class _Data:
    """The history that a state began with, and all of the log, as relations."""

    def __init__(self, system: System, workdir: Path, log: EventLog, until_us: int | None) -> None:
        schemas: tuple[Stream | TableSchema, ...] = (*system.streams.values(), *system.tables.values())
        self._schemas = [replace(schema, sources=()) for schema in schemas]
        self._system, self._until_us, self._log = system, until_us, log
        self._history = Ingested.of(system, workdir / "ingested")
        self._folder = TemporaryDirectory(dir=make_folder(workdir / "spill"))

    def __enter__(self) -> "_Data":
        folder = Path(self._folder.name)
        ingest_schemas(self._schemas, self._system.timezone, folder, folder / "ingested", log=self._log, now_us=0)
        self._logged = Ingested.of_schemas(self._schemas, folder / "ingested")
        return self

    def __exit__(self, *raised: object) -> None:
        self._folder.cleanup()

    def sql(self, name: str) -> str:
        """See `joins_sql.Relations`."""
        rule = '"offset" < 0'
        if self._until_us is not None:
            streams = name in self._system.streams
            rule += f" and known < {self._until_us}" if streams else f" and valid_from <= {self._until_us}"
        history = f"select * from {self._history.sql(name)} where {rule}"
        return f"({history} union all by name select * from {self._logged.sql(name)})"


class _Recomputed:
    """Answers of one release, a row for each item shown."""

    def __init__(self, con: duckdb.DuckDBPyConnection, system: System, data: _Data, answers: list[dict[str, Any]]):
        self._con, self._system, self._data = con, system, data
        self._shown = [(a, one) for a in answers for one in a["items"] or [{"key": None, "features": {}}]]
        self._first = np.array([one is (a["items"] or [one])[0] for a, one in self._shown])
        given: dict[str, list[Any]] = {
            name: [a["context"].get(name) for a, _ in self._shown] for name in system.context
        }
        given |= {system.query: [a[system.query] for a, _ in self._shown]}
        if system.item is not None:
            given |= {system.item: [one["key"] for _, one in self._shown]}
        columns = {
            name: to_arrow(column(system.kinds[name], v), system.kinds[name], len(v)) for name, v in given.items()
        }
        self._rows = pa.table({"time": [a["time"] for a, _ in self._shown], **columns})
        self._low, self._high = (
            np.array([a[name] for a, _ in self._shown], np.int64) for name in ("applied", "applied_after")
        )
        self._query_side = {name for a in answers for name in a["features"]} - given.keys()
        self._item_side = {name for a in answers for one in a["items"] for name in one["features"]} - given.keys()

    def compare(self, found: dict[str, FeatureSkew]) -> None:
        """Add every served value to its feature's counts."""
        names = sorted(self._query_side | self._item_side)
        low, late = self._values(names, self._low), self._values(names, None, as_served=False)
        high = low if (self._low == self._high).all() else self._values(names, self._high)
        guesses: Sequence[tuple[str, Mapping[str, list[Any]]]] = ()
        for name in names:
            skew = found.setdefault(name, FeatureSkew(name))
            for i in range(len(self._shown)):
                answer, item = self._shown[i]
                if not self._first[i] if name in self._query_side else item["key"] is None:
                    continue
                served = (answer["features"] if name in self._query_side else item["features"]).get(name)
                expected = [low[name][i], *([high[name][i]] if self._low[i] != self._high[i] else [])]
                key = answer[self._system.query] if name in self._query_side else item["key"]
                where = {"request_id": answer["request_id"], "key": str(key)}
                if not any(same(served, one) for one in expected) and len(expected) == 1:
                    guesses = guesses or self._guesses(names, late)
                skew.add(served, expected, late[name][i], [(kind, v[name][i]) for kind, v in guesses], **where)

    def _guesses(self, names: list[str], late: Mapping[str, list[Any]]) -> list[tuple[str, Mapping[str, list[Any]]]]:
        """What values would be if something certain had gone wrong."""
        nobody = self._rows
        for entity in self._system.row.base:
            unknown = self._arrow(entity, [None] * len(nobody))
            nobody = nobody.set_column(nobody.column_names.index(entity), entity, unknown)
        behind = [self._low - n for n in _BEHIND if (self._low >= n).all()]
        stale = [("stale", self._values(names, seen)) for seen in behind]
        lost = ("lost", self._values(names, self._low, rows=nobody))
        history = ("stale", self._values(names, np.full(len(self._low), -1)))
        return [("ahead", late), *stale, lost, history]

    def _arrow(self, name: str, values: list[Any]) -> pa.Array:
        kind = self._system.kinds[name]
        return to_arrow(column(kind, values), kind, len(values))

    def _values(
        self, names: list[str], seen: NDArray[np.int64] | None, *, as_served: bool = True, rows: pa.Table | None = None
    ) -> dict[str, list[Any]]:
        asked = self._rows if rows is None else rows
        found = attach(self._con, self._system, self._data, asked, names, as_of_offset=seen, as_served=as_served)
        return {name: found[name].to_pylist() for name in names}


def _short(value: Any) -> str:
    text = f"{value:.6g}" if isinstance(value, float) else str(value)
    return text if len(text) <= 40 else text[:37] + "..."
