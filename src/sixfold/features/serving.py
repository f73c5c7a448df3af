"""Values for an answer: packed rows read and finished at `now`, tables looked up, derived values computed."""
# B = rows (one for what depends on the query alone), P = pairs of a row and a key

from collections.abc import Collection, Mapping, Sequence
from functools import lru_cache, partial
from typing import Any

import numpy as np

from sixfold.data.keys import text_of
from sixfold.design.kinds import Kind
from sixfold.design.schema import FeatureGroup
from sixfold.design.system import System
from sixfold.errors import InvalidField, UnknownColumn
from sixfold.features import relations
from sixfold.features.arrays import Array, Lists, Values, column
from sixfold.features.dictionary import Dictionary
from sixfold.features.events import look_up
from sixfold.features.expressions import evaluate
from sixfold.features.finish import Finished
from sixfold.features.keys import Codes, Same, combined, length, pair_keys
from sixfold.features.layout import layout
from sixfold.features.packed import group_space, row_keys, unpack
from sixfold.features.paired import far_keys, find
from sixfold.features.read_plan import read_plan
from sixfold.features.state import check_definitions
from sixfold.features.tables import Tables
from sixfold.stores.online import OnlineStore

__all__ = ["Reader"]

_PLANS = 256
"""So many are remembered: requests name columns of their own."""


class Reader:
    """Reads what the state writer keeps. Threads may share it.

    Raises:
        StateMismatch, StateUnfinished: the store does not hold this system's features.
    """

    def __init__(self, system: System, store: OnlineStore) -> None:
        check_definitions(system, store)
        self._system, self._store = system, store
        self._tables, self._dictionary = Tables(system.tables, store), Dictionary(store)
        self._pairs, self._beside = relations.Pairs(store), relations.Beside(store)
        self._plan = lru_cache(maxsize=_PLANS)(partial(read_plan, system))
        self._layouts = {name: layout(group) for name, group in system.features.items()}

    def columns(
        self, names: Collection[str], base: Mapping[str, Array], now_us: int, codes: Codes | None = None
    ) -> dict[str, Array]:
        """Values by canonical name, beside those of `base`.

        A feature is as of `now_us`, or of its row's clock + 1 us where events up to there are applied already (T5).

        Args:
            names: What is wanted; names that `base` has are taken from it.
            base: Keys of the row's entities and what the request brings, each of B rows or of one that stands for all.
            codes: What reads of the same columns share.

        Returns:
            `base` and the names wanted. What depends only on columns of one row has one row.

        Raises:
            UnknownColumn: a name is no feature, table column or derived value of the system.
            InvalidField: a feature that is no number is read through a list of keys.
        """
        plan, found = self._plan(frozenset(names), frozenset(base)), dict(base)
        codes = codes or Codes()
        look_up(plan.lookups, found, self._tables, np.array([now_us], np.int64), codes=codes)
        for group, wanted, keys in plan.groups:
            found.update(self._features(group, wanted, [found[key] for key in keys], now_us, codes))
        for name, expression, kind in plan.derived:
            found[name] = _cast(evaluate(expression, found, now_us, self._system.timezone), kind)
        return found

    def group(self, name: str, keys: Sequence[str], now_us: int) -> dict[str, Any]:
        """All features of one group for one key (one text for each entity that it is asked for), by their bare names.

        Raises:
            UnknownColumn: there is no such group.
        """
        if (group := self._system.features.get(name)) is None:
            raise UnknownColumn(where=self._system.name, group="features", column=name, known=self._system.features)
        columns = [column(Kind("text", domain=entity), [key]) for entity, key in zip(group.asked, keys)]
        full = [f"{name}.{one.name}" for one in group.aggregates]
        values = self._features(group, full, columns, now_us, Codes())
        return {one.split(".")[1]: values[one].to_list()[0] for one in full}

    def hold(self, table: str, at_most: int | None = None) -> None:
        """Keep a table in memory, if it is not and has no more rows; a lookup of many of them is far faster then."""
        self._tables.hold(table, at_most)

    def changed(self, table: str) -> None:
        """Say that rows of a table were committed; what is held of it is not read any more."""
        self._tables.changed(table)

    def _features(
        self, group: FeatureGroup, names: Sequence[str], keys: Sequence[Array], now_us: int, codes: Codes
    ) -> dict[str, Array]:
        """Features of a group by canonical name, combined where a key is a list."""
        own, rows = self._layouts[group.name], max(length(key) for key in keys)
        if group.hop is not None and len(keys) == 1:
            keys = [far_keys(self._pairs, group.hop.table, keys[0], now_us, codes)]
        if group.hop is not None and len(keys) > 1:
            stored, row_P, which_P, missing_B = find(self._pairs, self._beside, group, keys, now_us, codes)
        else:
            texts, row_P, which_P = pair_keys(keys, rows, codes)
            stored, missing_B = row_keys(texts), None
        found = self._store.get(group_space(group.name), stored)
        # The last row is that of a key without any event; no key (-1) picks it too.
        slots, starts = unpack([*found, None], own)
        at = np.where(which_P < 0, len(found), which_P)
        if missing_B is not None:
            at = np.append(at, len(found))
        finished = Finished(own, self._dictionary, slots, starts, at, now_us)
        features: dict[str, Array] = {}
        for name in names:
            value = finished.value(name.partition(".")[2])
            if missing_B is not None or any(isinstance(key, Lists) for key in keys):
                each = _number(value, group, name)
                same = None if missing_B is None else Same(float(each.data[-1]), bool(each.valid[-1]), missing_B)
                own_P = slice(len(row_P))
                value = combined(group.combine, each.data[own_P], each.valid[own_P], row_P, rows, same)
            features[name] = value
        return features


def _cast(value: Array, kind: Kind) -> Array:
    """A derived value as its column's kind: numbers and flags as text where the design asks for a category."""
    if isinstance(value, Values) and kind.base == "text" and value.data.dtype != object:
        different, which = np.unique(value.data, return_inverse=True)
        texts = np.empty(len(different), object)
        texts[:] = [text_of(one) for one in different.tolist()]
        return Values(texts[which], value.valid)
    if isinstance(value, Values) and kind.base == "number":
        return Values(value.data.astype(np.float64), value.valid)
    return value


def _number(value: Array, group: FeatureGroup, name: str) -> Values:
    if isinstance(value, Lists) or value.data.dtype != np.float64:
        feature, rule = name.split(".")[1], "a number, since those of a list of keys are combined"
        kind = next(one.kind for one in group.aggregates if one.name == feature)
        raise InvalidField(where=group.at, part=f"Features {group.name}", field=feature, rule=rule, value=str(kind))
    return value
