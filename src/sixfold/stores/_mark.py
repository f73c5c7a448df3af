"""A mark beside a state that is not synced at each commit: can it be trusted after a power cut?

Whatever a process wrote outlives the process in the memory of the machine, but not the machine. So the mark
holds the boot at which unsynced writes began, and is replaced by `clean` once they are on the disk.
"""

import os
from pathlib import Path

__all__ = ["is_torn", "mark_clean", "mark_dirty", "sync_folder"]

_NAME = "state.mark"
_CLEAN = "clean"
_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")


def is_torn(folder: Path) -> bool:
    """True if the machine stopped, or the folder was copied elsewhere, while writes were not on the disk."""
    try:
        mark = (folder / _NAME).read_text()
    except FileNotFoundError:
        return False
    return mark != _CLEAN and (mark != _boot() or not mark)


def mark_dirty(folder: Path) -> None:
    """Say, durably, that writes of this boot may not be on the disk. Call before the first of them."""
    _write(folder, _boot())


def mark_clean(folder: Path) -> None:
    """Say, durably, that everything is on the disk. Call after the sync."""
    _write(folder, _CLEAN)


def _boot() -> str:
    # Where the system tells no boot, any state that was not closed counts as torn.
    return _BOOT_ID.read_text().strip() if _BOOT_ID.exists() else ""


def _write(folder: Path, text: str) -> None:
    new = folder / f"{_NAME}.new"
    with new.open("w") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    new.replace(folder / _NAME)
    sync_folder(folder)


def sync_folder(folder: Path) -> None:
    """Make the names in `folder` durable; a synced file whose name is lost is lost."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
