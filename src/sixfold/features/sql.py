"""Expressions as DuckDB SQL, with the values that `sixfold.features.expressions` gives on arrays."""

import re
from collections.abc import Mapping

from sqlglot import exp

from sixfold.design.expressions import Expression
from sixfold.design.operations import base_of, digits, operation
from sixfold.features._functions import EARTH_KM
from sixfold.features._zones import DAY_US, HOUR_US, zone

__all__ = ["duckdb"]

_TYPES = {"number": "double", "flag": "boolean", "time": "bigint", "text": "varchar"}
# As in `sixfold.features.expressions`: these give nothing finite for what is not finite.
_RAW = {
    "+": "({} + {})",
    "-": "({} - {})",
    "*": "({} * {})",
    "neg": "(-{})",
    "abs": "abs({})",
    "ceil": "ceil({})",
    "floor": "floor({})",
    "ln": "ln({})",
    "sqrt": "sqrt({})",
}
_DIVISIONS = {"/": "({} / nullif({}, 0e0))", "//": "trunc({} / nullif({}, 0e0))", "%": "({} % nullif({}, 0e0))"}
_FINITE = "case when isfinite({0}) then {0} end"
_SIMPLE = re.compile(r'[\w.]+|"[^"]*"(\."[^"]*")?')


def duckdb(expression: Expression, columns: Mapping[str, str], now: str, timezone: str = "UTC") -> str:
    """The SQL of an expression's value.

    Args:
        expression: As `sixfold.design.expressions.parse` gives it.
        columns: SQL of each column that it reads, by canonical name: DOUBLE (finite) for a number, BOOLEAN for a flag,
            BIGINT microseconds UTC for a time, VARCHAR for a text, and lists of these without null elements.
        now: SQL of the time that stands for `now`, a BIGINT.
        timezone: The IANA name of the zone that `hour` and `weekday` are told in.

    Returns:
        One SQL expression of the type of its kind.
    """
    renderer = _Renderer({**columns, "now": now} if expression.reads_now else columns, timezone)
    return renderer.value(expression.tree.unnest(), expression.kind.base)


class _Renderer:
    """Writes a tree as SQL, each part once, so that the text grows with the tree and not faster."""

    def __init__(self, columns: Mapping[str, str], timezone: str) -> None:
        self.columns, self.timezone = columns, timezone

    def value(self, node: exp.Expr, base: str) -> str:
        """A node as this base; a number comes out finite or null."""
        if base != "number":
            return self._other(node, base)
        sql, clean = self._number(node)
        return sql if clean else _once(sql, _FINITE)

    def _other(self, node: exp.Expr, base: str) -> str:
        """Any value but arithmetic."""
        name, operands = operation(node)
        if name == "column":
            sql = self.columns[node.name]
            return sql if _SIMPLE.fullmatch(sql) else f"({sql})"
        if name == "null":
            return f"cast(null as {_TYPES[base]})"
        if name in ("case", "case of"):
            return self._case(name, operands, base)
        if name in ("coalesce", "least", "greatest", "nullif"):
            return f"{name}({', '.join(self.value(x, base) for x in operands)})"
        if base == "time":
            return self._moved(name, operands)
        if base == "text":
            return f"lower({self.value(operands[0], 'text')})" if name == "lower" else _quoted(node.name)
        return self._flag(node, name, operands)

    def _number(self, node: exp.Expr) -> tuple[str, bool]:
        """A number, and whether it is finite or null; what is not finite is null, but only later."""
        name, operands = operation(node)
        if name == "number":
            return _literal(float(node.name)), True
        if name in ("hour", "weekday"):
            return self._calendar(name, operands[0]), True
        if name == "len":
            return f"cast(len({self._other(operands[0], '')}) as double)", True
        if name == "overlap":
            left, right = (self._other(x, "") for x in operands)
            # DuckDB's list_intersect takes a null list for an empty one.
            known = f"{left} is not null and {right} is not null"
            return f"(case when {known} then cast(len(list_intersect({left}, {right})) as double) end)", True
        if name == "-" and base_of(operands[1]) == "time":
            later, earlier = (self.value(x, "time") for x in operands)
            return f"(cast({later} - {earlier} as double) / 1e6)", True
        if name == "round":
            return _rounded(
                self._number(operands[0])[0], (digits(operands[1]) or 0) if len(operands) == 2 else 0
            ), False
        if name in _RAW:
            return _RAW[name].format(*(self._number(x)[0] for x in operands)), False
        if name in _DIVISIONS:
            return _DIVISIONS[name].format(self._number(operands[0])[0], self.value(operands[1], "number")), False
        if name in ("exp", "power"):
            return f"{name}({', '.join(self.value(x, 'number') for x in operands)})", False
        if name == "haversine_km":
            return _haversine(*(self.value(x, "number") for x in operands)), True
        return self._other(node, "number"), True

    def _flag(self, node: exp.Expr, name: str, operands: list[exp.Expr]) -> str:
        if name == "flag":
            return "true" if node.this else "false"
        if name == "not":
            return f"(not {self.value(operands[0], 'flag')})"
        if name == "is null":
            return f"({self.value(operands[0], base_of(operands[0]))} is null)"
        base = base_of(*operands)
        if name == "contains":
            return f"list_contains({self._other(operands[0], '')}, {self.value(operands[1], base)})"
        first, *others = (self.value(x, base) for x in operands)
        if name == "between":
            return f"({first} between {others[0]} and {others[1]})"
        if name == "in":
            return f"({first} in ({', '.join(others)}))"
        return f"({first} {name} {others[0]})"

    def _case(self, name: str, operands: list[exp.Expr], base: str) -> str:
        subject, compared = "", "flag"
        if name == "case of":
            head, *operands = operands
            compared = base_of(head, *operands[:-1:2])
            subject = f" {self.value(head, compared)}"
        pairs = zip(operands[:-1:2], operands[1::2])
        branches = " ".join(f"when {self.value(x, compared)} then {self.value(y, base)}" for x, y in pairs)
        return f"(case{subject} {branches} else {self.value(operands[-1], base)} end)"

    def _moved(self, name: str, operands: list[exp.Expr]) -> str:
        times, seconds = operands if base_of(operands[0]) == "time" else operands[::-1]
        shift = f"{'-' if name == '-' else ''}{self._number(seconds)[0]}"
        # 4 * 2^61 is the first that does not fit: the casts make null of what is not finite or not within +-2^61.
        near = f"try_cast(round({shift} * 1e6) * 4e0 as bigint) // 4"
        return f"(try_cast(cast({self.value(times, 'time')} + {near} as hugeint) * 4 as bigint) // 4)"

    def _calendar(self, name: str, times: exp.Expr) -> str:
        local = _once(self.value(times, "time"), _local(self.timezone))
        if name == "hour":
            return f"cast({_floored(local, DAY_US)} // {HOUR_US} as double)"
        # Day 0 of 1970 was a Thursday.
        return f"cast({_floored(f'({local} + {3 * DAY_US})', 7 * DAY_US)} // {DAY_US} as double)"


def _once(sql: str, template: str) -> str:
    """A template filled with SQL that it names several times, computed and written once."""
    if len(sql) <= 40:
        return f"({template.format(sql)})"
    return f"list_transform([{sql}], lambda value: {template.format('value')})[1]"


def _floored(sql: str, by: int) -> str:
    """What is left of an integer, never negative."""
    return f"((({sql}) % {by} + {by}) % {by})"


def _literal(number: float) -> str:
    # With an exponent DuckDB reads a DOUBLE, without one a DECIMAL.
    text = repr(number)
    return text if "e" in text else f"{text}e0"


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def _rounded(sql: str, places: int) -> str:
    # Not DuckDB's own digits: for them round(inf, -1) is 0.
    scale = _literal(10.0 ** abs(places))
    if places == 0:
        return f"round({sql})"
    return f"(round({sql} * {scale}) / {scale})" if places > 0 else f"(round({sql} / {scale}) * {scale})"


def _haversine(lat1: str, lon1: str, lat2: str, lon2: str) -> str:
    lat1, lat2 = (_once(x, "radians(case when abs({0}) <= 90e0 then {0} end)") for x in (lat1, lat2))
    lon1, lon2 = (_once(x, "radians(case when abs({0}) <= 360e0 then {0} end)") for x in (lon1, lon2))
    a = f"pow(sin(({lat2} - {lat1}) / 2e0), 2e0) + cos({lat1}) * cos({lat2}) * pow(sin(({lon2} - {lon1}) / 2e0), 2e0)"
    return f"({_literal(2 * EARTH_KM)} * asin(sqrt({_once(a, 'case when {0} > 1e0 then 1e0 else {0} end')})))"


def _local(timezone: str) -> str:
    """The template of local microseconds: a binary search in the zone's table, which needs no time zones of DuckDB."""
    starts, offsets = (x.tolist() for x in zone(timezone))

    def search(low: int, high: int) -> str:
        if low == high:
            return str(offsets[low])
        middle = (low + high) // 2
        return f"case when {{0}} < {starts[middle]} then {search(low, middle)} else {search(middle + 1, high)} end"

    return f"{{0}} + {search(0, len(starts))}"
