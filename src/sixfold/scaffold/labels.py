"""What a log says came of each row: flags, ratings, kinds of events, numbers; which of it a model could learn."""

from dataclasses import dataclass
from typing import Literal

from sixfold.scaffold.columns import Column
from sixfold.scaffold.links import Looked
from sixfold.scaffold.meanings import Meaning
from sixfold.scaffold.names import plain, words

__all__ = ["Guessed", "guess_labels", "is_judgement"]

_WISHED = [
    "purchase", "purchased", "bought", "buy", "order", "ordered", "transaction", "converted", "conversion",
    "finished", "completed", "gekauft", "attended", "attending", "going", "response", "booked", "played",
    "listened", "liked", "like", "click", "clicked", "watched", "opened", "read", "label", "target", "outcome",
    "success",
]  # fmt: skip
"""Words for what one wants of people, what matters most first."""
_JUDGED = {
    "fraud", "spam", "scam", "default", "defaulted", "churn", "churned", "abuse", "toxic", "toxicity", "harm",
    "harmful", "late", "failed", "failure", "anomaly", "bad", "chargeback", "risk", "label", "target", "class",
    "sentiment", "survived", "diagnosis", "y",
}  # fmt: skip
"""Words for what rows are judged by: nobody picks an item for anyone there."""
_RATED = {"rating", "ratings", "stars", "star", "score", "grade", "bewertung", "note", "rate", "vote"}
_SPENT = {
    "watch", "watched", "play", "dwell", "duration", "seconds", "spent", "listen", "view", "minutes", "amount",
    "price", "revenue", "quantity",
}  # fmt: skip
_RATE_SHARE = (0.05, 0.9)
_MOST = 3
_RARE = 0.03
"""A flag that is true less often is not learned from first."""


@dataclass(frozen=True, slots=True)
class Guessed:
    """A label: a name, how it is computed from the row, and what speaks for it."""

    name: str
    column: str
    """Raw."""
    condition: str
    """What follows the column's name in the expression: ` >= 4`, ` = 'purchase'`, nothing."""
    kind: Literal["flag", "number", "class"]
    why: str
    share: float = 0.0
    """Of a flag: how often it is true."""
    middle: float = 0.0
    """Of a number: its median."""
    away: float = 0.0
    """Of a number: how far values are from it, at most half of their range."""
    sign: bool = False
    """Whether the rows are things that happened, of several kinds, and not showings of which something came."""


def guess_labels(one: Looked, *, rows: bool) -> list[Guessed]:
    """The labels of a log, what matters most first; none where no column is one.

    Args:
        rows: Whether rows are judged, and no item is picked: then a category or any number may be the label too.
    """
    flags = sorted((n for n in one.of_kind("flag")), key=lambda n: _rank(n, one.columns[n]))
    rated = [n for n in one.of_kind("number") if _is_rating(n, one.columns[n])]
    if rows:
        named = [n for n in one.of_kind("flag", "category", "number") if _JUDGED & set(words(n))]
        chosen = [*named, *flags, *one.of_kind("category")[::-1], *rated, *_measured(one)][:1]
        return [_row_label(n, one.columns[n], one.meanings[n]) for n in chosen if one.columns[n].distinct > 1]
    found: list[Guessed] = []
    for name in rated[:1]:
        found += _rating(name, one.columns[name])
    wished = [name for name in flags if _rank(name, one.columns[name])[1] < len(_WISHED)] or flags[:1]
    found += [_flag(name, one.columns[name]) for name in wished[:_MOST]]
    if not found:
        found += [g for n in one.of_kind("category", "number") if (g := _sign(n, one.columns[n])) is not None][:1]
    spent = [name for name in one.of_kind("number") if name not in rated and _SPENT & set(words(name))]
    if not found and spent:
        found.append(_long(spent[0], one.columns[spent[0]]))
    return found + [_number(name, one.columns[name]) for name in spent[:1]]


def is_judgement(one: Looked) -> bool:
    """Whether a column says that rows are judged: a fraud, a spam, a late parcel."""
    strong = _JUDGED - {"label", "target", "class", "y", "bad", "risk"}
    return any(strong & set(words(name)) for name in one.of_kind("flag"))


def _rank(name: str, column: Column) -> tuple[bool, int, float]:
    known = [at for at, word in enumerate(_WISHED) if word in words(name)]
    return (_true(column) < _RARE, min(known, default=len(_WISHED)), -_true(column))


def _is_rating(name: str, column: Column) -> bool:
    named = bool(_RATED & set(words(name)))
    few = 3 <= column.distinct <= 21
    inside = column.low is not None and column.high is not None and column.low >= -1 and column.high <= 100
    return few and inside and named


def _rating(name: str, column: Column) -> list[Guessed]:
    """Liked, if it is rated well; and the rating itself."""
    values = sorted({float(value) for value in column.few})
    counted = [(float(value), count) for value, count in zip(column.few, column.counts)]

    def share(least: float) -> float:
        return sum(count for value, count in counted if value >= least) / max(1, column.filled)

    good = 4.0 if values[-1] == 5 and _RATE_SHARE[0] <= share(4.0) <= _RATE_SHARE[1] else float(column.middle or 0)
    while share(good) > _RATE_SHARE[1] and good < values[-1]:
        good = next(value for value in values if value > good)
    said = f"{share(good):.0%} of the rows; the values are {_brief(values[0])} to {_brief(values[-1])}"
    liked = Guessed("liked", name, f" >= {_brief(good)}", "flag", said, share=share(good))
    return [liked, _number(name, column)]


def _flag(name: str, column: Column) -> Guessed:
    said = plain(name, other="label")
    label = said.removeprefix("is_") or said
    share = _true(column)
    return Guessed(label, name, "", "flag", f"true in {share:.1%} of the rows that say so", share=share)


def _sign(name: str, column: Column) -> Guessed | None:
    """Kinds of events, of which one is what is wanted: `event = 'purchase'`."""
    if not 2 <= column.distinct <= 12 or not column.is_text or column.shares["number"] > 0:
        return None
    wished = [(at, value) for value in column.few for at, w in enumerate(_WISHED) if w in words(value)]
    if not wished:
        return None
    value = min(wished)[1]
    share = column.counts[column.few.index(value)] / max(1, column.filled)
    text = value.replace("'", "''")
    said = f"{share:.1%} of the rows; the others are {', '.join(v for v in column.few if v != value)}"
    label = plain(value, other="wanted")
    return Guessed(label, name, f" = '{text}'", "flag", said, share=share, sign=True)


def _long(name: str, column: Column) -> Guessed:
    middle = column.middle or 0.0
    said = "the better half: nothing in the rows says which of them went well"
    return Guessed("long", name, f" > {_brief(middle)}", "flag", said, share=0.5)


def _number(name: str, column: Column) -> Guessed:
    middle = column.middle or 0.0
    away = max((column.high or 0) - middle, middle - (column.low or 0)) / 2
    return Guessed(plain(name, other="number"), name, "", "number", "the number itself", middle=middle, away=away)


def _row_label(name: str, column: Column, meaning: Meaning) -> Guessed:
    if meaning.kind == "flag":
        return _flag(name, column)
    if meaning.kind == "category" or (meaning.kind == "number" and 2 < column.distinct <= 10):
        most = f"{column.few[0]} in {column.counts[0] / column.filled:.0%}" if column.few else "many"
        share = column.counts[0] / column.filled if column.counts else 0.0
        said = f"{column.distinct} classes, {most} of the rows"
        return Guessed(plain(name, other="label"), name, "", "class", said, share=share)
    return _number(name, column)


def _measured(one: Looked) -> list[str]:
    """Numbers that may be what is asked for: the last one, as files have it."""
    return one.of_kind("number")[-1:]


def _true(column: Column) -> float:
    true = {"1", "true", "yes", "t", "y", "1.0", "ja", "oui", "si", "sí", "sim"}
    return sum(n for v, n in zip(column.few, column.counts) if v.strip().lower() in true) / max(1, column.filled)


def _brief(value: float) -> str:
    return f"{value:.0f}" if value == int(value) else f"{value:g}"
