"""What is asked: which file is the log to learn from, who asks, what is picked, what came of it."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from math import log10

from sixfold.scaffold.labels import Guessed, guess_labels, is_judgement
from sixfold.scaffold.links import Looked, Reference
from sixfold.scaffold.names import PEOPLE, THINGS, words

__all__ = ["Question", "ask", "time_of"]

_TIMES = ["timestamp", "ts", "datetime", "time", "created", "date", "at", "mtime", "when", "zeit", "datum"]


@dataclass(slots=True)
class Question:
    """The framing, in raw names."""

    main: Looked
    """The file of the examples."""
    time: str | None
    query: Reference | None
    """None: each row is asked about for itself."""
    item: Reference | None
    labels: list[Guessed]
    tables: list[Looked] = field(default_factory=list)
    logs: list[Looked] = field(default_factory=list)
    """Beside the main one."""
    unused: list[tuple[Looked, str]] = field(default_factory=list)
    """With the reason."""

    @property
    def entities(self) -> list[Reference]:
        """Keys of the main file's rows that features can be kept for: query and item first."""
        own = [one for one in (self.query, self.item) if one is not None]
        others = [r for r in self.main.references.values() if r not in own and (r.table or (own and not self.item))]
        taken = {one.entity for one in own}
        return own + [one for one in others if not (one.entity in taken or taken.add(one.entity))]  # type: ignore[func-returns-value]


def ask(looked: Sequence[Looked]) -> Question:
    """Choose the log and what it is asked; every file is used, or said why not."""
    logs = [one for one in looked if _is_log(one)]
    main = max(logs or [one for one in looked if not one.referenced] or looked, key=lambda one: _worth(one, logs))
    query, item = _pair(main) if main in logs else (None, None)
    if item is not None and is_judgement(main):
        item = None
    labels = guess_labels(main, rows=item is None)
    question = Question(main, time_of(main), query, item, labels)
    _share_out(question, looked)
    return question


def time_of(one: Looked) -> str | None:
    """The column that says when a row happened."""
    times = [name for name in one.of_kind("time") if one.columns[name].filled >= 0.5 * one.columns[name].rows]
    return min(times, key=lambda name: _time_rank(one, name), default=None)


def _time_rank(one: Looked, name: str) -> tuple[float, int]:
    known = [at for at, word in enumerate(_TIMES) if word in words(name)]
    coarse = one.columns[name].distinct < 40 and one.columns[name].rows > 1000
    return (min(known, default=len(_TIMES)) + 100 * coarse, list(one.columns).index(name))


def _repeating(one: Looked) -> list[Reference]:
    found: dict[str, Reference] = {}
    for name, reference in one.references.items():
        if one.columns[name].each >= 1.05 and one.columns[name].filled >= 0.5 * one.columns[name].rows:
            found.setdefault(reference.entity, reference)
    return list(found.values())


def _is_log(one: Looked) -> bool:
    if time_of(one) is None or one.referenced:
        return False
    repeating = _repeating(one)
    own = one.key is None or len(repeating) > 1
    return bool(repeating) and (own or repeating[0].entity.split("_")[-1] in PEOPLE or bool(one.of_kind("flag")))


def _worth(one: Looked, logs: Sequence[Looked]) -> float:
    rows = not (one in logs and len(_repeating(one)) > 1)
    labels = guess_labels(one, rows=rows)
    time = time_of(one) is not None
    return 3.0 * (not rows) + 2.0 * (bool(labels) and labels[0].kind != "number") + time + log10(1 + one.file.rows) / 2


def _pair(one: Looked) -> tuple[Reference | None, Reference | None]:
    """Who asks and what is picked."""
    found = _repeating(one)
    if len(found) < 2:
        return (found[0] if found else None), None
    query = max(found, key=lambda ref: _as_query(one, ref))
    item = max((ref for ref in found if ref is not query), key=lambda ref: _as_item(one, ref))
    return query, item


def _as_query(one: Looked, ref: Reference) -> tuple[float, float]:
    last = ref.entity.split("_")[-1]
    named = 3.0 * (last in PEOPLE) + 1.0 * (ref.entity in PEOPLE) - 3.0 * (last in THINGS)
    return (named - _content(ref), one.columns[ref.column].each)


def _as_item(one: Looked, ref: Reference) -> tuple[float, float]:
    last = ref.entity.split("_")[-1]
    named = 3.0 * (last in THINGS) - 2.0 * (last in PEOPLE)
    return (named + _content(ref), one.columns[ref.column].distinct)


def _content(ref: Reference) -> float:
    """How much a table says of what a key is like: lists and texts are of things, not of people."""
    if ref.table is None:
        return 0.0
    return 1.0 + 1.0 * bool(ref.table.of_kind("list")) + 1.0 * bool(ref.table.of_kind("text"))


def _share_out(question: Question, looked: Sequence[Looked]) -> None:
    """Which files are tables that the examples lead to, which are further logs of the same people or things."""
    reached = [r for r in question.main.references.values() if r.table is not None]
    while reached:
        table = reached.pop().table
        if table is not None and table is not question.main and table not in question.tables:
            question.tables.append(table)
            reached += [r for r in table.references.values() if r.table is not None]
    asked = {one.entity for one in (question.query, question.item) if one is not None}
    for one in looked:
        if one is question.main or one in question.tables:
            continue
        if _is_log(one) and asked & {r.entity for r in _repeating(one)}:
            question.logs.append(one)
        elif one.entity in asked and one.content:
            question.tables.append(one)
        else:
            known = ", ".join(sorted({r.entity for r in one.references.values()} & asked))
            why = f"it names {known} by row, without a time" if known else "nothing in the log leads to its rows"
            why = "it has other keys alone" if one.key and not one.content else why
            question.unused.append((one, why))
