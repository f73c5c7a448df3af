"""What to change in a design to make it one's own, part by part, each with its line in that very design."""

from collections.abc import Iterator, Sequence

from sixfold.design.schema import FeatureGroup, KeyField, LabelSpec, Stream, TableSchema
from sixfold.design.sources import Database, Query, Source
from sixfold.design.system import System
from sixfold.design.units import shown

__all__ = ["checklist"]


def checklist(system: System, lines: Sequence[str]) -> str:
    """A Markdown list: what the design says now and what to ask of one's own data.

    Args:
        lines: The design file's.
    """
    said = [
        *_requirements(system),
        *(item for table in system.tables.values() for item in _table(table)),
        *(item for stream in system.streams.values() if stream.sources for item in _stream(stream)),
        *(item for stream in system.streams.values() if not stream.sources for item in _posted(stream)),
        *_zone(system),
        *_framing(system, lines),
        *(_features(group) for group in system.features.values()),
        *_rest(system),
    ]
    return "\n".join(f"- [ ] {where}: {text}" for where, text in said)


Item = tuple[str, str]


def _requirements(system: System) -> Iterator[Item]:
    own = system.requirements
    yield _line(own.at), f"**Requirements.** The goal now: “{own.goal}”. Your goal, users, items, peak requests, p99."


def _table(table: TableSchema) -> Iterator[Item]:
    yield (
        _line(table.at),
        (
            f"**Table `{table.name}`** reads {_sources(table.sources)}; {_keys(table.keys)}. Your file, and the raw "
            f"names of its columns{_raws([one.raw for one in table.fields])}."
        ),
    )
    if table.valid_from is not None:
        yield (
            _line(table.at),
            f"`valid_from`: a row counts from `{table.valid_from}` on. From when on do your rows hold?",
        )


def _stream(stream: Stream) -> Iterator[Item]:
    unit = f" in {stream.time.unit}" if stream.time.unit else ""
    yield (
        _line(stream.at),
        (
            f"**Events `{stream.name}`** read {_sources(stream.sources)}; {_keys(stream.keys)}. Your log, and the raw "
            f"names of its columns{_raws([one.raw for one in stream.fields])}."
        ),
    )
    yield (
        _line(stream.at),
        (
            f"`time` is `{stream.time.raw}`{unit}. Yours, and its unit if it is a number (`us`, `ms`, `s`), or its "
            "zone if the texts have none."
        ),
    )
    known = f"`{stream.known.text}`" if stream.known is not None else "the event's own time"
    yield (
        _line(stream.at),
        (
            f"`known` is {known}: when all that a row of `{stream.name}` holds was known. If outcomes came later "
            "than the row's time, say when; `sixfold check design.py --data` finds what sees too much."
        ),
    )


def _posted(stream: Stream) -> Iterator[Item]:
    if stream.name != "answers":
        yield _line(stream.at), f"**Events `{stream.name}`** come over HTTP alone; {_keys(stream.keys)}."


def _zone(system: System) -> Iterator[Item]:
    yield (
        _line(system.data_at),
        f"`timezone` is {system.timezone}: of times without a zone, of hours and of days. Where are your people?",
    )


def _framing(system: System, lines: Sequence[str]) -> Iterator[Item]:
    at = next((number for number, line in enumerate(lines, 1) if "sf.Framing(" in line), None)
    where = f"line {at}" if at else "Framing"
    item = f" → `{system.item}`" if system.item else ", one answer a row"
    yield (
        where,
        f"**Framing**: `{system.query}`{item}, from `{system.examples.name}`. Who is asked for, what is picked?",
    )
    context = ", ".join(f"`{name}`" for name in system.context) or "nothing but the key"
    yield (
        where,
        f"A request brings {context}. What do you know when you ask? Every other column of the rows is an outcome.",
    )
    if system.available is not None:
        yield where, f"`available`: `{system.available.text}`. Which of yours could be an answer at a time?"
    told: dict[str, LabelSpec] = {}
    for name, label in system.labels.items():  # of a label with classes there is one a class
        told.setdefault(name.split(".")[0], label)
    for name, label in told.items():
        wait = f"within {shown(label.within_us)}" if label.within_us else "known with its row"
        value = getattr(label.value, "text", None)
        yield (
            _line(label.at),
            f"**Label `{name}`** is `{value}`, {wait}. What came of your rows, and how long can it take to come?",
        )


def _features(group: FeatureGroup) -> Item:
    windows = sorted({one.window_us for one in group.aggregates if one.window_us})
    said = f"windows of {', '.join(map(shown, windows))}" if windows else "all time"
    return _line(group.at), (
        f"Features `{group.name}` of {' and '.join(f'`{one}`' for one in group.entities)} over `{group.stream}`: "
        f"{said}. How fast does what you measure change?"
    )


def _rest(system: System) -> Iterator[Item]:
    at = _line(system.evaluation.at)
    yield at, f"**Split**: `{_split(system)}`. Whole days, or shares of your rows, with enough in each part."
    gates = "; ".join(f"`{gate.text}`" for gate in system.gates) or "none"
    yield at, f"**Gates**: {gates}. What must hold before your people see a release?"
    at = _line(system.deployment.at)
    if system.filters:
        yield (
            at,
            f"**Filters**: {'; '.join(f'`{one.text}`' for one in system.filters)}. What must never be shown to whom?",
        )
    if system.item is not None:
        yield at, f"**Value**: answers are ordered by `{system.value.text}`. What is an answer worth to you?"
    for action in system.deployment.policy:
        yield _line(action.at), f"Action `{action.name}` on `{action.on}`. Its threshold, and who acts?"


def _split(system: System) -> str:
    split = system.evaluation.split
    named = {name: getattr(split, name) for name in ("validation", "test") if hasattr(split, name)}
    return f"{type(split).__name__}({', '.join(f'{name}={value!r}' for name, value in named.items())})"


def _sources(sources: Sequence[Source]) -> str:
    names = list(dict.fromkeys(name for source in sources for name in _names(source)))
    return ", ".join(f"`{name}`" for name in names) or "nothing"


def _names(source: Source) -> list[str]:
    if isinstance(source, Query):
        return [name for _, one in source.inputs for name in _names(one)] or ["a query"]
    return [str(source)] if isinstance(source, Database) else list(source.paths)


def _keys(keys: Sequence[KeyField]) -> str:
    told = [f"`{key.entity}` is `{', '.join(key.raw)}`" for key in keys]
    return f"key {told[0]}" if len(told) == 1 else f"keys {', '.join(told)}"


def _raws(raws: Sequence[str]) -> str:
    if not raws:
        return ""
    shown_ = ", ".join(f"`{raw}`" for raw in raws[:6])
    return f" ({shown_}{', …' if len(raws) > 6 else ''})"


def _line(at: str) -> str:
    return f"line {at.rpartition(':')[2]}"
