"""Text of a Python file, a call at a time, as a formatter would leave it."""

import json
from collections.abc import Iterable

__all__ = ["MARK", "Page", "call", "listed", "text"]

MARK = "# TODO(you):"
_WIDTH = 100
"""Of a call, beside the name that it is assigned to."""
_TEXT = 112
_COMMENT = 118


def text(value: str) -> str:
    """A text in Python, in double quotes.

    >>> text('a "b"')
    '"a \\\\"b\\\\""'
    """
    return json.dumps(value, ensure_ascii=False)


def call(function: str, *arguments: str, width: int = _WIDTH) -> str:
    """A call on one line, or with an argument a line where that is too long or an argument has a comment.

    >>> call("sf.Rule", '"popular"', '"demand.n"')
    'sf.Rule("popular", "demand.n")'
    """
    line = f"{function}({', '.join(arguments)})"
    if len(line) <= width and "\n" not in line and not any("  # " in one for one in arguments):
        return line
    return f"{function}(\n{_lines(arguments)})"


def listed(items: Iterable[str], *, width: int = _WIDTH) -> str:
    """A list on one line, or an item a line."""
    known = list(items)
    line = f"[{', '.join(known)}]"
    return line if len(line) <= width and "\n" not in line else f"[\n{_lines(known)}]"


def _lines(arguments: Iterable[str]) -> str:
    made = ""
    for argument in arguments:
        code, mark, said = argument.partition("  # ")
        inner = code.replace("\n", "\n    ")
        made += f"    {inner},{_short(f'{mark}{said}', len(inner.splitlines()[-1]) + 5)}\n"
    return made


def _short(comment: str, before: int) -> str:
    room = max(30, _COMMENT - before)
    return comment if len(comment) <= room else f"{comment[: room - 1].rstrip()}…"


class Page:
    """Lines, comments and what the reader must decide, in order."""

    def __init__(self) -> None:
        self._parts: list[str] = []

    def code(self, *lines: str) -> None:
        """Add statements."""
        self._parts += lines

    def assign(self, name: str, value: str) -> None:
        """Add an assignment."""
        self._parts.append(f"{name} = {value}")

    def comment(self, said: str) -> None:
        """Add a comment, wrapped."""
        self._parts += _wrapped("# ", said)

    def todo(self, said: str) -> None:
        """Add what could not be guessed."""
        first, *rest = _wrapped("# ", f"{MARK[2:]} {said}")
        self._parts += [first, *(f"#     {line[2:]}" for line in rest)]

    def gap(self) -> None:
        """Leave a line free."""
        if self._parts and self._parts[-1]:
            self._parts.append("")

    def __str__(self) -> str:
        return "\n".join(self._parts).rstrip() + "\n"


def _wrapped(mark: str, said: str) -> list[str]:
    lines, line = [], mark.rstrip()
    for word in said.split():
        if len(line) + 1 + len(word) > _TEXT and line != mark.rstrip():
            lines.append(line)
            line = mark.rstrip()
        line += f" {word}"
    return [*lines, line]
