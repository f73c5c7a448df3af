"""Every error is exported, stands in the tree, shows its message in a doctest and survives pickling."""

import ast
import doctest
import pickle
import re

import pytest

from sixfold import errors
from sixfold.errors import SixfoldError


def family(cls: type[SixfoldError]) -> list[type[SixfoldError]]:
    """The class and all that are made from it."""
    return [cls, *(one for child in cls.__subclasses__() for one in family(child))]


ALL = family(SixfoldError)
RAISED = [cls for cls in ALL if not cls.__subclasses__()]
"""The others only group these, so that a caller can catch them together."""


def tree(text: str) -> dict[str, str | None]:
    """Each name in the drawn tree to the name above it; fails if one comes without a description."""
    above: dict[str, str | None] = {}
    path: list[str] = []
    for drawn in text.strip().splitlines()[2:]:
        branch, names, said = re.fullmatch(r"([│├└─ ]*)(\w+(?:, \w+)*) *(.*)", drawn).groups()
        depth = len(branch) // 4
        assert said or not depth, f"{names} has no description"
        for name in names.split(", "):
            assert name not in above, f"{name} stands twice"
            above[name] = path[depth - 1] if depth else None
        path[depth:] = [name]
    return above


def shown(cls: type[SixfoldError]) -> tuple[SixfoldError, str]:
    """The error that the class's doctest prints, and what it says that is printed."""
    example = doctest.DocTestFinder(recurse=False).find(cls, cls.__name__, globs={})[0].examples
    assert example, f"{cls.__name__} has no doctest"
    names = dict(vars(errors))
    for setting in example[:-1]:
        exec(setting.source, names)
    printed = ast.parse(example[-1].source, mode="eval").body
    assert isinstance(printed, ast.Call)
    assert ast.unparse(printed.func) == "print"
    return eval(ast.unparse(printed.args[0]), names), example[-1].want


def test_all_are_exported_and_nothing_else_is():
    assert sorted(cls.__name__ for cls in ALL) == sorted(errors.__all__)
    assert [name for name in errors.__all__ if not hasattr(errors, name)] == []


def test_the_tree_shows_each_under_what_it_is_made_from():
    bases = {cls.__name__: next(b.__name__ for b in cls.__bases__ if b in [*ALL, Exception]) for cls in ALL}
    assert tree(errors.__doc__) == {**bases, "SixfoldError": None}


@pytest.mark.parametrize("cls", RAISED)
def test_its_doctest_prints_the_whole_message(cls):
    error, wanted = shown(cls)
    assert type(error) is cls
    assert f"{error}\n" == wanted


@pytest.mark.parametrize("cls", RAISED)
def test_it_is_the_same_after_pickling(cls):
    error, _ = shown(cls)
    again = pickle.loads(pickle.dumps(error))
    assert (type(again), str(again), again.args, vars(again)) == (cls, str(error), error.args, vars(error))
