"""Section 3, the parts: event streams, tables, features. On each of them, attribute access is a column."""

from collections.abc import Iterable, Sequence
from copy import copy
from typing import Any

from sixfold.design.aggregates import AggregateSpec
from sixfold.design.columns import Category, Column, Number, Text, Time, Type
from sixfold.design.entities import Entity, Key
from sixfold.design.sources import Source, as_sources
from sixfold.design.where import caller
from sixfold.errors import InvalidField, UnknownColumn

__all__ = ["ANSWERS", "RESERVED", "Answers", "Derived", "Events", "Features", "Group", "Table", "answers", "logged_as"]

RESERVED = ("time", "known", "arrival", "offset", "valid_from")
"""Columns that ingested rows have beside the declared ones, in whatever case: SQL does not tell cases apart."""
COMBINE = ("mean", "sum", "min", "max")
ANSWERS = "answers"
"""The name of the stream of what the server showed; in the log, that of whole answers with all that they read."""
_ITEMS = "answers/items"


def logged_as(stream: str) -> str:
    """The name under which the log has a stream's events."""
    return _ITEMS if stream == ANSWERS else stream


class Group:
    """Something with a name and columns. Only the design's own code reads what starts with an underscore."""

    _columns: dict[str, Any]
    _keys: tuple[Key, ...] = ()

    def __init__(self, name: str, columns: dict[str, Any], kinds: tuple[type, ...], rule: str) -> None:
        self._name, self._columns, self._at = name, columns, caller()
        part = type(self).__name__
        if not isinstance(name, str) or not name.isidentifier():
            rule = "a plain name (letters, digits, _)"
            raise InvalidField(where=self._at, part=part, field="name", rule=rule, value=name)
        for column, value in columns.items():
            if not isinstance(value, kinds):
                raise InvalidField(where=self._at, part=f"{part} {name}", field=column, rule=rule, value=value)

    def __getattr__(self, name: str) -> Column:
        if name.startswith("_"):
            raise AttributeError(name)
        known = [*self._columns, *(key.entity.name for key in self._keys), *self._own()]
        if name not in known:
            raise UnknownColumn(where=caller(), group=self._name, column=name, known=known)
        return Column(self._name, name)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self._name!r})"

    def _own(self) -> tuple[str, ...]:
        return ()


class Events(Group):
    """A stream of events: what happened, to whom, when."""

    def __init__(
        self,
        name: str,
        source: Source | list[Source],
        *keys: Key,
        time: Time,
        known: str | None = None,
        keep: str | None = None,
        id: str | Sequence[str] | None = None,
        **columns: Type,
    ) -> None:
        """
        Args:
            source: Where rows come from; several in a list; an empty list means over HTTP only.
            keys: The entities that an event is about, as `viewer.key("user_id")`.
            time: When it happened.
            known: From when the row's values were known, an expression; its own time where null. Default: its time.
            keep: How long events are kept, such as `90d`; a longer window is an error.
            id: The raw column(s) that identify an event; default its keys and its time.
        """
        super().__init__(name, columns, (Type,), "a column type such as Number() or Category()")
        self._keys = _checked_keys(self, keys)
        _check_no_alias(self, [key.entity for key in keys])
        self._source = as_sources(source, where=self._at, part=f"Events {name}")
        if not isinstance(time, Time):
            raise InvalidField(where=self._at, part=f"Events {name}", field="time", rule="a Time(…)", value=time)
        if known is not None and not isinstance(known, str):
            raise InvalidField(where=self._at, part=f"Events {name}", field="known", rule="an expression", value=known)
        self._time, self._known, self._keep = time, known, keep
        self._id: tuple[str, ...] | None = (id,) if isinstance(id, str) else None if id is None else tuple(id)

    def _own(self) -> tuple[str, ...]:
        return ("time",)


class Answers(Events):
    """What the server showed: an event for each item of an answer, written by the server, known at once.

    Its keys are the framing's query and item, under the names of their entities.
    """

    def __init__(self) -> None:
        columns: dict[str, Type] = {
            "request": Text(),
            "position": Number(),
            "propensity": Number(),
            "score": Number(),
            "price": Number(),
            "release": Category(),
        }
        Group.__init__(self, ANSWERS, columns, (Type,), "")
        self._source, self._keys = (), ()
        self._time, self._known, self._keep, self._id = Time("time", unit="us"), None, None, ("request", "position")

    def about(self, query: Entity, item: Entity) -> Events:
        """The stream in a design that picks this item for this query."""
        own = copy(self)
        own._keys = (query.key(), item.key())
        return own


class Table(Group):
    """A table: one row a key, or several versions of it, each valid from a time on."""

    def __init__(
        self,
        name: str,
        source: Source | list[Source],
        *keys: Key,
        valid_from: str | None = None,
        **columns: Type | Key,
    ) -> None:
        """
        Args:
            keys: The entity that a row is about. Two keys make the table a relation: `Features` read through it from
                the first to the second, which may be an alias of the first.
            valid_from: The column from which on a row counts. Without it, rows of files count always, and rows posted
                over HTTP from their arrival.
        """
        super().__init__(name, columns, (Type, Key), "a column type such as Number(), or entity.key(…)")
        self._keys = _checked_keys(self, keys)
        links = [column for column in columns.values() if isinstance(column, Key)]
        own = self._keys[:1] if len(self._keys) == 2 else self._keys
        _check_no_alias(self, [key.entity for key in (*own, *links)])
        self._source = as_sources(source, where=self._at, part=f"Table {name}")
        if valid_from is not None and not isinstance(columns.get(valid_from), Time):
            rule = "the name of one of its Time columns"
            raise InvalidField(where=self._at, part=f"Table {name}", field="valid_from", rule=rule, value=valid_from)
        self._valid_from = valid_from


class Features(Group):
    """Aggregates of a stream's events, kept for an entity or for a tuple of entities."""

    def __init__(
        self,
        name: str,
        entity: "Entity | Table | tuple[Entity | Table, ...]",
        stream: Events,
        *,
        combine: str | None = None,
        **aggregates: AggregateSpec,
    ) -> None:
        """
        Args:
            entity: Whose events count. A relation (a table with two keys) stands for its second key: whoever has the
                first sees what is kept for all that are paired with it.
            combine: What becomes of the values of several keys, where a row has a list of them: their `mean`, `sum`,
                `min` or `max`; unknown ones are left out. Default: the sum through a relation, else the mean.
        """
        super().__init__(name, aggregates, (AggregateSpec,), "an aggregate such as count() or rate(…)")
        given, part = entity if isinstance(entity, tuple) else (entity,), f"Features {name}"
        if not given or not all(isinstance(one, Entity | Table) for one in given):
            rule = "an Entity, a relation, or a tuple of them"
            raise InvalidField(where=self._at, part=part, field="entity", rule=rule, value=entity)
        self._entities = tuple(one for one in given if isinstance(one, Entity))
        relations = [one for one in given if isinstance(one, Table)]
        self._relation = relations[0] if relations else None
        _check_no_alias(self, self._entities)
        _check_relations(self, relations)
        if not isinstance(stream, Events):
            raise InvalidField(where=self._at, part=part, field="stream", rule="an Events", value=stream)
        combine = combine or ("sum" if relations else "mean")
        if combine not in COMBINE:
            rule = f"one of {', '.join(COMBINE)}"
            raise InvalidField(where=self._at, part=part, field="combine", rule=rule, value=combine)
        self._stream, self._combine = stream, combine


class Derived(Group):
    """Values computed when they are read: expressions over `now`, tables, features and what the request brings."""

    def __init__(self, name: str, **columns: str | Type) -> None:
        super().__init__(name, columns, (str, Type), "an expression, or a column type around one")


answers = Answers()
"""The stream of what the server showed."""


def _check_no_alias(group: Group, entities: Iterable[Entity]) -> None:
    part = f"{type(group).__name__} {group._name}"
    for one in entities:
        if one.of is not None:
            rule = f"{one.of} itself: an alias can only be the second of the two keys of a Table"
            raise InvalidField(where=group._at, part=part, field=one.name, rule=rule, value=one.name)


def _check_relations(group: Group, relations: Sequence[Table]) -> None:
    part = f"Features {group._name}"
    for one in relations:
        if len(one._keys) != 2 or any(key.is_list for key in one._keys):
            rule = "of two keys, each one value a row: who asks, and whose events count"
            named = [key.entity.name for key in one._keys]
            raise InvalidField(where=group._at, part=part, field=one._name, rule=rule, value=named)
    if len(relations) > 1:
        names = [one._name for one in relations]
        raise InvalidField(where=group._at, part=part, field="entity", rule="with one relation at most", value=names)


def _checked_keys(group: Group, keys: tuple[Key, ...]) -> tuple[Key, ...]:
    part, names = f"{type(group).__name__} {group._name}", [key.entity.name for key in keys if isinstance(key, Key)]
    if len(names) != len(keys) or not keys:
        rule = "entity.key(…) for one entity or more"
        raise InvalidField(where=group._at, part=part, field="keys", rule=rule, value=keys)
    if len(set(names)) != len(names):
        raise InvalidField(where=group._at, part=part, field="keys", rule="of different entities", value=names)
    if taken := [name for name in group._columns if name in names]:
        rule = "named otherwise than the keys' entities"
        raise InvalidField(where=group._at, part=part, field="columns", rule=rule, value=taken[0])
    for field, given in (("columns", group._columns), ("keys", names)):
        if reserved := [name for name in given if name.lower() in RESERVED]:
            rule = f"named otherwise than {', '.join(RESERVED)}, which every row has by itself"
            raise InvalidField(where=group._at, part=part, field=field, rule=rule, value=reserved[0])
    return keys
