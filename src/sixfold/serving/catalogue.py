"""The items that could be an answer, in memory: their columns, the lists of rules, and their vectors in an index."""
# I = available items, D = embedding width

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field, replace
from threading import Condition, Lock, Thread
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from sixfold.design.expressions import Expression
from sixfold.design.system import System
from sixfold.errors import SixfoldError
from sixfold.features.arrays import Array, Values
from sixfold.features.expressions import evaluate, holds
from sixfold.features.keys import Codes, length, spread
from sixfold.features.packed import group_space, table_space
from sixfold.stores.online import OnlineStore

__all__ = ["Catalogue", "Embedded", "Index", "Items", "Read", "Vectors", "best", "item_keys", "numbers"]

EXACT_UP_TO = 50_000
"""Beyond so many items the neighbours are approximate (HNSW: Malkov and Yashunin, TPAMI 2020)."""
LISTS_AGE_US = 1_000_000
VECTORS_AGE_US = 60_000_000
JUMP_US = 60_000_000
"""A request that finds the catalogue older than this, because a replay's clock jumped, waits for a fresh one."""
LINKED = 20_000
"""A table that items link to, such as that of their authors, is kept in memory up to so many rows."""
RANKED = 10_000
"""How many items of a rule's list are kept in order."""
_PAGE = 20_000


class Read(Protocol):
    """`features.serving.Reader.columns`."""

    def __call__(
        self, names: Collection[str], base: Mapping[str, Array], now_us: int, codes: Codes | None = None
    ) -> dict[str, Array]:
        """Values by canonical name beside those given, at a time in microseconds."""


class Vectors(Protocol):
    """What turns items into vectors."""

    @property
    def item_names(self) -> frozenset[str]:
        """Canonical names of what it reads of an item."""

    def item(self, columns: Mapping[str, Array], rows: int) -> NDArray[np.float32]:
        """Vectors of items, shape (I, D)."""


class Index:
    """Items by inner product with a vector.

    Args:
        vectors: Shape (I, D).
    """

    def __init__(self, vectors: NDArray[np.float32]) -> None:
        import faiss

        self._index: Any
        width = vectors.shape[1] if len(vectors) else 1
        exact = len(vectors) <= EXACT_UP_TO
        self._index = faiss.IndexFlatIP(width) if exact else faiss.IndexHNSWFlat(width, 32, faiss.METRIC_INNER_PRODUCT)
        self._exact, self._size = exact, len(vectors)
        if len(vectors):
            self._index.add(np.ascontiguousarray(vectors))

    def nearest(self, vector: NDArray[np.float32], n: int) -> NDArray[np.int64]:
        """At most n items (their places in the catalogue), best first, for a vector of shape (1, D)."""
        if not self._size:
            return np.empty(0, np.int64)
        n = min(n, self._size)
        if not self._exact:
            self._index.hnsw.efSearch = max(64, n)
        _, found = self._index.search(np.ascontiguousarray(vector), n)
        places: NDArray[np.int64] = found[0][found[0] >= 0]
        return places


@dataclass(frozen=True)
class Embedded:
    """The items as one model sees them."""

    vectors: NDArray[np.float32]
    """Shape (I, D)."""
    index: Index
    since_us: int
    """When the vectors were last made anew for all items."""


@dataclass(frozen=True)
class Items:
    """The catalogue at one time; replaced whole."""

    at_us: int
    keys: NDArray[Any]
    """Shape (I,), texts."""
    columns: Mapping[str, Array]
    """Columns of the item's side, of I rows or of one that stands for all, by canonical name; its key is among them."""
    ranked: Mapping[str, NDArray[np.int64]]
    """For each rule over the item's side alone, places of items, best first."""
    embedded: Mapping[str, Embedded]
    """For each model with an item tower."""
    codes: Codes = field(default_factory=Codes)
    """What the requests that read these columns share."""

    def at(self, places: NDArray[np.int64], names: Collection[str]) -> dict[str, Array]:
        """Those of these columns that are kept, of the items at these places or of one row that stands for all."""
        return {name: column.take(places) for name, column in self.columns.items() if name in names}


class Catalogue:
    """Keeps the items fresh in the background.

    Args:
        system: The design.
        store: Where the keys of the items are.
        read: Gives columns of items.
        clock: The server's time in microseconds.
        rules: Rules that candidates are taken from and that depend on the item's side alone.
        towers: The models with an item tower that candidates are taken from, by name.
        hold: Keeps a table in memory if it has at most so many rows; asked for those of items and what they link to.
        also: Other names whose values are kept, where they depend on the item's side alone.
    """

    def __init__(
        self,
        system: System,
        store: OnlineStore,
        read: Read,
        clock: Callable[[], int],
        *,
        rules: Mapping[str, Expression],
        towers: Mapping[str, Vectors],
        hold: Callable[[str, int | None], None],
        also: Collection[str] = (),
    ) -> None:
        assert system.item is not None, "a catalogue is made only where a design has items"
        self._system, self._item, self._store, self._read, self._clock = system, system.item, store, read, clock
        self._rules, self._towers, self._hold = rules, towers, hold
        names = set(also).union(*(rule.names for rule in rules.values()), *(t.item_names for t in towers.values()))
        names |= system.available.names if system.available else frozenset()
        self._lookups = frozenset(name for name in names if system.depends(name) <= {self._item})
        own = _item_tables(system)
        self._linked = sorted({name.split(".")[0] for name in self._lookups} & system.tables.keys() - set(own))
        self._every: NDArray[Any] | None = None
        """The keys of all items; None: to be looked for."""
        self._refreshing, self._wake = Lock(), Condition()
        self._changed = self._stopped = False
        self.failure: SixfoldError | None = None
        """Why the last refresh in the background failed, if it did."""
        self._items = self._made(None)
        self._thread = Thread(target=self._keep_fresh, name="catalogue", daemon=True)

    def start(self) -> None:
        """Keep the items fresh from now on."""
        self._thread.start()

    def items(self) -> Items:
        """The items as of a second ago or so."""
        if abs(self._clock() - self._items.at_us) > JUMP_US:
            self.refresh(JUMP_US)
        return self._items

    def refresh(self, age_us: int = 0) -> None:
        """Make the items anew unless they are younger than that."""
        with self._refreshing:
            if abs(self._clock() - self._items.at_us) >= age_us or self._changed:
                changed, self._changed = self._changed, False
                try:
                    self._items = self._made(self._items, rows_changed=changed)
                except BaseException:
                    self._changed = changed
                    raise

    def changed(self) -> None:
        """Say that rows of items were posted."""
        with self._wake:
            self._changed = True
            self._wake.notify()

    def close(self) -> None:
        """Stop refreshing. Closing twice is allowed."""
        with self._wake:
            self._stopped = True
            self._wake.notify()
        if self._thread.ident is not None:
            self._thread.join()

    def _keep_fresh(self) -> None:
        while True:
            with self._wake:
                self._wake.wait_for(lambda: self._stopped or self._changed, timeout=LISTS_AGE_US / 1e6)
                if self._stopped:
                    return
            try:
                self.refresh(LISTS_AGE_US)
                self.failure = None
            except SixfoldError as error:
                self.failure = error

    def _made(self, old: Items | None, *, rows_changed: bool = True) -> Items:
        now_us, system = self._clock(), self._system
        for table in (tables := _item_tables(system)):
            self._hold(table, None)
        for table in self._linked:
            self._hold(table, LINKED)
        # Where items have a table, there are others only after rows of it were posted.
        if self._every is None or rows_changed or not tables:
            self._every = item_keys(system, self._store)
        keys = self._available(self._every, now_us)
        columns = self._columns(keys, self._lookups, now_us)
        ranked, places = {}, np.arange(len(keys), dtype=np.int64)
        for name, rule in self._rules.items():
            values = numbers(evaluate(rule, columns, now_us, system.timezone), len(keys)) if len(keys) else np.empty(0)
            ranked[name] = best(values, places, RANKED)
        items = Items(now_us, keys, columns, ranked, {}, Codes(columns.values()))
        return replace(items, embedded={name: _embed(items, name, tower, old) for name, tower in self._towers.items()})

    def _columns(self, keys: NDArray[Any], names: Collection[str], now_us: int) -> dict[str, Array]:
        """Columns of items by their keys, which are all different."""
        own, codes = Values(keys, np.ones(len(keys), bool)), Codes()
        if not len(keys):
            return {self._item: own}
        codes.distinct(own)
        return self._read(names, {self._item: own}, now_us, codes)

    def _available(self, keys: NDArray[Any], now_us: int) -> NDArray[Any]:
        """Those of these items that could be an answer, as far as the item's side alone tells."""
        condition = self._system.available
        if condition is None or not len(keys) or not condition.names <= self._lookups:
            return keys
        columns = self._columns(keys, condition.names, now_us)
        return keys[holds(condition, columns, now_us, len(keys), self._system.timezone)]


def item_keys(system: System, store: OnlineStore) -> NDArray[Any]:
    """The keys of all items: of the rows of their tables, or where they have no table, of their features' rows."""
    spaces = [table_space(table) for table in _item_tables(system)]
    if not spaces:
        spaces = [group_space(g.name) for g in system.features.values() if g.entities == (system.item,)]
    found: dict[bytes, None] = {}
    for space in spaces:
        after: bytes | None = None
        while page := store.scan(space, after, _PAGE):
            found.update(dict.fromkeys(key for key, _ in page))
            after = page[-1][0]
            if len(page) < _PAGE:
                break
    # A key that was too long is kept as a hash, which is no UTF-8 and cannot be told back.
    texts = [key.decode() for key in found if not key.startswith(b"\xff")]
    keys = np.empty(len(texts), object)
    keys[:] = texts
    return keys


def numbers(column: Array, rows: int) -> NDArray[np.float64]:
    """A number, time or flag as float64 of shape (rows,); null is NaN."""
    full = column if length(column) == rows else spread(column, rows)
    return np.where(full.valid, full.data, np.nan).astype(np.float64)


def best(values: NDArray[np.float64], places: NDArray[np.int64], n: int) -> NDArray[np.int64]:
    """Of these places the n with the largest values, best first; null comes last, of equal ones the earlier first."""
    own = values[places]
    own = np.where(np.isnan(own), -np.inf, own)
    if len(own) > n:
        limit = np.partition(own, len(own) - n)[len(own) - n]
        # All that reach the limit, so that ties are cut in the order of places.
        places, own = places[own >= limit], own[own >= limit]
    return places[np.argsort(-own, kind="stable")[:n]]


def _item_tables(system: System) -> list[str]:
    """The tables with a row an item."""
    return [table.name for table in system.tables.values() if [key.entity for key in table.keys] == [system.item]]


def _embed(items: Items, name: str, tower: Vectors, old: Items | None) -> Embedded:
    """The items with vectors: all made anew once a minute, else those of new items only."""
    count = len(items.keys)
    if old is None or not len(old.keys) or abs(items.at_us - old.embedded[name].since_us) >= VECTORS_AGE_US:
        vectors = tower.item(items.columns, count) if count else np.empty((0, 1), np.float32)
        return Embedded(vectors, Index(vectors), items.at_us)
    known = old.embedded[name]
    if np.array_equal(old.keys, items.keys):
        return known
    places = {key: place for place, key in enumerate(old.keys.tolist())}
    which = np.fromiter((places.get(key, -1) for key in items.keys.tolist()), np.int64, count)
    vectors = known.vectors[which]
    if len(new := np.flatnonzero(which < 0)):
        rows = {name: array if length(array) == 1 else array.take(new) for name, array in items.columns.items()}
        vectors[new] = tower.item(rows, len(new))
    return Embedded(vectors, Index(vectors), known.since_us)
