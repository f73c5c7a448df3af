"""Expressions: the SQL of one value, parsed, its names resolved and its types checked."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

import sqlglot
from sqlglot import exp
from sqlglot.errors import SqlglotError

from sixfold.design._typing import Mistyped, kind_of
from sixfold.design.kinds import TIME, Kind
from sixfold.design.operations import FUNCTIONS, recognised
from sixfold.errors import BadExpression, UnknownFunction, UnknownName, WrongType

__all__ = ["Expression", "Name", "Scope", "parse"]


class Name(NamedTuple):
    """What a spelling in an expression stands for."""

    canonical: str
    kind: Kind


Scope = Mapping[str, Name]
"""Every spelling that an expression may use: `watched_s`, `videos.length_s`, an entity's name."""


@dataclass(frozen=True, slots=True)
class Expression:
    """One checked expression. Two are equal if their text and what they read are."""

    text: str
    """As the design has it."""
    tree: exp.Expr = field(compare=False, repr=False)
    """Each name is a single column, spelled canonically; `meta["kind"]` of a node is its kind, absent if it is null."""
    reads: frozenset[Name]
    """The columns, `now` apart."""
    kind: Kind
    """Of the result."""
    reads_now: bool = False

    @property
    def names(self) -> frozenset[str]:
        """The canonical names of the columns that it reads; `now` is none of them."""
        return frozenset(name.canonical for name in self.reads)


def parse(text: str, scope: Scope, *, where: str, part: str, now: bool = True) -> Expression:
    """Read an expression and check it against what it may use.

    Args:
        text: SQL of one value; docs/expressions.md has the language.
        scope: What each spelling stands for.
        where: The file and line of `part`, such as `feed.py:41`.
        part: What reads it, in words: `Label watch_s`.
        now: Whether it may read `now`.

    Raises:
        BadExpression: it is not SQL, or uses what the language leaves out.
        UnknownFunction: it calls a function that does not exist.
        UnknownName: a name is not in `scope`.
        WrongType: an operation does not take the kinds it is given.
    """
    known = {**scope, "now": Name("now", TIME)} if now else {k: v for k, v in scope.items() if k != "now"}
    tree = _read(text, where=where, part=part)
    columns: list[tuple[exp.Column, Name]] = []
    _check_operations(tree, text, where=where, part=part)
    for column in tree.find_all(exp.Column):
        spelled = ".".join(x.name for x in column.parts)
        if spelled not in known:
            raise UnknownName(where=where, part=part, name=spelled, known=known)
        columns.append((column, known[spelled]))
        column.meta["kind"] = known[spelled].kind
    try:
        kind = kind_of(tree)
    except Mistyped as mistyped:
        raise WrongType(where=where, part=part, text=text, reason=str(mistyped)) from None
    if kind is None:
        raise WrongType(where=where, part=part, text=text, reason="it is always null, which has no type")
    for column, name in columns:
        column.set("this", exp.to_identifier(name.canonical, quoted=True))
        for qualifier in ("table", "db", "catalog"):
            column.set(qualifier, None)
    reads = frozenset(name for _, name in columns if name.canonical != "now")
    return Expression(text, tree, reads, kind, any(name.canonical == "now" for _, name in columns))


def _read(text: str, *, where: str, part: str) -> exp.Expr:
    try:
        tree = sqlglot.parse_one(text, read="duckdb", into=exp.Condition)
    except SqlglotError as error:
        raise BadExpression(where=where, part=part, text=text, reason=_one_line(error)) from None
    except RecursionError:
        raise BadExpression(where=where, part=part, text=text, reason="it is nested too deeply") from None
    return tree


def _one_line(error: SqlglotError) -> str:
    """What the parser says, without its class names, colours and line breaks."""
    found = getattr(error, "errors", None)
    if not found:
        return "it is empty" if str(error).startswith("No expression") else "a quote is not closed"
    first = found[0]
    said = str(first["description"])
    if said.startswith("Required keyword"):
        said = "a value is missing"
    elif said.startswith("The number of provided arguments"):
        said = "a function has too many arguments"
    else:
        said = said[:1].lower() + said[1:]
    return f"{said}, at column {first['col']} ({first['highlight']!r})"


def _check_operations(tree: exp.Expr, text: str, *, where: str, part: str) -> None:
    """Refuse what is no operation of the language, from the outside in."""
    pending = [tree]
    while pending:
        node = pending.pop()
        found = recognised(node)
        if found is not None:
            pending += reversed(found[1])
            continue
        if (name := _called(node)) is not None and name not in FUNCTIONS:
            raise UnknownFunction(where=where, part=part, name=name, known=FUNCTIONS)
        raise BadExpression(where=where, part=part, text=text, reason=_refusal(node))


def _called(node: exp.Expr) -> str | None:
    """The name of the function that a node calls, if it is written as a call."""
    if isinstance(node, exp.Anonymous):
        return str(node.name).lower()
    written_otherwise = (exp.AggFunc, exp.Interval, exp.SubqueryPredicate, exp.Array, exp.Case)
    if isinstance(node, exp.Func) and not isinstance(node, written_otherwise):
        return str(type(node).sql_names()[0]).lower()
    return None


def _refusal(node: exp.Expr) -> str:
    if isinstance(node, exp.AggFunc):
        return (
            f"{type(node).sql_names()[0].lower()}() gathers many rows, and an expression sees one; "
            "declare a feature with an aggregate and read that"
        )
    if isinstance(node, exp.Window):
        return "a window function gathers many rows, and an expression sees one; declare a feature with a window"
    if isinstance(node, exp.Interval):
        return "intervals are left out; times move by seconds, as in time + 3600"
    if isinstance(node, (exp.Query, exp.SubqueryPredicate)) or node.args.get("query"):
        return "subqueries are left out; use a Query as the source"
    if (name := _called(node)) is not None:
        return f"{name} takes {_arguments(name)}"
    return f"{node.sql(dialect='duckdb', normalize_functions='lower')!r} is no part of the language"


def _arguments(name: str) -> str:
    count = FUNCTIONS[name]
    return "1 or 2 arguments" if count is None else f"{count} argument{'s' if count > 1 else ''}"
