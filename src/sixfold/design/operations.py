"""The operations that expressions are made of, as one name and a flat list of operands each."""

import math

from sqlglot import exp

from sixfold.design.kinds import Base

__all__ = ["FUNCTIONS", "base_of", "digits", "operation", "recognised"]

FUNCTIONS: dict[str, int | None] = {
    "abs": 1,
    "ceil": 1,
    "coalesce": None,
    "contains": 2,
    "exp": 1,
    "floor": 1,
    "greatest": None,
    "haversine_km": 4,
    "hour": 1,
    "least": None,
    "len": 1,
    "ln": 1,
    "lower": 1,
    "nullif": 2,
    "overlap": 2,
    "power": 2,
    "round": None,
    "sqrt": 1,
    "weekday": 1,
}
"""Each function with how many arguments it takes, None for one or more."""

_BINARY: dict[type[exp.Expr], str] = {
    exp.Add: "+",
    exp.Sub: "-",
    exp.Mul: "*",
    exp.Div: "/",
    exp.IntDiv: "//",
    exp.Mod: "%",
    exp.EQ: "=",
    exp.NEQ: "!=",
    exp.LT: "<",
    exp.LTE: "<=",
    exp.GT: ">",
    exp.GTE: ">=",
    exp.And: "and",
    exp.Or: "or",
}
_CALLS: dict[type[exp.Expr], str] = {
    exp.Abs: "abs",
    exp.Ceil: "ceil",
    exp.Coalesce: "coalesce",
    exp.Contains: "contains",
    exp.Exp: "exp",
    exp.Floor: "floor",
    exp.Greatest: "greatest",
    exp.Hour: "hour",
    exp.Least: "least",
    exp.Length: "len",
    exp.Ln: "ln",
    exp.Lower: "lower",
    exp.Nullif: "nullif",
    exp.Pow: "power",
    exp.Round: "round",
    exp.Sqrt: "sqrt",
}
_UNARY: dict[type[exp.Expr], str] = {exp.Neg: "neg", exp.Not: "not"}


def operation(node: exp.Expr) -> tuple[str, list[exp.Expr]]:
    """What `recognised` gives, for a node of a checked expression."""
    found = recognised(node)
    assert found is not None, "parse lets nothing else through"
    return found


def base_of(*nodes: exp.Expr) -> Base:
    """The base kind that the nodes of a checked expression share; nulls take any, and alone are numbers."""
    kinds = (node.meta.get("kind") for node in nodes)
    return next((kind.base for kind in kinds if kind is not None), "number")


def recognised(node: exp.Expr) -> tuple[str, list[exp.Expr]] | None:
    """The name of what a node does and its operands in order, or None if it is no part of the language.

    Parentheses are looked through, so that no operand is one.

    A leaf is `number`, `text`, `flag`, `null` or `column`. `case` has condition, value, ..., default;
    `case of` has the subject before them; `round` has a number and maybe its literal digits.
    """
    node = node.unnest()
    if (leaf := _leaf(node)) is not None:
        return leaf, []
    found = _written(node)
    return None if found is None else (found[0], [x.unnest() for x in found[1]])


def digits(node: exp.Expr) -> int | None:
    """The whole number from -15 to 15 that a literal is, or None."""
    sign, literal = (-1, node.this) if isinstance(node, exp.Neg) else (1, node)
    if not isinstance(literal, exp.Literal) or literal.is_string or not literal.name.isdigit():
        return None
    return sign * int(literal.name) if int(literal.name) <= 15 else None


def _written(node: exp.Expr) -> tuple[str, list[exp.Expr]] | None:
    kind = type(node)
    if kind in _BINARY:
        return _BINARY[kind], [node.this, node.args["expression"]]
    if kind in _UNARY:
        return _UNARY[kind], [node.this]
    if isinstance(node, exp.Is) and isinstance(node.args["expression"], exp.Null):
        return "is null", [node.this]
    if isinstance(node, exp.Between) and not node.args.get("symmetric"):
        return "between", [node.this, node.args["low"], node.args["high"]]
    if isinstance(node, exp.In):
        return ("in", [node.this, *node.expressions]) if node.expressions and _plain(node) else None
    if isinstance(node, exp.Case):
        return _case(node)
    return _call(node)


def _leaf(node: exp.Expr) -> str | None:
    if isinstance(node, exp.Literal):
        if node.is_string:
            return "text"
        return "number" if math.isfinite(float(node.name)) else None
    if isinstance(node, exp.Boolean):
        return "flag"
    if isinstance(node, exp.Null):
        return "null"
    if isinstance(node, exp.Column) and not isinstance(node.this, exp.Star):
        return "column"
    return None


def _case(node: exp.Case) -> tuple[str, list[exp.Expr]]:
    branches = [x for when in node.args["ifs"] for x in (when.this, when.args["true"])]
    default = node.args.get("default")
    branches.append(exp.Null() if default is None else default)
    return ("case", branches) if node.this is None else ("case of", [node.this, *branches])


def _call(node: exp.Expr) -> tuple[str, list[exp.Expr]] | None:
    if isinstance(node, exp.Anonymous):
        name, arguments = node.name.lower(), node.expressions
    elif type(node) in _CALLS:
        name = _CALLS[type(node)]
        arguments = [node.args[key] for key in ("this", "expression", "decimals") if node.args.get(key) is not None]
        arguments += node.expressions
        if not _plain(node):
            return None
    else:
        return None
    count = FUNCTIONS.get(name, -1)
    return (name, arguments) if count in (None, len(arguments)) else None


def _plain(node: exp.Expr) -> bool:
    """Whether a node holds nothing but its operands: no FILTER, DISTINCT, subquery or the like."""
    extra = set(node.args) - {"this", "expression", "expressions", "decimals"}
    return not any(isinstance(node.args[key], exp.Expr) for key in extra)
