"""Features that see rows too early: outcomes that had not come about, rows of the list that an example was shown in."""

from collections.abc import Sequence
from dataclasses import dataclass

from sixfold.design.schema import Aggregate, FeatureGroup
from sixfold.design.system import System
from sixfold.design.trace import outcomes, reads_of
from sixfold.features.joins_sql import Relations
from sixfold.features.keyed_sql import rows_by_key
from sixfold.features.scratch import Scratch, quoted
from sixfold.monitoring.probe_rows import event_rows

__all__ = ["Copies", "Sight", "copies", "horizon_us", "known_later", "outcome_columns", "seen_early", "shown_together"]


@dataclass(frozen=True, slots=True)
class Sight:
    """Of the examples, how many see what they should not, through one feature."""

    feature: str
    examples: int
    seeing: int

    @property
    def share(self) -> float:
        """Of the examples."""
        return self.seeing / self.examples if self.examples else 0.0


@dataclass(frozen=True, slots=True)
class Copies:
    """A stream whose rows stand at the keys and times of examples: it repeats what came of them."""

    stream: str
    share: float
    """Of its rows, how many stand at an example."""
    label: str
    among: float
    """The label's mean among the examples that it has a row for."""
    overall: float


def outcome_columns(system: System, feature: str) -> tuple[str, ...]:
    """The outcome columns of the examples that a feature reads, over the examples' stream."""
    _, aggregate, stream = reads_of(system, feature)
    if stream.name != system.examples.name:
        return ()
    read = [e.names for e in (aggregate.expression, aggregate.where) if e is not None]
    return tuple(sorted(frozenset().union(*read) & outcomes(system)))


def horizon_us(system: System, columns: Sequence[str]) -> int:
    """How long after an example these columns can still change: the longest `within` of a label that reads one of them.

    A column that no label reads waits as long as the longest of all, being an outcome as well.
    """
    own = [label for label in system.labels.values() if label.names & set(columns)]
    return max((label.within_us or 0 for label in own or system.labels.values()), default=0)


def known_later(scratch: Scratch, ingested: Relations, stream: str) -> float:
    """Of the rows of a stream, the share whose values were known only after their time; 0 where there is none."""
    found = scratch.read(f"select avg((known > time)::int) from {ingested.sql(stream)}")[0][0].as_py()
    return float(found or 0.0)


def seen_early(
    scratch: Scratch, system: System, ingested: Relations, rows: str, features: Sequence[str], after_us: int
) -> list[Sight]:
    """For features of one group: the examples that see a row which began less than `after_us` before.

    Args:
        rows: What `probe_rows` made.
    """
    group, aggregates = _of_group(system, features)
    events = event_rows(scratch, system, ingested, group, aggregates)
    points = scratch.table(rows_by_key(system, ingested, group, rows, "_offset, time", "_example"))
    on = " and ".join(f"p.k{i} = e.k{i}" for i in range(len(group.entities)))
    keys = ", ".join(f"k{i}" for i in range(len(group.entities)))
    total = _count(scratch, f"select count(*) from {rows} where _example")
    found = []
    for i, (feature, aggregate) in enumerate(zip(features, aggregates)):
        reach = min(after_us, aggregate.window_us or after_us)
        # The nearest row by its known time; of several the one that began last.
        seen = f"select {keys}, _known, max(_time) as _time from {events} where s{i} group by all"
        seeing = _count(
            scratch,
            f"select count(distinct p._offset) from {points} p asof join ({seen}) e "
            f"on {on} and p.time > e._known where p.time - e._time < {reach}",
        )
        found.append(Sight(feature, total, seeing))
    return found


def shown_together(
    scratch: Scratch, system: System, ingested: Relations, rows: str, features: Sequence[str]
) -> list[Sight]:
    """For features of one group over the examples' stream: the examples that see another row of their own list."""
    group, aggregates = _of_group(system, features)
    several = f"select _list from {rows} group by _list having count(*) > 1"
    listed = f'"offset" in (select _offset from {rows} where _list in ({several}))'
    events = event_rows(scratch, system, ingested, group, aggregates, listed)
    on = " and ".join(f"p.k{i} = e.k{i}" for i in range(len(group.entities)))
    points = rows_by_key(system, ingested, group, rows, "_offset, time, _list", f"_example and _list in ({several})")
    counts = ", ".join(f"count(distinct case when e.s{i} then p._offset end)" for i in range(len(aggregates)))
    read = scratch.read(
        f"select {counts} from ({points}) p join {rows} r on r._list = p._list and r._offset <> p._offset "
        f"join {events} e on e._offset = r._offset and {on} and e._known < p.time"
    )
    total = _count(scratch, f"select count(*) from {rows} where _example")
    return [Sight(feature, total, read[i][0].as_py()) for i, feature in enumerate(features)]


def copies(scratch: Scratch, system: System, ingested: Relations, rows: str, stream: str) -> Copies | None:
    """Whether another stream's rows stand at examples' keys and times and say how they ended; None: they do not."""
    own = {key.entity for key in system.streams[stream].keys if not key.is_list}
    shared = [key.entity for key in system.examples.keys if not key.is_list and key.entity in own]
    if system.query not in shared or (system.item is not None and system.item not in shared):
        return None
    names = {key.entity: quoted(key.name) for key in system.streams[stream].keys}
    own_rows = f"select distinct {', '.join(f'{names[e]} as {quoted(e)}' for e in shared)}, time from "
    own_rows += f"{ingested.sql(stream)}"
    on = " and ".join([*(f"r.{quoted(e)} = s.{quoted(e)}" for e in shared), "r.time = s.time"])
    means = ", ".join(
        f"avg(case when s.time is not null then {quoted(f'label.{n}')} end), avg({quoted(f'label.{n}')})"
        for n in system.row_labels
    )
    read = scratch.read(
        f"select count(s.time), {means} from (select * from {rows} where _example) r left join ({own_rows}) s on {on}"
    )
    matched, total = read[0][0].as_py(), _count(scratch, f"select count(*) from ({own_rows})")
    if total == 0 or matched < _FEW or matched / total < 0.5:
        return None
    for i, label in enumerate(system.row_labels):
        among, overall = read[1 + 2 * i][0].as_py(), read[2 + 2 * i][0].as_py()
        if among is not None and abs(among - overall) > 0.1 * max(abs(overall), 1e-9):
            return Copies(stream, matched / total, label, among, overall)
    return None


_FEW = 30


def _of_group(system: System, features: Sequence[str]) -> tuple[FeatureGroup, list[Aggregate]]:
    found = [reads_of(system, feature) for feature in features]
    return found[0][0], [aggregate for _, aggregate, _ in found]


def _count(scratch: Scratch, query: str) -> int:
    return int(scratch.read(query)[0][0].as_py())
