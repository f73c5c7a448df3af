"""A release: one folder that holds everything an answer is made of, and is swapped whole."""

import hashlib
import shutil
from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import msgspec

from sixfold.design import System, load
from sixfold.errors import NothingBefore, ReleaseDamaged, ReleaseError, ReleaseMismatch, ReleaseMissing
from sixfold.inference import models
from sixfold.inference.policy import Policy, read_policy

__all__ = ["POLICY", "Manifest", "Release", "Releases"]

POLICY = "policy.json"
"""The file of a release that has the thresholds of its actions."""


_ERASED = "erased.json"


class Manifest(msgspec.Struct, frozen=True):
    """`release.json`: what the release is, and the fingerprint of each of its files."""

    id: str
    system: str
    features: str
    """Fingerprint of the feature definitions (`System.fingerprint`)."""
    data: dict[str, Any]
    """What it was trained on: the folder, rows by source, the log's offset."""
    seed: int
    metrics: dict[str, Any]
    baselines: dict[str, Any]
    gates: list[dict[str, Any]]
    requirements: dict[str, Any]
    """Each requirement beside what was measured."""
    files: dict[str, str]
    """Path in the folder to SHA-256."""


class Release:
    """A release on disk, verified when it is opened.

    Raises:
        ReleaseDamaged: a file is missing or changed.
        ReleaseMismatch: its design file does not give the feature definitions that it was trained with.
    """

    def __init__(self, folder: Path) -> None:
        self.folder, self.id = folder, folder.name
        try:
            self.manifest = msgspec.json.decode((folder / "release.json").read_bytes(), type=Manifest)
        except (OSError, msgspec.DecodeError) as error:
            raise ReleaseDamaged(path=str(folder / "release.json"), reason=str(error)) from error
        for name, expected in self.manifest.files.items():
            path = folder / name
            if not path.is_file():
                raise ReleaseDamaged(path=str(path), reason="the file is missing")
            if _sha256(path) != expected:
                raise ReleaseDamaged(path=str(path), reason="its content changed since it was released")
        if self.system.fingerprint != self.manifest.features:
            expected, found = self.system.fingerprint, self.manifest.features
            raise ReleaseMismatch(name=self.manifest.id, what="feature definitions", expected=expected, found=found)

    @cached_property
    def system(self) -> System:
        """The design as it was when the release was made."""
        return load(self.folder / "design.py")

    def model(self, name: str, *, threads: int = 1) -> models.Scorer | models.Towers:
        """One of its models, ready to run."""
        return models.load(self.folder / "models" / name, threads=threads)

    @cached_property
    def policy(self) -> Policy:
        """The thresholds of its actions; none where the design has no actions.

        Raises:
            ReleaseDamaged: they are missing or cannot be read, or are not those of the design's actions.
        """
        if not self.system.actions:
            return ()
        path = self.folder / POLICY
        found = read_policy(path)
        if [one.name for one in found] != [one.action.name for one in self.system.actions]:
            raise ReleaseDamaged(path=str(path), reason="it has other actions than the design")
        return found

    def has(self, name: str) -> bool:
        """Whether it holds a model of that name."""
        return (self.folder / "models" / name / "model.json").is_file()


class Releases:
    """The releases of one system, and the pointer to the one that serves."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def ids(self) -> list[str]:
        """All releases, oldest first."""
        found = [path.parent.name for path in self.folder.glob("r*/release.json")]
        return sorted(found, key=lambda name: int(name[1:].split("-")[0]))

    def open(self, name: str) -> Release:
        """The release of that name.

        Raises:
            ReleaseMissing: there is none.
        """
        if name not in self.ids():
            raise ReleaseMissing(name=name, known=self.ids(), folder=str(self.folder))
        return Release(self.folder / name)

    def current(self) -> str | None:
        """The release that serves; None before the first promotion."""
        promoted = self._promoted()
        return promoted[-1] if promoted else None

    def promote(self, name: str) -> None:
        """Point to this release; servers follow. Where it serves already, nothing changes.

        Raises:
            ReleaseMissing, ReleaseDamaged: it cannot serve.
        """
        self.open(name)
        if name != self.current():
            self._point([*self._promoted(), name])

    def rollback(self) -> str:
        """Point to the release that served before this one.

        Raises:
            NothingBefore: there was none.
            ReleaseMissing, ReleaseDamaged: it cannot serve; the pointer stays.
        """
        promoted = self._promoted()
        if len(promoted) < 2:
            current = promoted[0] if promoted else None
            raise NothingBefore(current=current, known=self.ids(), folder=str(self.folder))
        self.open(promoted[-2])
        self._point(promoted[:-1])
        return promoted[-2]

    def mark_erased(self, entity: str, key_hash: str, now_us: int) -> list[str]:
        """Say of all releases that they learned from a key that was erased since; gives their names."""
        marks = self.erased()
        for name in self.ids():
            own = marks.setdefault(name, [])
            if not any((one["entity"], one["key"]) == (entity, key_hash) for one in own):
                own.append({"entity": entity, "key": key_hash, "at": now_us})
        if marks:
            beside = self.folder / f".{_ERASED}"
            beside.write_bytes(msgspec.json.format(msgspec.json.encode(marks)))
            beside.rename(self.folder / _ERASED)
        return self.ids()

    def erased(self) -> dict[str, list[dict[str, Any]]]:
        """Erased keys that releases learned from, by release: the entity, the key's hash and when."""
        path = self.folder / _ERASED
        return msgspec.json.decode(path.read_bytes(), type=dict[str, list[dict[str, Any]]]) if path.is_file() else {}

    def add(
        self,
        system: System,
        design: Path,
        models_folder: Path,
        names: list[str],
        said: Mapping[str, Any],
        beside: Sequence[Path] = (),
    ) -> Release:
        """Assemble a release beside the others; it gets its name, and is listed, once it was opened and so verified.

        Where its files, data and metrics are those of the current release, that one stays.

        Args:
            design: The design file.
            models_folder: Holds a folder for each exported model.
            names: The models that the release ships.
            said: The other fields of `Manifest`.
            beside: Other files that it holds, such as the thresholds of a policy.

        Raises:
            ReleaseDamaged, ReleaseMismatch: it cannot serve; it stays in `.building` until the next one is made.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        building = self.folder / ".building"
        shutil.rmtree(building, ignore_errors=True)
        building.mkdir()
        shutil.copy(design, building / "design.py")
        for name in names:
            shutil.copytree(models_folder / name, building / "models" / name)
        for path in beside:
            shutil.copy(path, building / path.name)
        files = {str(p.relative_to(building)): _sha256(p) for p in sorted(building.rglob("*")) if p.is_file()}
        content = hashlib.sha256(msgspec.json.encode(files, order="sorted")).hexdigest()[:8]
        if (serving := self._serving()) is not None:
            same = serving.manifest.metrics == said["metrics"] and serving.manifest.data == said["data"]
            if same and serving.manifest.files == files:
                shutil.rmtree(building)
                return serving
        number = max([int(one[1:].split("-")[0]) for one in self.ids()], default=0) + 1
        release_id = f"r{number}-{content}"
        manifest = Manifest(id=release_id, system=system.name, features=system.fingerprint, files=files, **said)
        (building / "release.json").write_bytes(msgspec.json.format(msgspec.json.encode(manifest), indent=1))
        Release(building)
        building.rename(self.folder / release_id)
        return Release(self.folder / release_id)

    def _serving(self) -> Release | None:
        """The current release; None where there is none, or none that could serve."""
        current = self.current()
        try:
            return None if current is None else self.open(current)
        except ReleaseError:
            return None

    def _promoted(self) -> list[str]:
        path = self.folder / "promoted"
        return path.read_text().split() if path.is_file() else []

    def _point(self, promoted: list[str]) -> None:
        beside = self.folder / ".promoted"
        beside.write_text("\n".join(promoted) + "\n")
        beside.rename(self.folder / "promoted")


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
