"""Checks of data in the language of numbers: `nulls(impressions.clicked) <= 0.5`, `rows(impressions) >= 1000`."""

import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass

from sixfold.design.schema import Stream, TableSchema
from sixfold.errors import InvalidMetric, UnknownInMetric

__all__ = ["MEASURES", "DataCheck", "parse_checks"]

MEASURES: Mapping[str, str] = {
    "rows": "group",
    "refused": "group",
    "duplicates": "group",
    "drift": "group",
    "gap_h": "stream",
    "nulls": "column",
    "distinct": "column",
    "min": "number",
    "max": "number",
    "unknown": "key",
    "psi": "value",
}
"""What each measure is of. `refused`, `duplicates`, `nulls` and `unknown` are shares of the rows."""
_CHECK = re.compile(r"\s*(\w+)\(\s*(\w+)(?:\.(\w+))?\s*\)\s*(>=|<=)\s*([+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)\s*")


@dataclass(frozen=True, slots=True)
class DataCheck:
    """`measure(group.column) op bound`."""

    text: str
    measure: str
    group: str
    column: str | None
    op: str
    bound: float

    def holds(self, value: float | None) -> bool:
        """Whether a measured value is within the bound; nothing measured never is."""
        if value is None:
            return False
        return value >= self.bound if self.op == ">=" else value <= self.bound


def parse_checks(
    texts: Iterable[str], streams: Mapping[str, Stream], tables: Mapping[str, TableSchema], *, where: str
) -> tuple[DataCheck, ...]:
    """The checks of a design.

    Raises:
        InvalidMetric: one is not of the language's form, or measures what a column cannot have.
        UnknownInMetric: its measure, group or column does not exist.
    """
    return tuple(_parse(text, {**streams, **tables}, where) for text in texts)


def _parse(text: str, groups: Mapping[str, Stream | TableSchema], where: str) -> DataCheck:
    found = _CHECK.fullmatch(text) if isinstance(text, str) else None
    if found is None:
        rule = "written `measure(group) >= number` or `measure(group.column) <= number`"
        raise InvalidMetric(where=where, part="Data.checks", text=text, rule=rule)
    measure, group, column, op, bound = found.groups()

    def known(kind: str, name: str, names: Collection[str]) -> None:
        if name not in names:
            raise UnknownInMetric(where=where, part="Data.checks", text=text, kind=kind, name=name, known=names)

    known("measure", measure, MEASURES)
    known("stream or table", group, groups)
    schema, of = groups[group], MEASURES[measure]
    keys = [key.name for key in (*schema.keys, *(schema.links if isinstance(schema, TableSchema) else ()))]
    numbers = [one.name for one in schema.fields if one.kind.base == "number" and not one.kind.is_list]
    fields = [one.name for one in schema.fields]
    values = [one.name for one in schema.fields if one.kind.is_list or one.kind.base != "time"]
    columns = {"column": [*keys, *fields], "number": numbers, "key": keys, "value": values}.get(of)
    if (columns is None) != (column is None) or (of == "stream" and not isinstance(schema, Stream)):
        rule = f"of a {of}: {measure}({group}{'' if columns is None else '.column'})"
        raise InvalidMetric(where=where, part="Data.checks", text=text, rule=rule)
    if columns is not None and column is not None:
        known(of, column, columns)
    return DataCheck(text, measure, group, column, op, float(bound))
