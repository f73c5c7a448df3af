"""Building the online state from history in one go, for whoever has no database at hand."""

from pathlib import Path

import duckdb

from sixfold.design.system import System
from sixfold.features.state import History, StateWriter
from sixfold.stores.online import OnlineStore

__all__ = ["build_state"]

_MEMORY = "3GB"


def build_state(system: System, store: OnlineStore, history: History, spill: Path) -> None:
    """Make all rows of an empty store from history; memory is bounded, and what does not fit goes to `spill`.

    Raises:
        StateNotEmpty: the store is not empty.
    """
    with duckdb.connect(config={"memory_limit": _MEMORY, "temp_directory": str(spill)}) as con:
        StateWriter(system, store).build(con, history)
