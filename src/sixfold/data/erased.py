"""Keys that were erased, as salted hashes: their rows stay away when sources are read again."""

import hashlib
import os
from collections.abc import Callable
from pathlib import Path
from secrets import token_hex

import msgspec

from sixfold.data.convert import literal, quoted
from sixfold.data.layout import Layout
from sixfold.errors import IngestedDamaged

__all__ = ["ErasedKeys", "without"]

NAME = "erased.json"


class ErasedKeys(msgspec.Struct):
    """The list of a work folder. Who has it can tell whether a key is on it, and cannot read keys from it."""

    salt: str
    keys: dict[str, list[str]] = {}
    """By entity: SHA-256 of the salt and the key."""

    @classmethod
    def load(cls, workdir: Path) -> "ErasedKeys":
        """The list; an empty one where nothing was erased.

        Raises:
            IngestedDamaged: it is not readable; without it, what was erased would come back.
        """
        try:
            return msgspec.json.decode((workdir / NAME).read_bytes(), type=cls)
        except FileNotFoundError:
            return cls(token_hex(16))
        except msgspec.DecodeError as error:
            fix = "Restore it from a backup: without it, what was erased would come back."
            raise IngestedDamaged(path=str(workdir / NAME), reason=str(error), fix=fix) from None

    def add(self, workdir: Path, entity: str, key: str) -> str:
        """Put a key on the list, durably, and give its hash."""
        found = hashlib.sha256(f"{self.salt}:{key}".encode()).hexdigest()
        if found not in self.keys.setdefault(entity, []):
            self.keys[entity].append(found)
        write_durably(workdir / NAME, msgspec.json.format(msgspec.json.encode(self)))
        return found

    def holds(self, entity: str) -> Callable[[str], str] | None:
        """What makes the SQL that says whether a key is on the list of its SQL; None where none of the entity is."""
        if not (hashes := self.keys.get(entity)):
            return None
        listed, salt = ", ".join(map(literal, hashes)), literal(f"{self.salt}:")
        return lambda value: f"sha256({salt} || {value}) in ({listed})"


def without(layout: Layout, entity: str, erased: Callable[[str], str]) -> tuple[str, dict[str, str]]:
    """SQL that takes keys of an entity out of rows.

    Args:
        erased: SQL of whether a value is such a key.

    Returns:
        Which rows are about such a key and go; and for columns from which it is taken, what is left of them.
    """
    goes, left = ["false"], {}
    for column in layout.keyed:
        name = quoted(column.name)
        if column.entity != entity:
            continue
        if column.own:
            goes.append(f"coalesce({erased(name)}, false)")
        elif column.is_list:
            left[column.name] = f"list_filter({name}, lambda x: not {erased('x')})"
        else:
            left[column.name] = f"case when {erased(name)} then null else {name} end"
    return " or ".join(goes), left


def write_durably(path: Path, content: bytes) -> None:
    """Replace a file; it has its old content or the new one, whenever the machine stops."""
    beside = path.with_name(f".{path.name}")
    with beside.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    beside.replace(path)
    handle = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
