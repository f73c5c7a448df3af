"""Packed rows finished to values at a time, and given to whoever has each row's key."""
# K = packed rows, P = pairs of a row asked about and one of its keys, F = features finished from tiles

from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sixfold.design.kinds import Kind
from sixfold.features._finish_kernels import finish_distinct, finish_list, finish_tiles
from sixfold.features._range_kernels import most_frequent
from sixfold.features.arrays import Array, Lists, Values, nulls
from sixfold.features.dictionary import Dictionary
from sixfold.features.keys import spread
from sixfold.features.layout import Layout, ListSpec
from sixfold.features.local_time import local_midnight

__all__ = ["Finished"]


class Finished:
    """Values of one group's features, computed when they are first asked for.

    Args:
        slots, starts: K packed rows, as `packed.unpack` gives them.
        at: Shape (P,), which packed row each pair has.
        now_us: When they are read (see `_finish_kernels.finish_tiles`).
    """

    def __init__(
        self,
        layout: Layout,
        dictionary: Dictionary,
        slots: NDArray[np.int64],
        starts: NDArray[np.int64],
        at: NDArray[np.int64],
        now_us: int,
    ) -> None:
        self._layout, self._dictionary, self._now_us = layout, dictionary, now_us
        self._slots, self._starts, self._at = slots, starts, at
        self._tiles: tuple[NDArray[np.float64], NDArray[np.bool_]] | None = None

    def value(self, name: str) -> Array:
        """One feature of each pair."""
        if (found := self._layout.places.get(name)) is not None:
            place, kind = found
            data, valid = self._finished_tiles()
            return Values(self._decoded(kind, data[place], valid[place]), valid[place])
        place = next(i for i, one in enumerate(self._layout.lists) if one.name == name)
        value = self._list(place, self._layout.lists[place])
        # `take` leaves what is single as it is.
        return spread(value, len(self._at)) if len(value.valid) == 1 else value.take(self._at)

    @cached_property
    def _midnights(self) -> NDArray[np.int64]:
        """Where the day so far begins for each packed row; zeros where no feature asks."""
        keys = len(self._starts) - 1
        if (zone := self._layout.day_zone) is None:
            return np.zeros(keys, np.int64)
        times, has_row = np.full(keys, self._now_us), np.diff(self._starts) > 0
        times[has_row] = np.maximum(times[has_row], self._slots[self._starts[:-1][has_row] + 1] + 1)
        return local_midnight(times, zone)

    def _finished_tiles(self) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
        """All features that tiles give and whether they are known, shape (F, P)."""
        if self._tiles is None:
            own = self._layout
            data, valid = finish_tiles(
                own.ops,
                own.half_lives,
                own.levels,
                own.head,
                own.finish_codes,
                own.finish_numbers,
                self._slots,
                self._starts,
                self._now_us,
                self._midnights,
            )
            self._tiles = data.take(self._at, axis=1), valid.take(self._at, axis=1)
        return self._tiles

    def _list(self, place: int, one: ListSpec) -> Array:
        """A feature that a list gives, of each packed row."""
        own = self._layout
        window = int(own.list_windows[place])
        which = (own.levels, own.list_limits, own.head, place, self._slots, self._starts, self._now_us)
        if one.function == "distinct":
            counts = finish_distinct(*which, window, self._midnights)
            return Values(counts, np.ones(len(counts), bool))
        slots, starts = finish_list(*which, window, self._midnights)
        if one.function == "top":
            slots, starts = most_frequent(slots, starts[:-1], starts[1:], one.n)
        data = self._decoded(one.kind, slots, None)
        if one.kind.is_list:
            return Lists(data, starts, np.ones(len(starts) - 1, bool))
        valid = np.diff(starts) > 0
        values = nulls(one.kind, len(valid))
        values.data[valid] = data
        return Values(values.data, valid)

    def _decoded(self, kind: Kind, slots: NDArray[Any], valid: NDArray[np.bool_] | None) -> NDArray[Any]:
        """Values out of the slots that stand for them; of any value where they are not valid (None: all are)."""
        if kind.base == "number":
            return slots.view(np.float64)
        codes = slots.view(np.int64)
        if kind.base == "text":
            if valid is None:
                return self._dictionary.texts(kind, codes)
            texts = np.full(len(codes), "", object)
            texts[valid] = self._dictionary.texts(kind, codes[valid])
            return texts
        return codes.astype(bool) if kind.base == "flag" else codes
