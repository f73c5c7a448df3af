"""Texts as numbers: an append-only dictionary for each domain, kept in the online store beside the rows that use it."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sixfold.design.kinds import Kind
from sixfold.stores.online import OnlineStore, Row

__all__ = ["Dictionary", "text_space"]

PAGE = 50_000


class Dictionary:
    """Codes 0, 1, 2, … of the texts of each domain. One writer adds; readers see what was committed.

    A row never holds a code that its own commit did not bring, so a reader that meets an unknown code reads on.
    """

    def __init__(self, store: OnlineStore) -> None:
        self._store = store
        self._texts: dict[str, NDArray[Any]] = {}
        self._codes: dict[str, dict[str, int]] = {}
        self._added: list[Row] = []

    def texts(self, kind: Kind, codes: NDArray[np.int64]) -> NDArray[Any]:
        """The texts of committed codes, an object array in the shape of `codes`."""
        space = text_space(kind)
        known = self._texts.get(space, np.empty(0, object))
        if codes.size and codes.max() >= len(known):
            known = self._texts[space] = self._read_on(space, known)
        return known[codes]

    def codes(self, kind: Kind, texts: Sequence[str]) -> NDArray[np.int64]:
        """The codes of texts; new ones are added, and are to be committed with the rows that use them (`added`)."""
        space = text_space(kind)
        if (known := self._codes.get(space)) is None:
            committed = self._read_on(space, np.empty(0, object)).tolist()
            known = self._codes[space] = {text: code for code, text in enumerate(committed)}
        for text in texts:
            if text not in known:
                code = known[text] = len(known)
                self._added.append((space, code.to_bytes(8, "big"), text.encode()))
        return np.array([known[text] for text in texts], np.int64)

    def added(self) -> list[Row]:
        """Rows for the codes given out since the last `settle`."""
        return self._added

    def settle(self, *, committed: bool) -> None:
        """Say whether `added` was committed; codes that were not are forgotten."""
        if not committed:
            self._codes.clear()
        self._added = []

    def _read_on(self, space: str, known: NDArray[Any]) -> NDArray[Any]:
        found: list[str] = []
        while True:
            count = len(known) + len(found)
            page = self._store.scan(space, (count - 1).to_bytes(8, "big") if count else None, PAGE)
            found += [text.decode() for _, text in page]
            if len(page) < PAGE:
                break
        texts = np.empty(len(known) + len(found), object)
        texts[: len(known)] = known
        texts[len(known) :] = found
        return texts


def text_space(kind: Kind) -> str:
    """The space of the texts of a kind."""
    return f"texts:{kind.domain or ''}"
