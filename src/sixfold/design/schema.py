"""The design once it is resolved: every name full, every type known. All other folders read this and not the sections.

Names of values ("canonical names") are what examples, requests and features share:
an entity's name (`video`) is its key, `group.column` is a column of a stream, a table, a group of features.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from sixfold.design.expressions import Expression
from sixfold.design.kinds import Kind
from sixfold.design.policy import Action
from sixfold.design.sources import Source

__all__ = [
    "ActionSpec",
    "Aggregate",
    "DerivedGroup",
    "FeatureGroup",
    "Field",
    "Hop",
    "Join",
    "KeyField",
    "LabelGroup",
    "LabelSpec",
    "Over",
    "Reads",
    "RowPlan",
    "Stream",
    "TableSchema",
]


@dataclass(frozen=True, slots=True)
class KeyField:
    """The key of one entity in a source."""

    entity: str
    raw: tuple[str, ...]
    """Raw columns; several make one key (see `data.keys` for how they are joined)."""
    is_list: bool = False
    split: str | None = None
    name: str = ""
    """The column's name in the group: the entity's name, but for a table's further keys (`author=author.key(…)`) and
    for an alias of the entity."""
    optional: bool = False
    """Of an event's key: whether it may be null."""


@dataclass(frozen=True, slots=True)
class Field:
    """One declared column of a source."""

    name: str
    raw: str
    kind: Kind
    unit: str | None = None
    """Of the raw numbers, a key of `units.SECONDS`: numbers become seconds, times microseconds."""
    split: str | None = None
    values: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True)
class Stream:
    """A stream of events. A row has its keys under their entities' names, `time`, `known`, and its fields."""

    name: str
    sources: tuple[Source, ...]
    keys: tuple[KeyField, ...]
    time: Field
    known: Expression | None
    """Over `time` and the stream's own columns; in microseconds; null means the event's time."""
    identity: tuple[str, ...] | None
    """Raw columns that identify an event; None: its keys and its time."""
    keep_us: int | None
    fields: tuple[Field, ...]
    at: str = field(compare=False)


@dataclass(frozen=True, slots=True)
class TableSchema:
    """A table: `keys` (one: rows of an entity; two: a relation), further keys and fields."""

    name: str
    sources: tuple[Source, ...]
    keys: tuple[KeyField, ...]
    links: tuple[KeyField, ...]
    """Further keys, such as a video's author: columns whose values are keys of other entities."""
    valid_from: str | None
    """The name of a time field."""
    fields: tuple[Field, ...]
    at: str = field(compare=False)


@dataclass(frozen=True, slots=True)
class Join:
    """A table looked up by keys: `on[i]` is the canonical name of the value that holds the table's key i."""

    table: str
    on: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class RowPlan:
    """What a row (an event, an example, a request) reaches: lookups in order, and where each entity's key is found."""

    base: tuple[str, ...]
    """Entities whose keys the row itself has."""
    joins: tuple[Join, ...]
    """Lookups, each using what stands before it; all versions as of the row's time."""
    keys: Mapping[str, str]
    """Entity to canonical name: `{"video": "video", "author": "videos.author", "tag": "videos.tags"}`."""

    def joins_for(self, names: frozenset[str]) -> tuple[Join, ...]:
        """The lookups that these canonical names need, in order."""
        needed: set[str] = {name.split(".")[0] for name in names}
        for join in reversed(self.joins):
            if join.table in needed:
                needed |= {on.split(".")[0] for on in join.on}
        return tuple(join for join in self.joins if join.table in needed)


@dataclass(frozen=True, slots=True)
class Aggregate:
    """One feature of a group."""

    name: str
    function: str
    """One of count, sum, mean, min, max, std, rate, first, last, since_last, distinct, top, decayed."""
    expression: Expression | None
    """Over the event's row: its entities, `stream.column`, and `table.column` as of the event's known time."""
    where: Expression | None
    window_us: int | None
    hop_us: int | None
    n: int | None
    prior: tuple[float, float] | None
    kind: Kind
    """Of the feature's value."""
    day_zone: str | None = None
    """Not None: the window is the local day so far in this time zone; `window_us` is then the longest that can be."""
    limit: int | None = None
    """Of `top` how many of the latest values are counted, of `distinct` from how many on it is an estimate."""
    half_life_us: int | None = None


@dataclass(frozen=True, slots=True)
class Hop:
    """A relation that is read through: who has a `near` key sees what is kept for each `far` key paired with it."""

    table: str
    near: KeyField
    far: KeyField


@dataclass(frozen=True, slots=True)
class FeatureGroup:
    """Features of one stream for one entity or several; its columns are `name.aggregate`."""

    name: str
    entities: tuple[str, ...]
    """What rows are kept for; of a group with a hop the far entity comes first."""
    stream: str
    aggregates: tuple[Aggregate, ...]
    event: RowPlan
    """How an event of the stream reaches the entities' keys and the tables that the expressions read."""
    at: str = field(compare=False)
    combine: str = "mean"
    """What becomes of the values of several keys: `mean`, `sum`, `min` or `max`."""
    hop: Hop | None = None
    """How a row's own key leads to those of the first entity; None: the row reaches each entity's key itself."""

    @property
    def asked(self) -> tuple[str, ...]:
        """The entities whose keys a row must reach to read it, in the order of `entities`."""
        return self.entities if self.hop is None else (self.hop.near.entity, *self.entities[1:])

    @property
    def names(self) -> frozenset[str]:
        """Canonical names that an event's row must provide."""
        read = [e.names for a in self.aggregates for e in (a.expression, a.where) if e is not None]
        return frozenset().union(*read, {self.event.keys[entity] for entity in self.entities})


@dataclass(frozen=True, slots=True)
class DerivedGroup:
    """Values computed when a row is read."""

    name: str
    columns: tuple[tuple[str, Expression, Kind], ...]
    """Name, expression over any canonical name and `now`, kind (text: the value is turned into text)."""
    at: str = field(compare=False)


@dataclass(frozen=True, slots=True)
class Over:
    """How a label looks forward in another stream: an aggregate of the events that count for an example."""

    stream: str
    function: str
    """One of count, sum, mean, min, max; `last` is the mean of the latest `n`."""
    n: int | None
    where: Expression | None
    keys: tuple[str, ...]
    """Entities by which events find their example."""


@dataclass(frozen=True, slots=True)
class LabelSpec:
    """One number to learn: a flag, a number, or whether (with votes, to which share) an example is of one class."""

    name: str
    """`click`; `verdict.normal` of a label with classes."""
    value: Expression
    """Over the example's row; with `over`, over a row of that stream."""
    within_us: int | None
    at: str = field(compare=False)
    time: Expression | None = None
    """When the outcome came about; of a flag with `within` alone."""
    over: Over | None = None

    @property
    def names(self) -> frozenset[str]:
        """Canonical names of what it reads of the example's row."""
        return frozenset() if self.over is not None else self.value.names


@dataclass(frozen=True, slots=True)
class LabelGroup:
    """A label with classes: one `LabelSpec` a class."""

    name: str
    outputs: tuple[str, ...]
    """Names of the labels, in the order of the classes."""
    exclusive: bool
    """Whether an example has one of them; several or none otherwise."""


@dataclass(frozen=True, slots=True)
class Reads:
    """What a model's inputs are, resolved."""

    columns: tuple[str, ...]
    """Canonical names, in the order of the inputs."""
    hashed: Mapping[str, int]
    """Those whose texts a hash puts into so many buckets."""
    leaves: tuple[str, ...]
    """Models of trees whose leaves it reads."""
    places: tuple[tuple[str, str], ...] = ()
    """Canonical names of the latitude and the longitude of each place."""


@dataclass(frozen=True, slots=True)
class ActionSpec:
    """An action of the policy, its expressions resolved."""

    action: Action
    on: Expression
    """Over scores."""
    order: Expression | None
    """Over scores and what a request reaches."""
    judged: tuple[LabelSpec, ...] = ()
    """Of a queue: the labels in `on` that come over a stream, the same for all; its events decide about rows."""

    @property
    def decisions(self) -> str | None:
        """The stream whose events decide about rows of the queue; None where the action is no queue."""
        over = self.judged[0].over if self.judged else None
        return None if over is None else over.stream
