"""What features of a random world are by going through all its events, and how others' values are held against that."""

from collections.abc import Mapping
from typing import Any

import numpy as np

import sixfold as sf
from sixfold.design.schema import Aggregate, FeatureGroup
from sixfold.features import relations
from sixfold.testing.oracle import Event, feature_value, is_measure
from sixfold.testing.worlds import CONDITIONS, RELATIONS, Row, reads_several

__all__ = ["ASKED", "BruteForce"]

ASKED: dict[str, list[Any]] = {
    "viewer": [viewer for viewer in ("1", "2", None) for _ in range(4)],
    "video": ["7", "8", "9|", None] * 3,
    "topic": [["s"], ["t", "s", "t"], [], None, ["never"], ["s", "never"]] * 2,
}
"""The keys of twelve rows that are asked about."""


class BruteForce:
    """The rows of a world, in the order of their offsets."""

    def __init__(self, system: sf.System, rows: list[Row], offsets: list[int]) -> None:
        self._system, self._rows, self._offsets = system, rows, offsets
        self._events = [(o, self._looked_up(row, o)) for row, o in zip(rows, offsets) if row.source == "plays"]
        self._mine: dict[tuple[str, tuple[str | None, ...]], list[tuple[int, dict[str, Any]]]] = {}

    def check(self, found: Mapping[str, list[Any]], now: int, *, stored: bool) -> None:
        """Hold values by feature, one for each row of `ASKED`, against what they must be at `now`.

        Args:
            stored: They come from a store, which answers after its rows' clocks only (rule T5).

        Raises:
            AssertionError: one differs by more than rule T10 allows.
        """
        for i in range(len(ASKED["viewer"])):
            held = self._keys(i, now)
            for group in self._system.features.values():
                lists = [held[entity] for entity in group.asked]
                if group.hop is not None:
                    lists[0] = self._paired(group.hop.table, lists[0][0], now) or [None]
                keys = [(a, *b) for a in lists[0] for b in ([(x,) for x in lists[1]] if len(lists) > 1 else [()])]
                # A key with a null part is none; a row without any reads as a key without events does, once.
                keys = [key for key in keys if None not in key] or [(None,) * len(lists)]
                for one in group.aggregates:
                    if (name := f"{group.name}.{one.name}") not in found:
                        continue
                    values = [self._value(group, key, one, now, stored=stored) for key in keys]
                    value, slack = _combined(group.combine, values) if reads_several(group) else values[0]
                    _compare(found[name][i], value, slack, where=f"{name} {one} row {i} now {now}")

    def _keys(self, i: int, now: int) -> dict[str, list[str | None]]:
        """The different keys of each entity in row `i` of `ASKED`."""
        video = ASKED["video"][i]
        item = self._version(video, now, None) or {}
        lists = {"tag": item.get("tags"), "topic": ASKED["topic"][i]}
        return {
            "viewer": [ASKED["viewer"][i]],
            "video": [video],
            "author": [item.get("author")],
            **{name: list(dict.fromkeys(keys or [None])) for name, keys in lists.items()},
        }

    def _looked_up(self, row: Row, offset: int) -> dict[str, Any]:
        """An event with what the version of its video that holds adds."""
        found = self._version(row.values["video"], row.values["known"], offset) or {}
        return {**row.values, **{name: found.get(name) for name in ("author", "tags", "length")}}

    def _version(self, video: str | None, at: int, before: int | None) -> dict[str, Any] | None:
        """The version of a video that holds at a time, of those that had come before an event."""
        visible = [
            (row.values["valid_from"], offset, i)
            for i, (row, offset) in enumerate(zip(self._rows, self._offsets))
            if row.source == "videos"
            and row.values["video"] == video
            and row.values["valid_from"] <= at
            and (before is None or offset < 0 or offset < before)
        ]
        return self._rows[max(visible)[2]].values if visible else None

    def _paired(self, relation: str, near: str | None, now: int) -> list[str | None]:
        """The newest keys that are paired with one at a time."""
        places: dict[str, tuple[int, int]] = {}
        one, other = RELATIONS[relation]
        for row, offset in zip(self._rows, self._offsets):
            if row.source != relation or row.values[one] != near or None in (near, row.values[other]):
                continue
            at, far = row.values["valid_from"], row.values[other]
            # A pair holds from its first row on; of several with that time the last one says its place.
            if at <= now and (far not in places or (at, -offset) < (places[far][0], -places[far][1])):
                places[far] = (at, offset)
        return [*sorted(places, key=places.__getitem__)[-relations.NEWEST :]]

    def _value(
        self, group: FeatureGroup, key: tuple[str | None, ...], one: Aggregate, now: int, *, stored: bool
    ) -> tuple[Any, float]:
        """The value, and how much a value that is reckoned may differ from it."""
        mine = self._of(group, key)
        t = now
        if stored:
            # A row's clock is the latest event that any aggregate of its group sees.
            clocks = [e.known_us for a in group.aggregates for e in self._seen(a, mine) if _counts(e)]
            t = max([now, *(clock + 1 for clock in clocks)])
        seen = self._seen(one, mine)
        sizes = [abs(e.value) for e in seen if isinstance(e.value, float) and is_measure(e.value)]
        size = max(sizes, default=0.0) if one.function == "std" else sum(sizes)
        return feature_value(seen, one, t), 1e-9 * size

    def _of(self, group: FeatureGroup, key: tuple[str | None, ...]) -> list[tuple[int, dict[str, Any]]]:
        """The events of a key."""
        if (mine := self._mine.get((group.name, key))) is None:
            lists = {"tag": "tags", "topic": "topic"}
            mine = self._mine[group.name, key] = [
                (offset, row)
                for offset, row in self._events
                if None not in key
                and all(
                    part in (row[lists[e]] or []) if e in lists else part == row[e]
                    for part, e in zip(key, group.entities)
                )
            ]
        return mine

    def _seen(self, one: Aggregate, events: list[tuple[int, dict[str, Any]]]) -> list[Event]:
        name = None if one.expression is None else one.expression.text
        where = CONDITIONS[None if one.where is None else one.where.text](self._system.timezone)
        return [Event(row["known"], offset, True if name is None else row[name], where(row)) for offset, row in events]


def _counts(event: Event) -> bool:
    return event.where is True and is_measure(event.value)


def _combined(how: str, values: list[tuple[Any, float]]) -> tuple[Any, float]:
    """One value out of those of a list of keys."""
    known = [(value, slack) for value, slack in values if value is not None]
    if not known:
        return None, 0.0
    numbers, slacks = [value for value, _ in known], [slack for _, slack in known]
    if how == "sum":
        return float(np.sum(numbers)), sum(slacks) + 1e-9 * sum(map(abs, numbers))
    made = {"mean": float(np.mean(numbers)), "min": min(numbers), "max": max(numbers)}
    return made[how], max(slacks)


def _compare(got: Any, value: Any, slack: float, *, where: str) -> None:
    if isinstance(value, float) and isinstance(got, float):
        assert abs(got - value) <= slack + 1e-12 * abs(value), f"{where}: {got} for {value}"
    else:
        assert got == value, f"{where}: {got} for {value}"
        assert type(got) is type(value), where
