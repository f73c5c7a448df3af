"""Names and declarations of a proposed design: which variable, entity and column each raw name becomes."""

import os
from dataclasses import dataclass, field
from pathlib import Path

from sixfold.scaffold.decide import Question
from sixfold.scaffold.evidence import Evidence
from sixfold.scaffold.labels import Guessed
from sixfold.scaffold.links import Looked
from sixfold.scaffold.meanings import Meaning
from sixfold.scaffold.names import Names, plain, singular
from sixfold.scaffold.page import text

__all__ = ["Draft", "Part"]

_TYPES = {
    "flag": "Flag",
    "number": "Number",
    "category": "Category",
    "text": "Text",
    "time": "Time",
    "list": "Categories",
}
LISTS = 2
"""So many lists of an item's table are entities of their own, with features."""
ROW = "row"


@dataclass(slots=True)
class Part:
    """A table or a stream: its variable, which is its name too, and its columns."""

    looked: Looked
    variable: str
    columns: dict[str, str] = field(default_factory=dict)
    """Raw name to column, keys and links apart."""
    links: dict[str, str] = field(default_factory=dict)
    """Raw name to column, of keys in a table's columns."""

    def meaning(self, raw: str) -> Meaning:
        """What a column is."""
        return self.looked.meanings[raw]

    def of_kind(self, *kinds: str) -> list[str]:
        """Its columns of these kinds, under their names in the design."""
        return [name for raw, name in self.columns.items() if self.meaning(raw).kind in kinds]


class Draft:
    """All names that the text of a design needs."""

    def __init__(self, name: str, question: Question, evidence: Evidence, folder: Path) -> None:
        self.name, self.question, self.evidence, self.folder = name, question, evidence, folder
        self.names = Names()
        self.proposed: list[str] = []
        """Variables of the models that propose items, the towers first, then what is popular."""
        self.entities: dict[str, str] = {}
        """Entity to variable, which is its name too."""
        self.lists: dict[str, str] = {}
        """Raw list column of the item's table to the entity of its values."""
        self._name_entities()
        self.labels = [self._label(label) for label in question.labels]
        """Each label and its variable, which is its name too."""
        self.log = self._part(question.main)
        self.tables = [self._part(table) for table in question.tables]
        self.logs = [self._part(log) for log in question.logs]

    @property
    def query(self) -> str:
        """The entity asked about; of rows that stand for themselves, the row."""
        question = self.question
        return self.entities[question.query.entity if question.query else question.main.entity or ROW]

    @property
    def item(self) -> str | None:
        """The entity that is picked."""
        return self.entities[self.question.item.entity] if self.question.item else None

    @property
    def implicit(self) -> bool:
        """Whether items are picked and no column says what came of a row."""
        return self.item is not None and not self.labels

    def table_of(self, entity: str | None) -> Part | None:
        """The table with a row for each of the entity's keys."""
        found = (part for part in self.tables if part.looked.entity and self.entities[part.looked.entity] == entity)
        return next(found, None) if entity else None

    def source(self, looked: Looked) -> str:
        """How a design names the files, relative to its folder."""
        paths = [text(os.path.relpath(path, self.folder)) for path in looked.file.paths]
        return f"sf.{looked.file.format}({', '.join(paths)})"

    def typed(self, part: Part, raw: str) -> str:
        """A column's type with its arguments."""
        meaning, name = part.meaning(raw), part.columns.get(raw)
        arguments = [] if raw == name else [text(raw)]
        if meaning.unit and meaning.kind in ("time", "number") and raw not in part.looked.references:
            arguments.append(f"unit={text(meaning.unit)}")
        if meaning.split:
            arguments.append(f"split={text(meaning.split)}")
        if any(label.column == raw and label.kind == "class" for label in self.question.labels) and part is self.log:
            arguments.append(f"values=[{', '.join(map(text, sorted(part.looked.columns[raw].few)))}]")
        coded = raw in part.looked.references or (arguments and arguments[-1].startswith("values="))
        kind = "Category" if coded else _TYPES[meaning.kind]
        return f"sf.{kind}({', '.join(arguments)})"

    def value(self, label: Guessed) -> str:
        """A label's value, as an expression over the log's row."""
        return f"{self.log.columns[label.column]}{label.condition}"

    def _name_entities(self) -> None:
        question = self.question
        wanted = [one.entity for one in question.entities]
        if question.query is None:
            wanted.append(question.main.entity or ROW)
        for table in question.tables:
            wanted += [table.entity or ROW, *(r.entity for r in table.references.values())]
        for log in question.logs:
            wanted += [r.entity for r in log.references.values() if r.entity in wanted]
        for entity in dict.fromkeys(wanted):
            self.entities[entity] = self.names.take(entity, f"{entity}_key")
        items = question.item.table if question.item else None
        for raw in items.of_kind("list")[:LISTS] if items else []:
            self.lists[raw] = self.names.take(singular(plain(raw, other="tag")), f"{plain(raw, other='tag')}_value")

    def _part(self, looked: Looked) -> Part:
        stem = plain(looked.file.stem, other="rows")
        part = Part(looked, self.names.take(stem, f"{stem}s" if stem in self.entities.values() else f"{stem}_rows"))
        own = {self.entities.get(looked.entity or ROW, ROW), *self.entities.values(), *self.lists.values()}
        columns = Names.of_columns(own)
        is_table = looked in self.question.tables
        for raw, reference in looked.references.items():
            if is_table:
                entity = self.entities[reference.entity]
                part.links[raw] = Names.of_columns([self.entities[looked.entity or ROW]]).take(entity, f"{entity}_key")
        for raw, meaning in looked.meanings.items():
            keyed = raw in looked.references and (is_table or self._is_key(looked, raw))
            if (
                keyed
                or raw == looked.key
                or looked.foreign(raw)
                or meaning.kind not in _TYPES
                or (raw == self.time_of(looked) and not is_table)
            ):
                continue
            name = plain(raw, other="column")
            part.columns[raw] = columns.take(name, f"{singular(stem)}_{name}".rstrip("_"))
        return part

    def time_of(self, looked: Looked) -> str | None:
        """The time of a log's rows."""
        from sixfold.scaffold.decide import time_of

        return self.question.time if looked is self.question.main else time_of(looked)

    def keys(self, looked: Looked) -> list[tuple[str, str]]:
        """A log's keys: entity's variable and raw column."""
        found: dict[str, str] = {}
        for raw, reference in looked.references.items():
            if self._is_key(looked, raw):
                found.setdefault(self.entities[reference.entity], raw)
        return list(found.items())

    def _is_key(self, looked: Looked, raw: str) -> bool:
        """Whether the column is the log's key of an entity that the design has: one column an entity."""
        entity = looked.references[raw].entity
        if looked is self.question.main and entity not in {one.entity for one in self.question.entities}:
            return False
        first = next(r.column for r in looked.references.values() if r.entity == entity)
        return entity in self.entities and raw == first

    def _label(self, label: Guessed) -> tuple[Guessed, str]:
        return label, self.names.take(label.name, f"{label.name}_label")
