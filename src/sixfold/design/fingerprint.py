"""Fingerprints of what a design says, the lines where it says so left out."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from typing import Any

from sixfold.design.expressions import Expression

__all__ = ["fingerprint"]


def fingerprint(part: object) -> str:
    """16 hex digits: the same for parts of designs that say the same.

    Args:
        part: Objects of the schema, JSON's types, and collections of them. Of an expression the text counts.
    """
    return hashlib.sha256(json.dumps(_plain(part), sort_keys=True).encode()).hexdigest()[:16]


def _plain(part: Any) -> Any:
    """The part as JSON's types, without the lines where it was made."""
    if isinstance(part, Expression):
        return part.text
    if is_dataclass(part) and not isinstance(part, type):
        values = {f.name: _plain(getattr(part, f.name)) for f in fields(part) if f.name != "at"}
        return {"type": type(part).__name__, **values}
    if isinstance(part, Mapping):
        return {str(name): _plain(value) for name, value in part.items()}
    if isinstance(part, list | tuple):
        return [_plain(value) for value in part]
    return part
