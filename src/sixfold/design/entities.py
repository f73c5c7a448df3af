"""Entities: what features are kept for; and the keys by which sources name them."""

from dataclasses import dataclass, field

from sixfold.design.where import caller
from sixfold.errors import InvalidField

__all__ = ["Entity", "Key"]


@dataclass(frozen=True, slots=True)
class Key:
    """The columns of a source that hold an entity's key. Several columns make one key; a list is many keys a row."""

    entity: "Entity"
    raw: tuple[str, ...]
    is_list: bool = False
    split: str | None = None
    optional: bool = False
    """Whether a row may be about none of them; it then counts for no features of theirs."""
    at: str = field(default_factory=caller, repr=False, compare=False)


@dataclass(frozen=True, slots=True)
class Entity:
    """Something that has a key: a viewer, a video, an author, a tag."""

    name: str
    at: str = field(default_factory=caller, repr=False, compare=False)
    of: str | None = field(default=None, kw_only=True)
    """Of an alias: the name of the entity whose keys it has."""

    def __post_init__(self) -> None:
        if not self.name.isidentifier() or self.name == "now":
            rule = "a plain name (letters, digits, _), other than 'now'"
            raise InvalidField(where=self.at, part="Entity", field="name", rule=rule, value=self.name)

    def alias(self, name: str) -> "Entity":
        """Another name for the same keys, for a relation between two of a kind: `friend = member.alias("friend")`."""
        return Entity(name, caller(), of=self.of or self.name)

    def key(self, *raw: str, optional: bool = False) -> Key:
        """One key a row, from these raw columns (none: the column named as the entity).

        Args:
            optional: Whether an event may lack it (a post without a known author); without it such a row is refused.
        """
        return Key(self, raw or (self.name,), optional=optional)

    def keys(self, raw: str | None = None, *, split: str | None = None) -> Key:
        """Many keys a row, from a list column, or from text cut at `split`."""
        return Key(self, (raw or self.name,), is_list=True, split=split)
