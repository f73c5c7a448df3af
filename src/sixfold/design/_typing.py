"""Which kinds the operations of expressions take and give."""

from collections.abc import Sequence

from sqlglot import exp

from sixfold.design.kinds import FLAG, NUMBER, TEXT, TIME, Kind
from sixfold.design.operations import digits, operation

__all__ = ["Mistyped", "kind_of"]

_LEAVES = {"number": NUMBER, "text": TEXT, "flag": FLAG, "null": None}
_ORDERED = {"<", "<=", ">", ">=", "between"}
_OF_NUMBERS = {"neg", "*", "/", "//", "%", "abs", "ceil", "exp", "floor", "haversine_km", "ln", "power", "sqrt"}


class Mistyped(Exception):
    """An operation does not take what it is given; says why."""


def kind_of(node: exp.Expr) -> Kind | None:
    """The kind of a node's value, None for null; each node below keeps its own in `meta["kind"]`.

    Columns must have theirs before. The caller has seen that every node is an operation.
    """
    node = node.unnest()
    name, operands = operation(node)
    if name == "column":
        own: Kind = node.meta["kind"]
        return own
    kind = _LEAVES[name] if name in _LEAVES else _result(name, node, operands)
    if kind is not None:
        node.meta["kind"] = kind
    return kind


def _result(name: str, node: exp.Expr, operands: list[exp.Expr]) -> Kind | None:
    if name == "round":
        return _round(operands)
    kinds = [kind_of(x) for x in operands]
    if name in ("contains", "overlap", "len"):
        return _of_lists(name, operands, kinds)
    if name == "is null":
        return FLAG
    if (nested := next((x for x, k in zip(operands, kinds) if k is not None and k.is_list), None)) is not None:
        raise Mistyped(f"{_shown(nested)} is a list, which only contains, overlap, len and is null take")
    if name in ("+", "-"):
        return _add(name, kinds)
    if name in _OF_NUMBERS:
        return _all("number", NUMBER, name, operands, kinds)
    if name in ("and", "or", "not"):
        return _all("flag", FLAG, name, operands, kinds)
    if name in ("hour", "weekday"):
        return _all("time", NUMBER, name, operands, kinds)
    if name == "lower":
        return _all("text", TEXT, name, operands, kinds)
    if name in ("least", "greatest"):
        return _extreme(name, kinds)
    if name == "case":
        _all("flag", FLAG, "case", operands[:-1:2], kinds[:-1:2])
        return _one_of("case", [*operands[1::2], operands[-1]])
    if name == "case of":
        _same("case", [kinds[0], *kinds[1:-1:2]])
        return _one_of("case", [*operands[2::2], operands[-1]])
    if name == "coalesce":
        return _one_of(name, operands)
    common = _same(name, kinds)
    if name in _ORDERED and common is not None and common.base == "flag":
        raise Mistyped(f"{name} does not take flags, which have no order")
    return (kinds[0] or common) if name == "nullif" else FLAG


def _round(operands: list[exp.Expr]) -> Kind:
    if not 1 <= len(operands) <= 2 or (len(operands) == 2 and digits(operands[1]) is None):
        raise Mistyped("round takes a number, and as digits a whole number from -15 to 15")
    return _all("number", NUMBER, "round", operands[:1], [kind_of(operands[0])])


def _of_lists(name: str, operands: list[exp.Expr], kinds: list[Kind | None]) -> Kind:
    lists = 2 if name == "overlap" else 1
    for operand, kind in zip(operands[:lists], kinds):
        if kind is None or not kind.is_list:
            raise Mistyped(f"{name} takes a list, and {_shown(operand)} is {_word(kind)}")
    first, last = kinds[0], kinds[-1]
    if first is not None and last is not None and first.base != last.base:
        raise Mistyped(f"{name} does not take {first} and {last}")
    if name == "contains" and last is not None and last.is_list:
        raise Mistyped(f"contains takes a single value, and {_shown(operands[1])} is {last}; overlap takes two lists")
    return FLAG if name == "contains" else NUMBER


def _add(name: str, kinds: list[Kind | None]) -> Kind:
    left, right = (None if k is None else k.base for k in kinds)
    if left in ("number", None) and right in ("number", None):
        return NUMBER
    if name == "-" and left in ("time", None) and right == "time":
        return NUMBER
    if (left == "time" and right in ("number", None)) or (name == "+" and left in ("number", None) and right == "time"):
        return TIME
    raise Mistyped(f"{name} does not take {_word(kinds[0])} and {_word(kinds[1])}{_hint(kinds)}")


def _all(base: str, result: Kind, name: str, operands: Sequence[exp.Expr], kinds: Sequence[Kind | None]) -> Kind:
    for operand, kind in zip(operands, kinds):
        if kind is not None and kind.base != base:
            how = "; compare it with something" if base == "flag" else _hint([kind])
            shown = "-" if name == "neg" else name
            raise Mistyped(f"{shown} takes {base}s, and {_shown(operand)} is {_word(kind)}{how}")
    return result


def _extreme(name: str, kinds: list[Kind | None]) -> Kind | None:
    common = _same(name, kinds)
    if common is not None and common.base not in ("number", "time"):
        raise Mistyped(f"{name} takes numbers or times, not {common}s")
    return common


def _same(name: str, kinds: Sequence[Kind | None]) -> Kind | None:
    """The one kind of all that are not null."""
    known = [k for k in kinds if k is not None]
    for kind in known[1:]:
        if kind.base != known[0].base:
            raise Mistyped(f"{name} does not take {known[0]} and {kind}{_hint(known)}")
    return known[0] if known else None


def _one_of(name: str, choices: list[exp.Expr]) -> Kind | None:
    """The kind of a value that is one of these; it keeps their vocabulary if they share one, literals apart."""
    common = _same(name, [x.meta.get("kind") for x in choices])
    if common is None:
        return None
    domains = {x.meta["kind"].domain for x in choices if "kind" in x.meta and not isinstance(x, exp.Literal)}
    return Kind(common.base, False, domains.pop() if len(domains) == 1 else None)


def _word(kind: Kind | None) -> str:
    return "null" if kind is None else str(kind)


def _hint(kinds: Sequence[Kind | None]) -> str:
    return "; case when ... then 1 else 0 end makes a number of a flag" if FLAG in kinds else ""


def _shown(node: exp.Expr) -> str:
    return repr(node.sql(dialect="duckdb", normalize_functions="lower"))
