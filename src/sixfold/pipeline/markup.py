"""Pieces of HTML that the report's sections are made of."""

import html
import math
from collections.abc import Sequence

from sixfold.evaluation.bootstrap import Measured

__all__ = ["escaped", "measured_cell", "table"]


def escaped(text: str) -> str:
    """A text as it is, whatever characters it has."""
    return html.escape(text)


def table(head: Sequence[str], rows: Sequence[Sequence[str]], *, own_first: bool = False) -> str:
    """A table of cells that are HTML already.

    Args:
        own_first: Whether the first row is set apart.
    """
    top = "".join(f"<th>{cell}</th>" for cell in head)
    body = "".join(
        f"<tr{' class=own' if own_first and at == 0 else ''}>{''.join(f'<td>{cell}</td>' for cell in row)}</tr>"
        for at, row in enumerate(rows)
    )
    return f"<table><tr>{top}</tr>{body}</table>"


def measured_cell(one: Measured | None, digits: int = 4) -> str:
    """A value with its interval below."""
    if one is None:
        return ""
    if math.isnan(one.value):
        return f"none<small>{escaped(one.why)}</small>"
    return f"{one.value:.{digits}f}<small>{one.low:.{digits}f} to {one.high:.{digits}f}</small>"
