"""Features that know the label: definitions traced back to outcomes, and what the data says of them."""
# B = examples

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Literal

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from sixfold.design.system import System
from sixfold.design.trace import Reached, Trace, model_inputs, reads_of, trace
from sixfold.design.units import shown
from sixfold.features.batch import attach_as_known
from sixfold.features.joins_sql import Relations
from sixfold.features.scratch import Scratch, quoted
from sixfold.monitoring.probe_rows import LIST_GAP_US, probe_rows
from sixfold.monitoring.seen_early import (
    Sight,
    copies,
    horizon_us,
    known_later,
    outcome_columns,
    seen_early,
    shown_together,
)
from sixfold.monitoring.strength import alone, as_flag, codes, equal_share
from sixfold.monitoring.table_leaks import changed_by_cut, foresights, repeated_totals

__all__ = ["Kind", "Leak", "Leaks", "Strong", "find_leaks"]

Kind = Literal["outcome", "list", "future", "label"]

SAMPLE = 20_000
"""So many examples are given every input, to see what each alone says of the labels."""
IS_THE_LABEL = 0.98
"""An input that alone separates the examples so well (AUC) determines the label."""
_MOVED = 0.005
"""A feature moved by the own list in fewer examples than this share is left alone: rows may meet by chance."""
_YOUNG = 0.001
_TRUSTED = 0.1
"""A stream of which fewer rows than this share were known later than they began has in effect no `known`."""


@dataclass(frozen=True, slots=True)
class Leak:
    """A feature, table column or context column that knows the label."""

    name: str
    kind: Kind
    path: tuple[str, ...]
    """From a model's input to what should not be seen."""
    models: tuple[str, ...]
    found: str
    """What was seen, with its measure."""
    advice: str
    where: str
    """File and line of the part that leaks."""


@dataclass(frozen=True, slots=True)
class Strong:
    """What one input alone says of a label."""

    name: str
    label: str
    auc: float


@dataclass(frozen=True, slots=True)
class Leaks:
    """What the leak check found."""

    leaks: tuple[Leak, ...]
    strongest: tuple[Strong, ...]
    """The inputs that alone say most of a label, strongest first."""
    inputs: int
    examples: int
    seconds: float = 0.0
    unprobed: tuple[str, ...] = ()
    """Labels that come over another stream: the probes read the example's own row."""


def find_leaks(con: duckdb.DuckDBPyConnection, system: System, ingested: Relations, data: Path, folder: Path) -> Leaks:
    """Trace what all models read back to outcomes, and probe the ingested data.

    Args:
        data: Where relative paths of sources begin: tables that queries make are made again from half of the log.
        folder: For temporary files.
    """
    traced, inputs = trace(system), model_inputs(system)
    with Scratch(con) as scratch:
        rows = probe_rows(scratch, system, ingested)
        examples = int(scratch.read(f"select count(*) from {rows} where _example")[0][0].as_py())
        if not examples:
            return Leaks((), (), len(inputs), 0)
        leaks = [
            *_context(system, traced.context),
            *_outcomes(scratch, system, ingested, rows, traced.features),
            *_lists(scratch, system, ingested, rows, traced.features),
            *_tables(scratch, system, ingested, rows, traced, data, folder),
        ]
        given = _sample(scratch, system, rows, examples)
    known = {(leak.name, leak.kind) for leak in leaks}
    more, strongest = _strength(con, system, ingested, given, inputs)
    leaks += [leak for leak in more if (leak.name, leak.kind) not in known]
    unprobed = tuple(name for name in system.labels if name not in system.row_labels)
    return Leaks(tuple(leaks), strongest, len(inputs), examples, unprobed=unprobed)


def _context(system: System, context: Sequence[Reached]) -> list[Leak]:
    """Labels that are computed from nothing but what a request brings, tables and times."""
    found = []
    reached = {*system.kinds, f"{system.examples.name}.time"}
    for one in context:
        for label in system.row_labels.values():
            if one.name in label.value.names and label.value.names <= reached:
                found.append(
                    Leak(
                        one.name, "label", (*_way(one), f"label {label.name} = {label.value.text}"), one.models,
                        f"label {label.name} is computed from it and from what else a request brings",
                        "leave it out of Framing.context unless a request really brings it; then it needs no model",
                        label.at,
                    )
                )  # fmt: skip
    return found


def _outcomes(
    scratch: Scratch, system: System, ingested: Relations, rows: str, features: Sequence[Reached]
) -> list[Leak]:
    """Features that see outcomes of rows which had only begun."""
    found = []
    later = {name: known_later(scratch, ingested, name) for name in {_stream(system, one) for one in features}}
    for group in _by_group(system, features, lambda one: later[_stream(system, one)] < _TRUSTED):
        stream = _stream(system, group[0])
        copied = None if stream == system.examples.name else copies(scratch, system, ingested, rows, stream)
        for horizon, some in _by_horizon(system, group, copied is not None):
            sights = seen_early(scratch, system, ingested, rows, [one.name for one in some], horizon)
            for one, sight in zip(some, sights):
                if sight.share < _YOUNG:
                    continue
                read = outcome_columns(system, one.name) or (stream,)
                what = f"{sight.share:.1%} of the examples see rows that began less than {shown(horizon)} before"
                if copied is not None:
                    what = (
                        f"{copied.share:.0%} of the rows of {stream} stand at the keys and time of an example and tell "
                        f"its label ({copied.label} {copied.among:.3g} there, {copied.overall:.3g} of all); {what}"
                    )
                found.append(
                    Leak(
                        one.name, "outcome", (*_way(one), *read), one.models, f"{what}, as if they were over",
                        f"say on Events {stream} from when a row's values were known, such as "
                        f'known="time + {_duration(system, stream)}"; {later[stream]:.0%} of its rows are known later '
                        "than they began",
                        reads_of(system, one.name)[0].at,
                    )
                )  # fmt: skip
    return found


def _lists(scratch: Scratch, system: System, ingested: Relations, rows: str, features: Sequence[Reached]) -> list[Leak]:
    """Features that see other rows of the list or request that their example was shown in."""
    several = f"select _list from {rows} group by _list having count(*) > 1"
    share = scratch.read(f"select avg((_list in ({several}))::int) from {rows} where _example")[0][0].as_py()
    if share < _MOVED:
        return []
    found = []
    for group in _by_group(system, features, lambda one: _stream(system, one) == system.examples.name):
        sights: list[Sight] = shown_together(scratch, system, ingested, rows, [one.name for one in group])
        for one, sight in zip(group, sights):
            if sight.share >= _MOVED:
                found.append(
                    Leak(
                        one.name, "list", (*_way(one), f"{system.examples.name} of the same list"), one.models,
                        f"{sight.share:.1%} of the examples see another row of the list or request that they were "
                        f"shown in (the same request, or within {shown(LIST_GAP_US)})",
                        f"give the rows of one list one time, the request's, or a later known on Events "
                        f"{system.examples.name}",
                        reads_of(system, one.name)[0].at,
                    )
                )  # fmt: skip
    return found


def _tables(
    scratch: Scratch, system: System, ingested: Relations, rows: str, traced: Trace, data: Path, folder: Path
) -> list[Leak]:
    """Table columns that were computed from what came later."""
    reached = {one.name: one for one in traced.columns}
    said: dict[str, str] = {}
    for name, text in changed_by_cut(scratch, system, ingested, rows, reached, data, folder).items():
        said.setdefault(name, text)
    for name, text in repeated_totals(scratch, system, ingested, rows, reached).items():
        said.setdefault(name, text)
    for name, text in foresights(scratch, system, ingested, rows, reached).items():
        said.setdefault(name, text)
    found = []
    for name, text in said.items():
        table = system.tables[name.split(".")[0]]
        advice = f"give Table {table.name} valid_from: from when on each value was known; or leave the column out"
        if table.valid_from is not None:
            advice = f"{table.name}.{table.valid_from} is too early for this column: a version counts from when on its "
            advice += "values were known; or leave the column out"
        path = (*_way(reached[name]), f"Table {table.name}")
        found.append(Leak(name, "future", path, reached[name].models, text, advice, table.at))
    return found


def _strength(
    con: duckdb.DuckDBPyConnection,
    system: System,
    ingested: Relations,
    given: pa.Table,
    inputs: dict[str, tuple[str, ...]],
) -> tuple[list[Leak], tuple[Strong, ...]]:
    """Inputs that equal a label or determine it, and those that alone say most of one."""
    attached = attach_as_known(con, system, ingested, given, list(inputs))
    labels = {name: np.asarray(given[f"label.{name}"].to_numpy(), np.float64) for name in system.row_labels}
    leaks, strong = [], []
    for name, models in inputs.items():
        kind, column = system.kinds[name], attached[name]
        for label, value_B in labels.items():
            flag_B = as_flag(value_B)
            found = [alone(codes(column, kind), flag_B)]
            if kind.is_list and kind.domain in system.row.base and not system.kinds[str(kind.domain)].is_list:
                found.append(alone(_holds(column, attached[str(kind.domain)]), flag_B))
            auc = max((one for one in found if one is not None), default=None)
            if auc is not None:
                strong.append(Strong(name, label, max(auc, 1 - auc)))
            same = equal_share(column, value_B) if kind.base in ("number", "flag") and not kind.is_list else 0.0
            if (auc is not None and strong[-1].auc >= IS_THE_LABEL) or (auc is not None and same >= 0.999):
                leaks.append(_is_label(system, name, label, models, strong[-1].auc, same))
    strong.sort(key=lambda one: -one.auc)
    return leaks, tuple(strong[:5])


def _is_label(system: System, name: str, label: str, models: tuple[str, ...], auc: float, same: float) -> Leak:
    how = "it is the label's own value" if same >= 0.999 else "it determines the label"
    group = name.split(".", maxsplit=1)[0]
    at = {
        **{part.name: part.at for part in system.features.values()},
        **{part.name: part.at for part in system.tables.values()},
        **{part.name: part.at for part in system.derived.values()},
    }.get(group, system.labels[label].at)
    return Leak(
        name, "label", (name, f"label {label}"), models, f"{how}: alone it reaches AUC {auc:.3f} for {label}",
        "look at how it is computed, and leave it out if it cannot be known when the request comes", at,
    )  # fmt: skip


def _holds(column: pa.ChunkedArray, key: pa.ChunkedArray) -> NDArray[np.int64]:
    """Whether each row's list holds the row's own key."""
    lists = column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
    keys = key.combine_chunks() if isinstance(key, pa.ChunkedArray) else key
    owner = pc.list_parent_indices(lists)
    same = np.asarray(pc.equal(pc.list_flatten(lists), keys.take(owner)).fill_null(False))
    return (np.bincount(np.asarray(owner)[same], minlength=len(lists)) > 0).astype(np.int64)


def _sample(scratch: Scratch, system: System, rows: str, examples: int) -> pa.Table:
    """Some examples, drawn by their offsets, in the order of their times."""
    names = list(dict.fromkeys([*system.row.base, *system.context]))
    columns = ", ".join(["time", *map(quoted, names), *(quoted(f"label.{name}") for name in system.row_labels)])
    drawn = "true" if examples <= SAMPLE else f"hash(_offset) % {examples} < {SAMPLE}"
    return scratch.read(f"select {columns} from {rows} where _example and {drawn} order by time, _offset")


def _by_group(system: System, features: Sequence[Reached], keep: Callable[[Reached], bool]) -> list[list[Reached]]:
    kept = sorted((one for one in features if keep(one)), key=lambda one: one.name)
    return [list(own) for _, own in groupby(kept, key=lambda one: one.name.split(".")[0])]


def _by_horizon(system: System, group: Sequence[Reached], copied: bool) -> Iterable[tuple[int, list[Reached]]]:
    """Features that read outcomes, by how long these can still change; a copy's rows are outcomes altogether."""
    found: dict[int, list[Reached]] = {}
    for one in group:
        columns = outcome_columns(system, one.name)
        if columns or copied:
            found.setdefault(horizon_us(system, columns), []).append(one)
    return [(horizon, own) for horizon, own in found.items() if horizon > 0]


def _stream(system: System, one: Reached) -> str:
    return reads_of(system, one.name)[2].name


def _duration(system: System, stream: str) -> str:
    """A column of the stream that says how long a row lasts, if one does."""
    lasting = [f.name for f in system.streams[stream].fields if f.kind.base == "number" and f.unit is not None]
    lasting += [f.name for f in system.streams[stream].fields if f.kind.base == "number" and f.name.endswith("_s")]
    return lasting[0] if lasting else "seconds until it was known"


def _way(one: Reached) -> tuple[str, ...]:
    """From the first input that carries it."""
    return (one.name,) if one.name in one.inputs or not one.inputs else (one.inputs[0], one.name)
